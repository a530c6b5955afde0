"""The layer from characters to vectors of their pictures.

The weights are parameters of thinc, not of a torch module, so that averages of weights, resumed
trainings, several workers and files work as for spaCy's own layers.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from thinc.api import Model, torch2xp, xp2torch
from thinc.types import Floats2d, FloatsXd, Ints1d
from torch.func import functional_call
from torch.nn import functional

from ...patching.forked_threads import use_one_thread_if_forked
from .network import GlyphCNN
from .pictures import Pictures

GlyphLayer = Model[Ints1d, Floats2d]
Tensors = dict[str, torch.Tensor]


def read_glyphs(
    pictures: Pictures, width: int, n_classes: int, loss_weight: float, loss_half_life: int
) -> GlyphLayer:
    """Build a layer that reads the pictures of characters.

    In training, its backward pass adds the gradient of an auxiliary loss to its weights: which
    character does a picture show? The loss is summed over the different characters of a batch, and
    its weight falls by half in `loss_half_life` updates.

    pictures (Pictures): Draws characters.
    width (int): The width of the output.
    n_classes (int): The number of classes of characters that the auxiliary loss tells apart.
    loss_weight (float): The weight of the auxiliary loss at the start.
    loss_half_life (int): The number of updates after which its weight is half of what it was.
    RETURNS (Model[Ints1d, Floats2d]): The model, from code points of characters.
    """
    with torch.device("meta"):
        network = GlyphCNN(len(pictures.fonts), width, n_classes)
    return Model(
        "read-glyphs",
        forward,
        init=init,
        dims={"nO": width},
        params={name: None for name, _ in network.named_parameters()},
        attrs={
            "network": network,
            "pictures": pictures,
            "loss_weight": loss_weight,
            "loss_half_life": loss_half_life,
            "n_updates": 0,
        },
    )


def init(model: GlyphLayer, X: Ints1d | None = None, Y: Any = None) -> None:
    """Draw the weights as torch does; check that the fonts are there."""
    pictures: Pictures = model.attrs["pictures"]
    pictures.check_fonts()
    classifier = model.attrs["network"].classes
    network = GlyphCNN(len(pictures.fonts), classifier.in_features, classifier.out_features)
    for name, parameter in network.named_parameters():
        array: Any = parameter.detach().numpy()
        model.set_param(name, model.ops.asarray_f(array))


def forward(
    model: GlyphLayer, characters: Ints1d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Ints1d]]:
    """Compute vectors of characters, all of which have pictures.

    *Shape:* characters `(characters,)`, the result `(characters, width)`.
    """
    use_one_thread_if_forked()
    codes: list[int] = characters.tolist()
    images = load_pictures(model, codes, is_train)
    weights = load_weights(model, is_train)
    with torch.set_grad_enabled(is_train):
        vectors = functional_call(model.attrs["network"], weights, (images,))
    loss = compute_loss(weights, vectors, codes) if is_train else None
    loss_weight = find_loss_weight(model)
    model.attrs["n_updates"] += is_train

    def backprop(d_vectors: Floats2d) -> Ints1d:
        gradients = [xp2torch(d_vectors), xp2torch(model.ops.asarray1f([loss_weight]))[0]]
        found = torch.autograd.grad([vectors, loss], list(weights.values()), gradients)
        for name, gradient in zip(weights, found):
            model.inc_grad(name, cast(FloatsXd, torch2xp(gradient, ops=model.ops)))
        return model.ops.alloc1i(len(codes))

    return cast(Floats2d, torch2xp(vectors.detach(), ops=model.ops)), backprop


def compute_loss(weights: Tensors, vectors: torch.Tensor, characters: list[int]) -> torch.Tensor:
    """Compute the auxiliary loss.

    A character's class is its code point modulo the number of classes, so that it does not depend
    on the order in which characters are seen, or on the worker that sees them.

    RETURNS (torch.Tensor): The sum of the cross-entropies of the characters.
    """
    weight, bias = weights["classes.weight"], weights["classes.bias"]
    targets = torch.tensor(characters, device=vectors.device) % len(bias)
    logits = functional.linear(vectors, weight, bias)
    return functional.cross_entropy(logits, targets, reduction="sum")


def find_loss_weight(model: GlyphLayer) -> float:
    """RETURNS (float): The weight of the auxiliary loss at this point of the training."""
    age = model.attrs["n_updates"] / model.attrs["loss_half_life"]
    weight: float = model.attrs["loss_weight"] * 0.5**age
    return weight


def find_characters_with_pictures(layer: GlyphLayer) -> Callable[[str], bool]:
    """Find the pictures of a layer that begins with one of `read_glyphs`.

    RETURNS (Callable[[str], bool]): Tells whether a character has a picture.
    """
    pictures: Pictures = layer.layers[0].attrs["pictures"]
    return pictures.has


def load_pictures(model: GlyphLayer, codes: list[int], is_train: bool) -> torch.Tensor:
    """Find the pictures of characters, and store them with the pipeline if they are trained on.

    RETURNS (torch.Tensor): `(characters, fonts, 24, 24)`, between 0 and 1.
    """
    pictures: Pictures = model.attrs["pictures"]
    shown = [chr(code) for code in codes]
    if is_train:
        pictures.keep(shown)
    found: Any = [pictures.find(character) for character in shown]
    stacked: Any = np.stack(found).astype("float32") / 255
    return xp2torch(model.ops.asarray_f(stacked))


def load_weights(model: GlyphLayer, is_train: bool) -> Tensors:
    """RETURNS (dict[str, torch.Tensor]): The parameters as torch's tensors."""
    return {
        name: xp2torch(model.get_param(name), requires_grad=is_train) for name in model.param_names
    }
