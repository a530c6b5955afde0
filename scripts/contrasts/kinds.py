"""The kinds of contrasts: each makes pairs of one premise, one for each label that it has.

A hypothesis differs from its premise in a word, in an order, or by a negation. Premises and the
share of common words are nearly the same for all labels, so that neither tells the label alone.
"""

import random
from collections.abc import Callable, Iterator

from words import (
    ANTONYMS,
    COMPARATIVES,
    DEEDS,
    EXCLUSIVE,
    EXTRAS,
    KINDS,
    PEOPLE,
    VERB_ANTONYMS,
    read,
    read_pairs,
)

ENTAILMENT, NEUTRAL, CONTRADICTION = "entailment", "neutral", "contradiction"
# premise, hypothesis, label
Pair = tuple[str, str, str]

# Sentences with a word of a list in it; what follows from them has the same word; {extra} is
# something that need not be so.
SENTENCES = {
    "weekday": {
        "train": [
            ("The shop was closed on {x}.", "On {x} the shop was closed."),
            ("{p} flew to the coast on {x}.", "{p} travelled to the coast on {x}."),
            ("The meeting is on {x} morning.", "The meeting is on {x}."),
        ],
        "test": [
            ("The letter came on {x}.", "On {x} a letter came."),
            ("{p} plays chess every {x} evening.", "{p} plays chess on {x} evenings."),
        ],
    },
    "month": {
        "train": [
            ("{p} got married in {x}.", "In {x}, {p} got married."),
            ("The school was opened in {x}.", "In {x} the school opened."),
        ],
        "test": [
            ("The river froze in {x}.", "In {x} the river was frozen."),
            ("{p} moved house in {x}.", "{p} moved in {x}."),
        ],
    },
    "number": {
        "train": [
            ("{x} children played in the yard.", "In the yard, {x} children played."),
            ("{p} has exactly {x} cousins.", "{p} has {x} cousins."),
            ("The tower is {x} metres high.", "The tower has a height of {x} metres."),
            ("Prices fell by {x} percent.", "Prices went down by {x} percent."),
        ],
        "test": [
            ("{x} boats lay in the bay.", "There were {x} boats in the bay."),
            ("{p} paid {x} dollars for the lamp.", "The lamp cost {p} {x} dollars."),
            ("The trip takes {x} hours.", "It takes {x} hours to get there."),
        ],
    },
    "year": {
        "train": [
            ("The bridge was built in {x}.", "The bridge dates from {x}."),
            ("{p} was born in {x}.", "{p}'s year of birth is {x}."),
        ],
        "test": [
            ("The company was founded in {x}.", "The firm was established in {x}."),
            ("{p} retired in {x}.", "In {x}, {p} stopped working."),
        ],
    },
    "colour": {
        "train": [
            ("A woman in a {x} dress is singing.", "A woman who wears a {x} dress sings."),
            ("{p} drives a {x} car.", "The car that {p} drives is {x}."),
            ("The front door is painted {x}.", "The front door is {x}."),
        ],
        "test": [
            ("A child in a {x} coat is waiting.", "A child who wears a {x} coat is waiting."),
            ("{p}'s bicycle is {x}.", "{p} has a {x} bicycle."),
        ],
    },
    "nationality": {
        "train": [
            ("{p} is a {x} engineer.", "{p} is {x}."),
            ("The {x} team won the final.", "The final was won by the {x} team."),
            ("A {x} singer performed at the festival.", "At the festival a {x} singer performed."),
        ],
        "test": [
            ("{p} married a {x} doctor.", "The doctor whom {p} married is {x}."),
            ("The {x} minister resigned.", "The minister who resigned is {x}."),
        ],
    },
    "material": {
        "train": [
            ("The table is made of {x}.", "It is a table of {x}."),
            ("{p} bought a box of {x}.", "{p} bought a box that is made of {x}."),
            ("The old figure is of {x}.", "The old figure consists of {x}."),
        ],
        "test": [
            ("The handle is made of {x}.", "It has a handle of {x}."),
            ("{p} found a ring of {x}.", "The ring that {p} found is made of {x}."),
        ],
    },
    "place": {
        "train": [
            ("{p} lives in {x}.", "{p}'s home is in {x}."),
            ("The conference takes place in {x}.", "{x} hosts the conference."),
        ],
        "test": [
            ("{p} was born in {x}.", "{x} is where {p} was born."),
            ("The head office is in {x}.", "The company has its head office in {x}."),
        ],
    },
    "job": {
        "train": [
            ("{p} works as a {x}.", "{p} is a {x}."),
            ("The {x} waved at the children.", "The children were waved at by a {x}."),
        ],
        "test": [
            ("{p} became a {x}.", "{p} was trained as a {x}."),
            ("A {x} stood at the door.", "At the door there was a {x}."),
        ],
    },
    "fruit": {
        "train": [
            ("{p} only sells {x}.", "{x} are what {p} sells."),
            ("The basket is full of {x}.", "The basket has {x} in it."),
        ],
        "test": [
            ("{p} ate nothing but {x}.", "{p} ate {x}."),
            ("The crate is filled with {x}.", "There are {x} in the crate."),
        ],
    },
}
SUBJECTS = {
    "train": ["The road", "The house", "His coat", "The room", "The box", "Her answer"],
    "test": ["The river", "The chair", "The street", "Their plan", "The knife", "The witness"],
}
THINGS = {
    "train": ["the game", "the house", "the offer", "the room", "the contract"],
    "test": ["the exam", "the gate", "the book", "the race", "the money"],
}
QUANTIFIED = {
    "train": [
        ("players", "wear helmets"),
        ("windows", "are clean"),
        ("guests", "came by train"),
        ("dogs", "are asleep"),
        ("letters", "were answered"),
    ],
    "test": [
        ("sailors", "can swim"),
        ("lamps", "are lit"),
        ("pupils", "passed the test"),
        ("horses", "are white"),
    ],
}
POSSESSIONS = {"train": "cat piano garden brother boat", "test": "horse violin sister tent"}


