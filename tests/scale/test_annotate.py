"""One callable: what it reads, what it sets aside, how it is pickled, what it refuses."""

import multiprocessing
import pickle
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import cloudpickle
import joblib
import numpy as np
import pytest
import spacy
from packaging.version import Version
from spacy.language import Language
from spacy.tokens import DocBin

from spacy_bertfamily import Annotate
from spacy_bertfamily.scale import pipelines
from spacy_bertfamily.scale.annotate import SOUND_ZONES
from spacy_bertfamily.scale.fields import FIELDS

from ..util.annotating import FAILS, capitals
from ..util.every_component import TEXTS, make_every_component
from ..util.files import change_tensors
from ..util.pipelines import vectors

LINES = ["Ann likes London", "", "green eggs", "Eat ham"]


@pytest.fixture(scope="module")
def every_component(tiny, tmp_path_factory):
    """A pipeline with every component, in a folder, and loaded from there."""
    folder = tmp_path_factory.mktemp("every")
    make_every_component(tiny)[0].to_disk(folder)
    return folder, spacy.load(folder)


@pytest.fixture
def loads(monkeypatch):
    """The settings with which pipelines are loaded, from nothing loaded on."""
    made = []
    load = pipelines._load
    monkeypatch.setattr(pipelines, "_LOADED", {})
    monkeypatch.setattr(
        pipelines, "_load", lambda settings: made.append(settings) or load(settings)
    )
    return made


def test_values_are_those_of_the_docs(every_component):
    folder, nlp = every_component
    texts = [text for text in TEXTS if text]
    rows = Annotate(folder, list(FIELDS))(texts)
    for row, doc in zip(rows, nlp.pipe(texts)):
        assert row["error"] is None
        assert row["tokens"] == [token.text for token in doc]
        assert row["tags"] == [token.tag_ for token in doc]
        assert row["heads"] == [token.i for token in doc]
        assert row["ents"] == [] == row["sents"]
        assert row["cats"] == pytest.approx(doc.cats, abs=1e-5)
        assert [(a["text"], a["start"], a["end"]) for a in row["answers"]] == [
            tuple(answer[:3]) for answer in doc._.answers
        ]
        assert [span["text"] for span in row["spans"]["answers"]] == [
            span.text for span in doc.spans["answers"]
        ]
        # the pooler has set doc.tensor
        assert np.allclose(row["vector"], doc.vector, atol=1e-5)
        [read] = DocBin(store_user_data=True).from_bytes(row["docbin"]).get_docs(nlp.vocab)
        assert [t.tag_ for t in read] == row["tags"]
        assert [answer[:3] for answer in read._.answers] == [a[:3] for a in doc._.answers]
        assert read._.trf_data is None
        assert doc._.trf_data is not None


def test_without_a_vector_of_the_doc_it_is_the_mean_of_hidden_states(make_tagger, tmp_path):
    nlp, _ = make_tagger()
    nlp.to_disk(tmp_path)
    rows = Annotate(tmp_path, "vector")(["I like green eggs", ""])
    states = vectors(nlp, "I like green eggs")  # one window without padding
    assert np.allclose(rows[0]["vector"], states[0].mean(axis=0), atol=1e-5)
    assert rows[1]["vector"] == []


def test_entities_have_characters(capitals_folder):
    rows = capitals(capitals_folder)(["Ann likes London"])
    assert rows == [
        {
            "text": "Ann likes London",
            "ents": [
                {"text": "Ann", "label": "CAPITAL", "start": 0, "end": 3},
                {"text": "London", "label": "CAPITAL", "start": 10, "end": 16},
            ],
            "cats": {"capitals": 2 / 3},
            "error": None,
        }
    ]


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_texts_that_fail_are_set_aside_with_the_reason(capitals_folder, batch_size):
    texts = ["Ann", FAILS, "Bob", None, 3, float("nan"), "\ud800", FAILS, "x" * 1_000_001, "Eve"]
    rows = capitals(capitals_folder, batch_size=batch_size)(texts)
    reasons = [
        None,
        "RuntimeError: there is a text that I cannot take",
        None,
        "there is no text",
        "the text is no string, but of the type int",
        "there is no text",
        "UnicodeEncodeError: ",
        "RuntimeError: there is a text that I cannot take",
        "ValueError: [E088]",
        None,
    ]
    for row, reason in zip(rows, reasons):
        assert (row["error"] or "").startswith(reason or "")
        assert (row["error"] is None) == (reason is None) == (row["ents"] is not None)
    assert [row["ents"][0]["text"] for row in rows if row["ents"]] == ["Ann", "Bob", "Eve"]


