"""The pipelines in the package load, are small, and predict correctly."""

import gc
import json

import pytest
import spacy
from spacy.util import load_model_from_config
from typer.testing import CliRunner

import spacy_bertfamily
from spacy_bertfamily.cli import bertfamily_cli
from spacy_bertfamily.released import COMBINED, RELEASED, find

from ..util.every_component import COPIES, annotations

COMPONENTS = {
    "en_minilm_qa": ["qa_transformer", "span_qa"],
    "en_minilm_nli": ["nli_transformer", "nli"],
    "en_minilm_similarity": ["similarity_transformer", "similarity"],
    "en_minilm_pos_ner": ["token_transformer", "tagger", "morphologizer", "ner"],
}
TEXT = (
    "The lighthouse at Corran Point was finished in 1874, after six years of work. "
    "Its builder, the engineer Elspeth Muir, had to bring every stone by boat. "
    "Electric light came in 1931, and the last keeper left in 1986."
)
PAIRS = [
    "A man is playing a guitar. [SEP] A man plays an instrument.",
    "A man is playing a guitar on the stage. [SEP] Nobody is on the stage.",
]
LIMIT = 4_000_000


@pytest.fixture(scope="module")
def pipelines():
    return {name: spacy_bertfamily.load(name) for name in RELEASED}


@pytest.fixture(scope="module")
def combined():
    return spacy_bertfamily.load(COMBINED)


@pytest.mark.parametrize("name", RELEASED)
def test_pipelines_are_small_and_complete(name, pipelines):
    folder = find(name)
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= LIMIT
    assert pipelines[name].pipe_names == COMPONENTS[name]
    assert pipelines[name].meta["name"] == name.removeprefix("en_")
    assert pipelines[name].meta["performance"]


@pytest.mark.parametrize("name", RELEASED)
def test_pipelines_do_not_contain_words_of_the_training_data(name):
    strings = json.loads((find(name) / "vocab" / "strings.json").read_text(encoding="utf8"))
    # the strings are labels, many of them morphological; the corpora have far more words
    assert len(strings) < 600


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who built the lighthouse?", "Elspeth Muir"),
        ("When was the lighthouse finished?", "1874"),
        ("When did the last keeper leave?", "1986"),
        ("How was the stone brought?", "boat"),
    ],
)
def test_questions_are_answered(question, answer, pipelines):
    (found,) = pipelines["en_minilm_qa"].get_pipe("span_qa").ask(TEXT, question)
    assert answer in found.text
    assert found.text == TEXT[found.start_char : found.end_char]


@pytest.mark.parametrize(
    "question", ["What is the capital of Peru?", "How much does a kettle cost?"]
)
def test_questions_without_an_answer_are_not_answered(question, pipelines):
    assert pipelines["en_minilm_qa"].get_pipe("span_qa").ask(TEXT, question) == []


def test_a_threshold_given_to_load_wins_over_calibration(pipelines):
    calibrated = pipelines["en_minilm_qa"].get_pipe("span_qa")
    overrides = {"components": {"span_qa": {"null_threshold": None}}}
    nlp = spacy_bertfamily.load("en_minilm_qa", config=overrides)
    always = nlp.get_pipe("span_qa")
    assert (
        always.settings.temperature == calibrated.settings.temperature == pytest.approx(1.535, 1e-3)
    )
    assert always.ask(TEXT, "How much does a kettle cost?")
    assert calibrated.ask(TEXT, "How much does a kettle cost?") == []
    nli = spacy_bertfamily.load("en_minilm_nli", config={"components": {"nli": {"threshold": 0.9}}})
    assert nli.get_pipe("nli").threshold == 0.9


def test_ten_answers_are_found_where_there_are_ten(pipelines):
    qa = pipelines["en_minilm_qa"].get_pipe("span_qa")
    names = "Ann Bell, Carl Dow, Eva Fox, Gus Hill, Ida Jones, Kim Lane, Max Nash, Olga Penn"
    text = " ".join(
        f"{name} was mayor of Corran from {1900 + 5 * i} to {1905 + 5 * i}."
        for i, name in enumerate(names.split(", "))
    )
    answers = qa.ask(text, "Who was mayor of Corran?", top_k=10)
    assert len(answers) == 10
    assert sum(answer.text in names for answer in answers) >= 4
    alone = pipelines["en_minilm_qa"](f"Who was mayor of Corran? [SEP] {text}")
    assert alone._.answers[0].text == answers[0].text
    assert alone._.answers[0].score == pytest.approx(answers[0].score, abs=1e-5)


