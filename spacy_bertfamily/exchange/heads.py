"""Heads of the library adapters (AdapterHub): head_config.json and the tensors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..adapters.base import NAME
from ..backbone.safety import read_tensors
from ..encoder.module import Encoder
from ..errors import Errors
from ..storage.adapter_state import check_fit
from ..storage.delta import Reference
from .adapterhub import SITE_PATHS
from .adapterhub_config import (
    HEAD_CONFIG,
    HEAD_FILES,
    make_config_file,
    read_backbone,
    read_config_file,
)
from .base import Tensors, write_json, write_tensors
from .formats import first_file, locate_adapter
from .head import QUESTION_ANSWERING, Head, Linear
from .peft_files import FILES as PEFT_FILES
from .peft_heads import read_peft_head
from .read import check_backbone

# The positions of the linear layers in the library's head, by their number. Dropout comes before
# each, and the activation between them.
POSITIONS = {1: (1,), 2: (1, 4)}
ACTIVATION = "tanh"


def read_head(
    component: str,
    source: str | Path,
    types: Sequence[str],
    encoder: Encoder,
    reference: Reference,
    force: bool,
) -> Head:
    """Read a head of the library adapters, or the one in a folder of peft.

    component (str): The name of the component that gets it, for errors.
    source (str | Path): A folder, or a hub id.
    types (Sequence[str]): The types that the component can compute.
    encoder (Encoder): The encoder below the component.
    reference (Reference): The encoder's backbone.
    force (bool): Accept a head for another backbone.
    RETURNS (Head): The head, all tensors of which fit.
    RAISES (BertFamilyError): If it is incomplete, not plain data, does not fit, is of another type
        or for another backbone.
    """
    folder = locate_adapter(source)
    file = first_file(folder, HEAD_FILES)
    if file is None:
        peft_file = first_file(folder, PEFT_FILES)
        if peft_file is None:
            names = ", ".join((*HEAD_FILES, *PEFT_FILES))
            raise Errors.B068(file=str(folder), reason=f"it holds none of {names}")
        return read_peft_head(component, peft_file, types, encoder, reference, force)
    path = folder / HEAD_CONFIG
    content = read_config_file(path)
    tensors = read_tensors(file)
    config = content["config"]
    reason = _unsupported_model(reference) or _unsupported_settings(config, types)
    if reason:
        raise Errors.B090(name=component, file=str(path), reason=reason)
    if not force:
        check_backbone(file, read_backbone(file, content), encoder, reference)
    return Head(
        type=config["head_type"],
        layers=_read_layers(file, tensors, content["name"], config, encoder.width),
        labels=_read_labels(path, config),
        use_pooler=bool(config.get("use_pooler")),
    )


def _unsupported_model(reference: Reference) -> str:
    """RETURNS (str): Why heads of the backbone's type cannot be exchanged; empty if they can."""
    if reference.model_type in SITE_PATHS:
        return ""
    # the heads of other types read other pieces
    return f"heads are exchanged for {', '.join(SITE_PATHS)}, not for {reference.model_type!r}"


def _unsupported_settings(config: dict[str, Any], types: Sequence[str]) -> str:
    """RETURNS (str): Why a head with these settings cannot be computed; empty if it can."""
    head_type, n_layers = config.get("head_type"), config.get("layers")
    is_qa = head_type == QUESTION_ANSWERING
    if head_type not in types:
        return f"it is of the type {head_type!r}, allowed here is {' or '.join(types)}"
    allowed = [1] if is_qa else list(POSITIONS)
    if n_layers not in allowed:
        return f"it has {n_layers!r} layers, allowed are {' or '.join(map(str, allowed))}"
    activation = config.get("activation_function")
    if n_layers > 1 and activation != ACTIVATION:
        return f"its activation_function is {activation!r}, allowed is {ACTIVATION!r}"
    n_labels = config.get("num_labels")
    is_count = isinstance(n_labels, int) and n_labels >= 1
    if not is_count or (is_qa and n_labels != 2):
        return f"its num_labels is {n_labels!r}"
    return ""


