"""Write a backbone into a pipeline's folder, and read its files."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from transformers import PretrainedConfig

from ..backbone import Backbone
from ..files import replace_folder


def write_backbone_files(backbone: Backbone, folder: Path) -> None:
    """Write a backbone as an ordinary Hugging Face folder: config.json, weights, tokenizer.

    backbone (Backbone): The backbone.
    folder (Path): Made anew; an older one is replaced once the new one is complete.
    """
    weights = backbone.weights()
    with replace_folder(folder) as temporary:
        for name, content in backbone.tokenizer_files.items():
            (temporary / name).write_bytes(content)
        write_model_files(backbone.config, weights, temporary)


def write_model_files(
    config: PretrainedConfig, weights: Mapping[str, torch.Tensor], folder: Path
) -> None:
    """Write config.json and model.safetensors.

    config (PretrainedConfig): The model's config.
    weights (Mapping[str, torch.Tensor]): The model's tensors.
    folder (Path): The folder, which exists.
    RAISES (OSError): If they cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    path = folder / "model.safetensors"
    try:
        save_file(tensors, path, metadata={"format": "pt"})
    except SafetensorError as e:  # a full disk, for example
        raise OSError(f"{path} could not be written: {e}") from e
    content = config.to_json_string(use_diff=False)
    (folder / "config.json").write_text(content, encoding="utf8")
    share_with_readers(folder)


def share_with_readers(folder: Path) -> None:
    """Let all who can read a backbone's config read its weights, which safetensors makes private.

    folder (Path): The folder.
    """
    shutil.copymode(folder / "config.json", folder / "model.safetensors")


def read_backbone_files(folder: Path) -> dict[str, bytes]:
    """RETURNS (dict[str, bytes]): The content of a backbone's folder by file name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
