"""A backbone as a Hugging Face folder inside a pipeline."""

import os
import shutil
import tempfile
from pathlib import Path

from safetensors.torch import save_file

from ..backbone import Backbone


def write_backbone_files(backbone: Backbone, folder: Path) -> None:
    """Write a backbone as an ordinary Hugging Face folder: config.json, weights, tokenizer.

    backbone (Backbone): What to write.
    folder (Path): Made anew; an older one is replaced once the new one is complete.
    """
    weights = {
        name: tensor.detach().cpu().contiguous() for name, tensor in backbone.weights().items()
    }
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        for name, content in backbone.tokenizer_files.items():
            (temporary / name).write_bytes(content)
        save_file(weights, temporary / "model.safetensors", metadata={"format": "pt"})
        (temporary / "config.json").write_text(
            backbone.config.to_json_string(use_diff=False), encoding="utf8"
        )
        os.chmod(temporary, 0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def read_backbone_files(folder: Path) -> dict[str, bytes]:
    """RETURNS (dict[str, bytes]): The content of a backbone's folder by file name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
