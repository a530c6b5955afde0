"""What a model type looks like to the rest: where it takes adapters, and in what it differs from
BERT.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ..errors import Errors

PRE_NORM = (
    "it normalises before each sublayer, while this placement feeds the adapter what a normalisation after the "
    "sublayer's residual gives"
)


@dataclass(frozen=True)
class Site:
    """One residual sublayer, by module paths relative to its layer: `norm(branch(input) + input)`,
    or, where `pre_norm` is set, `branch(norm(input)) + input`.

    branch (str | None): The module whose output is what the residual is added to (after its
        dropout). None where no module gives it: it is then what the normalisation gets, less the
        sublayer's input.
    norm (str): The layer normalisation.
    input (str): A module whose first argument is what the sublayer computes on: its input,
        normalised if `pre_norm`.
    pre_norm (bool): Whether the normalisation comes first.
    """

    branch: str | None
    norm: str
    input: str
    pre_norm: bool = False

    def width(self, layer: nn.Module) -> int:
        """RETURNS (int): The width of the sublayer's output."""
        return int(layer.get_submodule(self.norm).get_parameter("weight").shape[0])


@dataclass(frozen=True)
class ModelTypeSpec:
    """What a model type looks like to adapters, freezing and the encoder.

    layers (str): Path of the list of layers. `*` stands for any part of a path; several paths are
        divided by `|`.
    attention (Site): The self-attention sublayer.
    ffn (Site): The feed-forward sublayer.
    post_layers (tuple[str, ...]): Modules that come after the last layer.
    embeddings (tuple[str, ...]): How the names of the top-level modules begin that come before the
        first layer.
    input (str): A module of a layer whose first argument is the layer's input; the layer itself for
        most.
    transposed_axes (tuple[int, int] | None): In layers, states are `(windows, pieces, width)` with
        these axes swapped.
    shared (bool): One module is all layers, called once for each.
    depth (str): The setting in the config that counts hidden states but for the first.
    width (int): The output is so many times wider than `hidden_size`.
    positions (str): The setting in the config that limits the length of windows.
    positions_from_pad (bool): Position ids begin after the padding index, so that many are lost.
    token_types (bool | None): Whether the model tells two segments apart by token types. None: if
        it takes them and its config has more than one.
    causal (bool): A piece sees only those before it, so the last one stands for the sequence.
    encoder_path (str | None): The submodule that is the encoder; the rest is thrown away.
    outside (str): With `part`: the module outside of it that holds its embeddings of pieces.
    global_attention (bool): Takes a mask of the pieces that see all others, and are seen by them.
    piece_inputs (Mapping[str, str]): Inputs that are looked up by piece, and the tokenizer's file
        that holds them.
    pad_to (Callable[[Any, int], int | None] | None): From config and length of a window to the
        length to which it must be padded; only windows with the same result go in one batch. None
        where padding makes no difference.
    alone (bool): Each window must go through by itself, since something is computed over the whole
        batch.
    forward_context (Callable[[nn.Module, int], AbstractContextManager] | None): What to do around each
        forward pass, given the length of its windows.
    note (str): What else is worth knowing.
    unsupported (Mapping[str, str]): What cannot be done with the type, and why.
    """

    layers: str
    attention: Site
    ffn: Site
    post_layers: tuple[str, ...] = ("pooler",)
    embeddings: tuple[str, ...] = ("embeddings",)
    input: str = ""
    transposed_axes: tuple[int, int] | None = None
    shared: bool = False
    depth: str = "num_hidden_layers"
    width: int = 1
    positions: str = "max_position_embeddings"
    positions_from_pad: bool = False
    token_types: bool | None = None
    causal: bool = False
    encoder_path: str | None = None
    embeddings_path: str = "shared"
    global_attention: bool = False
    piece_inputs: Mapping[str, str] = field(default_factory=dict)
    pad_to: Callable[[Any, int], int | None] | None = None
    unbatched: bool = False
    forward_context: Callable[[nn.Module, int], AbstractContextManager] | None = None
    note: str = ""
    unsupported: Mapping[str, str] = field(default_factory=dict)

    def layer_paths(self, model: nn.Module) -> list[str]:
        """RETURNS (list[str]): The paths of the layers that have weights of their own, the lowest
        first.
        """
        return [
            path for pattern in self.layers.split("|") for path in _expand(model, f"{pattern}.*")
        ]

    def find_layers(self, model: nn.Module) -> tuple[nn.Module, ...]:
        """RETURNS (tuple[nn.Module, ...]): The layers that have weights of their own, the lowest
        first.
        """
        return tuple(map(model.get_submodule, self.layer_paths(model)))

    def calls(self, model: nn.Module) -> int:
        """RETURNS (int): How often each layer is called in a forward pass."""
        config: Any = model.config
        return getattr(config, self.depth) // len(self.layer_paths(model)) if self.shared else 1

    def why_not(self, feature: str) -> str | None:
        """RETURNS (str | None): Why the type cannot do something, None if it can."""
        if feature == "pfeiffer" and self.ffn.pre_norm:
            return PRE_NORM
        return self.unsupported.get(feature)

    def check(self, feature: str, model_type: str) -> None:
        """RAISES (ValueError): If the type cannot do something, saying why.

        feature (str): A placement of bottleneck adapters, `pal`, `peft`, `train` or `mix`.
        model_type (str): Its name.
        """
        reason = self.why_not(feature)
        if reason is not None:
            able = [name for name in FEATURES if self.why_not(name) is None]
            raise Errors.B012(
                model_type=model_type,
                feature=FEATURES[feature],
                reason=reason,
                able=", ".join(able),
            )


# By the name in `ModelTypeSpec.lacks`: what it is called in errors and on the page about backbones.
FEATURES = {
    "houlsby": "bottleneck adapters with placement = 'houlsby'",
    "pfeiffer": "bottleneck adapters with placement = 'pfeiffer'",
    "parallel": "bottleneck adapters with placement = 'parallel'",
    "pal": "PALs",
    "peft": "LoRA and other methods of peft",
    "train": "training of any part of the backbone",
    "caching": "keeping of what layers beneath the trained ones compute",
    "mix": "layer mixes",
}


def _expand(model: nn.Module, pattern: str) -> list[str]:
    """RETURNS (list[str]): The paths of the modules that fit a pattern in which a part may be `*`,
    in order.
    """
    found = [("", model)]
    for part in pattern.split("."):
        found = [
            (f"{path}.{name}" if path else name, child)
            for path, module in found
            for name, child in module.named_children()
            if part in ("*", name)
        ]
    return [path for path, _ in found]


# What the fields of `ModelTypeSpec` were called in version 0.1.
OLD_FIELDS = {
    "above": "post_layers",
    "alone": "unbatched",
    "around": "forward_context",
    "lacks": "unsupported",
    "outside": "embeddings_path",
    "part": "encoder_path",
    "swapped": "transposed_axes",
}


def make_family(*args: Any, **kwargs: Any) -> ModelTypeSpec:
    """Make a row with the field names of version 0.1, where it was called `Family`.

    RETURNS (ModelTypeSpec): The row.
    """
    return ModelTypeSpec(*args, **{OLD_FIELDS.get(key, key): kwargs[key] for key in kwargs})
