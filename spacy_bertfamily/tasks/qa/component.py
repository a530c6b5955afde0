"""Extractive question answering: where in a text is the answer?"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.util import minibatch
from spacy.vocab import Vocab
from thinc.api import Config, Model
from thinc.types import Floats3d

from ...annotation.answers import (
    ANSWERS_KEY,
    Answer,
    accepted_texts,
    install_extension,
    set_answers,
)
from ...errors import Errors, Warnings
from ...exchange.heads import QUESTION_ANSWERING, Head
from ...transformer.shim import EncoderShim
from ...transformer.upstream import find_transformer, require_shim, upstream_name
from ..base.head_files import HeadFiles, get_linear, put_linear
from .ask import ask
from .calibrate import Calibration, calibrate
from .choose import UNANSWERED, Prediction, choose
from .decode import EMPTY, NBest, WindowRef, decode, stack_logits
from .examples import check_examples, example_golds
from .head import WindowLogits
from .metrics import METRICS
from .scorer import make_span_qa_scorer
from .settings import QASettings
from .targets import keep_windows, window_loss, window_targets
from .unanswerable import NOT_FINITE, unanswerable_reason

DEFAULT_CONFIG = """
[span_qa]
n_best = 20
max_answer_length = 30
top_k = 1
null_threshold = 0.0
temperature = 1.0
allow_overlap = false
train_on = "first"
negative_rate = 1.0

[span_qa.model]
@architectures = "spacy-bertfamily.SpanQA.v1"

[span_qa.model.tok2vec]
@architectures = "spacy-bertfamily.TransformerListener.v1"
upstream = "*"

