"""What the objectives of `spacy pretrain` have in common."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import get_lang_class
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer
from thinc.shims import Shim

from ..encoder.module import Encoder
from ..encoder.schedule import EncodedBatch
from ..errors import Errors, Warnings
from ..transformer.shim import EncoderShim
from .corpus import check_corpus
from .evaluation import Evaluation
from .maskers import SpanMasker
from .masking import MaskedWindow, Masking
from .outcome import Outcome


class Objective(Protocol):
    """A task on raw text."""

    def attach(self, shim: EncoderShim) -> None:
        """Add what is learned beside the encoder.

        shim (EncoderShim): Holds the encoder.
        """

    def run(
        self, shim: EncoderShim, docs: Sequence[Doc], rng: np.random.Generator, is_train: bool
    ) -> Outcome:
        """Predict, and in training add to the gradients of what is trained.

        shim (EncoderShim): Holds the encoder.
        docs (Sequence[Doc]): The texts.
        rng (np.random.Generator): Where masks come from.
        is_train (bool): Whether to compute gradients.
        RETURNS (Outcome): How it went.
        """


class UpdateShim(Shim):
    """Takes part in each update of a pretraining.

    `spacy pretrain` calls neither the schedules of its optimizer nor an evaluation.

    evaluate (Callable[[Optimizer], None]): Called after each update.
    before_saving (Callable[[], None]): Called before weights are saved.
    """

    def __init__(self, evaluate: Callable[[Optimizer], None], before_saving: Callable[[], None]):
        super().__init__(None)
        self._evaluate = evaluate
        self._before_saving = before_saving

    @contextmanager
    def use_params(self, params: Any) -> Iterator[None]:
        """`spacy pretrain` saves in this context."""
        self._before_saving()
        yield

    def finish_update(self, optimizer: Optimizer) -> None:
        """Step the schedules, such as that of the learning rate.

        optimizer (Optimizer): The optimizer.
        """
        optimizer.step_schedules()
        self._evaluate(optimizer)


def make_objective_model(
    tok2vec: Model[Any, Any], objective: Objective, vocab: Vocab, evaluation: Evaluation | None
) -> Model[list[Doc], Outcome]:
    """Make the model that `spacy pretrain` trains.

    tok2vec (Model): The layer to pretrain.
    objective (Objective): The task.
    vocab (Vocab): The pipeline's vocabulary.
    evaluation (Evaluation | None): How it is evaluated.
    RETURNS (Model[list[Doc], Outcome]): The model.
    RAISES (BertFamilyError): If the layer is not the model of an `adapter_transformer`.
    """
    shim = next((shim for shim in tok2vec.shims if isinstance(shim, EncoderShim)), None)
    if shim is None:
        raise Errors.B404(layer=tok2vec.name)
    trainer = _Trainer(shim, objective, vocab, evaluation)
    model: Model[list[Doc], Outcome] = Model(
        "pretrain-transformer",
        trainer.forward,
        init=trainer.init,
        layers=[tok2vec],
        refs={"tok2vec": tok2vec},
        shims=[UpdateShim(trainer.after_update, trainer.before_saving)],
        attrs={"loss": get_loss},
    )
    return model


def get_loss(ops: Any, docs: Sequence[Doc], outcome: Outcome) -> tuple[float, None]:
    """Give `spacy pretrain` the loss of a batch.

    ops (Ops), docs (Sequence[Doc]): Not used.
    outcome (Outcome): What was predicted.
    RETURNS (tuple[float, None]): The loss; the gradients are in their places already.
    """
    return outcome.loss, None


class _Trainer:
    """Runs an objective as a thinc model.

    shim (EncoderShim): Holds the encoder.
    objective (Objective): The task.
    vocab (Vocab): The pipeline's vocabulary.
    evaluation (Evaluation | None): How it is evaluated.
    """

    def __init__(
        self,
        shim: EncoderShim,
        objective: Objective,
        vocab: Vocab,
        evaluation: Evaluation | None,
    ):
        self.shim = shim
        self.objective = objective
        self.vocab = vocab
        self.evaluation = evaluation
        self.rng = np.random.default_rng(0)
        self.has_learned = False

    def init(self, model: Model[list[Doc], Outcome], X: Any = None, Y: Any = None) -> None:
        """Load what the task needs. Its random numbers follow the training's seed."""
        self.rng = np.random.default_rng(np.random.randint(2**31))
        nlp = self._pipeline()
        if nlp.config.get("pretraining"):
            check_corpus(nlp.config)
        if not self.shim.loaded:
            self.shim.load()  # which failed before, see transformer/model.py
        self.objective.attach(self.shim)
        if self.evaluation is not None:
            self.evaluation.start(nlp)

    def _pipeline(self) -> Language:
        """RETURNS (Language): That of the transformer, or a blank one of its language."""
        nlp = None if self.shim.pipeline is None else self.shim.pipeline()
        return nlp or get_lang_class(self.vocab.lang)(vocab=self.vocab)

    def forward(
        self, model: Model[list[Doc], Outcome], docs: list[Doc], is_train: bool
    ) -> tuple[Outcome, Callable[[None], list[Doc]]]:
        """Predict.

        Gradients are computed batch by batch on the way, so memory does not depend on how many Docs
        there are.
        """
        outcome = self.objective.run(self.shim, docs, self.rng, is_train)
        if not np.isfinite(outcome.loss):
            raise Errors.B405(loss=outcome.loss)
        self.has_learned |= is_train and outcome.targets > 0
        if self.evaluation is not None and is_train:
            self.evaluation.note(docs, outcome)

        def backprop(_: None) -> list[Doc]:
            return docs

        return outcome, backprop

    def before_saving(self) -> None:
        """Warn if there was nothing to learn from."""
        if not self.has_learned:
            warnings.warn(Warnings.W404.format(name=self.shim.settings.name), stacklevel=2)

    def after_update(self, optimizer: Optimizer) -> None:
        """Evaluate, when it is time."""
        if self.evaluation is not None:
            self.evaluation.after_update(
                optimizer, lambda docs, rng: self.objective.run(self.shim, docs, rng, False)
            )


