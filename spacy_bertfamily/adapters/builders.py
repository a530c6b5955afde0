"""Registered functions of adapters, for `@adapters` blocks."""

from typing import Any

from spacy.util import SimpleFrozenDict

from ..errors import Errors
from . import PAL, Adapter, Bottleneck, Peft
from .pal import INIT_STD
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
    scaling (float): The adapter's output is multiplied by this.
    layers (list[int] | None): The layers that get adapters, 0 being the lowest; None for all.
    per_depth (bool): In a backbone that calls one module as all of its layers (ALBERT), make an
        adapter for each call instead of one that they share.
    RETURNS (Adapter): The settings.
    RAISES (BertFamilyError): On settings that are not allowed.
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


@registry.adapters("spacy-bertfamily.PAL.v2")  # type: ignore[attr-defined]
def make_pal(
    size: int = 204,
    heads: int = 12,
    attention: bool = True,
    shared: bool = True,
    activation: str = "gelu",
    init_scale: float = INIT_STD,
    inner_init_scale: float | None = None,
    dropout: float = 0.0,
    layers: list[int] | None = None,
) -> Adapter:
    """Projected attention layers beside the feed-forward sublayers (Stickland & Murray 2019).

    size (int): Width between the two projections.
    heads (int): Heads of the attention between them.
    attention (bool): Whether there is attention; without it, this is the low-rank variant.
    shared (bool): Whether all layers share the two projections; otherwise each layer has its own.
        The low-rank variant needs its own, since nothing else differs between its layers.
    activation (str): A name that transformers knows; `linear` for none.
    init_scale (float): Standard deviation of the initial weights, truncated at two. 0 is exactly
        the identity: V_D begins as 0, and all other weights as with the default.
    inner_init_scale (float | None): Standard deviation of all initial weights but V_D's, if it is
        to be another one.
    dropout (float): Dropout before V_D, in training.
    layers (list[int] | None): The layers that get one, 0 being the lowest; None for all.
    RETURNS (Adapter): The settings.
    RAISES (BertFamilyError): On settings that are not allowed.
    """
    return PAL(
        size=size,
        heads=heads,
        attention=attention,
        shared=shared,
        activation=activation,
        init_scale=init_scale,
        inner_init_scale=inner_init_scale,
        dropout=dropout,
        layers=None if layers is None else tuple(layers),
    )


@registry.adapters("spacy-bertfamily.PAL.v1")  # type: ignore[attr-defined]
def make_pal_v1(
    size: int = 204,
    heads: int = 12,
    attention: bool = True,
    shared: bool = True,
    activation: str = "gelu",
    init_scale: float = INIT_STD,
    no_op: bool = False,
    dropout: float = 0.0,
    layers: list[int] | None = None,
) -> Adapter:
    """Projected attention layers, with `no_op` in the place of `init_scale = 0`.

    no_op (bool): Begin with V_D = 0, which is exactly the identity.
    init_scale (float): Standard deviation of the initial weights, more than 0.
    The other arguments are those of `spacy-bertfamily.PAL.v2`.
    RETURNS (Adapter): The settings.
    RAISES (BertFamilyError): On settings that are not allowed.
    """
    if init_scale <= 0:
        allowed = "more than 0; no_op = true starts as exactly the identity"
        raise Errors.B004(setting="init_scale", value=init_scale, allowed=allowed)
    inner_init_scale = None
    if no_op and init_scale != INIT_STD:
        inner_init_scale = init_scale
    return PAL(
        size=size,
        heads=heads,
        attention=attention,
        shared=shared,
        activation=activation,
        init_scale=0.0 if no_op else init_scale,
        inner_init_scale=inner_init_scale,
        dropout=dropout,
        layers=None if layers is None else tuple(layers),
    )


@registry.adapters("spacy-bertfamily.Peft.v1")  # type: ignore[attr-defined]
def make_peft(method: str, settings: dict[str, Any] = SimpleFrozenDict()) -> Adapter:
    """An adapter of the peft library.

    method (str): One that peft can inject into a model, such as `LORA`, `IA3`, `LOHA`, `LOKR` or
        `OFT`.
    settings (dict[str, Any]): What the method's config class in peft takes, such as
        `target_modules`.
    RETURNS (Adapter): The settings.
    RAISES (BertFamilyError): If peft is missing, or refuses the method or a setting.
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
    alpha (float): The change is multiplied by alpha / rank.
    dropout (float): Dropout of the change's input, in training.
    target_modules (list[str] | str | None): Ends of the names of the modules that are changed; None
        for peft's choice for the type of backbone (queries and values); `all-linear` for all linear
        ones.
    RETURNS (Adapter): The settings.
    RAISES (BertFamilyError): If peft is missing or refuses a setting.
    """
    settings = {
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": dropout,
        "target_modules": target_modules,
    }
    return Peft(method="LORA", settings=settings)


@registry.adapters("spacy-bertfamily.PrefixTuning.v2")  # type: ignore[attr-defined]
def make_prefix_tuning(num_virtual_tokens: int = 20, projection_size: int | None = None) -> Adapter:
    """Prefix tuning (Li & Liang 2021), through peft: learned keys and values before each layer's.

    num_virtual_tokens (int): How many there are. They take as many of the backbone's positions, so
        that max_pieces has to be lower.
    projection_size (int | None): Learn them through two layers with so many units between them, as
        in the paper; None to learn them directly.
    RETURNS (Adapter): The settings.
    RAISES (BertFamilyError): If peft is missing or refuses a setting.
    """
    return _make_prefix(num_virtual_tokens, projection_size)


@registry.adapters("spacy-bertfamily.PrefixTuning.v1")  # type: ignore[attr-defined]
def make_prefix_tuning_v1(tokens: int = 20, projection_size: int | None = None) -> Adapter:
    """Prefix tuning, with `tokens` in the place of `num_virtual_tokens`.

    tokens (int): As `num_virtual_tokens` of `spacy-bertfamily.PrefixTuning.v2`.
    projection_size (int | None): As there.
    RETURNS (Adapter): The settings.
    RAISES (BertFamilyError): If peft is missing or refuses a setting.
    """
    return _make_prefix(tokens, projection_size)


def _make_prefix(num_virtual_tokens: int, projection_size: int | None) -> Adapter:
    settings: dict[str, Any] = {"num_virtual_tokens": num_virtual_tokens}
    if projection_size is not None:
        settings.update(prefix_projection=True, encoder_hidden_size=projection_size)
    return Peft(method="PREFIX_TUNING", settings=settings)
