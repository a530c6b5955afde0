"""Write and read the delta: the trained tensors of a pipeline, and a reference to its backbone.

A delta is one safetensors file, with the reference in its metadata.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ..adapters import DEFAULT
from ..backbone import Backbone
from ..backbone.fingerprint import find_changed_settings, fingerprint
from ..encoder.module import Encoder
from ..errors import BertFamilyError, Errors
from .adapter_state import check_fit, record_adapters

METADATA_KEY = "spacy-bertfamily"
CHECKSUM = "checksum"
# How the names of tensors begin that a pretraining learned beside the encoder.
PRETRAINING = "pretraining."
# What the metadata of a pretraining say about it.
ABOUT_PRETRAINING = "pretraining"
# The delta of a transformer that has no backbone yet. The file is written, so that it can be told
# from a save that was interrupted.
EMPTY_DELTA = save({}, metadata={METADATA_KEY: "null"})


@dataclass(frozen=True)
class Reference:
    """The backbone that a delta belongs to.

    name (str): The name by which it was loaded.
    model_type (str): As in its config.json.
    fingerprint (str): SHA-256 of its weights.
    package (str): The distribution to install, with its version, if the name is inside a package;
        else empty.
    tokenizer (str): SHA-256 of its tokenizer; empty in files of version 0.1.
    config (dict[str, Any] | None): The settings of its config.json that decide what it computes;
        None in files of version 0.1.
    """

    name: str
    model_type: str
    fingerprint: str
    package: str = ""
    tokenizer: str = ""
    config: dict[str, Any] | None = field(default=None, hash=False)


def delta_to_bytes(encoder: Encoder, reference: Reference) -> bytes:
    """Write a delta.

    encoder (Encoder): The encoder, with what was trained on it.
    reference (Reference): Its backbone.
    RETURNS (bytes): A safetensors file of all tensors that the backbone's own files do not hold.
    """
    tensors = {}
    for name, tensor in encoder.delta().items():
        tensors[name] = tensor.detach().cpu().contiguous()
    about = asdict(reference)
    adapters = record_adapters(encoder)
    if adapters is not None:
        about["adapters"] = adapters
    if encoder.pretraining is not None:
        about[ABOUT_PRETRAINING] = _describe_pretraining(encoder)
    about[CHECKSUM] = checksum(about, tensors)
    # One metadata key, since safetensors writes several in any order. The JSON is not sorted,
    # since adapters are restored in the order in which they were added.
    return save(tensors, metadata={METADATA_KEY: json.dumps(about)})


def _describe_pretraining(encoder: Encoder) -> dict[str, Any]:
    """Say what is needed to use the weights of a pretraining without its config.

    encoder (Encoder): The encoder.
    RETURNS (dict[str, Any]): JSON: under `adapter` the block of the configured adapter, None if
        there is none or its kind cannot be written as a block; and what the objective adds.
    """
    assert encoder.pretraining is not None
    configured = encoder.settings.adapter
    try:
        block = None if configured is None else configured.config()
    except BertFamilyError:  # of a kind that is not registered
        block = None
    return {**encoder.pretraining.describe(encoder), "adapter": block}


def checksum(about: dict[str, Any], tensors: dict[str, torch.Tensor]) -> str:
    """Hash the content of a delta.

    about (dict[str, Any]): The metadata, of which an older checksum is ignored.
    tensors (dict[str, torch.Tensor]): The tensors.
    RETURNS (str): The SHA-256, 64 hexadecimal digits.
    """
    hashed = json.dumps({key: value for key, value in about.items() if key != CHECKSUM})
    return hashlib.sha256(f"{hashed} {fingerprint(tensors)}".encode()).hexdigest()


def read_delta(
    content: bytes, file: str
) -> tuple[dict[str, torch.Tensor], Reference, dict[str, Any] | None]:
    """Read a delta.

    content (bytes): The file's content.
    file (str): Its name, for errors.
    RETURNS (tuple[dict[str, torch.Tensor], Reference, dict[str, Any] | None]): The tensors, the
        backbone that they belong to, and the record of the adapters, see `record_adapters`.
    RAISES (BertFamilyError): If the content is cut short, changed, or something else.
    """
    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        about = json.loads(header["__metadata__"][METADATA_KEY])
        tensors = load(content)
        is_intact = about[CHECKSUM] == checksum(about, tensors)
        adapters = about.pop("adapters", None)
        about.pop(ABOUT_PRETRAINING, None)
        reference = Reference(**{key: value for key, value in about.items() if key != CHECKSUM})
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise Errors.B042(file=file, reason=str(e) or repr(e)) from e
    if not is_intact:
        raise Errors.B045(file=file)
    return tensors, reference, adapters


def pretrained_adapters(content: bytes) -> dict[str, Any] | None:
    """Read the adapters of a pretraining, with the settings that its config had.

    content (bytes): A delta that is intact.
    RETURNS (dict[str, Any] | None): As from `record_adapters`, with all settings written out; None
        if those of the active adapter are not in the file.
    """
    about = _read_about(content)
    configured = describe_pretraining(content).get("adapter")
    record = about.get("adapters") or {"active": DEFAULT, "adapters": {DEFAULT: None}, "merged": []}
    adapters = {name: block or configured for name, block in record["adapters"].items()}
    if record["active"] is not None and adapters.get(record["active"]) is None:
        return None
    return {**record, "adapters": adapters}


def describe_pretraining(content: bytes) -> dict[str, Any]:
    """Read what a pretraining has written beside its tensors.

    content (bytes): A delta that is intact.
    RETURNS (dict[str, Any]): JSON, empty in files of other trainings.
    """
    about: dict[str, Any] = _read_about(content).get(ABOUT_PRETRAINING, {})
    return about


def _read_about(content: bytes) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): What an intact delta says beside its tensors."""
    size = int.from_bytes(content[:8], "little")
    about: dict[str, Any] = json.loads(
        json.loads(content[8 : 8 + size])["__metadata__"][METADATA_KEY]
    )
    return about


