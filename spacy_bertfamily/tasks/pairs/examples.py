"""The pair classifier's training data: checked, and read as arrays."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from spacy.tokens import Doc
from spacy.training import Example

from ...annotation.segments import DEFAULT_SEPARATOR, SEGMENTS_KEY, segment_bounds
from ...errors import Error, Errors
from ..base.texts import shorten

ALLOWED_CATS = {
    "exclusive": "exactly one label of each annotated example is 1, the others are 0 or left out",
    "multilabel": "each value is 0 or 1",
    "regression": "there is exactly one label, and its value is a finite number",
}
SHOWN_CHARS = 80


@dataclass(frozen=True)
class ExampleChecker:
    """Checks examples, and raises errors that say which example is wrong.

    name (str): The component's name.
    mode (str): The component's mode.
    separator (str | None): The separator of the transformer.
    labels (Sequence[str] | None): The labels that are allowed, None for all.
    pairs_only (bool): Whether all annotated examples must be pairs.
    """

    name: str
    mode: str
    separator: str | None = DEFAULT_SEPARATOR
    labels: Sequence[str] | None = None
    pairs_only: bool = False

    def check(self, examples: Iterable[Example]) -> list[Example]:
        """Check the annotation of examples.

        examples (Iterable[Example]): The examples.
        RETURNS (list[Example]): The same examples.
        RAISES (BertFamilyError): At the first whose annotation is wrong.
        """
        examples = list(examples)
        for index, example in enumerate(examples):
            self._check_labels(index, example)
            self._check_values(index, example)
        return examples

    def check_pairs(self, examples: Sequence[Example]) -> None:
        """Check that all annotated examples are pairs, or none, and that they split as annotated.

        examples (Sequence[Example]): The examples.
        RAISES (BertFamilyError): If some are pairs and others are not, or none is although all must
            be, or if a text splits at another place than the annotation says.
        """
        for index, example in enumerate(examples):
            self._check_segments(index, example)
        used = [(i, eg.predicted) for i, eg in enumerate(examples) if is_annotated(eg)]
        singles = [(i, doc) for i, doc in used if segment_bounds(doc, self.separator) is None]
        if not singles:
            return
        index, doc = singles[0]
        if len(singles) < len(used):
            self._fail(Errors.B101, index, doc, separator=self.separator or DEFAULT_SEPARATOR)
        if self.pairs_only:
            self._fail(Errors.B232, index, doc)

    def _check_labels(self, index: int, example: Example) -> None:
        if self.labels is None:
            return
        for label in example.reference.cats:
            if label not in self.labels:
                labels = ", ".join(self.labels) or "none"
                self._fail(Errors.B103, index, example.reference, label=label, labels=labels)

    def _check_values(self, index: int, example: Example) -> None:
        cats = example.reference.cats
        if not cats or self._allows(list(cats.values())):
            return
        allowed = ALLOWED_CATS[self.mode]
        self._fail(
            Errors.B104, index, example.reference, cats=cats, mode=self.mode, allowed=allowed
        )

    def _allows(self, values: list[float]) -> bool:
        """RETURNS (bool): Whether the mode allows the values of one Doc."""
        if self.mode == "regression":
            return len(values) == 1 and math.isfinite(values[0])
        if not all(value in (0, 1) for value in values):
            return False
        return self.mode == "multilabel" or sum(values) == 1

    def _check_segments(self, index: int, example: Example) -> None:
        if SEGMENTS_KEY not in example.reference.spans:
            return
        annotated = _segment_texts(example.reference, self.separator)
        predicted = _segment_texts(example.predicted, self.separator)
        if annotated is None or annotated == predicted:
            return
        self._fail(
            Errors.B102,
            index,
            example.reference,
            reference=_show_segments(annotated),
            predicted=_show_segments(predicted),
        )

    def _fail(self, error: Error, index: int, doc: Doc, **values: object) -> None:
        raise error(name=self.name, index=index, text=shorten(doc.text, SHOWN_CHARS), **values)


def _segment_texts(doc: Doc, separator: str | None) -> tuple[str, ...] | None:
    bounds = segment_bounds(doc, separator)
    if bounds is None:
        return None
    return tuple(shorten(doc.text[start:end], SHOWN_CHARS) for start, end in bounds)


def _show_segments(texts: tuple[str, ...] | None) -> str:
    return f"the texts {texts}" if texts else "no second text"


def is_annotated(example: Example) -> bool:
    """RETURNS (bool): Whether an example has both tokens and labels."""
    return len(example.predicted) > 0 and bool(example.reference.cats)


def read_targets(
    examples: Sequence[Example], labels: Sequence[str], mode: str
) -> tuple[np.ndarray, np.ndarray]:
    """Read the annotation as arrays.

    The mask is 0 where nothing is annotated: in the rows of Docs without tokens or without
    annotation, and with `multilabel` where a label is left out. With the other modes, the target of
    a label that is left out is 0.

    examples (Sequence[Example]): The examples.
    labels (Sequence[str]): The component's labels.
    mode (str): The component's mode.
    RETURNS (tuple[np.ndarray, np.ndarray]): Targets and mask, `(examples, labels)`.
    """
    targets = np.zeros((len(examples), len(labels)), "float32")
    mask = np.zeros((len(examples), len(labels)), "float32")
    for row, example in enumerate(examples):
        if is_annotated(example):
            cats = example.reference.cats
            targets[row] = [cats.get(label, 0.0) for label in labels]
            mask[row] = [label in cats or mode != "multilabel" for label in labels]
    return targets, mask
