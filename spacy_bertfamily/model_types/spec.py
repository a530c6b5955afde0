"""The form of a row in the table of model types.

A row says where the layers of a type are, where it takes adapters, and how it differs from BERT.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ..errors import Errors
from ..patching.visible_attention import AttentionParts

# Why a type that normalises before each sublayer has no adapters with placement = 'pfeiffer'.
PRE_NORM = (
    "it normalises before each sublayer, while this placement feeds the adapter what a "
    "normalisation after the sublayer's residual gives"
)


# Why a type without `self_attention` has no prefix-LM.
NO_SELF_ATTENTION = "its self-attention cannot be told what each piece sees"
CAUSAL = "its pieces see only those before them"
# Why a type has no layers that read two texts apart.
NO_POSITIONS = "transformers' model of it cannot be told the positions of pieces"
SPARSE = "which pieces see each other depends on their places in the whole window"


@dataclass(frozen=True)
class Site:
    """One residual sublayer of a layer.

    It computes `norm(branch(input) + input)`, or with `pre_norm`, `branch(norm(input)) + input`.
    All paths are those of modules, relative to the layer.

    branch (str | None): Path of the module whose output the residual is added to; that output is
        after dropout. None if there is no such module: then the output is the normalisation's input
        minus the sublayer's input.
    norm (str): Path of the layer normalisation.
    input (str): Path of a module whose first argument is the sublayer's input, which is normalised
        if `pre_norm`.
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
    """What freezing, adapters and the encoder need to know of a model type.

    layers (str): Path of the list of layers. `*` matches any part of a path; several paths are
        divided by `|`.
    attention (Site): The self-attention sublayer.
    ffn (Site): The feed-forward sublayer.
    post_layers (tuple[str, ...]): Paths of modules that come after the last layer.
    embeddings (tuple[str, ...]): How the names of those top-level modules begin that come before
        the first layer.
    input (str): Path, inside a layer, of a module whose first argument is the layer's input. Empty
        for the layer itself.
    transposed_axes (tuple[int, int] | None): Inside layers, states are `(windows, pieces, width)`
        with these axes transposed.
    shared (bool): Whether all layers are one module, which is called several times.
    depth (str): The config's setting that counts the hidden states after the first.
    width (int): The output's width, divided by the config's `hidden_size`.
    positions (str): The config's setting that limits the length of windows. Empty for no limit.
    positions_from_pad (bool): Whether position ids begin after the padding index, so that those up
        to it are lost.
    token_types (bool | None): Whether the model tells two segments apart by token types. None: if
        it takes them and its config has more than one.
    causal (bool): Whether a piece sees only those before it, so that the last one represents the
        sequence.
    encoder_path (str | None): Path of the submodule that is the encoder, if the model has more than
        that. The rest is dropped.
    embeddings_path (str): With `encoder_path`: path of the module outside of the encoder that holds
        the embeddings of pieces.
    global_attention (bool): Whether it takes a mask of the pieces that see all others and are seen
        by them.
    piece_inputs (Mapping[str, str]): Inputs that are looked up by piece, with the tokenizer's file
        that holds them.
    pad_to (Callable[[Any, int], int | None] | None): From the config and a window's length to the
        length to which it must be padded. Only windows of the same padded length go into one batch.
        None, or a result of None, if padding makes no difference.
    unbatched (bool): Whether each window needs a batch of its own, since something is computed over
        the whole batch.
    forward_context (Callable[[nn.Module, int], AbstractContextManager[None]] | None): From the
        model and the length of the windows to a context for the forward pass.
    self_attention (str): Path, inside a layer, of the module that computes scaled dot products of
        what its `query`, `key` and `value` give, with positions from embeddings alone. Empty if it
        has none.
    attention_parts (AttentionParts): What else is in that module.
    note (str): What else is worth knowing.
    versions (str): The versions of transformers that have the type. Empty for all of them.
    unsupported (Mapping[str, str]): The features that the type lacks, with the reason.
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
    forward_context: Callable[[nn.Module, int], AbstractContextManager[Any]] | None = None
    self_attention: str = ""
    attention_parts: AttentionParts = AttentionParts()
    note: str = ""
    versions: str = ""
    unsupported: Mapping[str, str] = field(default_factory=dict)

    def layer_paths(self, model: nn.Module) -> list[str]:
        """Find the layers that have weights of their own.

        model (nn.Module): The model.
        RETURNS (list[str]): Their paths, the lowest layer first.
        """
        paths: list[str] = []
        for pattern in self.layers.split("|"):
            paths.extend(_expand(model, f"{pattern}.*"))
        return paths

    def find_layers(self, model: nn.Module) -> tuple[nn.Module, ...]:
        """Find the layers that have weights of their own.

        model (nn.Module): The model.
        RETURNS (tuple[nn.Module, ...]): The layers, the lowest first.
        """
        return tuple(map(model.get_submodule, self.layer_paths(model)))

    def calls(self, model: nn.Module) -> int:
        """RETURNS (int): How often each layer is called in a forward pass."""
        if not self.shared:
            return 1
        depth: int = getattr(model.config, self.depth)
        return depth // len(self.layer_paths(model))

    def why_not(self, feature: str) -> str | None:
        """Find out whether the type has a feature.

        feature (str): A key of `FEATURES`.
        RETURNS (str | None): Why not, or None if it has.
        """
        if feature == "pfeiffer" and self.ffn.pre_norm:
            return PRE_NORM
        if feature == "prefix" and not (self.self_attention or feature in self.unsupported):
            return CAUSAL if self.causal else NO_SELF_ATTENTION
        if feature == "separate" and feature not in self.unsupported:
            return CAUSAL if self.causal else self.unsupported.get("caching")
        return self.unsupported.get(feature)

    def check(self, feature: str, model_type: str) -> None:
        """Check that the type has a feature.

        feature (str): A key of `FEATURES`.
        model_type (str): The type's name.
        RAISES (BertFamilyError): If it lacks the feature, saying why.
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


# The features that a type may lack: their names in errors and on the page about backbones, by the
# key in `ModelTypeSpec.unsupported`.
FEATURES = {
    "houlsby": "bottleneck adapters with placement = 'houlsby'",
    "pfeiffer": "bottleneck adapters with placement = 'pfeiffer'",
    "parallel": "bottleneck adapters with placement = 'parallel'",
    "pal": "PALs",
    "peft": "LoRA and other methods of peft",
    "train": "training of any part of the backbone",
    "caching": "keeping of what layers beneath the trained ones compute",
    "mix": "layer mixes",
    "separate": "layers that read two texts apart (separate_layers)",
    "prefix": "prefix-LMs",
    "openvino": "prediction with runtime = 'openvino'",
}


def _expand(model: nn.Module, pattern: str) -> list[str]:
    """Find the modules whose path matches a pattern.

    model (nn.Module): The model.
    pattern (str): A path, any part of which may be `*`.
    RETURNS (list[str]): The paths of the modules, in the model's order.
    """
    found = [("", model)]
    for part in pattern.split("."):
        children = []
        for path, module in found:
            for name, child in module.named_children():
                if part in ("*", name):
                    children.append((f"{path}.{name}" if path else name, child))
        found = children
    return [path for path, _ in found]


# The names that fields of `ModelTypeSpec` had in version 0.1.
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
    """Make a row with the field names of version 0.1, where the class was `Family`.

    RETURNS (ModelTypeSpec): The row.
    """
    renamed = {OLD_FIELDS.get(name, name): value for name, value in kwargs.items()}
    return ModelTypeSpec(*args, **renamed)
