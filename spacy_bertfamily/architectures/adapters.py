"""Adapters, as `@adapters` blocks."""

from typing import List, Optional

from spacy.util import registry

from .. import registries  # noqa: F401  (makes @adapters known)
from ..adapters import Adapter, Bottleneck


@registry.adapters("spacy-bertfamily.Bottleneck.v1")  # type: ignore[attr-defined]
def make_bottleneck(
    size: Optional[int] = None,
    reduction_factor: Optional[float] = None,
    placement: str = "houlsby",
    activation: str = "gelu",
    init_scale: float = 1e-2,
    dropout: float = 0.0,
    scaling: float = 1.0,
    layers: Optional[List[int]] = None,
) -> Adapter:
    """Bottleneck adapters: up(activation(down(x))), added to a sublayer's output.

    size (Optional[int]): Units in the bottleneck. Defaults to 64 if there is no reduction_factor either.
    reduction_factor (Optional[float]): Instead of size: the backbone's width divided by this.
    placement (str): `houlsby`: after attention and after the feed-forward sublayer (Houlsby et al. 2019); `pfeiffer`:
        after the feed-forward sublayer, on the normalised sum (Pfeiffer et al. 2021); `parallel`: beside the
        feed-forward sublayer, on its input (He et al. 2022).
    activation (str): A name that transformers knows, such as `gelu`, `relu` or `swish`.
    init_scale (float): Standard deviation of the initial weights, truncated at two. 0 is exactly the identity.
    dropout (float): Dropout inside the bottleneck, in training.
    scaling (float): What the adapter's output is multiplied with.
    layers (Optional[List[int]]): The layers that get adapters, 0 being the lowest; None for all.
    RETURNS (Adapter): The settings.
    RAISES (ValueError): On settings that are not allowed.
    """
    return Bottleneck(
        size=64 if size is None and reduction_factor is None else size,
        reduction_factor=reduction_factor,
        placement=placement,
        activation=activation,
        init_scale=init_scale,
        dropout=dropout,
        scaling=scaling,
        layers=None if layers is None else tuple(layers),
    )
