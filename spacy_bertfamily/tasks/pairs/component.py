"""Classify or score pairs of texts, and single texts."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Config, Model, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ...annotation.segments import DEFAULT_SEPARATOR
from ...encoder.bert_pooler import pooler_weights
from ...errors import Errors
from ...transformer.upstream import find_shim
from ..base.head_files import put_linear
from .examples import MODES, ExampleChecker, is_annotated, targets
from .head_files import PairHeadFiles
from .labels import ClassWeights, check_labels, label_weights
from .loss import LOSSES, OUTPUTS
from .prediction import predict_cats, rank_by
from .scorer import pair_classifier_score

DEFAULT_CONFIG = """
[pair_classifier]
mode = "exclusive"
threshold = 0.5
class_weights = null

[pair_classifier.scorer]
@scorers = "spacy-bertfamily.pair_classifier_scorer.v1"

[pair_classifier.model]
@architectures = "spacy-bertfamily.PairClassifier.v1"
pooling = "cls"
hidden_size = null
dropout = null
mix = null

[pair_classifier.model.tok2vec]
@architectures = "spacy-bertfamily.TransformerListener.v1"
upstream = "*"
"""


@Language.factory(
    "pair_classifier",
    requires=["doc._.trf_data"],
    assigns=["doc.cats"],
    default_config=Config().from_str(DEFAULT_CONFIG)["pair_classifier"],
    default_score_weights={
        "cats_score": 1.0,
        "cats_score_desc": None,
        "cats_acc": None,
        "cats_mcc": None,
        "cats_macro_f": None,
        "cats_micro_f": None,
        "cats_macro_auc": None,
        "cats_f_per_type": None,
        "cats_auc_per_type": None,
        "cats_pearson": None,
        "cats_spearman": None,
    },
)
def make_pair_classifier(
    nlp: Language,
    name: str,
    model: Model[list[Doc], Floats2d],
    mode: str,
    threshold: float,
    class_weights: ClassWeights,
    scorer: Callable | None,
) -> "PairClassifier":
    """Construct a PairClassifier.

    nlp (Language): The pipeline.
    name (str): The component's name.
    model (Model[list[Doc], Floats2d]): A `spacy-bertfamily.PairClassifier.v1`.
    mode (str): `exclusive`: one of several labels; `multilabel`: any number of them; `regression`:
        one number.
    threshold (float): With `multilabel`, from which score on a label counts as predicted in
        evaluation.
    class_weights (dict[str, float] | str | None): Weights of labels in the loss, 1 for those left
        out; `balanced` computes them from the training data, so that rare labels count as much as
        frequent ones.
    scorer (Callable | None): As a rule `spacy-bertfamily.pair_classifier_scorer.v1`.
    RETURNS (PairClassifier): The component.
    """
    component = PairClassifier(
        nlp.vocab,
        model,
        name,
        mode=mode,
        threshold=threshold,
        class_weights=class_weights,
        scorer=scorer,
    )
    component.bind(nlp)
    return component


class PairClassifier(PairHeadFiles, TrainablePipe):
    """Classifies or scores pairs of texts; a Doc that has no second text is classified as a single
    text.

    Sets `doc.cats`: a probability for each label, or one number. Where a Doc has several windows,
    their logits are averaged. A Doc without tokens, or without finite numbers, has nothing to go
    by: its labels are 0, its number is the training data's mean.

    vocab (Vocab): The shared vocabulary.
    model (Model[list[Doc], Floats2d]): A `spacy-bertfamily.PairClassifier.v1`.
    name (str): The component's name.
    mode, threshold, class_weights, scorer: As in `make_pair_classifier`.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], Floats2d],
        name: str = "pair_classifier",
        *,
        mode: str = "exclusive",
        threshold: float = 0.5,
        class_weights: ClassWeights = None,
        scorer: Callable | None = pair_classifier_score,
    ):
        if mode not in MODES:
            raise Errors.B004(setting="mode", value=mode, allowed=f"one of {', '.join(MODES)}")
        if not 0 <= threshold <= 1:
            raise Errors.B004(setting="threshold", value=threshold, allowed="from 0 to 1")
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.class_weights = class_weights
        # mean and scale: those of the training data, for regression
        self.cfg: dict[str, Any] = {
            "labels": [], "mode": mode, "threshold": threshold, "weights": {}, "mean": 0.0, "scale": 1.0,
        }  # fmt: skip
        self.bind(None)

    @property
    def mode(self) -> str:
        return self.cfg["mode"]

    @property
    def labels(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): The labels; one for regression."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> list[str]:
        """RETURNS (list[str]): The labels, as `spacy init labels` stores them."""
        return list(self.labels)

    def add_label(self, label: str) -> int:
        """Add a label, before the component is initialized.

        label (str): The label.
        RETURNS (int): 0 if it is there already, else 1.
        """
        if label in self.labels:
            return 0
        self._allow_extra_label()
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        return 1

    # Prediction

    def predict(self, docs: Iterable[Doc]) -> Floats2d:
        """Score Docs without changing them.

        docs (Iterable[Doc]): The Docs.
        RETURNS (Floats2d): Probabilities, or numbers for regression, `(docs, labels)`.
        """
        docs = list(docs)
        self._require_labels()
        ops = self.model.ops
        has_text = np.array([len(doc) > 0 for doc in docs], dtype=bool)
        if not has_text.any():
            scores = ops.alloc2f(len(docs), len(self.labels))
        else:
            logits = self.model.predict(docs)
            known = ops.xp.isfinite(logits).all(axis=1) & ops.xp.asarray(has_text)
            scores = ops.xp.where(known[:, None], OUTPUTS[self.mode](ops, logits), 0.0)
        return scores * self.cfg["scale"] + self.cfg["mean"]

    def set_annotations(self, docs: Iterable[Doc], scores: Floats2d) -> None:
        """Set `doc.cats`; categories of other components stay.

        docs (Iterable[Doc]): The Docs.
        scores (Floats2d): What `predict` returned for them.
        """
        for doc, row in zip(docs, self.model.ops.to_numpy(scores).tolist()):
            doc.cats.update(zip(self.labels, row))

    def predict_pairs(
        self,
        pairs: Iterable[tuple[str, str]],
        *,
        batch_size: int | None = None,
        nlp: Language | None = None,
    ) -> list[dict[str, float]]:
        """Score pairs of texts. Separators inside the texts are text.

        pairs (Iterable[tuple[str, str]]): The pairs.
        batch_size (int | None): The number of pairs to buffer; the pipeline's own by default.
        nlp (Language | None): The pipeline that holds this component, needed only where that is not
            the one it was made for.
        RETURNS (list[dict[str, float]]): `doc.cats` of each pair, in order.
        """
        nlp = self.bound("predict_pairs", nlp)
        return [
            {label: cats[label] for label in self.labels}
            for cats in predict_cats(nlp, self.name, pairs, batch_size)
        ]

    def rank(
        self,
        query: str,
        texts: Sequence[str],
        *,
        top_k: int | None = None,
        label: str | None = None,
        batch_size: int | None = None,
        nlp: Language | None = None,
    ) -> list[tuple[int, float]]:
        """Sort texts by how well they go with a query, which is the first text of each pair.

        query (str): The query.
        texts (Sequence[str]): The texts.
        top_k (int | None): How many to return; all by default.
        label (str | None): The label whose score counts; needed where there are several.
        batch_size, nlp: As in `predict_pairs`.
        RETURNS (list[tuple[int, float]]): Index in `texts` and score, best first; of equal scores
            the first text first.
        RAISES (ValueError): If the label is unknown, or not given and not clear.
        """
        nlp = self.bound("rank", nlp)
        if label is None and len(self.labels) == 1:
            label = self.labels[0]
        if label not in self.labels:
            raise Errors.B111(name=self.name, label=label, labels=", ".join(self.labels) or "none")
        if top_k is not None and top_k < 1:
            raise Errors.B004(setting="top_k", value=top_k, allowed="at least 1, or None for all")
        pairs = ((query, text) for text in texts)
        return rank_by(
            [cats[label] for cats in predict_cats(nlp, self.name, pairs, batch_size)], top_k
        )

    # Training

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: list[str] | None = None,
    ) -> None:
        """Check all of the training data, learn the labels, and make the weights.

        get_examples (Callable[[], Iterable[Example]]): Returns the training data.
        nlp (Language | None): The pipeline.
        labels (list[str] | None): The labels; by default those of the training data, sorted.
        RAISES (ValueError): If the data or the settings do not fit, saying which example is wrong.
        """
        validate_get_examples(get_examples, "PairClassifier.initialize")
        shim = find_shim(self.model, nlp)
        separator = DEFAULT_SEPARATOR if shim is None else shim.settings.separator
        checker = ExampleChecker(self.name, self.mode, separator, labels)
        examples = checker.check(get_examples())
        checker.check_pairs(examples)
        found = {label for example in examples for label in example.reference.cats}
        for label in sorted(found) if labels is None else labels:
            self.add_label(label)
        values, mask = targets(examples, self.labels, self.mode)
        check_labels(self.name, self.mode, self.labels, values, mask, given=labels is not None)
        self._learn_settings(values, mask)
        sample = [i for i, example in enumerate(examples) if len(example.predicted)][:10]
        self.model.initialize(
            X=[examples[i].predicted for i in sample], Y=self._array(values[sample])
        )
        if self.model.maybe_get_ref("pooler") is not None:
            self._copy_pooler(shim)
        if nlp is not None:
            self.bind(nlp)

    def _learn_settings(self, values: np.ndarray, mask: np.ndarray) -> None:
        self.cfg["weights"] = label_weights(
            self.name, self.mode, self.labels, self.class_weights, values, mask
        )
        if self.mode == "regression":
            # The head learns standardised numbers: a fine-tuning learning rate would take long to
            # reach a mean of 80.
            numbers = values[mask > 0].astype("float64")
            self.cfg.update(mean=float(numbers.mean()), scale=float(numbers.std()) or 1.0)

    def _copy_pooler(self, shim: Any) -> None:
        weights = None if shim is None else pooler_weights(shim.encoder)
        if weights is None:
            reason = (
                "there is no adapter_transformer"
                if shim is None
                else f"{shim.settings.name!r} has none"
            )
            raise Errors.B109(name=self.name, reason=reason)
        put_linear(self.model.get_ref("pooler"), *weights)

    def _array(self, array: Any) -> Any:
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

        examples (Iterable[Example]): The examples; those without annotation or text change nothing.
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
            return losses  # weight decay would go on
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
        RETURNS (tuple[float, Floats2d]): Mean loss and the gradient of the logits.
        RAISES (ValueError): If an example has an unknown label or values that the mode does not
            allow.
        """
        checker = ExampleChecker(self.name, self.mode, labels=self.labels)
        values, mask = targets(checker.check(examples), self.labels, self.mode)
        ops = self.model.ops
        if self.mode == "regression":
            values = (values - self.cfg["mean"]) / self.cfg["scale"]
        weights = ops.asarray1f([self.cfg["weights"].get(label, 1.0) for label in self.labels])
        return LOSSES[self.mode](ops, scores, self._array(values), self._array(mask), weights)
