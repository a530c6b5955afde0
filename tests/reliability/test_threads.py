"""Many threads, and several pipelines on one backbone, give the results of one thread."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from thinc.api import Adam

from spacy_bertfamily.encoder import frozen_layers

from ..util.pipelines import vectors

TEXTS = [f"{'the small dog likes ' * (i % 7)}green eggs {i}" for i in range(60)]


# parallel adapters keep state between two hooks
@pytest.mark.parametrize("placement", ["houlsby", "parallel"])
def test_threads_can_share_a_pipeline(make_tagger, placement):
    adapter = {
        "@adapters": "spacy-bertfamily.Bottleneck.v1",
        "size": 4,
        "placement": placement,
        "init_scale": 0.5,
    }
    nlp, _ = make_tagger(adapter=adapter)
    expected = [vectors(nlp, text) for text in TEXTS]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            for found, vector in zip(pool.map(lambda text: vectors(nlp, text), TEXTS), expected):
                np.testing.assert_allclose(found, vector, atol=1e-5)


def test_pipelines_on_one_backbone_do_not_change_each_other(make_tagger):
    pipelines, examples = zip(*(make_tagger() for _ in range(3)))
    for steps, nlp in enumerate(pipelines):
        for _ in range(steps):
            nlp.update(examples[0], sgd=Adam(0.05))
    expected = [[vectors(nlp, text) for text in TEXTS] for nlp in pipelines]
    assert not np.allclose(expected[0][0], expected[1][0])
    for i, text in enumerate(TEXTS):
        for nlp, own in zip(pipelines, expected):
            np.testing.assert_allclose(vectors(nlp, text), own[i], atol=1e-6)
    wrong = []

    def check(nlp, own):
        for text, vector in zip(TEXTS, own):
            if not np.allclose(vectors(nlp, text), vector, atol=1e-5):
                wrong.append(text)

    threads = [threading.Thread(target=check, args=pair) for pair in zip(pipelines, expected)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_probing_shared_layers_waits_for_training(make_tagger, monkeypatch):
    """A pipeline that is loaded during a training probes which layers both share.

    The probe turns off dropout and gradients, so it must hold the lock of the backbone.
    """
    nlp, examples = make_tagger()
    encoder = nlp.get_pipe("transformer").shim.encoder
    reuse = nlp.get_pipe("transformer").shim.schedule.reuse
    nlp.update(examples)
    begun, order, probe = threading.Event(), [], frozen_layers._probe

    def note_probe(*args):
        order.append("probed")
        return probe(*args)

    def probe_again():
        begun.set()
        reuse._find("once more", frozen_layers.find_unchanged_layers).remove()

    other = threading.Thread(target=probe_again)

    def note_layer(layer, args):
        if threading.current_thread() is threading.main_thread() and torch.is_grad_enabled():
            if not begun.is_set():
                monkeypatch.setattr(frozen_layers, "_probe", note_probe)
                other.start()
                begun.wait()
                other.join(0.3)  # it waits for the lock
            order.append(encoder.training)

    reuse.frozen, reuse.unchanged  # noqa: B018  computed before the other thread starts
    hook = encoder.known_spec.find_layers(encoder.backbone)[-1].register_forward_pre_hook(
        note_layer
    )
    nlp.update(examples)
    other.join()
    hook.remove()
    n_layers = len(order) - order.count("probed")
    assert order[:n_layers] == [True] * n_layers
    assert order[n_layers:]
