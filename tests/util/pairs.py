"""A handful of sentence pairs with labels."""

PAIRS = [
    ("a cat sleeps [SEP] an animal sleeps", "yes"),
    ("a cat sleeps [SEP] a dog barks", "no"),
    ("he eats ham [SEP] he eats", "yes"),
    ("he eats ham [SEP] she runs, and the dog barks", "no"),
]


def cats(label):
    """RETURNS (dict[str, float]): `doc.cats` for a label."""
    return {"yes": float(label == "yes"), "no": float(label == "no")}
