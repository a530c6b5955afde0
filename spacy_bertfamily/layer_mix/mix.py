"""The layer mix: a learned weighted sum of hidden states."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model
from thinc.types import Floats1d, Floats3d

from ..errors import Errors
from ..shards import penalty_share
from .norm import normalize
from .settings import MixSettings, initial_weights
from .states import DocsBackprop, StateBackprop, grad_factor_of, map_docs, resolve_layers

Mix = Model[list[TransformerData], list[TransformerData]]
MIX_NAME = "layer-mix"


def layer_mix(settings: MixSettings) -> Mix:
    """Mix hidden states: gamma * sum_j softmax(w)_j h_j.

    See ELMo (Peters et al. 2018, https://arxiv.org/abs/1802.05365).

    The parameters are w and gamma, both divided by `learn_rate_factor`. A step of Adam has the
    learning rate's size whatever the size of the gradient, so that w and gamma themselves move by a
    step that is larger by the factor.

    settings (MixSettings): Which states, and how they are mixed.
    RETURNS (Model[list[TransformerData], list[TransformerData]]): From data with `hidden_states` to
        data with the mix as `last_hidden_state`. Backprop gives gradients with `hidden_states`,
        times the `grad_factor` of its input; none at all if that is 0.
    """
    attrs = {**asdict(settings), "width_factor": 1, "numbers": []}
    params: dict[str, Any] = {"w": None, "gamma": None}
    return Model(
        MIX_NAME, forward, init=init, dims={"nL": None, "nO": None}, params=params, attrs=attrs
    )


def init(model: Mix, X: list[TransformerData] | None = None, Y: Any = None) -> None:
    """Connect a mix, learned or fixed, to the backbone that the data comes from."""
    for data in X or []:
        if "hidden_states" in data.model_output:
            connect_mix(model, len(data.model_output["hidden_states"]) - 1, data.width)
        elif "last_hidden_state" in data.model_output:
            model.set_dim("nO", data.width * model.attrs["width_factor"])


def connect_mix(model: Mix, depth: int, width: int) -> None:
    """Tell a mix, learned or fixed, which backbone it reads. Later calls check that it still fits.

    model (Model[list[TransformerData], list[TransformerData]]): The mix.
    depth (int): The backbone's number of layers; it has one hidden state more.
    width (int): The width of its hidden states.
    RAISES (BertFamilyError): If a chosen state does not exist, or the weights belong to another
        backbone.
    """
    layers = resolve_layers(model.attrs["layers"], depth)
    for dim, size in {"nL": len(layers), "nO": width * model.attrs["width_factor"]}.items():
        if model.has_dim(dim) and model.get_dim(dim) != size:
            raise Errors.B304(dim=dim, size=model.get_dim(dim), new=size, depth=depth, width=width)
        model.set_dim(dim, size)
    model.attrs["numbers"] = layers
    if model.has_param("w") is None:
        factor = model.attrs["learn_rate_factor"]
        weights = model.ops.asarray1f(initial_weights(model.attrs["init"], layers, depth))
        model.set_param("w", weights / factor)
        model.set_param("gamma", model.ops.asarray1f([1 / factor]))


def find_mixes(model: Model[Any, Any]) -> list[Mix]:
    """RETURNS (list[Mix]): The mixes, learned or fixed, in a model."""
    return [node for node in model.walk() if "width_factor" in node.attrs]


def mix_weights(model: Mix) -> tuple[Floats1d, float]:
    """RETURNS (tuple[Floats1d, float]): softmax(w), `(layers,)`, and gamma, of a learned mix."""
    factor = model.attrs["learn_rate_factor"]
    weights = _softmax(model, factor * model.get_param("w"))
    return weights, factor * float(model.get_param("gamma")[0])


def forward(
    model: Mix, Xs: list[TransformerData], is_train: bool
) -> tuple[list[TransformerData], DocsBackprop]:
    """Mix each Doc's chosen states.

    *Shape:* each chosen state of a Doc is `(windows, longest window, width)`, and so is their mix.
    """
    if model.has_param("w") is None:
        init(model, Xs)
    if model.has_param("w"):
        weights, gamma = _draw_weights(model, is_train)
    else:  # all data are placeholders of a transformer that has not run
        weights, gamma = model.ops.alloc1f(0), 1.0
    grad_factor = gamma * grad_factor_of(Xs)
    # by Doc and layer: the dot product of the mix's gradient with the state
    dots: list[list[float]] = []

    def combine(states: list[Floats3d], X: TransformerData) -> tuple[Floats3d, StateBackprop]:
        backprops: list[Callable[[Floats3d], Floats3d]] | None = None
        if model.attrs["layer_norm"]:
            states, backprops = _normalize(model, states, X)
        Y = gamma * sum(weight * state for weight, state in zip(weights, states))

        def backprop_doc(dY: Floats3d) -> list[Floats3d]:
            dots.append([float(model.ops.xp.vdot(dY, state)) for state in states])
            if not grad_factor:
                return []
            gradients = [grad_factor * weight * dY for weight in weights]
            if backprops is None:
                return gradients
            return [back(gradient) for back, gradient in zip(backprops, gradients)]

        return Y, backprop_doc

    Ys, backprop_docs = map_docs(model, Xs, combine)

    def backprop(dYs: list[TransformerData]) -> list[TransformerData]:
        dots.clear()
        dXs = backprop_docs(dYs)
        if dots:
            _add_gradients(model, weights, gamma, model.ops.asarray1f(np.sum(dots, axis=0)))
        return dXs

    return Ys, backprop


def _draw_weights(model: Mix, is_train: bool) -> tuple[Floats1d, float]:
    """Apply layer dropout: leave layers out, and divide the whole weight among the others.

    RETURNS (tuple[Floats1d, float]): The weights to use now, `(layers,)`, and gamma.
    """
    weights, gamma = mix_weights(model)
    if is_train and model.attrs["layer_dropout"]:
        kept = model.ops.xp.random.uniform(size=weights.shape) >= model.attrs["layer_dropout"]
        if kept.any():
            weights = weights * kept / model.ops.xp.vdot(weights, kept)
    return weights, gamma


def _normalize(
    model: Mix, states: list[Floats3d], X: TransformerData
) -> tuple[list[Floats3d], list[Callable[[Floats3d], Floats3d]]]:
    mask = model.ops.xp.asarray(X.wordpieces.attention_mask, dtype="float32")[:, :, None]
    normalized, backprops = zip(*(normalize(state, mask) for state in states))
    return list(normalized), list(backprops)


def _add_gradients(model: Mix, weights: Floats1d, gamma: float, dots: Floats1d) -> None:
    """Add to the gradients of w and gamma.

    weights (Floats1d): The weights that were used, `(layers,)`.
    gamma (float): The gamma that was used.
    dots (Floats1d): The dot product of the mix's gradient with each state, `(layers,)`.
    """
    factor = model.attrs["learn_rate_factor"]
    total = float(model.ops.xp.vdot(weights, dots))
    d_softmax = gamma * weights * (dots - total)
    if not model.has_grad("w") or not model.get_grad("w").any():
        # the penalty, once for all backward passes of a step
        penalty = 2 * model.attrs["l2"] * penalty_share()
        d_softmax = d_softmax + penalty * factor * model.get_param("w")
    model.inc_grad("w", factor * d_softmax)
    if model.attrs["learn_gamma"]:
        model.inc_grad("gamma", factor * model.ops.asarray1f([total]))


def _softmax(model: Mix, x: Floats1d) -> Floats1d:
    e = model.ops.xp.exp(x - x.max())
    result: Floats1d = e / e.sum()
    return result
