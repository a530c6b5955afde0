"""Replacing parameters of a model."""

import torch
from torch import nn


def replace_parameters(model: nn.Module, values: dict[nn.Parameter, torch.Tensor]) -> None:
    """Put new parameters in the place of others, at every place where the model uses them; whether
    they are trained stays as it is.
    """
    new = {
        id(old): nn.Parameter(value.detach().clone(), old.requires_grad)
        for old, value in values.items()
    }
    for module in model.modules():
        for key, parameter in module._parameters.items():
            if parameter is not None and id(parameter) in new:
                module._parameters[key] = new[id(parameter)]
