"""Layer normalisation of mixed dtypes, and trainings in bfloat16 that need it."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional

from spacy_bertfamily.model_types.table import SPECS
from spacy_bertfamily.patching.mixed_layer_norm import (
    MixedLayerNorm,
    MixedLayerNormCalls,
    layer_norm,
    use_mixed_layer_norm,
)

from ..util.adapters import SMALL
from ..util.backbones import TRAINED
from ..util.pipelines import train, vectors

DTYPES = (torch.float32, torch.bfloat16)
# of a pipeline each; the first is not trained
TRAINABLE = ([], ["bias"], ["embeddings"], ["adapter", "bias"], ["layer_norm"], ["all"])


def arguments(dtypes):
    """RETURNS (list[torch.Tensor]): An input, weights and a bias of some dtypes."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(3, 8), (8,), (8,)]
    return [
        torch.randn(shape, generator=generator).to(dtype) for shape, dtype in zip(shapes, dtypes)
    ]


@pytest.mark.parametrize("dtypes", list(itertools.product(DTYPES, repeat=3)))
def test_every_mixture_is_computed(dtypes):
    x, weight, bias = arguments(dtypes)
    expected = functional.layer_norm(x.float(), (8,), weight.float(), bias.float())
    found = layer_norm(x, (8,), weight, bias)
    assert found.dtype == x.dtype
    torch.testing.assert_close(found.float(), expected, atol=0.05, rtol=0.01)
    with MixedLayerNormCalls():
        assert torch.equal(functional.layer_norm(x, (8,), weight, bias), found)
    module = torch.nn.LayerNorm(8)
    module.weight.data, module.bias.data = weight, bias
    use_mixed_layer_norm(module)
    assert isinstance(module, MixedLayerNorm)
    assert torch.equal(module(x), found)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("affine", [True, False])
def test_uniform_dtypes_are_computed_by_torch(dtype, affine):
    x, weight, bias = arguments([dtype] * 3)
    given = (weight, bias) if affine else (None, None)
    expected = functional.layer_norm(x, (8,), *given)
    assert torch.equal(layer_norm(x, (8,), *given), expected)


@pytest.mark.slow
@pytest.mark.parametrize("model_type", TRAINED)
def test_pipelines_on_one_backbone_train_any_part_in_bfloat16(backbones, make_tagger, model_type):
    has_sites = SPECS[model_type].why_not("adapter") is None
    made = []
    for trainable in TRAINABLE:
        if "adapter" in trainable and not has_sites:
            continue
        nlp, examples = make_tagger(
            name=backbones(model_type),
            trainable=trainable,
            adapter=SMALL if "adapter" in trainable else None,
            precision="bfloat16",
        )
        made.append((nlp, examples))
    before = vectors(made[0][0])
    for nlp, examples in made:
        train(nlp, examples, steps=2)
        assert np.isfinite(vectors(nlp)).all()
    for nlp, _ in made:
        # some types have no biases
        is_trained = nlp.get_pipe("transformer").shim.encoder.trains
        assert np.array_equal(vectors(nlp), before) is not is_trained
