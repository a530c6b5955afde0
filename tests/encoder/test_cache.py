"""The hidden states below everything that is trained are computed once and cached."""

import gc

import numpy as np
import pytest
import torch

from spacy_bertfamily.encoder.cache import StateCache
from spacy_bertfamily.encoder.schedule import EncoderSchedule
from spacy_bertfamily.layer_mix.mix import find_mixes
from spacy_bertfamily.windows.cut import Window

from ..util.layer_mix import make_mix_tagger, mix_config, train_like_spacy


def window(ids, types=None):
    ids = np.asarray(ids)
    types = np.zeros_like(ids) if types is None else np.asarray(types)
    return Window(ids, types, np.arange(len(ids)), np.zeros(len(ids)))


@pytest.fixture
def passes(monkeypatch):
    """Count the windows that the backbone computes."""
    gc.collect()  # free transformers of other tests, which would share hidden states
    counts = []
    compute = EncoderSchedule._compute

    def counted(self, windows, layers, **settings):
        counts.append(len(windows))
        return compute(self, windows, layers, **settings)

    # not Encoder.forward, which also probes layers
    monkeypatch.setattr(EncoderSchedule, "_compute", counted)
    return counts


def parameters(nlp):
    return {
        (i, name): node.get_param(name).copy()
        for i, node in enumerate(nlp.get_pipe("tagger").model.walk())
        for name in node.param_names
        if node.has_param(name)
    }


@pytest.mark.parametrize("mix", [mix_config(), mix_config(layers=[1, 2], layer_norm=True)])
def test_training_with_and_without_the_cache_is_the_same(tiny, passes, mix):
    found = []
    for cache_mb in (0, 64):
        passes.clear()
        nlp, examples = make_mix_tagger(tiny, mix=mix, cache_mb=cache_mb)
        for epoch in range(6):
            order = np.random.default_rng(epoch).permutation(len(examples))
            for part in np.array_split(order, 2):
                train_like_spacy(nlp, [examples[i] for i in part], 1)
        assert sum(passes) == (3 if cache_mb else 18)
        found.append(parameters(nlp))
    assert found[0].keys() == found[1].keys()
    for key, value in found[0].items():
        np.testing.assert_allclose(found[1][key], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("trainable", [["adapter"], ["layer_norm"], ["top:3"], ["embeddings"]])
def test_nothing_is_cached_where_something_is_trained(tiny, passes, trainable):
    nlp, examples = make_mix_tagger(tiny, trainable)
    train_like_spacy(nlp, examples, 4)
    assert sum(passes) == 12
    assert len(nlp.get_pipe("transformer").shim.schedule.reuse.cache) == 0


def test_prediction_neither_fills_nor_uses_the_cache(tiny, passes):
    nlp, examples = make_mix_tagger(tiny)
    nlp("I like ham")
    assert len(nlp.get_pipe("transformer").shim.schedule.reuse.cache) == 0
    train_like_spacy(nlp, examples, 1)
    passes.clear()
    list(nlp.pipe([example.text for example in examples]))
    assert sum(passes) == 3


def test_more_layers_than_are_cached_are_computed(tiny, passes):
    nlp, examples = make_mix_tagger(tiny, mix=mix_config(layers=[1]))
    train_like_spacy(nlp, examples, 2)
    assert sum(passes) == 3
    find_mixes(nlp.get_pipe("tagger").model)[0].attrs["layers"] = [2]
    nlp._link_components()
    train_like_spacy(nlp, examples, 3)
    assert sum(passes) == 6


def test_a_loaded_encoder_starts_empty(tiny):
    nlp, examples = make_mix_tagger(tiny)
    train_like_spacy(nlp, examples, 1)
    shim = nlp.get_pipe("transformer").shim
    assert len(shim.schedule.reuse.cache) == 3
    assert len(shim.copy().schedule.reuse.cache) == 0
    shim.load_delta(shim.delta_bytes(), "bytes")
    assert len(shim.schedule.reuse.cache) == 0


def test_the_cache_is_bounded_and_keyed_by_pieces_and_token_types():
    state = torch.ones(4, 8)
    cache = StateCache(2 * state.numel() * 4)
    for ids in ([1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 3, 6]):
        cache.put(window(ids), {0: state * ids[-1]})
    assert len(cache) == 2  # the third did not fit
    assert cache.n_bytes == cache.max_bytes
    assert cache.get(window([1, 2, 3, 6]), [0]) is None
    assert torch.equal(cache.get(window([1, 2, 3, 5]), [0])[0], state * 5)
    assert cache.get(window([1, 2, 3, 5], types=[0, 0, 1, 1]), [0]) is None
    assert cache.get(window([1, 2, 3, 5]), [0, 1]) is None
    assert StateCache(0).get(window([1]), [0]) is None


def test_the_cache_holds_copies():
    state, cache = torch.ones(2, 3), StateCache(1000)
    cache.put(window([1, 2]), {0: state})
    state += 1
    assert torch.equal(cache.get(window([1, 2]), [0])[0], torch.ones(2, 3))


def test_a_negative_size_is_an_error(tiny):
    with pytest.raises(
        ValueError, match=r"\[B004\] cache_mb = -1 is not allowed: 0 \(off\) or more"
    ):
        make_mix_tagger(tiny, cache_mb=-1)
