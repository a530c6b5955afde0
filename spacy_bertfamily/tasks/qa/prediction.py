"""Find answers in Docs that a transformer has run on."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np
from spacy.tokens import Doc

from ...annotation.answers import set_answers
from ...errors import Warnings
from ...transformer.listener import no_output_error
from ...transformer.upstream import upstream_name
from ..base.settings import ComponentSettings, setting
from .choose import Prediction, choose_answers
from .decode import EMPTY, NBest, WindowRef, count_visible
from .head import WindowLogits
from .read import ReadText, decode_texts
from .settings import QASettings
from .unanswerable import NOT_FINITE, unanswerable_reason


class QAPrediction(ComponentSettings):
    """The methods of `span_qa` that find answers in Docs."""

    configured: QASettings
    setting_names = tuple(field.name for field in fields(QASettings))

    max_answer_length = setting(
        "max_answer_length", "RETURNS (int): The longest answer, in pieces. It can be set."
    )
    top_k = setting("top_k", "RETURNS (int): The most answers of a text. It can be set.")
    null_threshold = setting(
        "null_threshold",
        "RETURNS (float | None): The threshold for 'no answer'; None always answers. It can be "
        "set.",
    )
    temperature = setting(
        "temperature", "RETURNS (float): The temperature of the probabilities. It can be set."
    )
    allow_overlap = setting(
        "allow_overlap", "RETURNS (bool): Whether a text's answers may overlap. It can be set."
    )
    train_on = setting("train_on", "RETURNS (str): `first` or `all` answers. It can be set.")
    negative_rate = setting(
        "negative_rate",
        "RETURNS (float): The part of the windows without an answer that is trained on. It can be "
        "set.",
    )

    @property
    def settings(self) -> QASettings:
        """RETURNS (QASettings): The config's settings, updated by calibration and in code."""
        changed = {name: self.cfg[name] for name in self.setting_names if name in self.cfg}
        return replace(self.configured, **changed)

    def configured_settings(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The settings as the config gives them."""
        return asdict(self.configured)

    def checked_settings(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): Values of settings, checked, as they are to be stored."""
        checked = replace(self.settings, **values)
        # numpy's numbers have no JSON
        return {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in asdict(checked).items()
            if name in values
        }

    def predict(self, docs: Iterable[Doc]) -> list[Prediction]:
        """Find answers without changing the Docs.

        docs (Iterable[Doc]): The Docs, with `doc._.trf_data`.
        RETURNS (list[Prediction]): One for each Doc.
        RAISES (BertFamilyError): If the transformer did not run on them.
        """
        docs = list(docs)
        settings = self.settings
        return [
            choose_answers(text.found, doc.text, settings, text.search(settings))
            for doc, text in zip(docs, self._read(docs, settings))
        ]

    def n_best(self, docs: Sequence[Doc]) -> list[NBest]:
        """Find the best spans of Docs, before any decision.

        Docs that cannot be answered have no spans. One warning reports them.

        docs (Sequence[Doc]): The Docs, with `doc._.trf_data`.
        RETURNS (list[NBest]): For each Doc, spans with their scores, and the score of 'no answer'.
        RAISES (BertFamilyError): If the transformer did not run on them.
        """
        return [text.found for text in self._read(docs, self.settings)]

    def _read(self, docs: Sequence[Doc], settings: QASettings) -> list[ReadText]:
        """RETURNS (list[ReadText]): Each Doc's windows and best spans; see `n_best`."""
        outputs = self.model.predict(list(docs))
        self._check_layouts(docs, outputs)
        reasons = [
            unanswerable_reason(output.layout) if len(doc) else None
            for doc, output in zip(docs, outputs)
        ]
        texts = [ReadText() for _ in docs]
        for i, output in enumerate(outputs):
            if output.layout is None or reasons[i]:
                continue
            visible = count_visible(docs[i].text)
            logits = self.model.ops.to_numpy(output.logits)
            for row, length in enumerate(output.layout.lengths):
                window = WindowRef(i, output.layout, row, visible)
                texts[i].add(window, logits[row, :length])
        decode_texts(texts, settings)
        for i, text in enumerate(texts):
            if np.isnan(text.found.null):
                reasons[i] = NOT_FINITE
                text.found = EMPTY
        self._warn([reason for reason in reasons if reason])
        return texts

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
