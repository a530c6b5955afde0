"""peft's injection into a model that stays what it is.

- Changes: nothing in the model. `peft.inject_adapter_in_model` puts peft's layers in the place of a
  model's modules, which renames the tensors that others share and makes them part of the adapter.
  So peft works on a copy of the module tree over the same tensors. Only the layers that it made are
  taken from the copy, and each then wraps the model's own module, without holding it as a
  submodule.
- Why: several pipelines share a backbone, and adapters are switched on and off.
- Tried with: peft 0.11.0 on transformers 4.45.0, peft 0.21.2 on transformers 4.53.2; torch 2.13.0.
- Undone: nothing remains if the injection fails. The layers act on the model only through a
  `ForwardOverride`, and its `remove` takes them out.
"""

import copy
from collections import OrderedDict
from typing import Any, cast

import torch
from torch import nn

BASE = "base_layer"  # peft's name of the module that a layer wraps
HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_pre_hooks_with_kwargs",
)


def make_layers(config: Any, model: nn.Module, name: str) -> dict[str, nn.Module]:
    """Let peft make its layers for a model.

    config (PeftConfig): Peft's settings, which it completes by what it chooses for the model.
    model (nn.Module): The model, which is not changed.
    name (str): Peft's name for the adapter.
    RETURNS (dict[str, nn.Module]): The layers by the path of the module that each wraps.
    RAISES (Exception): If peft refuses the settings, or changes weights of the model.
    """
    from peft import inject_adapter_in_model

    copied = _copy_tree(model)
    before = {path: _version(parameter) for path, parameter in copied.named_parameters()}
    own = set(copied.modules())
    inject_adapter_in_model(config, copied, name)
    _check_untouched(copied, before)
    layers = {
        path: module
        for path, module in copied.named_modules()
        if hasattr(module, BASE) and module not in own
    }
    for path, layer in layers.items():
        # In __dict__, it is not a submodule: the tensors belong to the model.
        del layer._modules[BASE]
        layer.__dict__[BASE] = _without_hooks(model.get_submodule(path))
    return layers


def merged_weights(layer: nn.Module, name: str) -> dict[str, torch.Tensor]:
    """Compute weights that have the same effect as a module with a layer of peft around it.

    layer (nn.Module): The layer, which is not changed.
    name (str): Peft's name for the adapter.
    RETURNS (dict[str, torch.Tensor]): Those weights of the wrapped module that change, by name.
    RAISES (NotImplementedError | AttributeError): If the layer cannot be merged.
    """
    # The copy is merged, since merging also changes the layer: from then on it adds nothing.
    copied = copy.deepcopy(layer)
    base = cast(nn.Module, copied.base_layer).float()
    copied.merge(safe_merge=True, adapter_names=[name])  # type: ignore[operator]
    merged = dict(base.named_parameters())
    weights = {}
    for key, parameter in cast(nn.Module, layer.base_layer).named_parameters():
        if not torch.equal(merged[key], parameter.float()):
            weights[key] = merged[key].detach()
    return weights


def _copy_tree(model: nn.Module) -> nn.Module:
    """Copy modules and parameters, but not the tensors' memory.

    model (nn.Module): The model.
    RETURNS (nn.Module): The copy, nothing of which is trained.
    """
    memo: dict[int, Any] = {id(buffer): buffer for buffer in model.buffers()}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=False)
    return copy.deepcopy(model, memo)


def _version(parameter: nn.Parameter) -> tuple[int, int]:
    """RETURNS (tuple[int, int]): Changes with the parameter's memory or its content."""
    return parameter.data_ptr(), parameter._version


def _check_untouched(copied: nn.Module, before: dict[str, tuple[int, int]]) -> None:
    """Check that the tensors are still those of the model, with the same content.

    copied (nn.Module): The copy after the injection.
    before (dict[str, tuple[int, int]]): Versions of the parameters before it, by name.
    RAISES (ValueError): If they are not.
    """
    after = {}
    for path, parameter in copied.named_parameters():
        after[path.replace(f".{BASE}.", ".")] = _version(parameter)
    if any(after.get(path) != version for path, version in before.items()):
        raise ValueError("it changes the backbone's own weights, which others share")


def _without_hooks(module: nn.Module) -> nn.Module:
    """Copy a module without the hooks and the forward function that others have put there.

    module (nn.Module): The module.
    RETURNS (nn.Module): The copy, over the same parameters, replaced ones included.
    """
    bare = copy.copy(module)
    bare.__dict__.pop("forward", None)
    for hooks in HOOKS:
        bare.__dict__[hooks] = OrderedDict()
    return bare
