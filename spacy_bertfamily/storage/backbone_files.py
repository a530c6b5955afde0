"""Write a backbone into a pipeline's folder, and read its files."""

import os
import shutil
from pathlib import Path

from safetensors.torch import save_file

from ..backbone import Backbone
from ..files import temporary_path


def write_backbone_files(backbone: Backbone, folder: Path) -> None:
    """Write a backbone as an ordinary Hugging Face folder: config.json, weights, tokenizer.

    backbone (Backbone): The backbone.
    folder (Path): Made anew; an older one is replaced once the new one is complete.
    """
    weights = {}
    for name, tensor in backbone.weights().items():
        weights[name] = tensor.detach().cpu().contiguous()
    temporary = temporary_path(folder)
    try:
        temporary.mkdir()
        for name, content in backbone.tokenizer_files.items():
            (temporary / name).write_bytes(content)
        save_file(weights, temporary / "model.safetensors", metadata={"format": "pt"})
        config = backbone.config.to_json_string(use_diff=False)
        (temporary / "config.json").write_text(config, encoding="utf8")
        # safetensors makes its file private
        shutil.copymode(temporary / "config.json", temporary / "model.safetensors")
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def read_backbone_files(folder: Path) -> dict[str, bytes]:
    """RETURNS (dict[str, bytes]): The content of a backbone's folder by file name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