def capitalized(text: str) -> str:
    """RETURNS (str): A sentence with a capital at its beginning."""
    return text[0].upper() + text[1:]


def with_extra(sentence: str, extra: str) -> str:
    """RETURNS (str): A sentence with something added that it did not say."""
    return f"{sentence.rstrip('.')} {extra}."


def triple(rng: random.Random, part: str, said: str, same: str, against: str) -> Iterator[Pair]:
    """Make a pair of each label, with something added to some of the sentences.

    What the premise does not say and the hypothesis adds is neutral. Elsewhere the same is added
    to both, or to the premise alone, so that it tells nothing by itself.

    rng (random.Random): Random numbers.
    part (str): `train` or `test`.
    said (str): The premise.
    same (str): What follows from it.
    against (str): What contradicts it.
    YIELDS (Pair): The pairs.
    """
    extra, other = rng.sample(read(EXTRAS, part, "/"), 2)
    longer = with_extra(said, extra)
    if rng.random() < 0.5:
        yield said, same, ENTAILMENT
        yield said, against, CONTRADICTION
        yield said, with_extra(rng.choice([said, same]), extra), NEUTRAL
    else:
        yield longer, rng.choice([said, same, with_extra(same, extra)]), ENTAILMENT
        yield longer, rng.choice([against, with_extra(against, extra)]), CONTRADICTION
        yield longer, with_extra(rng.choice([said, same]), other), NEUTRAL


def exclusive(kind: str) -> Callable[[random.Random, str], Iterator[Pair]]:
    """RETURNS (Callable): Makes pairs that differ in a word of a list, such as a colour."""

    def make(rng: random.Random, part: str) -> Iterator[Pair]:
        x, y = rng.sample(read(EXCLUSIVE[kind], part), 2)
        person = rng.choice(read(PEOPLE, part))
        premise, hypothesis = rng.choice(SENTENCES[kind][part])
        said = capitalized(premise.format(x=x, p=person))
        same = capitalized(hypothesis.format(x=x, p=person))
        against = capitalized(rng.choice([premise, hypothesis]).format(x=y, p=person))
        yield from triple(rng, part, said, same, against)

    return make


def antonym(rng: random.Random, part: str) -> Iterator[Pair]:
    """Make pairs of a property and its opposite, or a negation."""
    word, opposite = rng.sample(rng.choice(read_pairs(ANTONYMS, part)), 2)
    subject = rng.choice(SUBJECTS[part])
    against = rng.choice([f"{subject} was {opposite}.", f"{subject} was not {word}."])
    same = f"{subject} was not {opposite}."
    yield from triple(rng, part, f"{subject} was {word}.", same, against)


