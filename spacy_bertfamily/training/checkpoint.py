"""What training has to remember beside the pipeline: optimizer, random numbers, scores, the order
of the examples.
"""

import hashlib
import json
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from spacy.language import Language
from thinc.api import Model, Optimizer, to_numpy

from ..errors import Errors
from ..files import write_atomically

FILE = "state.json"
TENSORS = "tensors.safetensors"
DIGEST = "sha256"
MOMENTS = ("mom1", "mom2", "averages")
# What may be changed for the rest of the training.
FREE = ("max_steps", "max_epochs", "patience", "logger")


@dataclass
class Progress:
    """How far training has come.

    step (int): The last one.
    scores (list[float]): Of all evaluations.
    orders (list[np.ndarray]): For each epoch, the examples as places in the corpus.
    """

    step: int
    scores: list[float]
    orders: list[np.ndarray]


def names_of_keys(nlp: Language, optimizer: Optimizer) -> dict[tuple[int, str], str]:
    """The optimizer knows tensors by numbers that another process counts otherwise.

    RETURNS (dict[tuple[int, str], str]): Component, place in its model, and name, by the
        optimizer's key.
    """
    nodes, shims = {}, {}
    for component, process in nlp.pipeline:
        model = getattr(process, "model", None)
        for i, node in enumerate(model.walk() if isinstance(model, Model) else ()):
            nodes.update({(node.id, name): f"{component}|{i}|{name}" for name in node.param_names})
            shims.update({shim.id: f"{component}|{i}.{j}" for j, shim in enumerate(node.shims)})
    return {key: nodes.get(key) or f"{shims[key[0]]}|{key[1]}" for key in optimizer.nr_update}


def save_state(folder: Path, nlp: Language, optimizer: Optimizer, progress: Progress) -> None:
    """Write the state. A killed process leaves the state before or this one.

    folder (Path): Made if it is not there.
    nlp (Language): The pipeline, with its own weights, not their averages.
    optimizer (Optimizer): The optimizer.
    progress (Progress): How far training has come.
    """
    current = folder / f"step-{progress.step}"
    shutil.rmtree(current, ignore_errors=True)
    current.mkdir(parents=True)
    nlp.to_disk(current / "pipeline", exclude=["vocab", "tokenizer"])
    names = names_of_keys(nlp, optimizer)
    tensors = {
        f"{kind}/{names[key]}": np.ascontiguousarray(to_numpy(value))
        for kind in MOMENTS
        for key, value in (getattr(optimizer, kind) or {}).items()
    }
    tensors.update({f"order/{i}": order for i, order in enumerate(progress.orders)})
    tensors.update({f"random/{name}": state for name, state in _random_states().items()})
    save_file(tensors, current / TENSORS)
    about = {
        "folder": current.name, "step": progress.step, "scores": progress.scores, "config": comparable(nlp),
        "updates": {names[key]: count for key, count in optimizer.nr_update.items()},
        "numpy": _numpy_state()[2:],
    }  # fmt: skip
    state = {**about, DIGEST: _digest(current, about)}
    write_atomically(folder / FILE, json.dumps(state).encode("utf8"))
    for other in folder.glob("step-*"):
        if other != current:
            shutil.rmtree(other)


def read_progress(folder: Path, nlp: Language) -> Progress:
    """RETURNS (Progress): How far an interrupted training had come.
    RAISES (ValueError): If there is none, it is damaged, or its config was another one.
    """
    if not (folder / FILE).is_file():
        raise Errors.B315(folder=str(folder))
    about, current = _read_about(folder)
    new = comparable(nlp)
    for section, old in about["config"].items():
        if old != new.get(section):
            raise Errors.B316(folder=str(folder), section=section, free=", ".join(FREE))
    tensors = load_file(current / TENSORS)
    orders = [
        tensors[f"order/{i}"] for i in range(sum(name.startswith("order/") for name in tensors))
    ]
    return Progress(about["step"], about["scores"], orders)


def _read_about(folder: Path) -> tuple[dict[str, Any], Path]:
    """RETURNS (tuple[dict[str, Any], Path]): What is said of the state, and the folder with the
    rest of it.
    RAISES (ValueError): If anything of it is not as it was written.
    """
    try:
        about = json.loads((folder / FILE).read_text(encoding="utf8"))
        expected, current = about.pop(DIGEST), folder / Path(about["folder"]).name
        if _digest(current, about) != expected:
            raise ValueError("its files are not as they were written")
        return about, current
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise Errors.B318(folder=str(folder), reason=ascii(e)) from e


def _digest(folder: Path, about: dict[str, Any]) -> str:
    """RETURNS (str): SHA-256 of all files of a state, and of what is said of it."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode("utf8"))
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def restore(folder: Path, nlp: Language, optimizer: Optimizer) -> None:
    """Put weights, optimizer and random numbers back.

    folder (Path): Where the state is.
    nlp (Language): The pipeline, initialized as it was before.
    optimizer (Optimizer): The optimizer, its schedules where they were.
    """
    about, current = _read_about(folder)
    nlp.from_disk(current / "pipeline", exclude=["vocab", "tokenizer"])
    tensors = load_file(current / TENSORS)
    keys = _keys_of_names(nlp)
    for name, count in about["updates"].items():
        owner, _, parameter = name.rpartition("|")
        key, ops = (keys[owner][0], parameter), keys[owner][1]
        optimizer.nr_update[key] = count
        for kind in MOMENTS:
            if f"{kind}/{name}" in tensors:
                getattr(optimizer, kind)[key] = ops.asarray(tensors[f"{kind}/{name}"])
    random.setstate((random.getstate()[0], tuple(int(n) for n in tensors["random/python"]), None))
    np.random.set_state(("MT19937", tensors["random/numpy"], *about["numpy"]))
    torch.set_rng_state(torch.from_numpy(tensors["random/torch"].copy()))
    if "random/cuda" in tensors:
        torch.cuda.set_rng_state(torch.from_numpy(tensors["random/cuda"].copy()))


def _keys_of_names(nlp: Language) -> dict[str, tuple[int, Any]]:
    """RETURNS (dict[str, tuple[int, Ops]]): By what `names_of_keys` writes before the last bar."""
    keys: dict[str, tuple[int, Any]] = {}
    for component, process in nlp.pipeline:
        model = getattr(process, "model", None)
        for i, node in enumerate(model.walk() if isinstance(model, Model) else ()):
            keys[f"{component}|{i}"] = (node.id, node.ops)
            keys.update(
                {f"{component}|{i}.{j}": (shim.id, node.ops) for j, shim in enumerate(node.shims)}
            )
    return keys


def _numpy_state() -> tuple:
    return cast(tuple, np.random.get_state())


def _random_states() -> dict[str, np.ndarray]:
    states = {
        "python": np.array(random.getstate()[1], dtype="int64"),
        "numpy": np.asarray(_numpy_state()[1]),
        "torch": torch.get_rng_state().numpy(),
    }
    return (
        {**states, "cuda": torch.cuda.get_rng_state().numpy()}
        if torch.cuda.is_initialized()
        else states
    )


def comparable(nlp: Language) -> dict[str, str]:
    """RETURNS (dict[str, str]): The sections of the config as text, without what may be changed on
    the way.
    """
    config = nlp.config.interpolate()
    sections = {name: config[name] for name in ("nlp", "components", "corpora", "initialize")}
    sections["training"] = {
        name: value for name, value in config["training"].items() if name not in FREE
    }
    return {
        name: json.dumps(section, sort_keys=True, default=str) for name, section in sections.items()
    }
