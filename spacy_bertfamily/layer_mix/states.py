"""Which hidden states are meant, and how they are read from a Doc's data and given back as
gradients.
"""

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
# From the chosen states of a Doc to one state, with a backprop from its gradient to theirs.
Combine = Callable[
    [list[Floats3d], TransformerData], tuple[Floats3d, Callable[[Floats3d], list[Floats3d]]]
]


class HiddenStates(list[TransformerData]):
    """What a transformer computed of each Doc, for the mix that stands behind it.

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
    """RAISES (ValueError): If a choice is neither `all` nor a list of different numbers."""
    if layers != ALL and (isinstance(layers, str) or not layers or len(set(layers)) < len(layers)):
        raise Errors.B301(layers=layers)


def resolve_layers(layers: LayerChoice, depth: int) -> list[int]:
    """RETURNS (list[int]): The numbers of the hidden states, for a backbone with `depth` layers, in
    the order given.
    RAISES (ValueError): If there is no such hidden state, or one is named twice.
    """
    if layers == ALL:
        return list(range(depth + 1))
    resolved = [int(layer) + (depth + 1 if int(layer) < 0 else 0) for layer in layers]
    if len(set(resolved)) < len(resolved) or not all(0 <= layer <= depth for layer in resolved):
        raise Errors.B302(layers=list(layers), depth=depth, states=depth + 1)
    return resolved


def kept_layers(layers: LayerChoice, depth: int) -> list[int]:
    """RETURNS (list[int]): The numbers of the hidden states in a union of choices, each once,
    sorted.
    """
    if layers == ALL:
        return resolve_layers(ALL, depth)
    return sorted({number for layer in layers for number in resolve_layers([int(layer)], depth)})


def union_of(choices: Iterable[LayerChoice]) -> str | list[int]:
    """RETURNS (str | list[int]): What covers all choices, [] for none; a state may stand in it
    under its positive and its negative number.
    """
    union: set[int] = set()
    for layers in choices:
        if layers == ALL:
            return ALL
        union.update(int(layer) for layer in layers)
    return sorted(union)


def chosen_states(data: TransformerData, layers: LayerChoice) -> list[Floats3d] | None:
    """Read the chosen hidden states of a Doc.

    RETURNS (list[Floats3d] | None): Each `(windows, longest window, width)`; None where the data
        only stands in for a transformer that has not run, as it does while a pipeline is
        initialized.
    RAISES (ValueError): If they were not kept.
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
) -> tuple[list[TransformerData], Callable[[list[TransformerData]], list[TransformerData]]]:
    """Make one state of each Doc's chosen ones. A Doc without tokens has no states and stays as it
    is.

    model (Model): Its attribute `layers` names the states, and `width_factor` says how many times
        wider the new one is.
    Xs (list[TransformerData]): One for each Doc.
    combine (Callable): From chosen states and data to the new state and its backprop.
    RETURNS (tuple[list[TransformerData], Callable]): Data with the new state as the last one, and
        backprop, which takes gradients for each Doc, or for each that has states, and returns them
        for each that has states.
    """
    layers = model.attrs["layers"]
    full = [X for X in Xs if "last_hidden_state" in X.model_output]
    backprops: list[Callable] = []
    Ys = iter([_map_doc(model, X, chosen_states(X, layers), combine, backprops) for X in full])
    outputs = [next(Ys) if "last_hidden_state" in X.model_output else X for X in Xs]

    def backprop(dYs: list[TransformerData]) -> list[TransformerData]:
        if len(dYs) != len(full):
            dYs = [dY for dY, X in zip(dYs, Xs) if "last_hidden_state" in X.model_output]
        gradients = [bp(dY.model_output["last_hidden_state"]) for bp, dY in zip(backprops, dYs)]
        return [_gradient_data(X, layers, dXs) for X, dXs in zip(full, gradients)]

    return outputs, backprop


def _map_doc(
    model: Model,
    X: TransformerData,
    states: list[Floats3d] | None,
    combine: Combine,
    backprops: list[Callable],
) -> TransformerData:
    if states is None:
        windows, longest, width = X.model_output["last_hidden_state"].shape
        backprops.append(lambda dY: [])
        return _data(
            X,
            "last_hidden_state",
            model.ops.alloc3f(windows, longest, width * model.attrs["width_factor"]),
        )
    Y, backprop = combine(states, X)
    backprops.append(backprop)
    return _data(X, "last_hidden_state", Y)


def _gradient_data(
    X: TransformerData, layers: LayerChoice, gradients: list[Floats3d]
) -> TransformerData:
    if not gradients:
        return TransformerData(wordpieces=X.wordpieces, model_output=ModelOutput(), align=X.align)
    hidden: list[Floats3d | None] = [None] * len(X.model_output["hidden_states"])
    for layer, gradient in zip(resolve_layers(layers, len(hidden) - 1), gradients):
        hidden[layer] = gradient
    return _data(X, "hidden_states", hidden)


def _data(X: TransformerData, key: str, value: Any) -> TransformerData:
    output = ModelOutput()
    output[key] = value
    return TransformerData(wordpieces=X.wordpieces, model_output=output, align=X.align)