@pytest.mark.parametrize(("text", "label"), [*zip(PAIRS, ["entailment", "contradiction"])])
def test_inference_is_classified(text, label, pipelines):
    cats = pipelines["en_minilm_nli"](text).cats
    assert max(cats, key=cats.get) == label
    assert sum(cats.values()) == pytest.approx(1.0, abs=1e-5)


def test_similar_texts_rank_first(pipelines):
    similarity = pipelines["en_minilm_similarity"].get_pipe("similarity")
    texts = ["The parcel has not arrived.", "A kettle costs nine pounds.", "The delivery is late."]
    assert {index for index, _ in similarity.rank("My parcel is late.", texts, top_k=2)} == {0, 2}


def test_tokens_are_tagged_and_names_are_found(pipelines):
    doc = pipelines["en_minilm_pos_ner"]("She lives in London with two green parrots.")
    assert [token.pos_ for token in doc] == [
        "PRON",
        "VERB",
        "ADP",
        "PROPN",
        "ADP",
        "NUM",
        "ADJ",
        "NOUN",
        "PUNCT",
    ]
    assert [token.tag_ for token in doc][:4] == ["PRP", "VBZ", "IN", "NNP"]
    assert doc[-2].morph.get("Number") == ["Plur"]
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("London", "location")]


def test_the_combined_pipeline_predicts_what_its_parts_predict(pipelines, combined):
    assert combined.pipe_names == [
        component for components in COMPONENTS.values() for component in components
    ]
    doc = combined(PAIRS[0])
    for scores, name in ((doc.cats, "en_minilm_nli"), (doc._.pair_scores, "en_minilm_similarity")):
        assert scores == pytest.approx(pipelines[name](PAIRS[0]).cats, abs=1e-4)
    alone = pipelines["en_minilm_pos_ner"](TEXT)
    doc = combined(TEXT)
    assert [(t.tag_, t.pos_, str(t.morph), t.ent_type_) for t in doc] == [
        (t.tag_, t.pos_, str(t.morph), t.ent_type_) for t in alone
    ]
    question = "Who built the lighthouse?"
    answers = [
        nlp.get_pipe("span_qa").ask(TEXT, question)[0]
        for nlp in (combined, pipelines["en_minilm_qa"])
    ]
    assert answers[0].text == answers[1].text
    assert answers[0].score == pytest.approx(answers[1].score, abs=1e-4)


def test_the_best_category_of_the_combined_pipeline_is_a_label(combined):
    for text, label in zip(PAIRS, ["entailment", "contradiction"]):
        cats = combined(text).cats
        assert max(cats, key=cats.get) == label
    similarity = combined.get_pipe("similarity")
    texts = ["The parcel has not arrived.", "A kettle costs nine pounds.", "The delivery is late."]
    assert {index for index, _ in similarity.rank("My parcel is late.", texts, top_k=2)} == {0, 2}


@pytest.mark.parametrize("name", ["en_minilm_nli", "en_minilm_similarity"])
def test_single_texts_are_not_classified_as_pairs(name, pipelines, combined):
    assert pipelines[name]("She lives in London.").cats == {}
    doc = combined("She lives in London.")
    assert (doc.cats, doc._.pair_scores) == ({}, {})


def test_similarity_stays_on_its_scale(pipelines):
    nlp = pipelines["en_minilm_similarity"]
    similarity = nlp.get_pipe("similarity")
    assert similarity.cfg["range"] == [0.0, 5.0]
    texts = ["a", "no", "0 0 0 0", "A man is playing a guitar.", ""]
    pairs = [(first, second) for first in texts for second in texts]
    joined = [spacy_bertfamily.join_segments(*map(nlp.make_doc, pair)) for pair in pairs]
    docs = list(nlp.get_pipe("similarity_transformer").pipe(joined))
    unclipped = similarity.predict_unclipped(docs)
    assert unclipped.min() < 0
    found = [cats["similarity"] for cats in similarity.predict_pairs(pairs)]
    assert (min(found), max(found) <= 5.0) == (0.0, True)


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("name", RELEASED)
def test_copies_predict_the_same(name, kind, pipelines):
    texts = [*PAIRS, TEXT, "Who built it? [SEP] Ann built it in 1920."]
    assert annotations(COPIES[kind](pipelines[name]), texts) == annotations(pipelines[name], texts)


