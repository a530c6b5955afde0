"""Heads that predict pieces: those of a backbone's own files, or new ones."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional
from transformers import MODEL_FOR_MASKED_LM_MAPPING, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from ..errors import Errors
from ..model_types.table import spec_for
from ..patching.hooks import ForwardOverride, ThreadLocalSlot
from .model import LOADING_LOCK, load_into
from .weight_files import read_weights

HEADS = ("auto", "own", "new")


class _Passed(BaseModelOutput):
    """Hidden states in the form of an encoder's output, without what some types add."""

    entity_hidden_states = None
    entity_last_hidden_state = None
    global_attentions = None


class _PassOn(nn.Module):
    """Stands where a model's encoder was, and gives what it is given."""

    def forward(self, input_ids: torch.Tensor, *args: Any, **kwargs: Any) -> BaseModelOutput:
        """RETURNS (BaseModelOutput): The input as the last hidden state."""
        return _Passed(last_hidden_state=cast(torch.FloatTensor, input_ids))


class LMHead(nn.Module):
    """The head of one of transformers' language models, without the model's encoder.

    is_tied (bool): Whether it predicts pieces with the embeddings of pieces.

    model (PreTrainedModel): The model, of which only the head is kept.
    """

    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.is_tied = _is_tied(model)
        setattr(model, model.base_model_prefix, _PassOn())
        self.model = model.requires_grad_(True).train(False)
        # the pieces to score in the running forward pass, if not all
        self._only = ThreadLocalSlot()
        self._scores_some = False

    def tie(self, embeddings: nn.Parameter) -> None:
        """Predict pieces with an encoder's own embeddings, if the model does so.

        embeddings (nn.Parameter): The embeddings, `(vocabulary, width)`.
        """
        if self.is_tied:
            self.model.get_output_embeddings().weight = embeddings

    @property
    def vocabulary(self) -> int:
        """RETURNS (int): How many pieces it scores."""
        output: Any = self.model.get_output_embeddings()
        return int(output.weight.shape[0])

    @contextmanager
    def only(self, pieces: torch.Tensor) -> Iterator[None]:
        """Score some pieces inside this context, in this thread.

        pieces (torch.Tensor): Their ids, `(pieces,)`.
        """
        if not self._scores_some:
            output = self.model.get_output_embeddings()
            ForwardOverride(output, partial(_score_some, output, output.forward, self._only))
            self._scores_some = True
        self._only.value = pieces
        try:
            yield
        finally:
            self._only.value = None

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Predict pieces.

        states (torch.Tensor): Last hidden states.
        RETURNS (torch.Tensor): A score for each piece of the vocabulary, before softmax.
        *Shape:* from `(pieces, width)` to `(pieces, vocabulary)`.
        """
        logits: torch.Tensor = self.model(input_ids=states[None], return_dict=True).logits[0]
        return logits

    def tensors(self) -> dict[str, torch.Tensor]:
        """RETURNS (dict[str, torch.Tensor]): Its tensors by their names in the model's files."""
        return dict(self.model.state_dict())


def _score_some(
    output: Any,
    forward: Callable[[torch.Tensor], torch.Tensor],
    only: ThreadLocalSlot,
    states: torch.Tensor,
) -> torch.Tensor:
    """Compute an output layer, for all pieces or for those in a slot."""
    pieces: torch.Tensor | None = only.value
    if pieces is None:
        return forward(states)
    bias = None if output.bias is None else output.bias[pieces]
    return functional.linear(states, output.weight[pieces], bias)


def _is_tied(model: PreTrainedModel) -> bool:
    """RETURNS (bool): Whether it is one tensor. Configs say so of models that are made with two."""
    inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()
    return outputs is not None and outputs.weight is inputs.weight


def masked_lm_class(config: PretrainedConfig) -> type[PreTrainedModel]:
    """Find the masked language model of a type.

    config (PretrainedConfig): A backbone's config.
    RETURNS (type[PreTrainedModel]): transformers' class.
    RAISES (BertFamilyError): If there is none, it is more than an encoder with a head, or the
        config says that a piece sees only those before it.
    """
    spec = spec_for(config.model_type)
    if getattr(config, "is_decoder", False):
        raise Errors.B422(model_type=config.model_type)
    found = type(config) in MODEL_FOR_MASKED_LM_MAPPING and spec.encoder_path is None
    if spec.causal or not found:
        able = sorted(
            {
                kind.model_type
                for kind in MODEL_FOR_MASKED_LM_MAPPING
                if spec_for(kind.model_type).encoder_path is None
            }
        )
        raise Errors.B400(model_type=config.model_type, able=", ".join(able))
    return cast(type[PreTrainedModel], MODEL_FOR_MASKED_LM_MAPPING[type(config)])


def load_lm_head(name: str, folder: Path, config: PretrainedConfig) -> tuple[LMHead, bool]:
    """Load the masked-LM head of a backbone.

    What its files lack is drawn, as for training from scratch.

    name (str): The backbone's name, for errors.
    folder (Path): Its folder.
    config (PretrainedConfig): Its config.
    RETURNS (tuple[LMHead, bool]): The head, and whether the files hold all of it.
    RAISES (BertFamilyError): If the type has no masked language model, or the head in the files
        does not fit.
    """
    model_class = masked_lm_class(config)
    with LOADING_LOCK:
        model, info = load_into(model_class, name, config, read_weights(folder), keep_misfits=True)
    prefix = f"{model.base_model_prefix}."
    # transformers 4.45 gives the shapes with the names
    mismatched = [key if isinstance(key, str) else key[0] for key in info["mismatched_keys"]]
    misfits = [key for key in mismatched if not key.startswith(prefix)]
    if misfits:
        raise Errors.B401(name=name, misfits=misfits)
    missing = [key for key in info["missing_keys"] if not key.startswith(prefix)]
    _set_vectors(model, missing)
    return LMHead(model), not missing


def _set_vectors(model: PreTrainedModel, names: Sequence[str]) -> None:
    """Give missing biases and norms what a new model has: for some types they are left undefined.

    model (PreTrainedModel): A model that was loaded without some of its tensors.
    names (Sequence[str]): The names of these.
    """
    tensors = model.state_dict()
    vectors = [name for name in names if name in tensors and tensors[name].dim() == 1]
    if vectors:
        with LOADING_LOCK, torch.random.fork_rng():
            new = type(model)(model.config).state_dict()
        for name in vectors:
            tensors[name].copy_(new[name])


def new_lm_head(config: PretrainedConfig) -> LMHead:
    """Make a masked-LM head with new weights.

    config (PretrainedConfig): The config of the model that it belongs to.
    RETURNS (LMHead): The head.
    RAISES (BertFamilyError): If the type has no masked language model.
    """
    with LOADING_LOCK:
        return LMHead(masked_lm_class(config)(config))
