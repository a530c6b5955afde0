"""What a pipeline stores: the trained tensors, and which backbone they belong to, in one
safetensors file.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ..backbone.fingerprint import fingerprint
from ..encoder.module import Encoder
from ..errors import Errors
from .adapter_state import adapter_state, check_fit

METADATA_KEY = "spacy-bertfamily"
CHECKSUM = "checksum"
# The delta of a transformer that has no backbone yet: it is there, unlike that of a save that was
# interrupted.
NOTHING = save({}, metadata={METADATA_KEY: "null"})


@dataclass(frozen=True)
class Reference:
    """The backbone that a delta belongs to.

    name (str): The name by which it was loaded.
    model_type (str): As in its config.json.
    fingerprint (str): SHA-256 of its weights.
    package (str): The distribution to install, with its version, where the name is inside a
        package.
    """

    name: str
    model_type: str
    fingerprint: str
    package: str = ""


def delta_to_bytes(encoder: Encoder, reference: Reference) -> bytes:
    """RETURNS (bytes): A safetensors file of all tensors that the backbone's own files do not give
    back.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.delta().items()}
    state = adapter_state(encoder)
    about = {**asdict(reference), **({} if state is None else {"adapters": state})}
    about[CHECKSUM] = checksum(about, tensors)
    # One key, since safetensors writes several in any order; unsorted, since adapters keep theirs.
    return save(tensors, metadata={METADATA_KEY: json.dumps(about)})


def checksum(about: dict[str, Any], tensors: dict[str, torch.Tensor]) -> str:
    """RETURNS (str): SHA-256 of all that a delta says, but for the checksum itself."""
    said = json.dumps({key: value for key, value in about.items() if key != CHECKSUM})
    return hashlib.sha256(f"{said} {fingerprint(tensors)}".encode()).hexdigest()


def read_delta(
    content: bytes, file: str
) -> tuple[dict[str, torch.Tensor], Reference, dict[str, Any] | None]:
    """Read a delta.

    content (bytes): The file's content.
    file (str): Its name, for errors.
    RETURNS (tuple[dict[str, torch.Tensor], Reference, dict[str, Any] | None]): The tensors, the
        backbone that they belong to, and its adapters if they are others than those of the config.
    RAISES (ValueError): If the content is cut short, changed, or something else.
    """
    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        about = json.loads(header["__metadata__"][METADATA_KEY])
        tensors = load(content)
        intact = about[CHECKSUM] == checksum(about, tensors)
        adapters = about.pop("adapters", None)
        reference = Reference(**{key: value for key, value in about.items() if key != CHECKSUM})
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise Errors.B042(file=file, reason=str(e) or repr(e)) from e
    if not intact:
        raise Errors.B045(file=file)
    return tensors, reference, adapters


def apply_delta(
    encoder: Encoder, tensors: dict[str, torch.Tensor], file: str, component: str
) -> None:
    """Put stored tensors into an encoder; all of them fit, or nothing is changed.

    RAISES (ValueError): On any missing, unexpected or misshapen tensor.
    """
    own = encoder.delta()
    problems = check_fit(own, tensors)
    if problems is not None:
        raise Errors.B041(file=file, component=component, **problems)
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(tensors[name])
    encoder.raise_version()
