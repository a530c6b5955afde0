"""The heads that AdapterHub's library keeps beside adapters: head_config.json and the tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..adapters.base import NAME
from ..backbone.safety import read_json, read_tensors
from ..encoder.module import Encoder
from ..errors import Errors
from ..storage.adapter_state import check_fit
from ..storage.delta import Reference
from .adapterhub import HEAD_CONFIG, HEAD_FILES, PLACES, backbone_of, describe
from .base import write_json, write_tensors
from .formats import locate_adapter
from .read import check_backbone

QUESTION_ANSWERING = "question_answering"
# Where the library's head has its linear layers: dropout is before each, the activation between
# them.
POSITIONS = {1: (1,), 2: (1, 4)}
ACTIVATION = "tanh"

Linear = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Head:
    """One or two linear layers, with tanh between two.

    type (str): The library's `head_type`.
    layers (Sequence[Linear]): Weights `(outputs, inputs)` and bias `(outputs,)` of each. A hidden
        layer is as wide as the backbone.
    labels (tuple[str, ...]): The names of the outputs; empty if the file gives none.
    use_pooler (bool): Whether it reads the backbone's pooler, and not the first piece. Question
        answering reads all.
    """

    type: str
    layers: Sequence[Linear]
    labels: tuple[str, ...] = ()
    use_pooler: bool = False


def read_head(
    component: str,
    source: str,
    types: Sequence[str],
    encoder: Encoder,
    reference: Reference,
    force: bool,
) -> Head:
    """Read a head.

    component (str): The component that wants it, for errors.
    source (str): A folder, or a hub id.
    types (Sequence[str]): The types that the component can compute.
    encoder (Encoder): What it stands on.
    reference (Reference): The encoder's backbone.
    force (bool): Accept one for another backbone.
    RETURNS (Head): The head, all tensors of which fit.
    RAISES (ValueError): If it is incomplete, not plain data, does not fit, is of another type or
        for another backbone.
    """
    folder = locate_adapter(source)
    file = next((folder / name for name in HEAD_FILES if (folder / name).is_file()), None)
    if file is None:
        raise Errors.B068(file=str(folder), reason=f"it holds none of {', '.join(HEAD_FILES)}")
    path = folder / HEAD_CONFIG
    content, tensors = read_json(path), read_tensors(file)
    name, config = content.get("name"), content.get("config")
    if not isinstance(config, dict) or not isinstance(name, str):
        raise Errors.B068(file=str(path), reason="it has no 'config' or no 'name'")
    problem = _no_such_model(reference) or _beyond(config, types)
    if problem:
        raise Errors.B090(name=component, file=str(path), reason=problem)
    if not force:
        check_backbone(file, backbone_of(file, content), encoder, reference)
    return Head(
        type=config["head_type"],
        layers=_layers(file, tensors, name, config, encoder.width),
        labels=_labels(path, config),
        use_pooler=bool(config.get("use_pooler")),
    )


def _no_such_model(reference: Reference) -> str:
    known = reference.model_type in PLACES  # the heads of others read other pieces
    return (
        ""
        if known
        else f"heads are exchanged for {', '.join(PLACES)}, not for {reference.model_type!r}"
    )


def _beyond(config: dict[str, Any], types: Sequence[str]) -> str:
    """RETURNS (str): What of a head cannot be computed here; empty if nothing."""
    head_type, layers, n_labels = (
        config.get("head_type"),
        config.get("layers"),
        config.get("num_labels"),
    )
    allowed = [1] if head_type == QUESTION_ANSWERING else list(POSITIONS)
    if head_type not in types:
        return f"it is of the type {head_type!r}, allowed here is {' or '.join(types)}"
    if layers not in allowed:
        return f"it has {layers!r} layers, allowed are {' or '.join(map(str, allowed))}"
    if layers > 1 and config.get("activation_function") != ACTIVATION:
        return f"its activation_function is {config.get('activation_function')!r}, allowed is {ACTIVATION!r}"
    if (
        not isinstance(n_labels, int)
        or n_labels < 1
        or (head_type == QUESTION_ANSWERING and n_labels != 2)
    ):
        return f"its num_labels is {n_labels!r}"
    return ""


def _labels(path: Path, config: dict[str, Any]) -> tuple[str, ...]:
    numbers = config.get("label2id")
    if not numbers:
        return ()
    if not isinstance(numbers, dict) or {*map(str, numbers.values())} != {
        *map(str, range(config["num_labels"]))
    }:
        reason = f"its label2id does not number the labels from 0 to {config['num_labels'] - 1}"
        raise Errors.B068(file=str(path), reason=reason)
    return tuple(sorted(numbers, key=lambda label: int(numbers[label])))


def _layers(
    file: Path, tensors: dict[str, torch.Tensor], name: str, config: dict[str, Any], width: int
) -> list[Linear]:
    keys = _keys(name, config["layers"])
    sizes = [width] * (len(keys) - 1) + [config["num_labels"]]
    expected = {}
    for size, (weight, bias) in zip(sizes, keys):
        expected[weight], expected[bias] = (
            torch.empty(size, width, device="meta"),
            torch.empty(size, device="meta"),
        )
    if not config.get("bias", True):
        del expected[keys[-1][1]]  # the last layer has none
    problems = check_fit(expected, tensors)
    if problems is not None:
        raise Errors.B066(file=str(file), **problems)
    given = {**{bias: torch.zeros(size) for size, (_, bias) in zip(sizes, keys)}, **tensors}
    return [(given[weight].float().numpy(), given[bias].float().numpy()) for weight, bias in keys]


def _keys(name: str, n_layers: int) -> list[tuple[str, str]]:
    places = [f"heads.{name}.{position}" for position in POSITIONS[n_layers]]
    return [(f"{place}.weight", f"{place}.bias") for place in places]


def write_head(
    component: str, folder: Path, name: str, head: Head, encoder: Encoder, reference: Reference
) -> None:
    """Write a head, into the folder of an adapter or its own.

    component (str): The component whose head it is, for errors.
    folder (Path): Made if it is not there.
    name (str): Its name.
    head (Head): The head.
    encoder (Encoder): What it stands on.
    reference (Reference): The encoder's backbone.
    RAISES (ValueError): If the library has no such model, or the name is not allowed.
    """
    problem = _no_such_model(reference)
    if problem:
        raise Errors.B091(name=component, reason=problem)
    if not NAME.fullmatch(name):
        raise Errors.B060(name=name)
    config: dict[str, Any] = {
        "head_type": head.type,
        "num_labels": len(head.layers[-1][1]),
        "layers": len(head.layers),
        "activation_function": ACTIVATION,
        "label2id": {label: number for number, label in enumerate(head.labels)} or None,
        "dropout_prob": None,
    }
    if head.type != QUESTION_ANSWERING:
        config.update(use_pooler=head.use_pooler, bias=True)
    content = describe(name, config, encoder, reference)
    # only the library's own class of models has heads of these types
    content["model_class"] = content["model_class"].removesuffix("Model") + "AdapterModel"
    tensors = {}
    for (weight, bias), (W, b) in zip(_keys(name, len(head.layers)), head.layers):
        tensors[weight], tensors[bias] = torch.from_numpy(W), torch.from_numpy(b)
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / HEAD_FILES[0], tensors, reference)
    write_json(folder / HEAD_CONFIG, content)
