"""Replaced parameters of a model.

- Changes: the entries of `_parameters` in the model's modules.
- Why: what is trained is a copy in float32, while everything else stays the shared tensors of the
  backbone; and a merged adapter changes weights that other pipelines share.
- Tried with: torch 2.13.0.
- Undone: by replacing the new parameters by the old ones. If a value does not fit, nothing is
  changed.
"""

import torch
from torch import nn


def replace_parameters(model: nn.Module, values: dict[nn.Parameter, torch.Tensor]) -> None:
    """Put new parameters in the place of others, wherever the model uses these.

    The new ones are trained if the old ones are.

    model (nn.Module): The model.
    values (dict[nn.Parameter, torch.Tensor]): Values of the new parameters by the old parameter.
    RAISES (ValueError): If a value has another shape than the parameter. Then nothing is changed.
    """
    new = {id(old): _make_parameter(old, value) for old, value in values.items()}
    for module in model.modules():
        for key, parameter in module._parameters.items():
            if parameter is not None and id(parameter) in new:
                module._parameters[key] = new[id(parameter)]


def share_parameter(model: nn.Module, old: nn.Parameter, shared: nn.Parameter) -> None:
    """Use another model's parameter in the place of one's own, wherever the model uses that.

    model (nn.Module): The model.
    old (nn.Parameter): The parameter to replace.
    shared (nn.Parameter): The parameter of the other model, of the same shape.
    """
    for module in model.modules():
        for key, parameter in module._parameters.items():
            if parameter is old:
                module._parameters[key] = shared


def _make_parameter(old: nn.Parameter, value: torch.Tensor) -> nn.Parameter:
    if value.shape != old.shape:
        raise ValueError(
            f"a parameter of shape {tuple(old.shape)} cannot be replaced by a value of shape "
            f"{tuple(value.shape)}"
        )
    return nn.Parameter(value.detach().clone(), old.requires_grad)