def verb_antonym(rng: random.Random, part: str) -> Iterator[Pair]:
    """Make pairs of a deed and its opposite."""
    verb, opposite = rng.sample(rng.choice(read_pairs(VERB_ANTONYMS, part)), 2)
    if {verb, opposite} & {"rose", "increased"}:
        subject = rng.choice(["Sales", "Prices", "Taxes"])
        said, against = f"{subject} {verb} again.", f"{subject} {opposite} again."
        same = f"Again, {subject.lower()} {verb}."
    else:
        person = rng.choice(read(PEOPLE, part))
        thing = "" if verb in ("arrived", "agreed", "disagreed") else f" {rng.choice(THINGS[part])}"
        said, against = (
            f"Yesterday {person} {verb}{thing}.",
            f"Yesterday {person} {opposite}{thing}.",
        )
        same = f"{person} {verb}{thing} yesterday."
    yield from triple(rng, part, said, same, against)


def comparative(rng: random.Random, part: str) -> Iterator[Pair]:
    """Make pairs of comparisons, of which some have their arguments exchanged."""
    more, less = rng.sample(rng.choice(read_pairs(COMPARATIVES, part)), 2)
    a, b, c = rng.sample(read(PEOPLE, part), 3)
    said = f"{a} is {more} than {b}."
    against = [f"{b} is {more} than {a}.", f"{a} is {less} than {b}."]
    yield said, rng.choice(against), CONTRADICTION
    yield said, f"{b} is {less} than {a}.", ENTAILMENT
    yield said, rng.choice([f"{c} is {more} than {b}.", f"{a} is {more} than {c}."]), NEUTRAL


def passive(rng: random.Random, part: str) -> Iterator[Pair]:
    """Make pairs of active and passive, of which some have their arguments exchanged."""
    past, participle = rng.choice(read_pairs(DEEDS, part))
    a, b, c = rng.sample(read(PEOPLE, part), 3)
    said = f"{a} {past} {b}, and not the other way round."
    yield said, f"{b} was {participle} by {a}.", ENTAILMENT
    yield said, rng.choice([f"{a} was {participle} by {b}.", f"{b} {past} {a}."]), CONTRADICTION
    yield said, f"{c} was {participle} by {a}.", NEUTRAL


def hypernym(rng: random.Random, part: str) -> Iterator[Pair]:
    """Make pairs of a kind and what it is a kind of, in both directions."""
    (word, above), (other, _) = rng.sample(read_pairs(KINDS, part), 2)
    person = rng.choice(read(PEOPLE, part))
    low, high = f"{person} drew {_a(word)}, nothing else.", f"{person} drew {_a(above)}."
    yield low, high, ENTAILMENT
    yield low, f"{person} drew {_a(other)}.", CONTRADICTION
    yield high, f"{person} drew {_a(word)}.", NEUTRAL


def quantifier(rng: random.Random, part: str) -> Iterator[Pair]:
    """Make pairs of all, some and none."""
    things, predicate = rng.choice(QUANTIFIED[part])
    every, some = f"All {things} {predicate}.", f"Some {things} {predicate}."
    none = f"None of the {things} {predicate}."
    yield every, some, ENTAILMENT
    yield some, every, NEUTRAL
    first, second = rng.choice([(every, none), (none, some), (none, every), (some, none)])
    yield first, second, CONTRADICTION


def negation(rng: random.Random, part: str) -> Iterator[Pair]:
    """Make pairs of which one denies the other; or both deny the same."""
    person, thing = rng.choice(read(PEOPLE, part)), rng.choice(read(POSSESSIONS, part))
    extra = rng.choice(read(EXTRAS, part, "/"))
    yes, no = f"{person} has a {thing}.", f"{person} does not have a {thing}."
    said, against = rng.sample([yes, no], 2)
    yield said, against, CONTRADICTION
    same = {yes: f"A {thing} is what {person} has.", no: f"{person} has no {thing}."}[said]
    yield said, same, ENTAILMENT
    yield yes, f"{person} bought a {thing} {extra}.", NEUTRAL


def _a(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


MAKERS: dict[str, Callable[[random.Random, str], Iterator[Pair]]] = {
    **{kind: exclusive(kind) for kind in EXCLUSIVE},
    "antonym": antonym,
    "verb antonym": verb_antonym,
    "exchanged, comparison": comparative,
    "exchanged, passive": passive,
    "hypernym": hypernym,
    "quantifier": quantifier,
    "negation": negation,
}
