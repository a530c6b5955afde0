"""Adapters are made without memory first, with the same shapes, and their size is limited."""

from dataclasses import dataclass
from itertools import chain

import pytest
import torch

from spacy_bertfamily.adapters import Adapter, AdapterModules, Bottleneck
from spacy_bertfamily.adapters.registry import resolve_adapter
from spacy_bertfamily.adapters.size import check_adapter_size, sketch_adapter
from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.model_types.table import SPECS
from spacy_bertfamily.patching.meta import TooLargeError

from ..util.adapters import block, kinds, make_bert

SPEC = SPECS["bert"]


def tensors_of(modules):
    return dict(chain(modules.named_parameters(), modules.named_buffers()))


@pytest.mark.parametrize("kind", kinds())
def test_a_sketch_has_the_shapes_of_the_adapter_and_draws_nothing(kind):
    settings, model = resolve_adapter(block(kind)), make_bert()
    before = torch.get_rng_state()
    sketch = tensors_of(sketch_adapter(settings, model, SPEC, 10**6))
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    real = tensors_of(settings.attach(model, SPEC))
    assert {name: tensor.shape for name, tensor in sketch.items()} == {
        name: tensor.shape for name, tensor in real.items()
    }
    assert {tensor.device.type for tensor in sketch.values()} == {"meta"}


@dataclass(frozen=True)
class DataDependent(Adapter):
    """Its scale is that of the model's weights, which has no value on the meta device."""

    size: int

    def attach(self, model, spec):
        modules = AdapterModules()
        scale = next(model.parameters()).std().item()
        modules.layers["0"] = torch.nn.Linear(self.size, 1)
        torch.nn.init.constant_(modules.layers["0"].weight, scale)
        return modules


def test_kinds_that_need_the_models_weights_are_limited_too():
    model = make_bert()
    sketch_adapter(DataDependent(9), model, SPEC, 10)
    with pytest.raises(TooLargeError, match="at least 10 numbers"):
        sketch_adapter(DataDependent(10), model, SPEC, 9)


def test_an_adapter_is_at_most_as_large_as_the_backbone():
    model = make_bert()
    check_adapter_size(Bottleneck(size=10_000), model, SPEC)
    with pytest.raises(BertFamilyError, match=r"B083.*size=100000.*Lower its size") as e:
        check_adapter_size(Bottleneck(size=100_000), model, SPEC)
    assert e.value.code == "B083"