def test_docs_that_a_component_drops_are_failures(capitals_folder, monkeypatch):
    annotate = capitals(capitals_folder, share_memory=False)
    annotate(["Ann"])
    nlp = annotate._load().nlp
    handler = monkeypatch.setattr  # restored afterwards
    handler(nlp, "default_error_handler", lambda name, proc, docs, e: None)
    rows = annotate(["Ann", FAILS, "Bob"])
    assert [row["error"] is None for row in rows] == [True, False, True]
    assert "B507" in rows[1]["error"]


@pytest.mark.parametrize("module", [pickle, cloudpickle])
def test_a_pickle_has_settings_and_no_pipeline(every_component, module):
    annotate = Annotate(every_component[0], "tags,cats")
    expected = annotate(TEXTS)
    pickled = module.dumps(annotate)
    assert len(pickled) < 1000
    copied = pickle.loads(pickled)
    assert copied == annotate
    assert copied(TEXTS) == expected


def test_a_process_loads_a_pipeline_once(capitals_folder, loads):
    annotate = capitals(capitals_folder)
    assert annotate([]) == []
    assert loads == []
    copies = [pickle.loads(pickle.dumps(annotate)), capitals(str(capitals_folder), "tokens")]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: one(LINES), [annotate, *copies] * 4))
    assert found[0] == found[3]
    assert len(loads) == 1
    capitals(capitals_folder, threads=2)(LINES)
    assert [settings.threads for settings in loads] == [1, 2]


@pytest.mark.skipif(
    Version(spacy.__version__) < SOUND_ZONES, reason="its memory zones damage words, so they stay"
)
def test_words_do_not_stay_in_the_vocabulary(capitals_folder):
    annotate = capitals(capitals_folder, "tokens,docbin")
    annotate(["something"])
    nlp = annotate._load().nlp
    before = len(nlp.vocab.strings), len(list(nlp.vocab))
    annotate([f"word{number}" for number in range(200)])
    assert (len(nlp.vocab.strings), len(list(nlp.vocab))) == before


def test_weights_are_mapped_from_the_backbones_file(make_tagger, tmp_path):
    nlp, _ = make_tagger(trainable=["adapter"])
    nlp.to_disk(tmp_path)
    apart = Annotate(tmp_path, "tags,vector", share_memory=False)
    shared = Annotate(tmp_path, "tags,vector")
    expected = apart(["I like green eggs"])
    del nlp
    assert shared(["I like green eggs"]) == expected
    loaded = shared._load().nlp
    encoder = loaded.get_pipe("transformer").shim.encoder
    frozen = {id(t): t.nbytes for t in encoder.shared.model.state_dict(keep_vars=True).values()}
    stored = pipelines.share_weights(loaded)
    assert stored == sum(frozen.values()) > 0


def test_a_weight_of_another_file_is_not_mapped(tiny_copy, make_tagger):
    file = tiny_copy / "model.safetensors"
    # otherwise it would be the tiny backbone that other tests hold
    change_tensors(file, lambda tensors: next(iter(tensors.values())).add_(1))
    nlp, _ = make_tagger(name=str(tiny_copy))
    content = bytearray(file.read_bytes())
    content[-400:] = b"\1" * 400
    before = vectors(nlp).copy()
    file.unlink()  # written in its place it would be refused when it is loaded
    file.write_bytes(content)
    some = pipelines.share_weights(nlp)
    model = nlp.get_pipe("transformer").shim.encoder.shared.model
    assert 0 < some < sum(tensor.nbytes for tensor in model.state_dict().values())
    assert (vectors(nlp) == before).all()


