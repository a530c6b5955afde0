"""Training checkpoints: what resuming needs, written to disk and read back.

A checkpoint is a folder with `state.json` and one folder `step-N`. The latter holds the pipeline's
weights, and in `tensors.safetensors` the optimizer's moments and averages, the random state, and
the order of the examples in each epoch.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from spacy.language import Language
from spacy.util import registry
from thinc.api import Optimizer, to_numpy

from ..errors import BertFamilyError, Errors
from ..files import write_atomically
from .data_digests import TRAIN
from .optimizer_keys import keys_by_owner, names_by_key
from .random_state import Tensors, get_random_state, set_random_state

FILE = "state.json"
TENSORS = "tensors.safetensors"
DIGEST = "sha256"
MOMENTS = ("mom1", "mom2", "averages")
# What the tensor of a random generator, and of the order of an epoch, is named after.
RANDOM, ORDER = "random/", "order/"
# The settings of [training] that may differ when training is resumed.
CHANGEABLE = ("max_steps", "max_epochs", "patience", "logger")
# Stored once with the config, not with each checkpoint.
NOT_STORED = ["vocab", "tokenizer"]


@dataclass
class Progress:
    """How far training has come.

    step (int): The last step.
    scores (list[float]): The main scores of all evaluations.
    orders (list[np.ndarray]): For each epoch, the order of the examples, as indices into the
        corpus.
    digests (dict[str, str]): The digests of the data, as `digest_data` makes them. Empty if the
        checkpoint was written before there were any.
    last_step (int | None): The step at which training ended; None if it was interrupted.
    """

    step: int
    scores: list[float]
    orders: list[np.ndarray[Any, Any]]
    digests: dict[str, str] = field(default_factory=dict)
    last_step: int | None = None

    @property
    def end(self) -> int:
        """RETURNS (int): The last step that is known to have been made."""
        return self.step if self.last_step is None else self.last_step

    def changed_data(self, digests: dict[str, str], size: int) -> list[str]:
        """Find out which data are not those of this training.

        digests (dict[str, str]): The digests of the data now.
        size (int): The number of training examples now.
        RETURNS (list[str]): The names of the data that have changed.
        """
        if self.digests:
            return [name for name, digest in self.digests.items() if digests.get(name) != digest]
        # of the corpora of an old checkpoint, only the number of training examples is known
        sizes = {len(order) for order in self.orders}
        return [TRAIN] if sizes - {size} else []


def save_checkpoint(folder: Path, nlp: Language, optimizer: Optimizer, progress: Progress) -> None:
    """Write a checkpoint. A killed process leaves the previous checkpoint or this one.

    folder (Path): The folder, which is made if it does not exist.
    nlp (Language): The pipeline, with its own weights, not their averages.
    optimizer (Optimizer): The optimizer.
    progress (Progress): How far training has come.
    """
    step_folder = folder / f"step-{progress.step}"
    shutil.rmtree(step_folder, ignore_errors=True)
    step_folder.mkdir(parents=True)
    nlp.to_disk(step_folder / "pipeline", exclude=NOT_STORED)
    names = names_by_key(nlp, optimizer)
    random_tensors, numpy_rest = get_random_state()
    tensors = _optimizer_tensors(optimizer, names)
    tensors.update({f"{ORDER}{i}": order for i, order in enumerate(progress.orders)})
    tensors.update({f"{RANDOM}{name}": tensor for name, tensor in random_tensors.items()})
    save_file(tensors, step_folder / TENSORS)
    content = {
        "folder": step_folder.name,
        "step": progress.step,
        "scores": progress.scores,
        "config": config_sections(nlp),
        "digests": progress.digests,
        "updates": {names[key]: count for key, count in optimizer.nr_update.items()},
        "numpy": numpy_rest,
    }
    _write_content(folder, step_folder, content)
    for other in folder.glob("step-*"):
        if other != step_folder:
            shutil.rmtree(other)


def mark_finished(folder: Path, last_step: int) -> None:
    """Note in a checkpoint that its training was not interrupted.

    folder (Path): The folder of the checkpoint.
    last_step (int): The step at which training ended, at or after that of the checkpoint.
    RAISES (BertFamilyError): If the checkpoint is damaged.
    """
    content, step_folder = _read_content(folder)
    _write_content(folder, step_folder, {**content, "last_step": last_step})


def _write_content(folder: Path, step_folder: Path, content: dict[str, Any]) -> None:
    signed = {**content, DIGEST: _digest(step_folder, content)}
    write_atomically(folder / FILE, json.dumps(signed).encode("utf8"))


def _optimizer_tensors(optimizer: Optimizer, names: dict[tuple[int, str], str]) -> Tensors:
    """RETURNS (dict[str, np.ndarray]): The moments and averages, as `KIND/NAME`."""
    tensors = {}
    for kind in MOMENTS:
        by_key = getattr(optimizer, kind) or {}
        for key, value in by_key.items():
            tensors[f"{kind}/{names[key]}"] = np.ascontiguousarray(to_numpy(value))
    return tensors


def read_progress(folder: Path, nlp: Language) -> Progress:
    """Read how far an interrupted training had come.

    folder (Path): The folder of the checkpoint.
    nlp (Language): The pipeline, whose config must be the one of the interrupted training. If the
        checkpoint has digests of the corpora, they are compared instead of how they are read.
    RETURNS (Progress): How far it had come.
    RAISES (BertFamilyError): If there is no checkpoint, it is damaged, or its config was another.
    """
    if not (folder / FILE).is_file():
        raise Errors.B315(folder=str(folder))
    content, step_folder = _read_content(folder)
    new = config_sections(nlp)
    digests = content.get("digests", {})
    for section, old in content["config"].items():
        is_digested = section == "corpora" and digests
        before, now = comparable(nlp, section, old), comparable(nlp, section, new.get(section))
        if before != now and not is_digested:
            free = ", ".join(CHANGEABLE)
            raise Errors.B316(folder=str(folder), section=section, free=free)
    tensors = load_file(step_folder / TENSORS)
    epochs = sum(name.startswith(ORDER) for name in tensors)
    orders = [tensors[f"{ORDER}{i}"] for i in range(epochs)]
    return Progress(content["step"], content["scores"], orders, digests, content.get("last_step"))


def read_step(folder: Path) -> int | None:
    """RETURNS (int | None): The step of the checkpoint in a folder; None if it cannot be used."""
    try:
        content, _ = _read_content(folder)
    except BertFamilyError:
        return None
    return int(content["step"])


def _read_content(folder: Path) -> tuple[dict[str, Any], Path]:
    """Read the JSON of a checkpoint, and check that all files are as they were written.

    folder (Path): The folder of the checkpoint.
    RETURNS (tuple[dict[str, Any], Path]): The JSON, and the folder with the other files.
    RAISES (BertFamilyError): If a file is missing or was changed.
    """
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf8"))
        expected = content.pop(DIGEST)
        step_folder = folder / Path(content["folder"]).name
        if _digest(step_folder, content) != expected:
            raise ValueError("its files are not as they were written")
        return content, step_folder
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise Errors.B318(folder=str(folder), reason=ascii(e)) from e


def _digest(folder: Path, content: dict[str, Any]) -> str:
    """RETURNS (str): SHA-256 of all files of a checkpoint, and of its JSON."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf8"))
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def restore_checkpoint(folder: Path, nlp: Language, optimizer: Optimizer) -> None:
    """Restore weights, optimizer and random state.

    folder (Path): The folder of the checkpoint.
    nlp (Language): The pipeline, initialized as it was before.
    optimizer (Optimizer): The optimizer, its schedules at the step of the checkpoint.
    """
    content, step_folder = _read_content(folder)
    nlp.from_disk(step_folder / "pipeline", exclude=NOT_STORED)
    tensors: dict[str, Any] = load_file(step_folder / TENSORS)
    keys = keys_by_owner(nlp)
    for name, count in content["updates"].items():
        owner, _, parameter = name.rpartition("|")
        owner_id, ops = keys[owner]
        key = (owner_id, parameter)
        optimizer.nr_update[key] = count
        for kind in MOMENTS:
            stored = tensors.get(f"{kind}/{name}")
            if stored is not None:
                getattr(optimizer, kind)[key] = ops.asarray(stored)
    random_tensors = {
        name.removeprefix(RANDOM): tensor
        for name, tensor in tensors.items()
        if name.startswith(RANDOM)
    }
    set_random_state(random_tensors, content["numpy"])


