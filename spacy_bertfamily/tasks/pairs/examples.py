"""The pair classifier's training data: checked before it is used, as arrays afterwards."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from spacy.tokens import Doc
from spacy.training import Example

from ...annotation.segments import DEFAULT_SEPARATOR, SEGMENTS_KEY, segment_bounds
from ...errors import Error, Errors

MODES = ("exclusive", "multilabel", "regression")
ALLOWED_CATS = {
    "exclusive": "exactly one label of each annotated example is 1, the others are 0 or left out",
    "multilabel": "each value is 0 or 1",
    "regression": "there is exactly one label, and its value is a finite number",
}


@dataclass(frozen=True)
class ExampleChecker:
    """Raises errors that say which example is wrong.

    name (str): The component's name.
    mode (str): The component's mode.
    separator (str | None): The separator of the transformer.
    labels (Sequence[str] | None): The labels that are allowed, None for all.
    """

    name: str
    mode: str
    separator: str | None = DEFAULT_SEPARATOR
    labels: Sequence[str] | None = None

    def check(self, examples: Iterable[Example]) -> list[Example]:
        """RETURNS (list[Example]): The examples. RAISES (ValueError): On the first whose annotation
        is wrong.
        """
        examples = list(examples)
        for index, example in enumerate(examples):
            self._check_cats(index, example)
        return examples

    def check_pairs(self, examples: Sequence[Example]) -> None:
        """RAISES (ValueError): If some annotated examples are pairs and others are not, or if texts
        are set apart elsewhere than in the annotation.
        """
        for index, example in enumerate(examples):
            self._check_segments(index, example)
        used = [(i, eg.predicted) for i, eg in enumerate(examples) if is_annotated(eg)]
        singles = [(i, doc) for i, doc in used if segment_bounds(doc, self.separator) is None]
        if singles and len(singles) < len(used):
            index, doc = singles[0]
            self._fail(Errors.B101, index, doc, separator=self.separator or DEFAULT_SEPARATOR)

    def _check_cats(self, index: int, example: Example) -> None:
        cats = example.reference.cats
        for label in cats:
            if self.labels is not None and label not in self.labels:
                self._fail(
                    Errors.B103,
                    index,
                    example.reference,
                    label=label,
                    labels=", ".join(self.labels) or "none",
                )
        values = list(cats.values())
        if not values:
            return
        if self.mode == "regression":
            ok = len(values) == 1 and math.isfinite(values[0])
        else:
            ok = all(value in (0, 1) for value in values) and (
                self.mode == "multilabel" or sum(values) == 1
            )
        if not ok:
            self._fail(
                Errors.B104,
                index,
                example.reference,
                cats=cats,
                mode=self.mode,
                allowed=ALLOWED_CATS[self.mode],
            )

    def _check_segments(self, index: int, example: Example) -> None:
        reference, predicted = example.reference, example.predicted
        if SEGMENTS_KEY not in reference.spans:
            return
        texts = _segment_texts(reference, self.separator), _segment_texts(predicted, self.separator)
        if texts[0] is not None and texts[0] != texts[1]:
            shown = [f"the texts {pair}" if pair else "no second text" for pair in texts]
            self._fail(Errors.B102, index, reference, reference=shown[0], predicted=shown[1])

    def _fail(self, error: Error, index: int, doc: Doc, **values: object) -> None:
        raise error(name=self.name, index=index, text=shorten(doc.text), **values)


def _segment_texts(doc: Doc, separator: str | None) -> tuple[str, ...] | None:
    bounds = segment_bounds(doc, separator)
    return None if bounds is None else tuple(shorten(doc.text[start:end]) for start, end in bounds)


def shorten(text: str) -> str:
    """RETURNS (str): A text, cut for a message."""
    return text if len(text) <= 80 else f"{text[:77]}..."


def is_annotated(example: Example) -> bool:
    """RETURNS (bool): Whether there is something to learn from."""
    return len(example.predicted) > 0 and bool(example.reference.cats)


def targets(
    examples: Sequence[Example], labels: Sequence[str], mode: str
) -> tuple[np.ndarray, np.ndarray]:
    """Read the annotation.

    RETURNS (tuple[np.ndarray, np.ndarray]): Values and a mask, `(examples, labels)`. The mask is 0
        where nothing is annotated: in the rows of Docs without tokens or without annotation, and
        for `multilabel` where a label is left out. For the other modes a label that is left out is
        0.
    """
    values, mask = (
        np.zeros((len(examples), len(labels)), "float32"),
        np.zeros((len(examples), len(labels)), "float32"),
    )
    for row, example in enumerate(examples):
        if is_annotated(example):
            cats = example.reference.cats
            values[row] = [cats.get(label, 0.0) for label in labels]
            mask[row] = [label in cats or mode != "multilabel" for label in labels]
    return values, mask
