"""Compare bottleneck adapters with the formulas of their papers."""

import numpy as np
import pytest
import torch

from spacy_bertfamily.adapters import Bottleneck
from spacy_bertfamily.model_types.spec import ModelTypeSpec, Site
from spacy_bertfamily.model_types.table import SPECS, known_spec, register_model_type

from ..util.adapters import WIDTH, bottleneck, make_bert


def reference_layer(layer, modules, placement, x):
    """Compute one BERT layer with adapters, as the papers define it."""
    attended = layer.attention.output.dense(layer.attention.self(x)[0])
    if placement == "houlsby":
        attended = attended + bottleneck(modules["attention"], attended)
    middle = layer.attention.output.LayerNorm(attended + x)
    out = layer.output.dense(layer.intermediate(middle))
    if placement == "houlsby":
        out = out + bottleneck(modules["ffn"], out)
    elif placement == "parallel":
        out = out + bottleneck(modules["ffn"], middle)
    elif placement == "pfeiffer":
        # the adapter's input is the layer's normalised output, its residual what came before the
        # normalisation
        out = out + bottleneck(modules["ffn"], layer.output.LayerNorm(out + middle))
    return layer.output.LayerNorm(out + middle)


@pytest.mark.parametrize("scaling", [1.0, 4.0])
@pytest.mark.parametrize("placement", ["houlsby", "pfeiffer", "parallel"])
def test_equals_the_formula(placement, scaling):
    model, ids = make_bert(), torch.arange(12).reshape(2, 6)
    x = model.embeddings(ids)
    settings = Bottleneck(size=5, placement=placement, init_scale=0.3, scaling=scaling)
    modules = settings.attach(model, SPECS["bert"])
    with torch.no_grad():
        with_adapters = model(ids).last_hidden_state
        modules.detach()
        expected = x
        for depth, layer in enumerate(model.encoder.layer):
            expected = reference_layer(layer, modules.layers[str(depth)], placement, expected)
    torch.testing.assert_close(with_adapters, expected, atol=1e-5, rtol=1e-5)


def test_detach_restores_the_model_exactly():
    model, ids = make_bert(), torch.arange(12).reshape(2, 6)
    before, state = (
        model(ids).last_hidden_state,
        {k: v.clone() for k, v in model.state_dict().items()},
    )
    modules = Bottleneck(size=5, init_scale=0.3).attach(model, SPECS["bert"])
    assert not torch.equal(model(ids).last_hidden_state, before)
    modules.detach()
    assert torch.equal(model(ids).last_hidden_state, before)
    assert model.state_dict().keys() == state.keys()


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"size": 5}, 3 * 2 * (2 * 5 * WIDTH + 5 + WIDTH)),
        ({"size": 5, "placement": "pfeiffer"}, 3 * (2 * 5 * WIDTH + 5 + WIDTH)),
        (
            {"size": None, "reduction_factor": 16, "placement": "pfeiffer"},
            3 * (2 * 2 * WIDTH + 2 + WIDTH),
        ),
        ({"size": 5, "placement": "parallel", "layers": (2,)}, 2 * 5 * WIDTH + 5 + WIDTH),
        ({"size": 5, "layers": ()}, 0),
    ],
)
def test_number_of_parameters(settings, count):
    modules = Bottleneck(**settings).attach(make_bert(), SPECS["bert"])
    assert sum(p.numel() for p in modules.parameters()) == count


def test_layers_without_adapters_equal_the_bare_model():
    model, ids = make_bert(), torch.arange(12).reshape(2, 6)
    before = model(ids, output_hidden_states=True).hidden_states
    Bottleneck(size=5, init_scale=0.3, layers=(2,)).attach(model, SPECS["bert"])
    after = model(ids, output_hidden_states=True).hidden_states
    assert torch.equal(before[2], after[2])
    assert not torch.allclose(before[3], after[3], atol=1e-3)


def test_initial_weights_are_small_and_truncated():
    modules = Bottleneck(size=64, init_scale=0.01).attach(make_bert(), SPECS["bert"])
    weights = np.concatenate(
        [p.detach().numpy().ravel() for n, p in modules.named_parameters() if "weight" in n]
    )
    assert np.abs(weights).max() <= 0.02
    assert 0.008 < weights.std() < 0.01
    assert all(not p.any() for n, p in modules.named_parameters() if "bias" in n)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"placement": "beside"}, r"B004.*placement.*'beside'.*houlsby, pfeiffer, parallel"),
        ({"activation": "magic"}, r"B004.*activation.*'magic'.*gelu"),
        ({"size": 0}, r"B004.*size.*at least 1"),
        ({"size": 8, "reduction_factor": 2}, r"B004.*size"),
        ({"size": None}, r"B004.*size"),
        ({"size": None, "reduction_factor": 0}, r"B004.*reduction_factor"),
        ({"init_scale": -1.0}, r"B004.*init_scale"),
        ({"dropout": 1.0}, r"B004.*dropout"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        Bottleneck(**settings)


@pytest.mark.parametrize("layer", [-1, 3])
def test_unknown_layers(layer):
    with pytest.raises(ValueError, match=rf"B009.*layer {layer}.*3 layers.*0 to 2"):
        Bottleneck(layers=(layer,)).attach(make_bert(), SPECS["bert"])


def test_a_model_type_can_be_registered(monkeypatch):
    monkeypatch.delitem(SPECS, "bert")
    with pytest.raises(ValueError, match=r"B008.*'bert'.*roberta.*register_model_type"):
        known_spec("bert")
    site = Site("output.dropout", "output.LayerNorm", "intermediate")
    register_model_type("bert", ModelTypeSpec("encoder.layer", site, site))
    assert known_spec("bert").ffn == site