[span_qa.scorer]
@scorers = "spacy-bertfamily.span_qa_scorer.v1"
definition = "squad"
"""
CALIBRATION_BATCH = 64


@Language.factory(
    "span_qa",
    assigns=["doc._.answers", "doc.spans"],
    requires=["doc._.trf_data"],
    default_config=Config().from_str(DEFAULT_CONFIG)["span_qa"],
    default_score_weights={
        "qa_f1": 1.0,
        "qa_em": 0.0,
        "qa_has_ans_f1": None,
        "qa_has_ans_em": None,
        "qa_no_ans_f1": None,
        "qa_no_ans_em": None,
        "qa_best_f1": None,
        "qa_best_em": None,
        "qa_best_threshold": None,
    },  # fmt: skip
)
def make_span_qa(
    nlp: Language,
    name: str,
    model: Model[list[Doc], list[WindowLogits]],
    n_best: int,
    max_answer_length: int,
    top_k: int,
    null_threshold: float | None,
    temperature: float,
    allow_overlap: bool,
    train_on: str,
    negative_rate: float,
    scorer: Callable | None,
) -> "SpanQA":
    """Construct a SpanQA component.

    nlp (Language): The pipeline.
    name (str): The component's name.
    model (Model[list[Doc], list[WindowLogits]]): A `spacy-bertfamily.SpanQA.v1`.
    n_best (int): Starts, ends and spans that decoding looks at in each window, and spans that it
        keeps of each Doc.
    max_answer_length (int): The longest answer, in pieces.
    top_k (int): The most answers of a Doc.
    null_threshold (float | None): There is no answer if 'no answer' scores more than this above the
        best span; None always answers.
    temperature (float): Divides the scores before they become probabilities.
    allow_overlap (bool): Whether a Doc's answers may overlap.
    train_on (str): `first` or `all` accepted answers.
    negative_rate (float): The part of the windows without an answer that is trained on.
    scorer (Callable | None): The scoring method.
    RETURNS (SpanQA): The component.
    """
    settings = QASettings(
        n_best=n_best,
        max_answer_length=max_answer_length,
        top_k=top_k,
        null_threshold=null_threshold,
        temperature=temperature,
        allow_overlap=allow_overlap,
        train_on=train_on,
        negative_rate=negative_rate,
    )
    component = SpanQA(nlp.vocab, model, name, settings=settings, scorer=scorer)
    component.bind(nlp)
    return component


class SpanQA(HeadFiles, TrainablePipe):
    """Finds the answer to a Doc's question in its context, and sets `doc.spans["answers"]` and
    `doc._.answers`.

    vocab (Vocab): The shared vocabulary.
    model (Model[list[Doc], list[WindowLogits]]): A `spacy-bertfamily.SpanQA.v1`.
    name (str): The component's name.
    settings (QASettings): How to train and decode.
    scorer (Callable | None): The scoring method.
    """

    head_types = (QUESTION_ANSWERING,)

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], list[WindowLogits]],
        name: str = "span_qa",
        *,
        settings: QASettings = QASettings(),
        scorer: Callable | None = make_span_qa_scorer(),
    ):
        install_extension()
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.configured = settings
        # what was calibrated, stored with the component; it wins over the config
        self.cfg: dict[str, Any] = {}
        self.bind(None)

    @property
    def settings(self) -> QASettings:
        """RETURNS (QASettings): As configured, but for what was calibrated."""
        return replace(self.configured, **self.cfg)

    # Prediction

    def predict(self, docs: Iterable[Doc]) -> list[Prediction]:
        """Find answers without changing the Docs.

        docs (Iterable[Doc]): The Docs, with `doc._.trf_data`.
        RETURNS (list[Prediction]): One for each Doc.
        RAISES (ValueError): If the transformer did not run on them.
        """
        docs = list(docs)
        settings = self.settings
        return [
            choose(
                found,
                doc.text,
                temperature=settings.temperature,
                null_threshold=settings.null_threshold,
                top_k=settings.top_k,
                allow_overlap=settings.allow_overlap,
            )
            if len(found.scores)
            else UNANSWERED
            for doc, found in zip(docs, self.n_best(docs))
        ]

    def n_best(self, docs: Sequence[Doc]) -> list[NBest]:
        """Find the best spans of Docs, before any decision.

        docs (Sequence[Doc]): The Docs, with `doc._.trf_data`.
        RETURNS (list[NBest]): Spans with their scores and the score of 'no answer'; no spans for a
            Doc that cannot be answered, which one warning tells.
        """
        outputs = self.model.predict(list(docs))
        self._check_layouts(docs, outputs)
        problems = [
            unanswerable_reason(output.layout) if len(doc) else None
            for doc, output in zip(docs, outputs)
        ]
        usable: list[int] = []
        windows: list[WindowRef] = []
        for i, output in enumerate(outputs):
            if output.layout is not None and not problems[i]:
                windows += [
                    WindowRef(len(usable), output.layout, row)
                    for row in range(len(output.layout.lengths))
                ]
                usable.append(i)
        logits = stack_logits([self.model.ops.to_numpy(outputs[i].logits) for i in usable])
        settings = self.settings
        found = decode(logits, windows, len(usable), settings.n_best, settings.max_answer_length)
        results = [EMPTY] * len(docs)
        for i, spans in zip(usable, found):
            if np.isnan(spans.null):
                problems[i] = NOT_FINITE
            else:
                results[i] = spans
        self._warn([problem for problem in problems if problem])
        return results

    def set_annotations(self, docs: Iterable[Doc], predictions: Iterable[Prediction]) -> None:
        """Set `doc.spans["answers"]`, best first, with `attrs["scores"]`. A Doc without an answer
        gets an empty group.

        docs (Iterable[Doc]): The Docs.
        predictions (Iterable[Prediction]): One for each.
        """
        for doc, prediction in zip(docs, predictions):
            set_answers(doc, prediction.chars, prediction.scores, prediction.attrs())

    def ask(
        self,
        context: str | Doc,
        questions: str | Sequence[str],
        *,
        top_k: int | None = None,
        progress: bool = False,
        nlp: Language | None = None,
    ) -> list[Answer] | list[list[Answer]]:
        """Ask any number of questions about a text of any length. The text is split into pieces
        once, windows of all questions are packed together, and the memory does not depend on how
        many there are.

        context (str | Doc): The text.
        questions (str | Sequence[str]): One question or several.
        top_k (int | None): The most answers to each. Defaults to the component's setting.
        progress (bool): Whether to show a progress bar.
        nlp (Language | None): The pipeline that holds this component, needed only where that is not
            the one it was made for.
        RETURNS (list[Answer] | list[list[Answer]]): For one question its answers, best first; for
            several a list of such lists. Offsets and spans are those of the given text or Doc.
        RAISES (ValueError): If the pipeline has no transformer.
        """
        if isinstance(questions, str):
            return self.ask_all(context, [questions], top_k=top_k, progress=progress, nlp=nlp)[0]
        return self.ask_all(context, questions, top_k=top_k, progress=progress, nlp=nlp)

    def ask_all(
        self,
        context: str | Doc,
        questions: Sequence[str],
        *,
        top_k: int | None = None,
        progress: bool = False,
        nlp: Language | None = None,
    ) -> list[list[Answer]]:
        """`ask` for a list of questions."""
        settings = self.settings if top_k is None else replace(self.settings, top_k=top_k)
        if not isinstance(context, (str, Doc)):
            raise Errors.B209(given=type(context).__name__)
        for question in questions:
            if not isinstance(question, str):
                raise Errors.B207(given=type(question).__name__)
        answers, problems = ask(
            self.bound("ask", nlp), self.name, self.model, settings, context, questions, progress
        )
        self._warn(problems)
        return answers

    def _check_layouts(self, docs: Sequence[Doc], outputs: Sequence[WindowLogits]) -> None:
        for doc, output in zip(docs, outputs):
            if len(doc) and output.layout is None:
                upstream = upstream_name(self.model)
                raise Errors.B202(name=self.name, upstream=upstream)

    def _warn(self, problems: Sequence[str]) -> None:
        if problems:
            warnings.warn(
                Warnings.W205.format(count=len(problems), name=self.name, reason=problems[0]),
                stacklevel=3,
            )

    # The head in files

    def head_layers(self) -> list[Model]:
        return [self.model.get_ref("head")]

    def head_settings(self) -> dict[str, Any]:
        return {"mix": self.model.maybe_get_ref("mix")}

    def settings_for(self, head: Head) -> dict[str, Any]:
        return {"mix": None}

    def get_head(self, shim: EncoderShim) -> Head:
        return Head(QUESTION_ANSWERING, [get_linear(layer) for layer in self.head_layers()])

    def put_head(self, head: Head, shim: EncoderShim, source: str) -> None:
        put_linear(self.model.get_ref("head"), *head.layers[0])

    # Training

    def initialize(
        self, get_examples: Callable[[], Iterable[Example]], *, nlp: Language | None = None
    ) -> None:
        """Check all examples, and make the head's weights.

        get_examples (Callable[[], Iterable[Example]]): The training data.
        nlp (Language): The pipeline; its transformer is initialized already.
        RAISES (ValueError): On the first example that cannot be trained on, saying why.
        """
        if nlp is not None:
            self.bind(nlp)
        shim = require_shim(self.model, self.bound("initialize"), self.name)
        if not shim.loaded:  # a transformer of its own, after replace_listeners
            shim.load()
        sample = check_examples(self.name, get_examples(), shim)
        self.model.initialize(X=[example.predicted for example in sample])

    def get_loss(
        self, examples: Iterable[Example], scores: list[WindowLogits]
    ) -> tuple[float, list[Floats3d]]:
        """The loss of BERT's question answering: cross-entropy over each window's positions, start
        and end averaged, the mean of all windows.

        examples (Iterable[Example]): The examples; those without `doc.spans["answers"]` have no
            part in it.
        scores (list[WindowLogits]): The model's output.
        RETURNS (tuple[float, list[Floats3d]]): The loss and the gradient of the logits.
        RAISES (ValueError): If an example cannot be trained on.
        """
        examples = list(examples)
        validate_examples(examples, "SpanQA.get_loss")
        self._check_layouts([eg.predicted for eg in examples], scores)
        losses: list[np.ndarray] = []
        gradients = [np.zeros(output.logits.shape, dtype="float32") for output in scores]
        for example, output, gradient in zip(examples, scores, gradients):
            golds = example_golds(self.name, example, output.layout)
            if golds is None or output.layout is None:
                continue
            targets, positive = window_targets(
                output.layout, golds[:1] if self.settings.train_on == "first" else golds
            )
            keep = keep_windows(positive, self.settings.negative_rate)
            logits = self.model.ops.to_numpy(output.logits)
            loss, d_logits = window_loss(logits, targets, output.layout.lengths)
            losses.append(loss[keep])
            gradient += d_logits * keep[:, None, None]
        n_windows = max(1, sum(map(len, losses)))
        total = float(sum(loss.sum() for loss in losses)) / n_windows
        return total, [
            self.model.ops.asarray3f(cast(Floats3d, gradient / n_windows)) for gradient in gradients
        ]

    def calibrate(
        self, examples: Iterable[Example], *, definition: str = "squad", nlp: Language | None = None
    ) -> Calibration:
        """Fit the temperature, so that scores are the probabilities of being right, and the
        threshold for 'no answer', so that F1 is best. Both are stored with the component, in `cfg`,
        and used from now on.

        examples (Iterable[Example]): Dev data, annotated with answers.
        definition (str): What is right: `squad` or `cmrc`.
        nlp (Language | None): As in `ask`.
        RETURNS (Calibration): What was fitted.
        RAISES (ValueError): If there is no annotated example.
        """
        if definition not in METRICS:
            allowed = f"one of {', '.join(METRICS)}"
            raise Errors.B004(setting="definition", value=definition, allowed=allowed)
        nlp = self.bound("calibrate", nlp)
        require_shim(self.model, nlp, self.name)
        transformer = find_transformer(self.model, nlp)
        found: list[NBest] = []
        texts: list[str] = []
        golds: list[list[str]] = []
        annotated = (eg for eg in examples if ANSWERS_KEY in eg.reference.spans)
        for batch in minibatch(annotated, CALIBRATION_BATCH):
            docs = [eg.predicted.copy() for eg in batch]
            found += self.n_best(docs if transformer is None else list(transformer.pipe(docs)))
            texts += [doc.text for doc in docs]
            golds += [accepted_texts(eg.reference) for eg in batch]
        if not found:
            raise Errors.B204(action="calibrate", name=self.name)
        fitted = calibrate(found, texts, golds, METRICS[definition])
        self.cfg.update(fitted._asdict())
        return fitted