def _read_labels(path: Path, config: dict[str, Any]) -> tuple[str, ...]:
    """Read the names of the outputs. RAISES (BertFamilyError): If they are not numbered."""
    numbers = config.get("label2id")
    if not numbers:
        return ()
    given = set(map(str, numbers.values())) if isinstance(numbers, dict) else set()
    if len(given) != config["num_labels"] or given != set(map(str, range(len(given)))):
        reason = f"its label2id does not number the labels from 0 to {config['num_labels'] - 1}"
        raise Errors.B068(file=str(path), reason=reason)
    return tuple(sorted(numbers, key=lambda label: int(numbers[label])))


def _read_layers(
    file: Path, tensors: Tensors, name: str, config: dict[str, Any], width: int
) -> list[Linear]:
    """Read the linear layers. RAISES (BertFamilyError): If a tensor is missing or does not fit."""
    names = _layer_names(name, config["layers"])
    sizes = [width] * (len(names) - 1) + [config["num_labels"]]
    expected: Tensors = {}
    biases: dict[str, int] = {}
    for size, (weight, bias) in zip(sizes, names):
        expected[weight] = torch.empty(size, width, device="meta")
        expected[bias] = torch.empty(size, device="meta")
        biases[bias] = size
    if not config.get("bias", True):
        _, last_bias = names[-1]
        del expected[last_bias]
    problems = check_fit(expected, tensors)
    if problems is not None:
        raise Errors.B066(file=str(file), **problems)
    zeros = {bias: torch.zeros(size) for bias, size in biases.items() if bias not in tensors}
    given = {**zeros, **tensors}
    return [(given[weight].float().numpy(), given[bias].float().numpy()) for weight, bias in names]


def _layer_names(name: str, n_layers: int) -> list[tuple[str, str]]:
    """RETURNS (list[tuple[str, str]]): The names of weight and bias of each linear layer."""
    paths = [f"heads.{name}.{position}" for position in POSITIONS[n_layers]]
    return [(f"{path}.weight", f"{path}.bias") for path in paths]


def write_head(
    component: str, folder: Path, name: str, head: Head, encoder: Encoder, reference: Reference
) -> None:
    """Write a head, beside an adapter or into a folder of its own.

    component (str): The name of the component whose head it is, for errors.
    folder (Path): The folder, which is made if it does not exist.
    name (str): The head's name.
    head (Head): The head.
    encoder (Encoder): The encoder below the component.
    reference (Reference): The encoder's backbone.
    RAISES (BertFamilyError): If the library has no such model, or the name is not allowed.
    """
    reason = _unsupported_model(reference)
    if reason:
        raise Errors.B091(name=component, reason=reason)
    if not NAME.fullmatch(name):
        raise Errors.B060(name=name)
    content = make_config_file(name, _head_config(head), encoder, reference)
    # only the library's own class of models has heads of these types
    content["model_class"] = content["model_class"].removesuffix("Model") + "AdapterModel"
    tensors = {}
    for (weight, bias), (W, b) in zip(_layer_names(name, len(head.layers)), head.layers):
        tensors[weight] = torch.from_numpy(W)
        tensors[bias] = torch.from_numpy(b)
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / HEAD_FILES[0], tensors, reference)
    write_json(folder / HEAD_CONFIG, content)


def _head_config(head: Head) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The settings of a head, as the library names them."""
    _, last_bias = head.layers[-1]
    config: dict[str, Any] = {
        "head_type": head.type,
        "num_labels": len(last_bias),
        "layers": len(head.layers),
        "activation_function": ACTIVATION,
        "label2id": {label: number for number, label in enumerate(head.labels)} or None,
        "dropout_prob": None,
    }
    if head.type != QUESTION_ANSWERING:
        config.update(use_pooler=head.use_pooler, bias=True)
    return config
