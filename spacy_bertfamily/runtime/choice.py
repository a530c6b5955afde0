"""Decide what computes an encoder in prediction, before anything is exported."""

from collections.abc import Iterable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from ..encoder.module import Encoder
from ..encoder.settings import EncoderSettings
from ..errors import Errors
from .prediction import OpenVINORuntime

OPENVINO, NNCF = "openvino", "nncf"


def make_runtime(encoder: Encoder, name: str, stored: Path | None = None) -> OpenVINORuntime | None:
    """Make what computes an encoder in prediction.

    encoder (Encoder): The encoder.
    name (str): The transformer's name, for messages.
    stored (Path | None): A folder with what was exported of it, if there is one.
    RETURNS (OpenVINORuntime | None): The runtime; None for torch.
    RAISES (BertFamilyError): If the settings name OpenVINO, and it is not installed, the model type
        is known not to export, or the encoder is not on the CPU.
    """
    settings = encoder.settings
    if settings.runtime == "torch":
        return None
    if settings.runtime == "auto" and _find_obstacle(encoder) is not None:
        return None
    check_runtime(encoder, name)
    return OpenVINORuntime(encoder, name, stored)


def check_runtime(encoder: Encoder, name: str) -> None:
    """Check that OpenVINO can compute an encoder.

    encoder (Encoder): The encoder.
    name (str): The transformer's name, for messages.
    RAISES (BertFamilyError): If it cannot.
    """
    if missing_package(OPENVINO):
        raise Errors.B770(name=name, package=OPENVINO)
    encoder.spec.check("openvino", encoder.shared.config.model_type)
    if encoder.device.type != "cpu":
        raise Errors.B773(name=name, device=encoder.device)


def _find_obstacle(encoder: Encoder) -> str | None:
    """RETURNS (str | None): Why an encoder with runtime = 'auto' is computed by torch."""
    if encoder.settings.separate_layers:
        return "it has separate_layers"
    if missing_package(OPENVINO):
        return f"{OPENVINO} is not installed"
    if encoder.settings.weights == "int8" and missing_package(NNCF):
        return f"{NNCF} is not installed"
    if encoder.device.type != "cpu":
        return "it is on a GPU"
    return encoder.spec.why_not("openvino")


def missing_package(package: str) -> bool:
    """RETURNS (bool): Whether a package is not installed."""
    return find_spec(package) is None


def installed_versions(packages: Iterable[str] = (OPENVINO, NNCF)) -> dict[str, str]:
    """RETURNS (dict[str, str]): The versions of those packages that are installed."""
    found = {}
    for package in packages:
        if not missing_package(package):
            found[package] = metadata.version(package)
    return found


def describe_runtime(
    settings: EncoderSettings, runtime: OpenVINORuntime | None, encoder: Encoder
) -> str:
    """Say what computes an encoder in prediction on this machine.

    settings (EncoderSettings): The settings.
    runtime (OpenVINORuntime | None): As from `make_runtime`.
    encoder (Encoder): The encoder.
    RETURNS (str): The runtime with its version and the kind of weights, or torch and why.
    """
    if runtime is not None and runtime.is_used:
        return f"openvino {installed_versions()[OPENVINO]}, {settings.weights} weights"
    if settings.runtime == "torch":
        return "torch"
    if runtime is not None:
        return f"torch ({runtime.reason})"
    return f"torch ({_find_obstacle(encoder)})"
