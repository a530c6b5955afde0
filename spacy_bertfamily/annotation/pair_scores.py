"""Scores of a Doc that are no categories: `doc._.pair_scores`, beside `doc.cats`."""

from typing import Any

from spacy.tokens import Doc

NAME = "pair_scores"
# Where a component can write its scores, as spaCy's `assigns` names it.
CATS = "doc.cats"
PAIR_SCORES = f"doc._.{NAME}"
PLACES = (CATS, PAIR_SCORES)


def scores_in(doc: Doc, place: str) -> dict[str, float]:
    """Find the scores of a Doc.

    doc (Doc): The Doc.
    place (str): One of `PLACES`.
    RETURNS (dict[str, float]): The scores by label, to be read or changed.
    """
    scores: dict[str, float] = doc.cats if place == CATS else doc._.get(NAME)
    return scores


def gold_or_pair_scores(doc: Doc, attr: str) -> Any:
    """Read `doc._.pair_scores` of a predicted Doc, and `doc.cats` of a Doc without.

    doc (Doc): The Doc. Gold is always in `doc.cats`.
    attr (str): Not used; it makes this a getter for `Scorer.score_cats`.
    RETURNS (dict[str, float]): The scores by label.
    """
    return scores_in(doc, PAIR_SCORES) or doc.cats


def install_extension() -> None:
    """Register `doc._.pair_scores`: scores by label, none as a default."""
    if not Doc.has_extension(NAME):
        Doc.set_extension(NAME, default={})
