"""Pipelines whose transformer OpenVINO computes predict as torch does, and are never stale."""

import json
import os
import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc

from spacy_bertfamily import quantize
from spacy_bertfamily.adapters import Bottleneck
from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.patching.openvino_tools import private_and_quiet
from spacy_bertfamily.runtime import exports
from spacy_bertfamily.runtime.exports import ABOUT, MODEL, WEIGHTS, cache_folder

from ..util.adapters import KINDS
from ..util.every_component import PAIR, annotations, make_every_component
from ..util.extras import require
from ..util.pipelines import MIXED, TAGGER, TEXT, add_transformer, tagged_examples, train, vectors

with private_and_quiet():  # importing them is reported, too
    require("openvino")
    require("nncf")
BLOCK = "components.transformer.model"
OPENVINO = {f"{BLOCK}.runtime": "openvino"}
INT8 = {**OPENVINO, f"{BLOCK}.weights": "int8"}
TEXTS = [TEXT, "", "  ", "eat", "I like green eggs. " * 40, "Eat [SEP] blue ham in 1920"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """RETURNS (Path): The folder of exports, which is empty."""
    monkeypatch.setenv("SPACY_BERTFAMILY_CACHE", str(tmp_path / "cache"))
    return cache_folder()


@pytest.fixture
def nlp(tiny):
    """RETURNS (Language): A tagger on an adapter that was trained, computed by torch."""
    nlp = spacy.blank("en")
    add_transformer(nlp, tiny)
    nlp.add_pipe("tagger", config=TAGGER)
    examples = tagged_examples(nlp)
    nlp.initialize(lambda: examples)
    return train(nlp, examples)


@pytest.fixture
def folder(nlp, tmp_path):
    nlp.to_disk(tmp_path / "pipeline")
    return tmp_path / "pipeline"


@pytest.fixture
def fast(folder):
    """RETURNS (Language): The same pipeline, computed by OpenVINO in float."""
    return spacy.load(folder, config=OPENVINO)


def runtime_of(nlp, name="transformer"):
    return nlp.get_pipe(name).shim.schedule.runtime


def states_of(docs):
    return [doc._.trf_data.model_output.get("last_hidden_state") for doc in docs]


def assert_equal_docs(found, expected, tolerance=2e-5):
    for ours, right in zip(found, expected):
        assert [token.tag_ for token in ours] == [token.tag_ for token in right]
    for ours, right in zip(states_of(found), states_of(expected)):
        assert (ours is None) == (right is None)
        if right is not None:
            scale = max(1, np.abs(right).max())
            np.testing.assert_allclose(ours, right, atol=tolerance * scale)


def test_docs_are_those_of_torch(nlp, fast):
    expected = list(nlp.pipe(TEXTS))
    assert_equal_docs(list(fast.pipe(TEXTS)), expected)
    assert_equal_docs([fast(text) for text in TEXTS], expected)
    assert runtime_of(fast).is_used


def test_a_doc_does_not_depend_on_its_batch(fast):
    together = list(fast.pipe(TEXTS))
    assert_equal_docs([fast(text) for text in reversed(TEXTS)][::-1], together)


def test_int8_is_near_and_small(nlp, folder, cache):
    fast = spacy.load(folder, config=INT8)
    expected, found = list(nlp.pipe(TEXTS)), list(fast.pipe(TEXTS))
    assert (states_of(found)[0] != states_of(expected)[0]).any()
    for ours, right in zip(states_of(found), states_of(expected)):
        if right is not None:
            product = (ours * right).sum(-1)
            norms = np.linalg.norm(ours, axis=-1) * np.linalg.norm(right, axis=-1)
            assert (product[norms > 0] / norms[norms > 0]).min() > 0.99


@pytest.mark.parametrize("weights", ["float", "int8"])
def test_bfloat16_is_exported_from_float32(nlp, folder, weights):
    changes = {f"{BLOCK}.precision": "bfloat16", f"{BLOCK}.weights": weights}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # also where torch would be slow
        fast = spacy.load(folder, config={**OPENVINO, **changes})
        found = vectors(fast)
    right = vectors(nlp)
    norms = np.linalg.norm(found, axis=-1) * np.linalg.norm(right, axis=-1)
    assert ((found * right).sum(-1) / norms).min() > 0.99


def test_all_hidden_states_reach_a_mix(tiny, tmp_path):
    nlp = spacy.blank("en")
    add_transformer(nlp, tiny)
    nlp.add_pipe("tagger", config={"model": MIXED})
    examples = tagged_examples(nlp)
    nlp.initialize(lambda: examples)
    train(nlp, examples).to_disk(tmp_path / "mixed")
    fast = spacy.load(tmp_path / "mixed", config=OPENVINO)
    assert_equal_docs(list(fast.pipe(TEXTS)), list(nlp.pipe(TEXTS)))
    assert len(runtime_of(fast)._kept) == 1


@pytest.mark.slow
def test_every_component_predicts_as_with_torch(tiny, tmp_path):
    nlp, examples, optimizer = make_every_component(tiny)
    for _ in range(5):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(tmp_path / "all")
    fast = spacy.load(tmp_path / "all", config=OPENVINO)
    for ours, right in zip(annotations(fast), annotations(nlp)):
        assert ours["tokens"] == right["tokens"]
        assert ours["cats"] == pytest.approx(right["cats"], abs=1e-4)
        assert [answer[:3] for answer in ours["answers"]] == [a[:3] for a in right["answers"]]
    question, context = PAIR.split(" [SEP] ")
    for name, call in (
        ("span_qa", lambda pipe: pipe.ask(context, [question])[0][0].text),
        ("pair_classifier", lambda pipe: pipe.predict_pairs([(question, context)])[0]),
    ):
        expected = call(nlp.get_pipe(name))
        found = call(fast.get_pipe(name))
        approximate = pytest.approx(expected, abs=1e-4) if name != "span_qa" else expected
        assert found == approximate
    assert runtime_of(fast).is_used


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_adapter_is_exported(tiny, tmp_path, kind):
    block, _ = KINDS[kind]
    nlp = spacy.blank("en")
    add_transformer(nlp, tiny, adapter=block, max_pieces=24)
    nlp.initialize()
    for parameter in nlp.get_pipe("transformer").shim.encoder.active_modules.parameters():
        parameter.data.add_(0.1)
    nlp.to_disk(tmp_path / "kind")
    fast = spacy.load(tmp_path / "kind", config=OPENVINO)
    assert_equal_docs(list(fast.pipe(TEXTS)), list(nlp.pipe(TEXTS)), tolerance=5e-5)
    assert runtime_of(fast).is_used


def test_training_is_by_torch_and_predictions_follow(nlp, fast):
    examples = tagged_examples(fast)
    before = vectors(fast)
    with pytest.warns(UserWarning, match="W740"):
        train(fast, examples)
    train(nlp, tagged_examples(nlp))
    assert np.abs(vectors(fast) - before).max() > 1e-3
    assert not runtime_of(fast).is_used
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # said once
        train(fast, examples, steps=1)


def test_what_was_trained_is_exported_once_it_is_loaded(fast, tmp_path, cache):
    vectors(fast)
    with pytest.warns(UserWarning, match="W740"):
        train(fast, tagged_examples(fast))
    fast.to_disk(tmp_path / "again")
    assert not (tmp_path / "again" / "transformer" / "openvino").exists()
    again = spacy.load(tmp_path / "again")
    np.testing.assert_allclose(vectors(again), vectors(fast), atol=1e-4)
    assert runtime_of(again).is_used
    assert len(list(cache.iterdir())) == 2


def test_a_frozen_transformer_is_still_computed_by_openvino_after_training(tiny, tmp_path):
    nlp = spacy.blank("en")
    add_transformer(nlp, tiny, trainable=[], adapter=None, runtime="openvino")
    nlp.add_pipe("tagger", config=TAGGER)
    examples = tagged_examples(nlp)
    nlp.initialize(lambda: examples)
    with pytest.warns(UserWarning, match="W740"):
        train(nlp, examples)
    vectors(nlp)
    assert runtime_of(nlp).is_used


def test_each_adapter_is_exported_by_itself(nlp, fast):
    for pipeline in (nlp, fast):
        transformer = pipeline.get_pipe("transformer")
        spacy.util.fix_random_seed(1)
        transformer.add_adapter("other", Bottleneck(size=8, init_scale=0.5))
    first = vectors(fast)
    for name in ("other", None, "default"):
        for pipeline in (nlp, fast):
            pipeline.get_pipe("transformer").set_adapter(name)
        np.testing.assert_allclose(vectors(fast), vectors(nlp), atol=1e-4)
        assert (name == "default") == np.allclose(vectors(fast), first, atol=1e-4)
    assert runtime_of(fast).is_used


def test_a_switch_during_a_stream_counts_for_the_docs_after_it(nlp, fast):
    expected = vectors(nlp)
    nlp.get_pipe("transformer").set_adapter(None)
    bare = vectors(nlp)
    stream = fast.pipe([TEXT] * 4, batch_size=1)
    np.testing.assert_allclose(states_of([next(stream)])[0], expected, atol=1e-4)
    fast.get_pipe("transformer").set_adapter(None)
    np.testing.assert_allclose(states_of(list(stream))[-1], bare, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("copied", ["bytes", "pickle", "processes"])
def test_copies_predict_the_same(fast, copied):
    expected = list(fast.pipe(TEXTS))
    if copied == "processes":
        found = list(fast.pipe(TEXTS, n_process=2, batch_size=2))
    else:
        other = pickle.loads(pickle.dumps(fast))
        if copied == "bytes":
            other = spacy.util.load_model_from_config(fast.config).from_bytes(fast.to_bytes())
        assert runtime_of(other) is not runtime_of(fast)
        found = list(other.pipe(TEXTS))
        assert runtime_of(other).is_used
    assert_equal_docs(found, expected)


def test_threads_get_what_each_gets_alone(fast):
    texts = [text for text in TEXTS if text.strip()]
    expected = [states_of([fast(text)])[0] for text in texts]
    found = {}

    def work(number):
        for _ in range(10):
            found[number] = states_of([fast(texts[number])])[0]

    threads = [threading.Thread(target=work, args=[number]) for number in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, states in enumerate(expected):
        np.testing.assert_allclose(found[number], states, atol=1e-5)


def test_pipelines_of_one_function_share_what_is_compiled(folder):
    first, second = (spacy.load(folder, config=OPENVINO) for _ in range(2))
    vectors(first), vectors(second)
    assert runtime_of(first)._kept == runtime_of(second)._kept


def test_an_export_is_found_again(folder, cache, monkeypatch):
    expected = vectors(spacy.load(folder, config=OPENVINO))
    monkeypatch.setattr(exports, "export_encoder", None)
    monkeypatch.setattr("spacy_bertfamily.runtime.prediction._SHARED", {})
    np.testing.assert_array_equal(vectors(spacy.load(folder, config=OPENVINO)), expected)


def damage_weights(export):
    content = bytearray((export / WEIGHTS).read_bytes())
    content[len(content) // 2] ^= 1
    (export / WEIGHTS).write_bytes(content)


def cut_model(export):
    (export / MODEL).write_bytes((export / MODEL).read_bytes()[:100])


def lose_weights(export):
    (export / WEIGHTS).unlink()


def spoil_about(export):
    (export / ABOUT).write_text("{")


def change_about(export, **changes):
    about = json.loads((export / ABOUT).read_text())
    (export / ABOUT).write_text(json.dumps({**about, **changes}))


def claim_newer(export):
    change_about(export, openvino="9999.1.0")


def claim_other(export):
    change_about(export, fingerprint="0" * 64)


DAMAGES = [damage_weights, cut_model, lose_weights, spoil_about, claim_newer, claim_other]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_export_is_made_anew(folder, cache, monkeypatch, damage):
    expected = vectors(spacy.load(folder, config=OPENVINO))
    (export,) = cache.iterdir()
    damage(export)
    monkeypatch.setattr("spacy_bertfamily.runtime.prediction._SHARED", {})
    with pytest.warns(UserWarning, match="W741"):
        found = vectors(spacy.load(folder, config=OPENVINO))
    np.testing.assert_array_equal(found, expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vectors(spacy.load(folder, config=OPENVINO))


def test_a_folder_that_cannot_be_written_to_is_done_without(fast, nlp, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SPACY_BERTFAMILY_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="W742.*SPACY_BERTFAMILY_CACHE"):
        found = vectors(fast)
    np.testing.assert_allclose(found, vectors(nlp), atol=1e-4)


LIMITED = """
import resource, signal, sys, spacy
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
nlp = spacy.load(sys.argv[1], config={"components.transformer.model.runtime": "openvino"})
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
print(abs(nlp("The small dog")._.trf_data.model_output.last_hidden_state).sum())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs limits of files' sizes")
@pytest.mark.parametrize("size", [1000, 100_000])
def test_a_full_disk_leaves_no_half_export(nlp, folder, cache, size):
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, str(folder), str(size)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "W742" in run.stderr
    assert not list(cache.iterdir())
    expected = np.abs(vectors(nlp, "The small dog")).sum()
    assert float(run.stdout) == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_nothing_is_reported_or_written_to_the_home_folder(folder, tmp_path, cache):
    (tmp_path / "home").mkdir()
    code = LIMITED.replace("resource.setrlimit", "(lambda *_: None)")
    code += "from openvino_telemetry import Telemetry\nassert not Telemetry().consent\n"
    environment = {**os.environ, "HOME": str(tmp_path / "home")}
    for name in ("CI", "TF_BUILD", "JENKINS_URL"):
        environment.pop(name, None)
    command = [sys.executable, "-c", code, str(folder), "0"]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
    assert list(cache.iterdir())
    assert [path.name for path in (tmp_path / "home").rglob("*") if path.is_file()] == []


def test_a_quantized_pipeline_has_its_export_beside_it(nlp, folder, tmp_path, cache, monkeypatch):
    (size,) = quantize(folder, tmp_path / "fast")
    assert size.name == "transformer"
    assert size.bytes_after > 0
    monkeypatch.setenv("SPACY_BERTFAMILY_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr("spacy_bertfamily.runtime.prediction._SHARED", {})
    fast = spacy.load(tmp_path / "fast")
    assert fast.config["components"]["transformer"]["model"]["weights"] == "int8"
    states = vectors(fast)
    assert not (tmp_path / "empty").exists()
    # stored again, copied to another place, and sent to another process it is still there
    fast.to_disk(tmp_path / "again")
    for other in (spacy.load(tmp_path / "again"), pickle.loads(pickle.dumps(fast))):
        np.testing.assert_array_equal(vectors(other), states)
    assert not (tmp_path / "empty").exists()
    # and torch can compute it
    torch_again = {f"{BLOCK}.runtime": "torch", f"{BLOCK}.weights": "float"}
    slow = spacy.load(tmp_path / "fast", config=torch_again)
    np.testing.assert_array_equal(vectors(slow), vectors(nlp))


def test_an_export_of_other_weights_is_not_used(nlp, folder, tmp_path):
    quantize(folder, tmp_path / "fast", weights="float")
    train(nlp, tagged_examples(nlp)).to_disk(tmp_path / "newer")
    delta = "transformer/delta.safetensors"
    (tmp_path / "fast" / delta).write_bytes((tmp_path / "newer" / delta).read_bytes())
    fast = spacy.load(tmp_path / "fast", exclude=["tagger"])
    with pytest.warns(UserWarning, match="W744.*compress quantize"):
        found = vectors(fast)
    np.testing.assert_allclose(found, vectors(nlp), atol=1e-4)


def test_a_pipeline_without_transformer_is_not_quantized(tmp_path):
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(BertFamilyError, match="no adapter_transformer"):
        quantize(tmp_path / "blank", tmp_path / "fast")
    assert not (tmp_path / "fast").exists()


def test_segments_and_docs_of_code_are_read(nlp, fast):
    doc = Doc(fast.vocab, words=["I", "like", "eggs"])
    np.testing.assert_allclose(
        states_of([fast(doc)])[0],
        states_of([nlp(Doc(nlp.vocab, words=["I", "like", "eggs"]))])[0],
        atol=1e-4,
    )
