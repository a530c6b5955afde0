"""Adapters, as `@adapters` blocks."""

from typing import Any

from spacy.util import SimpleFrozenDict

from . import (
    PAL,
    Adapter,
    Bottleneck,
    Peft,
)
from .registry import registry


@registry.adapters("spacy-bertfamily.Bottleneck.v1")  # type: ignore[attr-defined]
def make_bottleneck(
    size: int | None = None,
    reduction_factor: float | None = None,
    placement: str = "houlsby",
    activation: str = "gelu",
    init_scale: float = 1e-2,
    dropout: float = 0.0,
    scaling: float = 1.0,
    layers: list[int] | None = None,
    per_depth: bool = False,
) -> Adapter:
    """Bottleneck adapters: up(activation(down(x))), added to a sublayer's output.

    size (int | None): Units in the bottleneck. Defaults to 64 if there is no reduction_factor
        either.
    reduction_factor (float | None): Instead of size: the backbone's width divided by this.
    placement (str): `houlsby`: after attention and after the feed-forward sublayer (Houlsby et al.
        2019); `pfeiffer`: after the feed-forward sublayer, on the normalised sum (Pfeiffer et al.
        2021); `parallel`: beside the feed-forward sublayer, on its input (He et al. 2022).
    activation (str): A name that transformers knows, such as `gelu`, `relu` or `swish`.
    init_scale (float): Standard deviation of the initial weights, truncated at two. 0 is exactly
        the identity.
    dropout (float): Dropout inside the bottleneck, in training.
    scaling (float): What the adapter's output is multiplied with.
    layers (list[int] | None): The layers that get adapters, 0 being the lowest; None for all.
    per_depth (bool): In a backbone one of whose modules is all layers (ALBERT), an adapter for each
        of them instead of one that they share, too.
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
        per_depth=per_depth,
    )


@registry.adapters("spacy-bertfamily.PAL.v1")  # type: ignore[attr-defined]
def make_pal(
    size: int = 204,
    heads: int = 12,
    attention: bool = True,
    shared: bool = True,
    activation: str = "gelu",
    init_scale: float = 0.02,
    no_op: bool = False,
    dropout: float = 0.0,
    layers: list[int] | None = None,
) -> Adapter:
    """Projected attention layers beside each layer's feed-forward sublayer (Stickland & Murray
    2019).

    size (int): Width between the two projections.
    heads (int): Heads of the attention between them.
    attention (bool): False leaves the attention out: the low-rank variant.
    shared (bool): The two projections stand once, for all layers; otherwise each layer has its own.
        The low-rank variant needs its own, since nothing else differs between its layers.
    activation (str): A name that transformers knows; `linear` for none.
    init_scale (float): Standard deviation of the initial weights, truncated at two.
    no_op (bool): Start with V_D = 0, which is exactly the backbone alone.
    dropout (float): Dropout before V_D, in training.
    layers (list[int] | None): The layers that get one, 0 being the lowest; None for all.
    RETURNS (Adapter): The settings.
    RAISES (ValueError): On settings that are not allowed.
    """
    return PAL(
        size=size,
        heads=heads,
        attention=attention,
        shared=shared,
        activation=activation,
        init_scale=init_scale,
        no_op=no_op,
        dropout=dropout,
        layers=None if layers is None else tuple(layers),
    )


@registry.adapters("spacy-bertfamily.Peft.v1")  # type: ignore[attr-defined]
def make_peft(method: str, settings: dict[str, Any] = SimpleFrozenDict()) -> Adapter:
    """An adapter of the peft library.

    method (str): One that peft can inject in a model, such as `LORA`, `IA3`, `LOHA`, `LOKR` or
        `OFT`.
    settings (dict[str, Any]): What the method's config class in peft takes, such as
        `target_modules`.
    RETURNS (Adapter): The settings.
    RAISES (ValueError): If peft is missing, or refuses the method or a setting.
    """
    return Peft(method=method, settings=dict(settings))


@registry.adapters("spacy-bertfamily.LoRA.v1")  # type: ignore[attr-defined]
def make_lora(
    rank: int = 8,
    alpha: float = 16,
    dropout: float = 0.0,
    target_modules: list[str] | str | None = None,
) -> Adapter:
    """LoRA (Hu et al. 2021), through peft: low-rank changes of weights, which can be merged.

    rank (int): The rank.
    alpha (float): The change is multiplied with alpha / rank.
    dropout (float): Dropout of the change's input, in training.
    target_modules (list[str] | str | None): Ends of the names of the modules that are changed; None
        for peft's choice for the type of backbone (queries and values); `all-linear` for all linear
        ones.
    RETURNS (Adapter): The settings.
    RAISES (ValueError): If peft is missing or refuses a setting.
    """
    settings = {
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": dropout,
        "target_modules": target_modules,
    }
    return Peft(method="LORA", settings=settings)


@registry.adapters("spacy-bertfamily.PrefixTuning.v1")  # type: ignore[attr-defined]
def make_prefix_tuning(tokens: int = 20, projection_size: int | None = None) -> Adapter:
    """Prefix tuning (Li & Liang 2021), through peft: keys and values that are learned, before each
    layer's own.

    tokens (int): How many there are; they take as many of the backbone's positions, so that
        max_pieces has to be lower.
    projection_size (int | None): Learn them through two layers with so many units between them, as
        the paper does; None to learn them as they are.
    RETURNS (Adapter): The settings.
    RAISES (ValueError): If peft is missing or refuses a setting.
    """
    settings: dict[str, Any] = {"num_virtual_tokens": tokens}
    if projection_size is not None:
        settings.update(prefix_projection=True, encoder_hidden_size=projection_size)
    return Peft(method="PREFIX_TUNING", settings=settings)
