"""Write a backbone into a pipeline's folder, and read its files."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from transformers import PretrainedConfig

from ..backbone import Backbone
from ..files import write_folder


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


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Write a folder so that a killed process leaves the old one or the new one.

    folder (Path): Made anew; an older one is replaced once the new one is complete.
    YIELDS (Path): The folder to write to, with a config.json and a model.safetensors.
    """
    with write_folder(folder) as temporary:
        yield temporary
        # safetensors makes its file private
        shutil.copymode(temporary / "config.json", temporary / "model.safetensors")


def read_backbone_files(folder: Path) -> dict[str, bytes]:
    """RETURNS (dict[str, bytes]): The content of a backbone's folder by file name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
