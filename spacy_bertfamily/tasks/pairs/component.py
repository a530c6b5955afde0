"""The component `pair_classifier`: classify or score pairs of texts, and single texts."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Config, Model, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ...annotation.pair_scores import CATS, install_extension, scores_in
from ...annotation.segments import DEFAULT_SEPARATOR, has_words, segment_bounds
from ...errors import Errors
from ...shards import batch_total
from ...transformer.listener import name_component, skip_update
from ...transformer.shim import EncoderShim
from ...transformer.upstream import connected_shim, find_shim
from ..base.settings import check_attribute
from .examples import ExampleChecker, is_annotated, read_targets
from .head_files import PairHeadFiles
from .labels import ClassWeights, check_labels, learn_settings
from .loss import LOSSES, OUTPUTS
from .scorer import Scores, pair_classifier_score
from .settings import DEFAULT_CONFIG, SCORE_WEIGHTS, check_output, make_cfg
from .text_methods import PairTextMethods

PairModel = Model[list[Doc], Floats2d]
INIT_DOCS = 10  # the most Docs that the model is initialized with


# When spaCy imports this module for its entry point: a process may read Docs without a component.
install_extension()


@Language.factory(
    "pair_classifier",
    requires=["doc._.trf_data"],
    assigns=["doc.cats"],
    default_config=Config().from_str(DEFAULT_CONFIG)["pair_classifier"],
    default_score_weights=SCORE_WEIGHTS,
)
def make_pair_classifier(
    nlp: Language,
    name: str,
    model: Model[list[Doc], Floats2d],
    mode: str,
    threshold: float,
    class_weights: ClassWeights,
    clip: bool,
    pairs_only: bool,
    assigns: str,
    scorer: Callable[..., Scores] | None,
) -> "PairClassifier":
    """Construct a PairClassifier.

    nlp (Language): The pipeline.
    name (str): The component's name.
    model (Model[list[Doc], Floats2d]): A `spacy-bertfamily.PairClassifier.v1`.
    mode (str): `exclusive`: one of several labels; `multilabel`: any number of them; `regression`:
        one number.
    threshold (float): With `multilabel`, the least score with which a label counts as predicted in
        evaluation.
    class_weights (dict[str, float] | str | None): Weights of labels in the loss, 1 for those left
        out; `balanced` computes them from the training data, so that rare labels count as much as
        frequent ones.
    clip (bool): With `regression`, whether numbers are clipped to the range of those in training.
    pairs_only (bool): Whether Docs that are one text are left alone.
    assigns (str): Where the scores are written: `doc.cats`; or `doc._.pair_scores`, which keeps
        them apart from those of components that write to `doc.cats`.
    scorer (Callable | None): Usually `spacy-bertfamily.pair_classifier_scorer.v1`.
    RETURNS (PairClassifier): The component.
    """
    component = PairClassifier(
        nlp.vocab,
        model,
        name,
        mode=mode,
        threshold=threshold,
        class_weights=class_weights,
        clip=clip,
        pairs_only=pairs_only,
        assigns=assigns,
        scorer=scorer,
    )
    component.attach_pipeline(nlp)
    return component


class PairClassifier(PairHeadFiles, PairTextMethods):
    """Classifies or scores pairs of texts, and single texts.

    It sets `doc.cats`, or `doc._.pair_scores`: a probability for each label, or one number. The
    logits of a Doc with several windows are the mean of theirs. A Doc of nothing but
    whitespace and the separator, or with numbers that are not finite, gets 0 for each label, or the
    mean of the training data as its number. The settings can be changed in code, but for `mode`;
    what was said last wins: config or code.

    vocab (Vocab): The shared vocabulary.
    model (Model[list[Doc], Floats2d]): A `spacy-bertfamily.PairClassifier.v1`.
    name (str): The component's name.
    mode, threshold, class_weights, clip, pairs_only, assigns, scorer: As in `make_pair_classifier`.
    """

    # Its denominator is asked for with `batch_total`.
    loss_is_mean: ClassVar[bool] = True

    def __init__(
        self,
        vocab: Vocab,
        model: PairModel,
        name: str = "pair_classifier",
        *,
        mode: str = "exclusive",
        threshold: float = 0.5,
        class_weights: ClassWeights = None,
        clip: bool = False,
        pairs_only: bool = False,
        assigns: str = CATS,
        scorer: Callable[..., Scores] | None = pair_classifier_score,
    ):
        self.vocab = vocab
        self.model = model
        self.name = name
        name_component(model, name)
        self.scorer = scorer
        self.configured = {
            "mode": mode,
            "threshold": threshold,
            "class_weights": class_weights,
            "clip": clip,
            "pairs_only": pairs_only,
            "assigns": assigns,
        }
        self.cfg = {**make_cfg(mode, threshold), "class_weights": class_weights}
        check_output(name, mode, clip=clip, pairs_only=pairs_only, assigns=assigns)
        self.note_configured()

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute. It is an error if there is none of that name, but for subclasses."""
        if type(self) is PairClassifier:
            check_attribute(self, name)
        super().__setattr__(name, value)

    def predict(self, docs: Iterable[Doc]) -> Floats2d:
        """Score Docs without changing them.

        docs (Iterable[Doc]): The Docs.
        RETURNS (Floats2d): Probabilities, or numbers for regression, `(docs, labels)`.
        RAISES (BertFamilyError): If numbers are to be clipped to a range that is not known.
        """
        return self.clip_scores(self.predict_unclipped(docs))

    def clip_scores(self, scores: Floats2d) -> Floats2d:
        """Clip scores to the range of training, if the settings say so.

        scores (Floats2d): The scores, `(docs, labels)`.
        RETURNS (Floats2d): The scores, clipped or as they are.
        RAISES (BertFamilyError): If the range is not known.
        """
        if not self.clip:
            return scores
        if self.cfg["range"] is None:
            raise Errors.B231(name=self.name)
        clipped: Floats2d = self.model.ops.xp.clip(scores, *self.cfg["range"])
        return clipped

    def predict_unclipped(self, docs: Iterable[Doc]) -> Floats2d:
        """Score Docs without changing them, and without clipping.

        docs (Iterable[Doc]): The Docs.
        RETURNS (Floats2d): As `predict`.
        """
        docs = list(docs)
        self._require_labels()
        ops = self.model.ops
        separator = self._separator(connected_shim(self.model))
        has_text = np.array([has_words(doc, separator) for doc in docs], dtype=bool)
        scores: Any = ops.alloc2f(len(docs), len(self.labels))
        if has_text.any():
            logits = self.model.predict(docs)
            is_known = ops.xp.isfinite(logits).all(axis=1) & ops.xp.asarray(has_text)
            scores = ops.xp.where(is_known[:, None], OUTPUTS[self.mode](ops, logits), 0.0)
        scaled: Floats2d = scores * self.cfg["scale"] + self.cfg["mean"]
        return scaled

    def set_annotations(self, docs: Iterable[Doc], scores: Floats2d) -> None:
        """Set the scores where `assigns` says; those of other components stay.

        With `pairs_only`, Docs that are one text are left alone.

        docs (Iterable[Doc]): The Docs.
        scores (Floats2d): What `predict` returned for them.
        """
        separator = self._separator(connected_shim(self.model))
        for doc, row in zip(docs, self.model.ops.to_numpy(scores).tolist()):
            if self.pairs_only and segment_bounds(doc, separator) is None:
                continue
            scores_in(doc, self.assigns).update(zip(self.labels, row))

    def _separator(self, shim: EncoderShim | None) -> str | None:
        """RETURNS (str | None): The separator of a transformer, or else that of most."""
        return DEFAULT_SEPARATOR if shim is None else shim.settings.separator

    def score(self, examples: Iterable[Example], **kwargs: Any) -> Scores:
        """Score a batch of examples.

        examples (Iterable[Example]): The examples.
        **kwargs (Any): Arguments of the scorer, in the place of the component's settings.
        RETURNS (dict[str, Any]): The scores; see `pair_classifier_score`.
        """
        scores: Scores = super().score(examples, **{"assigns": self.assigns, **kwargs})
        return scores

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: list[str] | None = None,
    ) -> None:
        """Check all of the training data, learn the labels, and initialize the model.

        get_examples (Callable[[], Iterable[Example]]): Returns the training data.
        nlp (Language | None): The pipeline.
        labels (list[str] | None): The labels. They default to those of the training data, sorted.
        RAISES (BertFamilyError): If the data or the settings do not fit, saying which example is
            wrong.
        """
        validate_get_examples(get_examples, "PairClassifier.initialize")
        shim = find_shim(self.model, nlp)
        checker = ExampleChecker(
            self.name, self.mode, self._separator(shim), labels, self.pairs_only
        )
        examples = checker.check(get_examples())
        checker.check_pairs(examples)
        found = {label for example in examples for label in example.reference.cats}
        for label in sorted(found) if labels is None else labels:
            self.add_label(label)
        targets, mask = read_targets(examples, self.labels, self.mode)
        check_labels(self.name, self.mode, self.labels, targets, mask, given=labels is not None)
        self.cfg.update(
            learn_settings(self.name, self.mode, self.labels, self.class_weights, targets, mask)
        )
        rows = [i for i, example in enumerate(examples) if len(example.predicted)][:INIT_DOCS]
        self.model.initialize(
            X=[examples[row].predicted for row in rows], Y=self._as_floats(targets[rows])
        )
        if self.model.maybe_get_ref("pooler") is not None:
            self._copy_pooler(shim)
        if nlp is not None:
            self.attach_pipeline(nlp)

    def _as_floats(self, array: Any) -> Any:
        return self.model.ops.asarray(array, dtype="float32")

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch.

        examples (Iterable[Example]): The examples. Without any that has both text and annotation,
            nothing changes.
        drop (float): The dropout rate, unless the model's config sets its own.
        sgd (Optimizer | None): The optimizer.
        losses (dict[str, float] | None): Gets the loss under the component's name.
        RETURNS (dict[str, float]): The updated losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "PairClassifier.update")
        if not any(map(is_annotated, examples)):
            skip_update(self.model)
            return losses  # an update would apply weight decay
        own_rate = self.model.attrs.get("dropout")
        set_dropout_rate(self.model, drop if own_rate is None else own_rate)
        logits, backprop = self.model.begin_update([example.predicted for example in examples])
        loss, d_logits = self.get_loss(examples, logits)
        backprop(d_logits)
        if sgd is not None:
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def get_loss(self, examples: Iterable[Example], scores: Floats2d) -> tuple[float, Floats2d]:
        """Compute the loss and its gradient.

        examples (Iterable[Example]): The examples.
        scores (Floats2d): The model's logits, `(examples, labels)`.
        RETURNS (tuple[float, Floats2d]): Mean loss and the gradient of the logits. Where several
            processes train, the mean is over the examples of all of them.
        RAISES (BertFamilyError): If an example has an unknown label or values that the mode does
            not allow.
        """
        checker = ExampleChecker(self.name, self.mode, labels=self.labels)
        targets, mask = read_targets(checker.check(examples), self.labels, self.mode)
        if self.mode == "regression":
            targets = (targets - self.cfg["mean"]) / self.cfg["scale"]
        label_factors = [self.cfg["weights"].get(label, 1.0) for label in self.labels]
        ops = self.model.ops
        return LOSSES[self.mode](
            ops,
            scores,
            self._as_floats(targets),
            self._as_floats(mask),
            ops.asarray1f(label_factors),
            partial(batch_total, self.name),
        )
