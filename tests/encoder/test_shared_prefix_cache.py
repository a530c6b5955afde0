"""Transformers on one backbone share the hidden states of the layers below their adapters."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import spacy
import torch
from thinc.api import Adam

from spacy_bertfamily.encoder.cache import StateCache
from spacy_bertfamily.model_types.table import known_spec
from spacy_bertfamily.patching.hooks import after
from spacy_bertfamily.windows.cut import Window

from ..util.adapters import block, needs_peft
from ..util.pipelines import LISTENER, MIXED, TAGGED, add_transformer, tagged_examples

NAMES = ("a", "b", "c")
TEXTS = [text for text, _ in TAGGED] + ["I like eggs " * n for n in (3, 9, 20)]
MIX = {**MIXED["tok2vec"], "mix": {"@layers": "spacy-bertfamily.LayerMix.v1", "layers": [1, 3]}}


def upper(kind="pfeiffer", layers=(2,)):
    return {**block(kind), "layers": list(layers), **({"init_scale": 0.3} if kind != "pal" else {})}


@pytest.fixture
def make(tiny):
    """Make a pipeline of three transformers with taggers, and count the calls of the layers."""

    def make(adapters=None, cache_mb=64, tok2vec=LISTENER, name=tiny):
        gc.collect()  # free encoders of other tests, which would share hidden states
        spacy.util.fix_random_seed(0)
        nlp = spacy.blank("en")
        for part, adapter in zip(NAMES, adapters or [upper()] * 3):
            trainable = [] if adapter is None else ["adapter"]
            model = {"trainable": trainable, "adapter": adapter, "cache_mb": cache_mb}
            add_transformer(nlp, name, part, **model)
            tagger = {"@architectures": "spacy.Tagger.v2", "tok2vec": {**tok2vec, "upstream": part}}
            nlp.add_pipe("tagger", name=f"tagger_{part}", config={"model": tagger})
        examples = tagged_examples(nlp)
        nlp.initialize(lambda: examples)
        return nlp, examples, count(nlp)

    return make


def count(nlp):
    """RETURNS (dict[int, list[str]]): By layer, the transformers that computed it, in order."""
    calls = {}
    for name in NAMES:
        encoder = nlp.get_pipe(name).shim.encoder
        spec = known_spec(encoder.shared.config.model_type)
        for depth, layer in enumerate(spec.find_layers(encoder.backbone)):
            inner = layer.get_submodule(spec.attention.input)
            inner.register_forward_hook(
                lambda *_, of=calls.setdefault(depth, []), name=name: of.append(name)
            )
    for name in NAMES:  # probe now, since probing calls the layers too
        reuse = nlp.get_pipe(name).shim.schedule.reuse
        assert min(reuse.frozen.number, reuse.shared.number()) >= 0
    for of in calls.values():
        of.clear()
    return calls


def outputs(nlp, texts=TEXTS):
    """RETURNS (list[np.ndarray]): The hidden states of each transformer for each text."""
    found, docs = [], [nlp.make_doc(text) for text in texts]
    for (
        name,
        component,
    ) in nlp.pipeline:  # one by one, since nlp.pipe keeps the output of the last transformer only
        docs = list(component.pipe(docs))
        if name in NAMES:
            found += [np.asarray(doc._.trf_data.model_output.last_hidden_state) for doc in docs]
    return found


def check_equal(found, expected):
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["pfeiffer", "houlsby", "parallel", "pal"])
def test_the_lowest_layers_are_computed_once(make, kind):
    nlp, _, calls = make([upper(kind)] * 3)
    found = outputs(nlp)
    once = len(calls[0])
    assert set(calls[0]) == set(calls[1]) == {"a"}
    assert {name: calls[2].count(name) for name in NAMES} == dict.fromkeys(NAMES, once)
    assert not np.allclose(found[0], found[len(TEXTS)], atol=1e-3) or kind == "pal"
    apart, _, calls_apart = make([upper(kind)] * 3, cache_mb=0)
    check_equal(found, outputs(apart))
    assert len(calls_apart[0]) == 3 * once


@pytest.mark.parametrize("model_type", ["distilbert", "electra", "roberta", "deberta-v2"])
def test_other_backbones(make, backbones, model_type):
    nlp, _, calls = make(name=backbones(model_type))
    apart, _, _ = make(name=backbones(model_type), cache_mb=0)
    check_equal(outputs(nlp), outputs(apart))
    assert set(calls[0]) == {"a"}


@pytest.mark.parametrize(
    ("adapters", "by"),
    [
        ([upper(layers=[1, 2]), upper(layers=[2]), upper("houlsby", [2])], ["a", "abc", "abc"]),
        ([upper(layers=[2]), None, upper(layers=[2])], ["a", "a", "abc"]),
        ([None, None, None], ["a", "a", "a"]),
        # the second one has an adapter in its lowest layer, so it does not share
        ([upper(layers=[2]), upper(layers=[0]), upper(layers=[2])], ["ab", "ab", "abc"]),
        ([upper(layers=[0])] * 3, ["abc", "abc", "abc"]),
    ],
)
def test_layers_are_shared_only_if_equal_in_all_transformers(make, adapters, by):
    """`by` lists which transformers compute each layer."""
    nlp, _, calls = make(adapters)
    apart, _, _ = make(adapters, cache_mb=0)
    check_equal(outputs(nlp), outputs(apart))
    assert ["".join(sorted(set(calls[depth]))) for depth in range(3)] == by


def test_mixes_read_shared_layers(make):
    """After the first batch, all layers that any transformer needs are shared."""
    nlp, _, calls = make(tok2vec=MIX)
    apart, _, _ = make(tok2vec=MIX, cache_mb=0)
    for texts in (TEXTS[:2], TEXTS[2:]):
        check_equal(outputs(nlp, texts), outputs(apart, texts))
    assert set(calls[0]) == {"a"}


def test_training_computes_shared_layers_once(make):
    """The first epoch computes them once for all, later epochs never; the weights are the same."""
    trained = []
    for cache_mb in (64, 0):
        nlp, examples, calls = make(cache_mb=cache_mb)
        optimizer = Adam(0.01)
        for _ in range(3):
            nlp.update(examples, sgd=optimizer)
        assert set(calls[0]) == ({"a"} if cache_mb else set(NAMES))
        assert len(calls[0]) == (1 if cache_mb else 9)
        assert len(calls[2]) == 9
        trained.append(
            [
                p.detach().clone()
                for name in NAMES
                for p in nlp.get_pipe(name).shim.encoder.adapter.parameters()
            ]
        )
    for one, other in zip(*trained):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_states_shared_in_prediction_can_be_used_in_training(make):
    """States computed without autograd are inputs of layers that are trained."""
    nlp, examples, calls = make()
    outputs(nlp)
    nlp.update(examples, sgd=Adam(0.01))
    assert set(calls[0]) == {"a"}


@needs_peft
@pytest.mark.parametrize("merged", [False, True])
def test_a_change_of_lower_layers_ends_sharing(make, merged):
    """The change is an adapter in low layers, or one that was merged into their weights."""
    nlp, _, calls = make()
    transformer = nlp.get_pipe("b")
    transformer.add_adapter("low", block("lora"))
    transformer.set_adapter("low")
    for parameter in transformer.shim.encoder.active_modules.parameters():
        parameter.data = torch.randn(parameter.shape) * 0.3
    if merged:
        transformer.delete_adapter("default")
        transformer.merge_adapter()
    for of in calls.values():
        of.clear()
    found = outputs(nlp)
    assert set(calls[0]) == {"a", "b"}
    for name in ("a", "c"):
        nlp.remove_pipe(name)
    gc.collect()
    check_equal(found[len(TEXTS) : 2 * len(TEXTS)], outputs(nlp))


def test_threads_get_the_same_results(make):
    nlp, _, _ = make()
    apart, _, _ = make(cache_mb=0)
    parts = [TEXTS[i : i + 2] for i in range(5)]
    expected = [outputs(apart, part) for part in parts]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            for found, own in zip(pool.map(lambda part: outputs(nlp, part), parts), expected):
                check_equal(found, own)


def test_the_cache_keeps_the_latest_states_within_its_size():
    cache = StateCache(3 * 4 * 8 * 4, recent=True)  # three states of 4 pieces
    windows = [
        Window(np.full(4, i), np.zeros(4, "int64"), np.arange(4), np.ones(4, bool))
        for i in range(5)
    ]
    for i, window in enumerate(windows):
        cache.put(window, {2: torch.full((4, 8), float(i))})
        assert cache.n_bytes <= cache.max_bytes
    assert [cache.get(window, [2]) is not None for window in windows] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert float(cache.get(windows[4], [2])[2][0, 0]) == 4.0
    cache.put(windows[0], {2: torch.zeros(4, 80)})  # larger than the whole cache
    assert cache.get(windows[0], [2]) is None


def test_a_forward_hook_in_lower_layers_ends_sharing(make):
    nlp, _, _ = make()
    shim = nlp.get_pipe("b").shim
    encoder, reuse = shim.encoder, shim.schedule.reuse
    reuse.invalidate_cache()
    encoder.active_modules.hook(lambda: after(encoder.backbone.embeddings, lambda h: h * 2))
    assert reuse.unchanged.number == 0
    assert nlp.get_pipe("a").shim.schedule.reuse.unchanged.number == 2


@pytest.mark.parametrize(("trainable", "number"), [(["top:1"], 2), (["all"], 0)])
def test_finding_shared_layers_draws_no_random_numbers(make_tagger, trainable, number):
    """Encoders that are not yet collected are probed too, at a time that nobody controls."""
    nlp, examples = make_tagger(adapter=None, trainable=trainable, cache_mb=0)
    encoder = nlp.get_pipe("transformer").shim.encoder
    nlp.update(examples, sgd=Adam(0.01))
    before = torch.get_rng_state()
    reuse = nlp.get_pipe("transformer").shim.schedule.reuse
    assert reuse.unchanged.number == number
    assert not encoder.training
    assert torch.equal(torch.get_rng_state(), before)