def test_a_component_that_is_held_alone_answers():
    (answer,) = spacy_bertfamily.load("en_minilm_qa").get_pipe("span_qa").ask(TEXT, "Who built it?")
    assert "Elspeth Muir" in answer.text
    similarity = spacy_bertfamily.load("en_minilm_similarity").get_pipe("similarity")
    gc.collect()
    assert similarity.rank("My parcel is late.", ["A kettle.", "The delivery is late."])[0][0] == 1


def test_the_backbone_is_in_memory_once(pipelines, combined):
    transformers = [
        component for name, component in combined.components if name.endswith("transformer")
    ]
    assert len(transformers) == 4
    assert len({id(transformer.shim.encoder.shared) for transformer in transformers}) == 1


def test_the_combined_pipeline_can_be_stored(combined, tmp_path):
    combined.to_disk(tmp_path / "all")
    again = spacy.load(tmp_path / "all")
    assert again(PAIRS[0]).cats == pytest.approx(combined(PAIRS[0]).cats, abs=1e-5)
    scores = combined(PAIRS[0])._.pair_scores
    assert again(PAIRS[0])._.pair_scores == pytest.approx(scores, abs=1e-5)


def test_components_can_be_sourced_in_a_config():
    text = (find("en_minilm_nli").parent / f"{COMBINED}.cfg").read_text(encoding="utf8")
    assert text.count("source = ") == sum(map(len, COMPONENTS.values()))
    config = spacy.blank("en").config.copy()
    config["nlp"]["pipeline"] = COMPONENTS["en_minilm_nli"]
    config["components"] = {
        name: {"source": str(find("en_minilm_nli"))} for name in COMPONENTS["en_minilm_nli"]
    }
    cats = load_model_from_config(config)(PAIRS[0]).cats
    assert max(cats, key=cats.get) == "entailment"


def test_settings_can_be_overridden_except_for_the_combined_pipeline(pipelines):
    nlp = spacy_bertfamily.load(
        "en_minilm_nli",
        config={"components": {"nli_transformer": {"model": {"precision": "bfloat16"}}}},
    )
    assert nlp.get_pipe("nli_transformer").shim.settings.precision == "bfloat16"
    assert nlp(PAIRS[0]).cats == pytest.approx(pipelines["en_minilm_nli"](PAIRS[0]).cats, abs=0.1)
    assert (
        spacy_bertfamily.load("en_minilm_pos_ner", exclude=["ner"]).pipe_names[-1]
        == "morphologizer"
    )
    with pytest.raises(
        ValueError, match=r"B115.*'en_minilm_all' cannot be changed while it is loaded"
    ):
        spacy_bertfamily.load(COMBINED, config={"nlp": {"batch_size": 1}})


def test_unknown_names_are_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match=r"B114.*'en_core_web_sm'.*en_minilm_qa.*en_minilm_all"):
        spacy_bertfamily.load("en_core_web_sm")
    with pytest.raises(ValueError, match=r"B122.*'en_minilm_all' has no folder.*to_disk"):
        find(COMBINED)


def test_the_ask_command_takes_the_name_of_a_released_pipeline(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT)
    command = [
        "ask",
        "en_minilm_qa",
        "--context",
        str(tmp_path / "text.txt"),
        "Who built the lighthouse?",
        "--json",
    ]
    (answer,) = json.loads(CliRunner().invoke(bertfamily_cli, command).output)["answers"]
    assert "Elspeth Muir" in answer["text"]


def test_a_released_pipeline_can_be_packaged(tmp_path):
    from spacy.cli.package import package

    package(find("en_minilm_nli"), tmp_path, create_sdist=False, create_wheel=False, silent=True)
    (folder,) = tmp_path.glob("en_minilm_nli-*/en_minilm_nli")
    assert (folder / "__init__.py").exists()
