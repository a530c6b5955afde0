"""The transformer's settings, checked before anything is loaded."""

import re
import warnings
from dataclasses import dataclass

import torch
from thinc.api import get_torch_default_device
from transformers import PretrainedConfig

from ..adapters import Adapter
from ..errors import Errors, Warnings
from ..model_types.table import known_spec, spec_for
from ..patching.processor import lacks_bfloat16

# What computes in prediction. `auto`: OpenVINO where it is installed and can, torch otherwise.
RUNTIMES = ("torch", "openvino", "auto")
WEIGHTS = ("float", "int8")
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
TRAINABLE = re.compile(r"all|embeddings|top:[1-9]\d*|layer_norm|bias|adapter")
# The most special pieces that a template adds (RoBERTa's pair).
SPECIAL_PIECES = 4


@dataclass(frozen=True)
class EncoderSettings:
    """The arguments of `spacy-bertfamily.AdapterTransformer.v1`, where they are described."""

    name: str
    trainable: tuple[str, ...]
    max_pieces: int
    stride: int
    batch_pieces: int
    precision: str
    separator: str | None
    adapter: Adapter | None
    cache_mb: int = 1024
    gradient_checkpointing: bool = False
    runtime: str = "torch"
    weights: str = "float"
    separate_layers: int = 0

    def __post_init__(self) -> None:
        for entry in self.trainable:
            if not TRAINABLE.fullmatch(entry):
                raise Errors.B001(entry=entry)
        if "adapter" in self.trainable and self.adapter is None:
            raise Errors.B002()
        self._check("precision", self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}")
        self._check("runtime", self.runtime in RUNTIMES, f"one of {', '.join(RUNTIMES)}")
        self._check("weights", self.weights in WEIGHTS, f"one of {', '.join(WEIGHTS)}")
        if self.weights != "float" and self.runtime == "torch":
            raise Errors.B771(weights=self.weights)
        self._check("separate_layers", self.separate_layers >= 0, "0 (none) or more")
        if self.separate_layers and self.runtime == "openvino":
            raise Errors.B803(n=self.separate_layers)
        is_word = self.separator is None or bool(self.separator.strip())
        self._check("separator", is_word, "a word, or null for none")
        allowed = f"more than {SPECIAL_PIECES}, since special pieces need room too"
        self._check("max_pieces", self.max_pieces > SPECIAL_PIECES, allowed)
        self._check("cache_mb", self.cache_mb >= 0, "0 (off) or more")
        if not 0 <= self.stride < self.max_pieces - SPECIAL_PIECES:
            raise Errors.B003(stride=self.stride, max_pieces=self.max_pieces, margin=SPECIAL_PIECES)
        if self.batch_pieces < self.max_pieces:
            raise Errors.B005(batch_pieces=self.batch_pieces, max_pieces=self.max_pieces)

    def _check(self, setting: str, is_allowed: bool, allowed: str) -> None:
        if not is_allowed:
            raise Errors.B004(setting=setting, value=getattr(self, setting), allowed=allowed)

    @property
    def dtype(self) -> torch.dtype:
        """RETURNS (torch.dtype): The type of the frozen weights."""
        return PRECISIONS[self.precision]

    @property
    def trains_adapter(self) -> bool:
        """RETURNS (bool): Whether the active adapter is trained."""
        return "adapter" in self.trainable or "all" in self.trainable

    @property
    def top(self) -> int:
        """RETURNS (int): N of `top:N`, the largest if several are named, 0 if none is."""
        numbers = [int(entry[4:]) for entry in self.trainable if entry.startswith("top:")]
        return max(numbers, default=0)

    def check_backbone(self, config: PretrainedConfig) -> None:
        """Check what depends on the backbone's config. No weights are read.

        config (PretrainedConfig): The backbone's config.
        RAISES (BertFamilyError): If the backbone cannot do what the settings ask for.
        """
        if self.precision == "float16" and get_torch_default_device().type == "cpu":
            raise Errors.B010()
        is_on_cpu = get_torch_default_device().type == "cpu"
        if self.precision == "bfloat16" and self.runtime == "torch" and is_on_cpu:
            _warn_if_slow()
        if self.separate_layers:
            self._check_separate_layers(config)
        positions = max_positions(config)
        if positions is not None and self.max_pieces > positions:
            raise Errors.B006(max_pieces=self.max_pieces, name=self.name, positions=positions)
        if self.adapter is not None:
            self.check_adapter(self.adapter, config)

    def _check_separate_layers(self, config: PretrainedConfig) -> None:
        model_type = config.model_type
        spec = known_spec(model_type)
        spec.check("separate", model_type)
        depth = getattr(config, spec.depth)
        if self.separate_layers >= depth:
            raise Errors.B800(n=self.separate_layers, name=self.name, depth=depth)

    def check_adapter(self, adapter: Adapter, config: PretrainedConfig) -> None:
        """Check that windows and an adapter fit into the backbone's positions.

        adapter (Adapter): The adapter's settings.
        config (PretrainedConfig): The backbone's config.
        RAISES (BertFamilyError): If the adapter leaves the windows too few positions.
        """
        positions = max_positions(config)
        if positions is not None and self.max_pieces + adapter.positions > positions:
            left = positions - adapter.positions
            raise Errors.B081(max_pieces=self.max_pieces, taken=adapter.positions, left=left)


def max_positions(config: PretrainedConfig) -> int | None:
    """Find the longest window that a backbone can read.

    config (PretrainedConfig): The backbone's config.
    RETURNS (int | None): Its length in pieces; None if there is no limit.
    """
    spec = spec_for(config.model_type)
    positions: int | None = getattr(config, spec.positions, None) if spec.positions else None
    if not positions or positions < 0:
        return None
    if spec.pad_to is not None:
        positions = min(positions, spec.pad_to(config, positions) or positions)
    if spec.positions_from_pad:
        # RoBERTa counts on from its padding index, MPNet from a fixed 1
        padding_index = 1 if config.model_type == "mpnet" else config.pad_token_id
        positions -= padding_index + 1
    return positions


def _warn_if_slow() -> None:
    if lacks_bfloat16():
        warnings.warn(Warnings.W010.format(), stacklevel=2)
