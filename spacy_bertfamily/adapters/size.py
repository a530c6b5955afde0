"""Limit the size of adapters, before anything is allocated.

Their settings may come from a stranger's file, or have a mistyped number.
"""

import copy
from itertools import chain

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
    RETURNS (AdapterModules): The modules, on the meta device unless they cannot be made there.
    RAISES (TooLargeError): If it is larger.
    RAISES (BertFamilyError): If it does not fit the backbone.
    """
    devices: list[int] = []  # nothing is drawn on GPUs
    with torch.random.fork_rng(devices):
        try:
            with limited_construction(most_numbers, most_modules):
                return settings.attach(copy_to_meta(model), spec)
        except Exception:  # some of peft's methods compute with their first weights
            with limited_construction(most_numbers, most_modules, "cpu"):
                return settings.attach(_copy_modules(model), spec)


def _copy_modules(model: nn.Module) -> nn.Module:
    """RETURNS (nn.Module): A copy of a model over the same tensors."""
    tensors = chain(model.parameters(), model.buffers())
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})


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