def check_fingerprint(reference: Reference, backbone: Backbone, component: str) -> None:
    """Check that a backbone is the one that a delta belongs to.

    reference (Reference): As stored with the delta.
    backbone (Backbone): The backbone that was found.
    component (str): The component's name, for the error.
    RAISES (BertFamilyError): If it is another one.
    """
    hint = f" (it came with pip install {reference.package})" if reference.package else ""
    about = {
        "trained": reference.name,
        "found_name": str(backbone.folder),
        "component": component,
        "hint": hint,
    }
    if reference.fingerprint != backbone.fingerprint:
        expected, found = reference.fingerprint[:12], backbone.fingerprint[:12]
        raise Errors.B040(expected=expected, found=found, **about)
    if reference.tokenizer and reference.tokenizer != backbone.tokenizer_fingerprint:
        expected, found = reference.tokenizer[:12], backbone.tokenizer_fingerprint[:12]
        raise Errors.B053(expected=expected, found=found, **about)
    changed = find_changed_settings(reference.config or {}, backbone.config)
    if reference.config is not None and changed:
        raise Errors.B037(changed=changed, **about)


def function_digest(content: bytes) -> str:
    """Hash what a delta says about the transformer's output.

    Two transformers with the same digest compute the same of the same windows, wherever their
    backbone was loaded from.

    content (bytes): A delta that is intact.
    RETURNS (str): The SHA-256, 64 hexadecimal digits; empty if there is no backbone yet.
    """
    if content == EMPTY_DELTA:
        return ""
    about = _read_about(content)
    for key in ("name", "package", CHECKSUM):
        about.pop(key, None)
    hashed = json.dumps(about, sort_keys=True)
    return hashlib.sha256(f"{hashed} {fingerprint(load(content))}".encode()).hexdigest()


def apply_delta(
    encoder: Encoder, tensors: dict[str, torch.Tensor], file: str, component: str
) -> None:
    """Put stored tensors into an encoder. If one of them does not fit, nothing is changed.

    What a pretraining learned beside the encoder, such as its head, is put only into an encoder
    that goes on with it.

    encoder (Encoder): The encoder, with the adapters that the delta was stored with.
    tensors (dict[str, torch.Tensor]): The tensors by name.
    file (str): The file that they come from, for the error.
    component (str): The component's name, for the error.
    RAISES (BertFamilyError): On any missing, unexpected or misshapen tensor.
    """
    own = encoder.delta()
    if encoder.pretraining is None:
        tensors = {k: v for k, v in tensors.items() if not k.startswith(PRETRAINING)}
    problems = check_fit(own, tensors)
    if problems is not None:
        raise Errors.B041(file=file, component=component, **problems)
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(tensors[name])
    encoder.raise_version()
