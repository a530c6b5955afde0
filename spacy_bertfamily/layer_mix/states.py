"""Read the chosen hidden states of a Doc's data, and give their gradients back."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from spacy_transformers.data_classes import TransformerData
from thinc.api import Model
from thinc.types import Floats3d
from transformers.modeling_outputs import ModelOutput

from ..errors import Errors

ALL = "all"
# `all`, or numbers of hidden states: 0 is the embeddings' output, `depth` the last; negative ones
# count from the end.
LayerChoice = str | Sequence[int]
# From the gradient of the state that was made of a Doc's chosen states to theirs.
StateBackprop = Callable[[Floats3d], list[Floats3d]]
# Makes one state of a Doc's chosen states.
Combine = Callable[[list[Floats3d], TransformerData], tuple[Floats3d, StateBackprop]]
# From gradients for each Doc to gradients for each Doc.
DocsBackprop = Callable[[list[TransformerData]], list[TransformerData]]


class HiddenStates(list[TransformerData]):
    """The hidden states that a transformer computed of each Doc, as the input of a mix.

    data (Iterable[TransformerData]): One for each Doc.
    grad_factor (float): Weight of the gradient that goes back to the transformer; with 0 the mix
        does not compute one.
    """

    def __init__(self, data: Iterable[TransformerData], grad_factor: float = 1.0):
        super().__init__(data)
        self.grad_factor = grad_factor


def grad_factor_of(Xs: list[TransformerData]) -> float:
    """RETURNS (float): Weight of the gradient that goes back; 1 for a plain list."""
    return Xs.grad_factor if isinstance(Xs, HiddenStates) else 1.0


def check_choice(layers: LayerChoice) -> None:
    """RAISES (BertFamilyError): If a choice is neither `all` nor a list of different numbers."""
    if layers == ALL:
        return
    if isinstance(layers, str) or not layers or len(set(layers)) < len(layers):
        raise Errors.B301(layers=layers)


def resolve_layers(layers: LayerChoice, depth: int) -> list[int]:
    """Find the numbers of the chosen hidden states.

    layers (LayerChoice): The choice.
    depth (int): The number of layers of the backbone.
    RETURNS (list[int]): Numbers from 0 to `depth`, in the order of the choice.
    RAISES (BertFamilyError): If there is no such hidden state, or one is named twice.
    """
    if layers == ALL:
        return list(range(depth + 1))
    resolved = []
    for layer in layers:
        number = int(layer)
        resolved.append(number + depth + 1 if number < 0 else number)
    if len(set(resolved)) < len(resolved) or not all(0 <= layer <= depth for layer in resolved):
        raise Errors.B302(layers=list(layers), depth=depth, states=depth + 1)
    return resolved


def kept_layers(layers: LayerChoice, depth: int) -> list[int]:
    """Find the numbers of the hidden states in a union of choices.

    layers (LayerChoice): The union; may name a state by its positive and by its negative number.
    depth (int): The number of layers of the backbone.
    RETURNS (list[int]): Numbers from 0 to `depth`, each once, sorted.
    """
    if layers == ALL:
        return resolve_layers(ALL, depth)
    kept: set[int] = set()
    for layer in layers:
        kept.update(resolve_layers([int(layer)], depth))
    return sorted(kept)


def union_of(choices: Iterable[LayerChoice]) -> str | list[int]:
    """Unite choices of hidden states, for a backbone of any depth.

    choices (Iterable[LayerChoice]): The choices.
    RETURNS (str | list[int]): `all`, or the numbers in any of the choices. A state may be in it by
        its positive and by its negative number.
    """
    union: set[int] = set()
    for layers in choices:
        if layers == ALL:
            return ALL
        union.update(int(layer) for layer in layers)
    return sorted(union)


def chosen_states(data: TransformerData, layers: LayerChoice) -> list[Floats3d] | None:
    """Read the chosen hidden states of a Doc.

    data (TransformerData): The Doc's data.
    layers (LayerChoice): The choice.
    RETURNS (list[Floats3d] | None): Each `(windows, longest window, width)`; None for a placeholder
        of zeros, which the data is while a pipeline is initialized and the transformer has not run.
    RAISES (BertFamilyError): If the transformer did not keep them.
    """
    hidden = data.model_output.get("hidden_states")
    if hidden is not None:
        states = [hidden[layer] for layer in resolve_layers(layers, len(hidden) - 1)]
        if all(state is not None for state in states):
            return states
    elif not data.model_output["last_hidden_state"].any():
        return None
    raise Errors.B303(layers=layers)


def map_docs(
    model: Model[list[TransformerData], list[TransformerData]],
    Xs: list[TransformerData],
    combine: Combine,
) -> tuple[list[TransformerData], DocsBackprop]:
    """Make one state of each Doc's chosen ones. A Doc without tokens has no states and is kept.

    model (Model): Its attribute `layers` names the states, and `width_factor` says how many times
        wider the new one is.
    Xs (list[TransformerData]): One for each Doc.
    combine (Callable): From chosen states and data to the new state and its backprop.
    RETURNS (tuple[list[TransformerData], Callable]): Data with the new state as the last one, and
        backprop, which takes gradients for each Doc, or for each that has states, and returns them
        for each that has states.
    """
    layers = model.attrs["layers"]
    outputs: list[TransformerData] = []
    backprops: list[StateBackprop] = []
    for X in Xs:
        if _has_states(X):
            Y, backprop_doc = _map_doc(model, X, combine)
            outputs.append(_with_output(X, "last_hidden_state", Y))
            backprops.append(backprop_doc)
        else:
            outputs.append(X)
    full = [X for X in Xs if _has_states(X)]

    def backprop(dYs: list[TransformerData]) -> list[TransformerData]:
        if len(dYs) != len(full):
            dYs = [dY for dY, X in zip(dYs, Xs) if _has_states(X)]
        dXs = []
        for X, dY, backprop_doc in zip(full, dYs, backprops):
            gradients = backprop_doc(dY.model_output["last_hidden_state"])
            dXs.append(_gradient_data(X, layers, gradients))
        return dXs

    return outputs, backprop


def _has_states(data: TransformerData) -> bool:
    return "last_hidden_state" in data.model_output


def _map_doc(
    model: Model[list[TransformerData], list[TransformerData]],
    X: TransformerData,
    combine: Combine,
) -> tuple[Floats3d, StateBackprop]:
    states = chosen_states(X, model.attrs["layers"])
    if states is not None:
        return combine(states, X)
    windows, longest, width = X.model_output["last_hidden_state"].shape
    zeros = model.ops.alloc3f(windows, longest, width * model.attrs["width_factor"])
    return zeros, lambda dY: []


def _gradient_data(
    X: TransformerData, layers: LayerChoice, gradients: list[Floats3d]
) -> TransformerData:
    """RETURNS (TransformerData): The gradients of a Doc's states as its `hidden_states`."""
    if not gradients:
        return TransformerData(wordpieces=X.wordpieces, model_output=ModelOutput(), align=X.align)
    hidden: list[Floats3d | None] = [None] * len(X.model_output["hidden_states"])
    for layer, gradient in zip(resolve_layers(layers, len(hidden) - 1), gradients):
        hidden[layer] = gradient
    return _with_output(X, "hidden_states", hidden)


def _with_output(X: TransformerData, key: str, value: Any) -> TransformerData:
    output = ModelOutput()
    output[key] = value
    return TransformerData(wordpieces=X.wordpieces, model_output=output, align=X.align)
