"""Construction without memory, and its limit."""

import threading

import pytest
import torch
from torch import nn

from spacy_bertfamily.patching.meta import TooLargeError, copy_to_meta, limited_construction


def test_modules_are_made_without_memory():
    with limited_construction(10**12 + 10**6, 10):
        linear = nn.Linear(10**6, 10**6)
    assert linear.weight.device.type == "meta"
    assert nn.Linear(2, 2).weight.device.type == "cpu"


@pytest.mark.parametrize("make", [nn.Linear, lambda n, _: nn.BatchNorm1d(n, affine=False)])
def test_parameters_and_buffers_are_counted(make):
    with pytest.raises(TooLargeError, match="at least 1,000"), limited_construction(999, 10):
        make(1000, 1)
    with limited_construction(3000, 10):
        make(1000, 1)


def test_a_tensor_of_several_modules_counts_once():
    with limited_construction(12, 2):
        first, second = nn.Linear(3, 3), nn.Module()
        second.weight = first.weight
        with pytest.raises(TooLargeError, match="at least 21"):
            nn.Linear(3, 3)


def test_modules_are_counted_where_they_are_made_in_a_loop():
    made = []

    def make():
        made.append(nn.Sequential(nn.ReLU()))
        return made[-1]

    with pytest.raises(TooLargeError, match="more than 5 modules"), limited_construction(9, 5):
        nn.ModuleList([make() for _ in range(10**9)])
    assert len(made) == 5


def test_other_threads_are_not_limited():
    made = []
    with limited_construction(1, 1):
        thread = threading.Thread(target=lambda: made.append(nn.Sequential(nn.Linear(9, 9))))
        thread.start()
        thread.join()
    assert made[0][0].weight.device.type == "cpu"


def test_the_limit_is_over_after_an_error():
    with pytest.raises(TooLargeError, match="at least 81"), limited_construction(1, 1):
        nn.Linear(9, 9)
    assert nn.Sequential(nn.Linear(9, 9), nn.ReLU())[0].weight.device.type == "cpu"


def test_a_copy_has_the_shapes_and_ties_of_the_model():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.BatchNorm1d(3))
    model[1].weight = model[0].weight
    copied = copy_to_meta(model)
    assert copied[1].weight is copied[0].weight
    assert {name: tensor.shape for name, tensor in copied.state_dict().items()} == {
        name: tensor.shape for name, tensor in model.state_dict().items()
    }
    assert {tensor.device.type for tensor in copied.state_dict().values()} == {"meta"}
    assert all(torch.is_tensor(p) and p.device.type == "cpu" for p in model.parameters())
