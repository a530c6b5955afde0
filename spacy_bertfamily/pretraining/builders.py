"""Registered objectives for `spacy pretrain`."""

from collections.abc import Callable
from functools import partial
from typing import Any

from spacy.util import registry
from spacy.vocab import Vocab
from thinc.api import Model

from .distillation import Distillation
from .evaluation import Evaluation
from .masked_lm import MaskedLM
from .maskers import Masker
from .objective import make_objective_model
from .replaced_tokens import ReplacedTokens

# From the vocabulary and the layer to pretrain to the model that `spacy pretrain` trains.
MakeObjective = Callable[[Vocab, Model[Any, Any]], Model[Any, Any]]


@registry.architectures("spacy-bertfamily.PretrainMaskedLM.v1")
def make_pretrain_masked_lm(
    masker: Masker,
    mask_rate: float = 0.15,
    replace_rates: list[float] = [0.8, 0.1, 0.1],  # noqa: B006
    head: str = "auto",
    evaluation: Evaluation | None = None,
) -> MakeObjective:
    """Build an objective for `spacy pretrain`: masked language modelling (Devlin et al. 2019).

    The layer to pretrain is an `adapter_transformer`, with any `trainable`. Masks are drawn anew in
    each epoch. The batches of `[pretraining.batcher]` may be of any size: gradients are summed over
    parts of `batch_pieces`.

    masker (Masker): A `@maskers` block: what is masked together.
    mask_rate (float): The share of pieces that are masked.
    replace_rates (list[float]): Of these, the shares that become the mask, become a random piece,
        and stay.
    head (str): `own` for the head of the backbone's files, `new` for a new one, `auto` for that of
        the files if they have one.
    evaluation (Evaluation | None): A `spacy-bertfamily.PretrainEvaluation.v1` block, or None.
    RETURNS (Callable[[Vocab, Model], Model]): The objective.
    RAISES (BertFamilyError): On settings that are not allowed.
    """
    objective = MaskedLM(masker, mask_rate, tuple(replace_rates), head)
    return partial(_make_model, objective=objective, evaluation=evaluation)


@registry.architectures("spacy-bertfamily.PretrainReplacedTokens.v1")
def make_pretrain_replaced_tokens(
    masker: Masker,
    generator: Model[Any, Any] | str | None = None,
    mask_rate: float = 0.15,
    replace_rates: list[float] = [0.85, 0.0, 0.15],  # noqa: B006
    generator_size: float = 0.25,
    weight: float = 50.0,
    evaluation: Evaluation | None = None,
    share_embeddings: bool = True,
) -> MakeObjective:
    """Build an objective for `spacy pretrain`: replaced token detection.

    This is ELECTRA's (Clark et al. 2020). A small generator fills masks, and the layer to pretrain,
    an `adapter_transformer`, tells for each piece whether it was replaced. Both learn at once. The
    generator is kept with the weights as long as the pretraining goes on.

    masker (Masker): A `@maskers` block: what is masked together.
    generator (Model | str | None): A backbone with the same vocabulary, best one with a masked-LM
        head: its name, then all of it is trained, or a `spacy-bertfamily.AdapterTransformer.v1`
        block, whose `trainable` says what is. None for a new one.
    mask_rate (float): The share of pieces that the generator fills.
    replace_rates (list[float]): Of these, the shares that the generator reads as the mask, as a
        random piece, and unchanged.
    generator_size (float): The width of a new generator, as a share of the encoder's.
    weight (float): The weight of the detection's loss beside that of the generator.
    evaluation (Evaluation | None): A `spacy-bertfamily.PretrainEvaluation.v1` block, or None. The
        accuracy is that of the detection, over all pieces.
    share_embeddings (bool): Whether generator and encoder share the embeddings of pieces, those of
        the encoder, if they have the same shape.
    RETURNS (Callable[[Vocab, Model], Model]): The objective.
    RAISES (BertFamilyError): On settings that are not allowed.
    """
    objective = ReplacedTokens(
        generator,
        masker,
        mask_rate,
        tuple(replace_rates),
        generator_size,
        weight,
        share_embeddings,
    )
    return partial(_make_model, objective=objective, evaluation=evaluation)


@registry.architectures("spacy-bertfamily.PretrainDistillation.v1")
def make_pretrain_distillation(
    teacher: Model[Any, Any] | str,
    losses: dict[str, float] = {"hidden": 1.0, "attention_scores": 1.0},  # noqa: B006
    teacher_layers: list[int] | None = None,
    relation_heads: int | None = None,
    evaluation: Evaluation | None = None,
) -> MakeObjective:
    """Build an objective for `spacy pretrain`: distillation of a teacher into a smaller student.

    The student is the layer to pretrain, an `adapter_transformer` with any `trainable`; the teacher
    stays as it is. Both have the same vocabulary. Losses, each with its weight:

    - `hidden`: the squared difference of the hidden states of all layers, and `attention_scores`:
      that of attention before softmax (TinyBERT, Jiao et al. 2020). The second needs as many heads
      in both.
    - `attention` and `value_relations`: the divergence of the last layers' attention, and of the
      values' relations (MiniLM, Wang et al. 2020); `query_relations`, `key_relations` and
      `value_relations` with `relation_heads` are MiniLMv2's (Wang et al. 2021).
    - `cosine`: 1 - the cosine of the last hidden states (DistilBERT, Sanh et al. 2019).

    teacher (Model | str): The name of a backbone, or a `spacy-bertfamily.AdapterTransformer.v1`
        block.
    losses (dict[str, float]): Weights by name.
    teacher_layers (list[int] | None): For each layer of the student, 0 for the embeddings first,
        the teacher's layer that it learns from; None for equal distances.
    relation_heads (int | None): The parts into which vectors are split for relations and attention;
        None for the teacher's number of heads.
    evaluation (Evaluation | None): A `spacy-bertfamily.PretrainEvaluation.v1` block, or None. There
        is no accuracy.
    RETURNS (Callable[[Vocab, Model], Model]): The objective.
    RAISES (BertFamilyError): On settings that are not allowed.
    """
    objective = Distillation(teacher, losses, teacher_layers, relation_heads)
    return partial(_make_model, objective=objective, evaluation=evaluation)


def _make_model(
    vocab: Vocab, tok2vec: Model[Any, Any], objective: Any, evaluation: Evaluation | None
) -> Model[Any, Any]:
    return make_objective_model(tok2vec, objective, vocab, evaluation)
