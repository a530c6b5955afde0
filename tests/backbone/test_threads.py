"""Threads that load backbones at the same time get what one thread gets."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from transformers import BertModel, RobertaModel

from spacy_bertfamily.backbone import load as loading
from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.backbone import model as model_module
from spacy_bertfamily.errors import BertFamilyError

N_THREADS = 6
IDS = torch.tensor([[2, 7, 11, 9, 3]])


@pytest.fixture
def calls(monkeypatch):
    """The number of calls of `from_pretrained` that ran, and the most that ran at once."""
    counts = {"all": 0, "now": 0, "most": 0}

    def count(model_class):
        original = model_class.from_pretrained.__func__

        def counted(cls, *args, **kwargs):
            counts["all"] += 1
            counts["now"] += 1
            counts["most"] = max(counts["most"], counts["now"])
            try:
                return original(cls, *args, **kwargs)
            finally:
                counts["now"] -= 1

        monkeypatch.setattr(model_class, "from_pretrained", classmethod(counted))

    count(BertModel)
    count(RobertaModel)
    return counts


def forget_backbones():
    loading._BY_FILES.clear()
    loading._BY_CONTENT.clear()


def output_of(backbone):
    with torch.no_grad():
        return backbone.model(IDS).last_hidden_state


def test_threads_that_load_share_one_object_per_backbone(backbones, calls):
    names = [backbones("bert"), backbones("roberta")]
    forget_backbones()
    expected = [load_backbone(name) for name in names]
    outputs = [output_of(backbone) for backbone in expected]
    barrier = Barrier(N_THREADS)

    def load(number):
        barrier.wait()
        return load_backbone(names[number % 2])

    with ThreadPoolExecutor(N_THREADS) as pool:
        for _ in range(5):
            forget_backbones()
            calls["all"] = 0
            found = list(pool.map(load, range(N_THREADS)))
            assert calls["all"] == len(names)
            for number, backbone in enumerate(found):
                assert backbone is found[number % 2]
                assert backbone is not expected[number % 2]
                assert backbone.fingerprint == expected[number % 2].fingerprint
                assert torch.equal(output_of(backbone), outputs[number % 2])
    assert calls["most"] == 1


def test_reading_weights_again_waits_for_a_thread_that_loads(backbones, calls):
    """A backbone in 16 bits is read again when it is saved."""
    half = load_backbone(backbones("bert"), dtype=torch.bfloat16)
    weights = load_backbone(backbones("bert")).weights()
    barrier = Barrier(N_THREADS)

    def read(number):
        barrier.wait()
        if number % 2:
            return half.weights()
        return load_backbone(backbones("roberta"), dtype=torch.bfloat16).weights()

    with ThreadPoolExecutor(N_THREADS) as pool:
        for found in list(pool.map(read, range(N_THREADS)))[1::2]:
            assert found.keys() == weights.keys()
            assert all(torch.equal(found[name], tensor) for name, tensor in weights.items())
    assert calls["most"] == 1


def test_an_error_in_one_thread_does_not_block_others(backbones, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with ThreadPoolExecutor(2) as pool:
        with pytest.raises(ValueError, match="B024"):
            pool.submit(load_backbone, str(tmp_path)).result(timeout=60)
        backbone = pool.submit(load_backbone, backbones("bert")).result(timeout=60)
    assert backbone is load_backbone(backbones("bert"))


def test_weights_that_another_librarys_loading_has_spoilt_are_an_error(backbones, monkeypatch):
    """Transformers leaves weights on the meta device if two threads load at the same time."""

    def spoil(*args):
        model, info = load_into(*args)
        return model.to("meta"), info

    load_into = model_module.load_into
    monkeypatch.setattr(model_module, "load_into", spoil)
    with pytest.raises(BertFamilyError, match="B038.*another thread.*Start the process anew"):
        load_backbone(backbones("bert", hidden_size=16), dtype=torch.float32)
