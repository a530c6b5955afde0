"""OpenVINO and NNCF without telemetry, progress bars and tables.

- Changes: the methods of `openvino_telemetry.Telemetry` that send, the check of the user's consent
  in that package, the progress bar of NNCF's weight compression, and the levels of logging of NNCF
  and transformers.
- Why: both packages report their use to their maker unless the user has opted out, already when
  they are imported, and write files about that to the home folder. Nobody who loads a spaCy
  pipeline expects that, or a progress bar. The tracer asks models for all of their attributes, and
  transformers warns about some.
- Tried with: openvino 2026.4.1, openvino-telemetry 2025.2.0, nncf 3.4.0.
- Undone: at the end of the context. A package that is first imported inside it goes on without
  telemetry in this process.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any
from unittest.mock import patch

SENDING = ("send_event", "start_session", "end_session", "send_error", "send_stack_trace")
COMPRESSION = "nncf.quantization.algorithms.weight_compression.algorithm"


@contextmanager
def private_and_quiet() -> Iterator[None]:
    """Use OpenVINO and NNCF without telemetry, progress bars and tables."""
    with ExitStack() as stack:
        _stop_telemetry(stack)
        _silence(stack, "transformers")
        yield


def import_openvino() -> Any:
    """RETURNS (ModuleType): The package `openvino`."""
    if "openvino" not in sys.modules:
        with private_and_quiet():
            return import_module("openvino")
    return sys.modules["openvino"]


def compress_weights(model: Any) -> Any:
    """Hold the weights of dense layers and embeddings in int8, with a scale for each row.

    model (openvino.Model): The model, which is changed.
    RETURNS (openvino.Model): The model.
    """
    with ExitStack() as stack:
        stack.enter_context(private_and_quiet())
        nncf = import_module("nncf")  # sets the level of its logging
        _silence(stack, "nncf")
        compression = import_module(COMPRESSION)
        if hasattr(compression, "track"):
            stack.enter_context(patch.object(compression, "track", lambda items, **_: items))
        return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_ASYM)


def _stop_telemetry(stack: ExitStack) -> None:
    try:
        telemetry = import_module("openvino_telemetry").Telemetry
        checker = import_module("openvino_telemetry.utils.opt_in_checker")
    except ImportError:  # it is optional
        return
    for name in SENDING:
        if hasattr(telemetry, name):
            stack.enter_context(patch.object(telemetry, name, _do_nothing))
    declined = checker.ConsentCheckResult.DECLINED
    stack.enter_context(patch.object(checker.OptInChecker, "check", lambda *_, **__: declined))


def _silence(stack: ExitStack, name: str) -> None:
    """Let a package log nothing but errors."""
    logger = logging.getLogger(name)
    stack.callback(logger.setLevel, logger.level)
    logger.setLevel(logging.ERROR)


def _do_nothing(*args: Any, **kwargs: Any) -> None:
    """Stand for a method that sends something."""
