"""The files of peft: an adapter's settings and tensors, and the tensors of a head beside it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from ..adapters.peft import PREFIX_TUNING
from ..backbone.safety import read_json, read_tensors
from ..encoder.module import Encoder
from ..errors import Errors
from .base import Tensors, read_metadata

FILES = ("adapter_model.safetensors", "adapter_model.bin")
CONFIG = "adapter_config.json"
PREFIX = "base_model.model."
# Before the names of a prefix's model there is one part less.
PREFIX_OF_PREFIXES = "base_model."
# The settings by which peft trains and stores modules beside the adapter, and the modules that a
# task adds to that. A name stands for all modules whose path ends with it.
MODULES_TO_SAVE = "modules_to_save"
HEADS = {
    "QUESTION_ANS": ("qa_outputs",),
    "SEQ_CLS": ("classifier", "score"),
    "TOKEN_CLS": ("classifier", "score"),
}
# The one module of a backbone that its hidden states do not depend on. It belongs to the head.
POOLER = "pooler"


@dataclass(frozen=True)
class PeftFiles:
    """What a folder of peft holds.

    file (Path): The file with the tensors.
    config (dict[str, Any]): The content of adapter_config.json.
    adapter (dict[str, torch.Tensor]): The adapter's tensors, named as in a file for the bare
        backbone.
    head (dict[str, torch.Tensor]): The tensors of a head, by their path in a model of transformers.
    """

    file: Path
    config: dict[str, Any]
    adapter: Tensors
    head: Tensors

    @property
    def backbone(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): As in `StoredAdapter.backbone`."""
        metadata = read_metadata(self.file)
        return {
            "fingerprint": metadata.get("fingerprint"),
            "tokenizer": metadata.get("tokenizer"),
            "name": self.config.get("base_model_name_or_path"),
        }

    @property
    def head_modules(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): The paths of the head's modules."""
        return tuple(sorted({path.rpartition(".")[0] for path in self.head}))


def read_files(file: Path, encoder: Encoder) -> PeftFiles:
    """Read the files of an adapter, and tell its tensors from those of a head.

    file (Path): The file with the tensors.
    encoder (Encoder): The encoder that gets the adapter.
    RETURNS (PeftFiles): The content.
    RAISES (BertFamilyError): If a file is damaged.
    """
    config = read_json(file.parent / CONFIG)
    saved = config.get(MODULES_TO_SAVE) or []
    if not isinstance(saved, list) or not all(isinstance(name, str) for name in saved):
        reason = f"{MODULES_TO_SAVE} in {CONFIG} is no list of names"
        raise Errors.B068(file=str(file), reason=reason)
    names = (*saved, *HEADS.get(str(config.get("task_type")), ()))
    is_prefix = config.get("peft_type") == PREFIX_TUNING
    prefix = PREFIX_OF_PREFIXES if is_prefix else PREFIX
    adapter: Tensors = {}
    head: Tensors = {}
    for key, tensor in read_tensors(file).items():
        path = _current_path(key)
        if path.startswith(prefix):
            path = path.removeprefix(prefix)
            path = path.removeprefix(f"{encoder.backbone.base_model_prefix}.")
            if _is_of_head(path, names, encoder.backbone):
                head[path] = tensor
                continue
            path = PREFIX + path
        adapter[path] = tensor
    return PeftFiles(file, config, adapter, head)


def saved_in_backbone(saved: list[str], backbone: nn.Module) -> list[str]:
    """Find the names of modules to save that stand for modules which hidden states depend on.

    saved (list[str]): The names.
    backbone (nn.Module): The backbone.
    RETURNS (list[str]): Those among them.
    """
    paths = [path for path, _ in backbone.named_modules() if path.split(".")[0] != POOLER]
    return [name for name in saved if any(path.endswith(name) for path in paths)]


def _current_path(key: str) -> str:
    """RETURNS (str): A tensor's name without peft's own name of the adapter."""
    key = key.replace(f".{MODULES_TO_SAVE}.", ".")
    return re.sub(r"\.default(?=\.|$)", "", key)


def _is_of_head(path: str, names: tuple[str, ...], backbone: nn.Module) -> bool:
    """Decide whether a tensor belongs to a head.

    path (str): The tensor's path in the backbone, or in the model around it.
    names (tuple[str, ...]): What the paths of modules end with that were trained as a whole.
    backbone (nn.Module): The backbone.
    RETURNS (bool): Whether such a module holds it, and hidden states do not depend on that.
    """
    *parts, _ = path.split(".")
    modules = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    if not any(module.endswith(names) for module in modules):
        return False
    if parts[0] not in dict(backbone.named_children()):
        return True
    # an adapter of the pooler has other tensors than the pooler
    return parts[0] == POOLER and path in dict(backbone.named_parameters())
