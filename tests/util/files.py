"""The repository's folder; reading and changing files of tensors and of JSON."""

import json
from pathlib import Path

from safetensors.torch import load_file, save_file

ROOT = Path(__file__).parents[2]  # of the repository


def load_tensors(path):
    """Read a safetensors file whose tensors do not change when the file is written again.

    `load_file` maps the file into memory, so each tensor is copied.
    """
    return {name: tensor.clone() for name, tensor in load_file(path).items()}


def change_tensors(path, change):
    """Apply a function to the tensors of a safetensors file.

    path (Path): The file.
    change (Callable[[dict[str, torch.Tensor]], Any]): Changes the tensors in place.
    """
    tensors = load_tensors(path)
    change(tensors)
    save_file(tensors, path)


def change_json(path, **entries):
    """Set entries of a JSON file that holds an object."""
    content = json.loads(path.read_text(encoding="utf8"))
    path.write_text(json.dumps({**content, **entries}), encoding="utf8")
