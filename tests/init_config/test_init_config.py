"""`init-config`: every task in every mode gives a complete config that trains."""

import importlib.util
import json

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_model_from_config
from thinc.api import Config
from typer.testing import CliRunner

from spacy_bertfamily import BertFamilyError
from spacy_bertfamily.annotation.answers import set_answers
from spacy_bertfamily.cli.main import bertfamily_cli
from spacy_bertfamily.init_config.make import make_config
from spacy_bertfamily.init_config.tasks import TASKS

from ..util.files import ROOT

MODES = ["adapter", "full", "top:2", "frozen", "mix"]
WORDS = ["Ann", "likes", "green", "eggs"]


def repo_script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_configs = repo_script("make_configs")


def words_doc(vocab, i):
    """RETURNS (Doc): A Doc with all annotation of tokens, spans and texts."""
    doc = Doc(
        vocab,
        words=WORDS,
        tags=["N", "V", "J", "N"],
        pos=["PROPN", "VERB", "ADJ", "NOUN"],
        morphs=["", "", "", "Number=Plur"],
        heads=[1, 1, 3, 1],
        deps=["nsubj", "ROOT", "amod", "dobj"],
        ents=["B-PERSON", "O", "O", "O"],
        sent_starts=[True, False, False, False],
    )
    doc.spans["sc"] = [Span(doc, 2, 4, label="FOOD")]
    doc.cats = {"A": float(i % 2), "B": float(1 - i % 2)}
    return doc


def pair_doc(nlp, i, number):
    doc = nlp.make_doc(f"Ann likes eggs {i} [SEP] Ann likes ham")
    doc.cats = {"score": float(i)} if number else {"same": float(i % 2), "other": float(1 - i % 2)}
    return doc


def qa_doc(nlp, i):
    doc = nlp.make_doc("who likes eggs [SEP] Ann likes green eggs")
    set_answers(doc, [(21, 24)])
    return doc


def generated_doc(nlp, i):
    doc = nlp.make_doc(f"Ann likes eggs {i}")
    doc.user_data["generated"] = "eggs likes"
    return doc


def examples(task):
    nlp = spacy.blank("en")
    if task == "generate":
        pytest.importorskip("sacrebleu")
        pytest.importorskip("jiwer")
        return [generated_doc(nlp, i) for i in range(6)]
    if task == "qa":
        return [qa_doc(nlp, i) for i in range(6)]
    if task.startswith("pair"):
        return [pair_doc(nlp, i, task == "pair_regression") for i in range(6)]
    # spaCy's parser ignores labels that occur fewer than 30 times
    return [words_doc(nlp.vocab, i) for i in range(32)]


WAYS = [(task, mode) for task in TASKS for mode in MODES if TASKS[task].mixes or mode != "mix"]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "mode"), WAYS)
def test_every_task_trains_in_every_mode(task, mode, tiny, tmp_path):
    config = Config().from_str(make_config(task, mode, backbone=tiny), interpolate=False)
    config["components"]["transformer"]["model"].update(max_pieces=32, stride=8)
    if task == "generate":
        config["components"]["text_generator"]["max_length"] = 8
    config["training"].update(max_steps=10, eval_frequency=5)
    corpus = tmp_path / "corpus.spacy"
    DocBin(docs=examples(task), store_user_data=task == "generate").to_disk(corpus)
    config["paths"].update(train=str(corpus), dev=str(corpus))
    nlp = init_nlp(config)
    (tmp_path / "out").mkdir()
    with open(tmp_path / "log", "w") as log:
        train(nlp, tmp_path / "out", stdout=log)
    loaded = spacy.load(tmp_path / "out" / "model-best")
    assert loaded.pipe_names == ["transformer", TASKS[task].factory]
    main_score = next(name for name, weight in TASKS[task].scores.items() if weight)
    assert loaded.meta["performance"][main_score] is not None
    summary = loaded.get_pipe("transformer").trainable_summary()
    assert bool(summary.trained) == (mode in ("adapter", "full", "top:2"))


@pytest.mark.parametrize(("task", "mode"), WAYS)
def test_configs_are_complete(task, mode):
    """Check that spaCy accepts the config without filling in anything."""
    config = Config().from_str(make_config(task, mode))
    load_model_from_config(config, auto_fill=False, validate=True)


def test_a_writer_has_no_mix():
    with pytest.raises(BertFamilyError, match="B004.*mode.*'mix'.*for the task 'generate'"):
        make_config("generate", "mix")


@pytest.mark.parametrize(
    ("steps", "evaluations", "warmup", "patience"),
    [
        (1, 1, 1, 0),
        (19, 19, 1, 0),
        (20, 20, 1, 0),
        (50, 25, 2, 0),
        (100, 20, 5, 0),
        (150, 21, 7, 0),
        (200, 20, 10, 160),
        (2000, 200, 100, 1600),
    ],
)
def test_the_schedules_follow_the_steps(steps, evaluations, warmup, patience):
    training = Config().from_str(make_config("ner", steps=steps))["training"]
    rate = training["optimizer"]["learn_rate"]
    assert (training["max_steps"], rate["total_steps"]) == (steps, steps)
    assert (training["eval_frequency"], rate["warmup_steps"], training["patience"]) == (
        evaluations,
        warmup,
        patience,
    )


@pytest.mark.parametrize("steps", [1, 7, 20, 33, 50, 100, 150, 199])
def test_short_trainings_are_evaluated_at_their_end(steps):
    """The last evaluation is after at least nine tenths of the steps."""
    frequency = Config().from_str(make_config("ner", steps=steps))["training"]["eval_frequency"]
    last = steps // frequency * frequency
    assert last >= 0.9 * steps
    assert frequency >= min(steps, 20)


