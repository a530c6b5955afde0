"""Layers below everything that is trained are computed in the first epoch only."""

import gc

import numpy as np
import pytest
import torch
from spacy.util import fix_random_seed
from thinc.api import Adam

from spacy_bertfamily.model_types.table import known_spec

from ..util.adapters import block, kinds
from ..util.backbones import TRAINED
from ..util.pipelines import MIXED, vectors


def train_with_cache(make_tagger, cache_mb, steps=4, head=None, **model):
    """Train a tagger with a cache of a given size.

    RETURNS (tuple): The trained tensors, the tagger's bytes, the index of the hidden state that was
        cached, and the number of calls of the lowest layer.
    """
    gc.collect()  # free encoders of other tests, which would share hidden states
    fix_random_seed(0)
    nlp, examples = make_tagger(initialize=False, cache_mb=cache_mb, **model)
    if head is not None:
        nlp.remove_pipe("tagger")
        nlp.add_pipe("tagger", config={"model": head})
    nlp.initialize(lambda: examples)
    encoder = nlp.get_pipe("transformer").shim.encoder
    spec = known_spec(encoder.shared.config.model_type)
    lowest = spec.find_layers(encoder.backbone)[0].get_submodule(spec.attention.input)
    number, calls = nlp.get_pipe("transformer").shim.schedule.reuse.frozen.number, []
    lowest.register_forward_hook(lambda *args: calls.append(1))
    optimizer = Adam(0.01)
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)
    trained = {
        name: p.detach().clone() for name, p in encoder.named_parameters() if p.requires_grad
    }
    tagger = nlp.get_pipe("tagger").model.to_bytes()
    return trained, tagger, number, len(calls)


def check_same(make_tagger, **settings):
    """RETURNS (int): The index of the hidden state that was cached."""
    plain, plain_tagger, _, plain_calls = train_with_cache(make_tagger, 0, **settings)
    cached, cached_tagger, number, calls = train_with_cache(make_tagger, 64, **settings)
    assert plain
    assert plain.keys() == cached.keys()
    for name, tensor in plain.items():
        torch.testing.assert_close(cached[name], tensor, rtol=1e-4, atol=1e-5, msg=name)
    assert plain_calls >= 4
    assert calls == (plain_calls // 4 if number else plain_calls)
    return number


@pytest.mark.slow
@pytest.mark.parametrize("model_type", TRAINED)
def test_every_model_type_trains_the_same_with_the_cache(backbones, make_tagger, model_type):
    """The forward pass resumes above the cached layers, except where the table refuses it."""
    number = check_same(make_tagger, name=backbones(model_type), adapter=None, trainable=["top:1"])
    assert number == (0 if known_spec(model_type).why_not("caching") else 2)


@pytest.mark.parametrize("kind", kinds("houlsby", "pfeiffer", "parallel", "pal", "low-rank"))
def test_layers_below_the_lowest_adapter_are_cached(make_tagger, kind):
    adapter = {**block(kind), "layers": [2]}
    assert check_same(make_tagger, adapter=adapter, trainable=["adapter"]) == 2


@pytest.mark.parametrize("kind", kinds("lora"))
def test_layers_below_the_lowest_peft_module_are_cached(make_tagger, kind):
    adapter = {
        "@adapters": "spacy-bertfamily.Peft.v1",
        "method": "LORA",
        "settings": {"r": 2, "target_modules": ["query"], "layers_to_transform": [1, 2]},
    }
    assert check_same(make_tagger, adapter=adapter, trainable=["adapter"]) == 1


def test_mixes_read_cached_and_computed_layers(make_tagger):
    assert check_same(make_tagger, adapter=None, trainable=["top:1"], head=MIXED) == 2


@pytest.mark.parametrize(
    "trainable", [["adapter"], ["embeddings"], ["layer_norm"], ["all"], ["top:3"]]
)
def test_nothing_is_cached_if_the_lowest_layer_is_trained(make_tagger, trainable):
    assert check_same(make_tagger, trainable=trainable) == 0


def test_windows_that_are_new_or_do_not_fit_are_computed(make_tagger):
    """The cache holds some windows of a batch, not all."""
    found = []
    for cache_mb in (0, 64):
        fix_random_seed(0)
        # no dropout, since its random numbers depend on the batch
        adapter = {**block("pfeiffer"), "layers": [2]}
        nlp, examples = make_tagger(adapter=adapter, trainable=["adapter"], cache_mb=cache_mb)
        cache = nlp.get_pipe("transformer").shim.schedule.reuse.cache
        cache.max_bytes = min(cache.max_bytes, 16 * 32 * 4)  # 16 pieces
        optimizer = Adam(0.01)
        for part in (examples[:1], examples, examples):
            nlp.update(part, sgd=optimizer)
        assert len(cache) == (0 if not cache_mb else 2)
        found.append([np.asarray(doc._.trf_data.model_output.last_hidden_state)
                      for doc in nlp.pipe([example.text for example in examples])])  # fmt: skip
    for plain, cached in zip(*found):
        np.testing.assert_allclose(cached, plain, rtol=1e-4, atol=1e-5)


def test_switching_the_adapter_invalidates_the_cache(make_tagger):
    nlp, examples = make_tagger(adapter={**block("pfeiffer"), "layers": [2]}, trainable=["adapter"])
    transformer = nlp.get_pipe("transformer")
    nlp.update(examples, sgd=Adam(0.01))
    reuse = transformer.shim.schedule.reuse
    assert (reuse.frozen.number, len(reuse.cache)) == (2, 3)
    transformer.add_adapter("low", {**block("pfeiffer"), "layers": [0]})
    transformer.set_adapter("low")
    assert (reuse.frozen.number, len(reuse.cache)) == (0, 0)


def test_the_model_is_restored_if_a_layer_fails(make_tagger):
    nlp, _ = make_tagger(adapter=None, trainable=["top:1"])
    encoder = nlp.get_pipe("transformer").shim.encoder
    reuse = nlp.get_pipe("transformer").shim.schedule.reuse
    layers = known_spec("bert").find_layers(encoder.backbone)
    before = vectors(nlp)

    def fail():
        with reuse.frozen.skip(torch.zeros(1, 2, 32)):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert np.array_equal(vectors(nlp), before)
    reuse.invalidate_cache()
    assert not any("forward" in layer.__dict__ for layer in layers)
