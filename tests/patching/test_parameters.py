"""Parameters are replaced wherever they are used, or not at all."""

import pytest
import torch
from torch import nn

from spacy_bertfamily.patching.parameters import replace_parameters


def make_linears():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2))
    model[1].weight = model[0].weight  # one parameter at two places
    model[2].weight.requires_grad = False
    return model


def test_a_parameter_is_replaced_at_all_its_places():
    model = make_linears()
    values = {model[0].weight: torch.zeros(3, 3), model[2].weight: torch.ones(2, 3)}
    replace_parameters(model, values)
    assert model[1].weight is model[0].weight
    assert not model[0].weight.any()
    assert model[0].weight.requires_grad
    assert not model[2].weight.requires_grad


def test_a_misshapen_value_changes_nothing():
    model = make_linears()
    before = dict(model.named_parameters(remove_duplicate=False))
    values = {model[0].weight: torch.zeros(3, 3), model[2].weight: torch.ones(3, 2)}
    with pytest.raises(ValueError, match=r"shape \(2, 3\) cannot be replaced.*\(3, 2\)"):
        replace_parameters(model, values)
    after = dict(model.named_parameters(remove_duplicate=False))
    assert all(after[name] is parameter for name, parameter in before.items())