def comparable(nlp: Language, section: str, text: str | None) -> Any:
    """Read a section of a config without the settings of components that have their default.

    A setting that is newer than a checkpoint is missing in it, and then has its default.

    nlp (Language): The pipeline.
    section (str): The section's name.
    text (str | None): The section, as `config_sections` gives it.
    RETURNS (Any): The section's content.
    """
    content = None if text is None else json.loads(text)
    if section != "components" or not content:
        return content
    for block in content.values():
        factory = block.get("factory")
        if not nlp.has_factory(factory):
            continue
        defaults = json.loads(json.dumps(nlp.get_factory_meta(factory).default_config, default=str))
        _drop_defaults(defaults)
        _drop_defaults(block)
        for name, default in defaults.items():
            if name in block and block[name] == default:
                del block[name]
    return content


def _drop_defaults(block: dict[str, Any]) -> None:
    """Delete arguments of registered functions that have their default, in nested blocks too."""
    for value in block.values():
        if isinstance(value, dict):
            _drop_defaults(value)
    for kind, name in list(block.items()):
        if kind.startswith("@") and registry.has(kind[1:], name):
            for argument in signature(registry.get(kind[1:], name)).parameters.values():
                if argument.name in block and block[argument.name] == argument.default:
                    del block[argument.name]


def config_sections(nlp: Language) -> dict[str, str]:
    """Describe the config of a training, for comparison.

    nlp (Language): The pipeline with its config.
    RETURNS (dict[str, str]): The text of each section, without the settings that may differ when
        training is resumed.
    """
    config = nlp.config.interpolate()
    sections = {name: config[name] for name in ("nlp", "components", "corpora", "initialize")}
    training = config["training"]
    sections["training"] = {
        name: value for name, value in training.items() if name not in CHANGEABLE
    }
    return {
        name: json.dumps(section, sort_keys=True, default=str) for name, section in sections.items()
    }