def test_missing_components_are_a_warning(capitals_folder):
    with pytest.warns(UserWarning, match=r"W500.*tags, answers.*capitals, misbehave"):
        capitals(capitals_folder, "tags,answers,ents", batch_size=7, threads=3)(LINES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is said once
        capitals(capitals_folder, "tags,answers,ents", batch_size=7, threads=3)(LINES)


def test_by_default_all_is_added_that_components_set(capitals_folder, every_component, tmp_path):
    assert capitals(capitals_folder, None).names == ("ents", "cats")
    combined = Annotate("en_minilm_all").names
    assert combined == ("tags", "pos", "morphs", "ents", "spans", "cats", "pair_scores", "answers")
    folder, _ = every_component
    names = Annotate(folder).names
    assert {"tags", "answers", "cats"} <= set(names)
    nlp = spacy.load(folder)
    nlp.select_pipes(disable="span_qa")
    nlp.to_disk(tmp_path / "disabled")
    assert set(names) - set(Annotate(tmp_path / "disabled").names) == {"answers", "spans"}
    spacy.blank("en").to_disk(tmp_path / "blank")
    assert Annotate(tmp_path / "blank").names == ("tokens",)


def test_a_component_without_a_factory_is_an_error(capitals_folder, monkeypatch):
    monkeypatch.setattr(Language, "has_factory", lambda name: name != "misbehave")
    with pytest.raises(ValueError, match="B516.*'misbehave'.*--code, --annotation"):
        Annotate(capitals_folder)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pipeline": spacy.blank("en")}, "B500.*'pipeline'.*English.*to_disk"),
        ({"code": 3}, "B500.*'code'.*int"),
        ({"annotation": "ents,entities"}, "B501.*entities.*Allowed.*ents"),
        ({"annotation": ""}, "B501"),
        ({"annotation": []}, "B501.*nothing"),
        ({"batch_size": 0}, "B505.*batch_size = 0"),
        ({"pipeline": "nothing", "annotation": None}, "B506.*nothing"),
        ({"batch_size": "8"}, "B505.*batch_size = '8'.*a whole number, 1 or more"),
        ({"threads": 0}, "B505.*threads = 0"),
        ({"threads": 1.5}, "B505.*threads = 1.5"),
        ({"gpu_id": "0"}, "B505.*gpu_id = '0'.*-1 or more"),
        ({"gpu_id": True}, "B505.*gpu_id = True"),
    ],
)
def test_wrong_settings_are_an_error(settings, message):
    with pytest.raises(ValueError, match=message):
        Annotate(**{"pipeline": "en_minilm_qa", "annotation": "ents", **settings})


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ("Ann likes London", "B502.*str"),
        (3, "B502.*int"),
        ({"text": ["Ann", "Bob"], "id": [1]}, "B502.*different lengths"),
        ({"text": ["Ann", "Bob"], "id": 1}, "B502.*different lengths"),
        ([{"body": "Ann"}], "B503.*'text'.*body"),
        ({"body": ["Ann"]}, "B503.*'text'.*body"),
        ([{"text": "Ann", "ents": []}], "B504.*ents"),
        ({"text": ["Ann"], "error": [1], "cats": [2]}, "B504.*cats, error"),
    ],
)
def test_other_batches_are_an_error(capitals_folder, batch, message):
    with pytest.raises(ValueError, match=message):
        capitals(capitals_folder)(batch)


def test_kinds_of_batches(capitals_folder):
    annotate = capitals(capitals_folder, text_column="body")
    rows = annotate(LINES)
    assert [row["body"] for row in rows] == LINES
    assert annotate(tuple(LINES)) == annotate(np.array(LINES)) == rows
    with_ids = [{"id": i, "body": line} for i, line in enumerate(LINES)]
    assert annotate(with_ids) == [{"id": i, **row} for i, row in enumerate(rows)]
    columns = annotate({"id": [0, 1, 2, 3], "body": LINES})
    assert columns == {"id": [0, 1, 2, 3], **{name: [r[name] for r in rows] for name in rows[0]}}
    arrays = annotate({"body": np.array(LINES, dtype=object)})
    assert arrays["ents"].dtype == object
    assert arrays["ents"].tolist() == columns["ents"]
    batches = annotate(iter([LINES[:2], {"body": LINES[2:]}]))
    assert next(batches) == rows[:2]
    assert next(batches)["ents"] == columns["ents"][2:]


def test_one_row_and_iterators_of_rows(capitals_folder):
    annotate = capitals(capitals_folder)
    rows = [{"id": i, "text": line} for i, line in enumerate([*LINES, None])]
    expected = annotate(rows)
    assert annotate(rows[0]) == expected[0]
    assert list(map(annotate, rows)) == list(annotate(iter(rows))) == expected
    assert list(annotate(iter(LINES))) == annotate(LINES)
    assert list(annotate(iter([*rows[:2], {"text": LINES}, rows[2]]))) == [
        *expected[:2],
        annotate({"text": LINES}),
        expected[2],
    ]
    assert list(annotate(iter([]))) == []


@pytest.mark.slow
@pytest.mark.parametrize("how", ["spawn", "joblib"])
def test_other_processes_annotate_alike(every_component, how):
    annotate = Annotate(every_component[0], "tags,cats,answers")
    batches = [TEXTS, TEXTS[:2], TEXTS[2:]]
    expected = [annotate(batch) for batch in batches]
    if how == "joblib":
        tasks = [joblib.delayed(annotate)(batch) for batch in batches]
        assert joblib.Parallel(n_jobs=2, backend="loky")(tasks) == expected
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        assert list(pool.map(annotate, batches)) == expected