def test_a_lucky_score_at_the_start_does_not_end_a_short_training(tiny, tmp_path, monkeypatch):
    """An untrained tagger may score higher than it does for long afterwards."""
    config = Config().from_str(make_config("tagger", backbone=tiny, steps=40), interpolate=False)
    config["components"]["transformer"]["model"].update(max_pieces=32, stride=8)
    corpus = tmp_path / "corpus.spacy"
    DocBin(docs=examples("tagger")[:4], store_user_data=False).to_disk(corpus)
    config["paths"].update(train=str(corpus), dev=str(corpus))
    config["training"]["logger"]["output_file"] = str(tmp_path / "log.jsonl")
    scores = iter([1.0, 0.0, 0.0])
    monkeypatch.setattr(
        "spacy.training.loop.create_evaluation_callback",
        lambda *_: lambda: (next(scores), {"tag_acc": 0.0}),
    )
    (tmp_path / "out").mkdir()
    with open(tmp_path / "log", "w") as log:
        train(init_nlp(config), tmp_path / "out", stdout=log)
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 20, 40]


def test_the_mode_can_set_the_size_of_adapters():
    sizes = [
        Config().from_str(make_config("ner", mode))["components"]["transformer"]["model"][
            "adapter"
        ]["size"]
        for mode in ("adapter", "adapter:8")
    ]
    assert sizes == [64, 8]


@pytest.mark.parametrize("lang", ["de", "zh", "fr"])
def test_languages_have_their_tokenizers(lang, tiny):
    config = Config().from_str(make_config("ner", lang=lang, backbone=tiny))
    config["components"]["transformer"]["model"].update(max_pieces=32, stride=8)
    nlp = load_model_from_config(config, auto_fill=False, validate=True)
    assert nlp.lang == lang
    assert type(nlp.tokenizer) is type(spacy.blank(lang).tokenizer)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "poetry"}, "task = 'poetry' is not allowed: one of tagger"),
        ({"task": "ner", "mode": "top:0"}, "mode = 'top:0' is not allowed: one of adapter"),
        ({"task": "ner", "lang": "xyz", "backbone": "b"}, "lang = 'xyz' is not allowed"),
        ({"task": "ner", "lang": "de"}, "backbone = None is not allowed: name one that reads 'de'"),
    ],
)
def test_unknown_options_are_an_error_that_names_the_allowed_ones(options, message):
    with pytest.raises(ValueError, match=message):
        make_config(**options)


@pytest.mark.parametrize("name", sorted(make_configs.CONFIGS))
def test_the_configs_of_the_repository_are_up_to_date(name):
    assert (ROOT / "configs" / f"{name}.cfg").read_text(encoding="utf8") == make_configs.make(name)


def test_all_configs_of_the_repository_are_tested():
    assert {path.stem for path in (ROOT / "configs").glob("*.cfg")} == {
        *make_configs.CONFIGS,
        *make_configs.WRITTEN,
    }


def test_the_command_writes_a_config_and_overwrites_only_if_forced(tmp_path):
    run = CliRunner().invoke
    target = tmp_path / "new" / "ner.cfg"
    assert (
        run(
            bertfamily_cli, ["init-config", str(target), "--task", "ner", "--mode", "mix"]
        ).exit_code
        == 0
    )
    assert target.read_text(encoding="utf8") == make_config("ner", "mix", path=target.as_posix())
    again = run(bertfamily_cli, ["init-config", str(target), "--task", "tagger"])
    assert again.exit_code == 1
    assert "--force" in again.stdout
    assert (
        run(bertfamily_cli, ["init-config", str(target), "--task", "tagger", "--force"]).exit_code
        == 0
    )
    assert 'factory = "tagger"' in target.read_text(encoding="utf8")
    printed = run(bertfamily_cli, ["init-config", "-", "--task", "qa"])
    assert printed.exit_code == 0
    assert Config().from_str(printed.stdout)["components"]["span_qa"]["n_best"] == 20
    wrong = run(bertfamily_cli, ["init-config", str(tmp_path / "x.cfg"), "--task", "poetry"])
    assert wrong.exit_code == 1
    assert "poetry" in wrong.stdout
    assert not (tmp_path / "x.cfg").exists()


@pytest.mark.parametrize(("task", "mode"), [way for way in WAYS if way[1] in ("adapter", "mix")])
def test_the_transformer_can_have_another_name(task, mode):
    text = make_config(task, mode, transformer_name="my_bert")
    config = Config().from_str(text, interpolate=False)
    assert config["nlp"]["pipeline"] == ["my_bert", TASKS[task].factory]
    block = config["components"][TASKS[task].factory]["model"]
    assert block["tok2vec"]["upstream"] == "my_bert"
    assert text.replace("my_bert", "transformer") == make_config(task, mode)


@pytest.mark.parametrize("name", ["", "my bert", "a.b", "ner"])
def test_a_transformer_needs_a_name_of_its_own(name):
    with pytest.raises(ValueError, match=r"B004.*transformer_name"):
        make_config("ner", transformer_name=name)


def test_the_command_takes_the_name_of_the_transformer():
    options = ["init-config", "-", "--task", "qa", "--transformer-name", "qa_transformer"]
    result = CliRunner().invoke(bertfamily_cli, options)
    assert result.exit_code == 0, result.output
    assert '["qa_transformer","span_qa"]' in result.output