def mask_docs(
    masking: Masking, shim: EncoderShim, docs: Sequence[Doc], rng: np.random.Generator
) -> list[MaskedWindow]:
    """Mask texts.

    masking (Masking): How.
    shim (EncoderShim): Knows the windows.
    docs (Sequence[Doc]): The texts.
    rng (np.random.Generator): Where random numbers come from.
    RETURNS (list[MaskedWindow]): Their windows in which something is to be predicted.
    """
    masked: list[MaskedWindow] = []
    for doc, text in zip(docs, shim.schedule.lay_out_docs(docs)):
        masked.extend(masking(doc, text, rng))
    if isinstance(masking.masker, SpanMasker):
        masking.masker.check()
    return masked


def targets_of(
    batch: EncodedBatch, windows: Sequence[MaskedWindow], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Find what is to be predicted in a batch.

    batch (EncodedBatch): The batch.
    windows (Sequence[MaskedWindow]): The windows that the batch was taken from.
    device (torch.device): Where the tensors go.
    RETURNS (tuple[torch.Tensor, torch.Tensor, torch.Tensor]): Rows and columns in the batch, and
        the pieces to predict, `(targets,)` each.
    """
    of_batch = [windows[row] for row in batch.rows]
    rows = np.concatenate([np.full(len(w.positions), i) for i, w in enumerate(of_batch)])
    columns = np.concatenate([w.positions for w in of_batch])
    labels = np.concatenate([w.labels for w in of_batch])
    found = (torch.from_numpy(array).to(device) for array in (rows, columns, labels))
    row_tensor, column_tensor, label_tensor = found
    return row_tensor, column_tensor, label_tensor


def backward(shim: EncoderShim, loss: torch.Tensor, encoder: Encoder | None = None) -> None:
    """Add to the gradients.

    shim (EncoderShim): Holds the encoder.
    loss (torch.Tensor): The loss.
    encoder (Encoder | None): What computed the loss, if it is another encoder.
    """
    if not loss.requires_grad:
        return
    if shim.settings.precision == "float16":
        loss = next(iter(shim.scaler.scale([loss])))
    with (encoder or shim.encoder).in_training():  # checkpointed layers are computed again
        loss.backward()
