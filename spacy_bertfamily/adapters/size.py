"""Limit the size of adapters, before anything is allocated.

Their settings may come from a stranger's file, or have a mistyped number.
"""

import torch
from torch import nn

from ..errors import Errors
from ..model_types.spec import ModelTypeSpec
from ..patching.meta import TooLargeError, copy_to_meta, limited_construction
from .base import Adapter
from .modules import AdapterModules

# An adapter may have as many numbers as its backbone, and so many more, for tiny backbones.
ALWAYS_ALLOWED_NUMBERS = 10_000_000
# Modules cost time rather than memory.
MOST_MODULES = 100_000


def sketch_adapter(
    settings: Adapter,
    model: nn.Module,
    spec: ModelTypeSpec,
    most_numbers: int,
    most_modules: int = MOST_MODULES,
) -> AdapterModules:
    """Make an adapter's modules without memory, to learn the shapes of its tensors.

    No random numbers are drawn.

    settings (Adapter): The settings.
    model (nn.Module): The backbone, which is not changed.
    spec (ModelTypeSpec): Where its type takes adapters.
    most_numbers (int): The most numbers that it may have.
    most_modules (int): The most modules.
    RETURNS (AdapterModules): The modules, on the meta device.
    RAISES (TooLargeError): If it is larger.
    RAISES (BertFamilyError): If it does not fit the backbone.
    """
    twin = copy_to_meta(model)
    devices: list[int] = []  # the generators of GPUs draw nothing for tensors on the meta device
    with torch.random.fork_rng(devices), limited_construction(most_numbers, most_modules):
        return settings.attach(twin, spec)


def check_adapter_size(settings: Adapter, model: nn.Module, spec: ModelTypeSpec) -> None:
    """Check that an adapter is not larger than its backbone.

    settings (Adapter): The settings.
    model (nn.Module): The backbone, which is not changed.
    spec (ModelTypeSpec): Where its type takes adapters.
    RAISES (BertFamilyError): If it is much larger, or does not fit the backbone.
    """
    numbers = sum(parameter.numel() for parameter in model.parameters())
    try:
        sketch_adapter(settings, model, spec, numbers + ALWAYS_ALLOWED_NUMBERS)
    except TooLargeError as e:
        raise Errors.B083(
            settings=settings,
            what=str(e),
            numbers=numbers,
            more=ALWAYS_ALLOWED_NUMBERS,
            modules=MOST_MODULES,
        ) from e
