"""A handful of sentence pairs with their labels, and pair classifiers trained on them."""

from numpy.testing import assert_allclose

from .pipelines import initialize_and_train

PAIRS = [
    ("a cat sleeps [SEP] an animal sleeps", "yes"),
    ("a cat sleeps [SEP] a dog barks", "no"),
    ("he eats ham [SEP] he eats", "yes"),
    ("he eats ham [SEP] she runs, and the dog barks", "no"),
]
TEXTS = [text for text, _ in PAIRS]
UNUSUAL = [
    "",
    " ",
    "\n\n",
    "[SEP]",
    "a [SEP]",
    "[SEP] a",
    "x" * 500,
    "a cat " * 200,
    "a [SEP] " + "dog " * 300,
]


def cats(label):
    """RETURNS (dict[str, float]): `doc.cats` for a label."""
    return {"yes": float(label == "yes"), "no": float(label == "no")}


def train_pairs(nlp, examples, steps=30, rate=5e-3):
    """Initialize and train without dropout; see `initialize_and_train`."""
    return initialize_and_train(nlp, examples, steps, rate, drop=0.0)


def predicted_cats(nlp, texts=TEXTS, **settings):
    """RETURNS (list[dict[str, float]]): The scores of texts; see `Language.pipe` for settings."""
    return [dict(doc.cats) for doc in nlp.pipe(texts, **settings)]


def assert_same_cats(first, second, atol=1e-5):
    """Check that labels and their order are equal, and scores almost equal."""
    assert [list(cats) for cats in first] == [list(cats) for cats in second]
    values = [[list(cats.values()) for cats in found] for found in (first, second)]
    assert_allclose(*values, atol=atol)
