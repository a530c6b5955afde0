"""Find answers in Docs that a transformer has run on."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model

from ...annotation.answers import set_answers
from ...errors import Warnings
from ...transformer.listener import no_output_error
from ...transformer.upstream import upstream_name
from .choose import Prediction, choose_answers
from .decode import EMPTY, NBest, WindowRef, decode, stack_logits
from .head import WindowLogits
from .settings import QASettings
from .unanswerable import NOT_FINITE, unanswerable_reason


class QAPrediction:
    """The methods of `span_qa` that find answers in Docs."""

    name: str
    model: Model[Any, Any]
    cfg: dict[str, Any]
    configured: QASettings

    @property
    def settings(self) -> QASettings:
        """RETURNS (QASettings): The configured settings, updated by those that were calibrated."""
        return replace(self.configured, **self.cfg)

    def predict(self, docs: Iterable[Doc]) -> list[Prediction]:
        """Find answers without changing the Docs.

        docs (Iterable[Doc]): The Docs, with `doc._.trf_data`.
        RETURNS (list[Prediction]): One for each Doc.
        RAISES (BertFamilyError): If the transformer did not run on them.
        """
        docs = list(docs)
        settings = self.settings
        return [
            choose_answers(found, doc.text, settings) for doc, found in zip(docs, self.n_best(docs))
        ]

    def n_best(self, docs: Sequence[Doc]) -> list[NBest]:
        """Find the best spans of Docs, before any decision.

        Docs that cannot be answered have no spans. One warning reports them.

        docs (Sequence[Doc]): The Docs, with `doc._.trf_data`.
        RETURNS (list[NBest]): For each Doc, spans with their scores, and the score of 'no answer'.
        RAISES (BertFamilyError): If the transformer did not run on them.
        """
        outputs = self.model.predict(list(docs))
        self._check_layouts(docs, outputs)
        reasons = [
            unanswerable_reason(output.layout) if len(doc) else None
            for doc, output in zip(docs, outputs)
        ]
        answerable: list[int] = []
        windows: list[WindowRef] = []
        for i, output in enumerate(outputs):
            if output.layout is None or reasons[i]:
                continue
            for row in range(len(output.layout.lengths)):
                windows.append(WindowRef(len(answerable), output.layout, row))
            answerable.append(i)
        logits = stack_logits([self.model.ops.to_numpy(outputs[i].logits) for i in answerable])
        n_best, max_length = self.settings.n_best, self.settings.max_answer_length
        found = decode(logits, windows, len(answerable), n_best, max_length)
        results = [EMPTY] * len(docs)
        for i, spans in zip(answerable, found):
            if np.isnan(spans.null):
                reasons[i] = NOT_FINITE
            else:
                results[i] = spans
        self._warn([reason for reason in reasons if reason])
        return results

    def set_annotations(self, docs: Iterable[Doc], predictions: Iterable[Prediction]) -> None:
        """Set `doc.spans["answers"]`, best answer first, with `attrs["scores"]`.

        A Doc without an answer gets an empty group.

        docs (Iterable[Doc]): The Docs.
        predictions (Iterable[Prediction]): One for each.
        """
        for doc, prediction in zip(docs, predictions):
            set_answers(doc, prediction.chars, prediction.scores, prediction.attrs())

    def _check_layouts(self, docs: Sequence[Doc], outputs: Sequence[WindowLogits]) -> None:
        """RAISES (BertFamilyError): If the transformer's output has no layout."""
        for doc, output in zip(docs, outputs):
            if len(doc) and output.layout is None:
                raise no_output_error(self.name, upstream_name(self.model))

    def _warn(self, reasons: Sequence[str]) -> None:
        """Warn once of all Docs or questions that cannot be answered."""
        if reasons:
            warnings.warn(
                Warnings.W205.format(count=len(reasons), name=self.name, reason=reasons[0]),
                stacklevel=3,
            )
