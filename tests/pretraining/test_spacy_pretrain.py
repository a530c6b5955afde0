"""`spacy pretrain` and what comes after it, with all objectives and maskers."""

import inspect
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
import spacy
import srsly
import torch
from safetensors.torch import load
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.util import load_model_from_config
from thinc.api import Config

from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.pretraining.masked_lm import MaskedLM
from spacy_bertfamily.pretraining.maskers import WholeWordMasker

from ..util.pipelines import add_transformer
from ..util.pretraining import (
    TEXTS,
    make_masked_lm,
    make_pretraining_config,
    make_transformer,
    run_pretraining,
    write_texts,
)

MASKERS = {
    "Pieces.v1": {},
    "WholeWords.v1": {},
    "Spans.v1": {"spans": ["ents", "sc"]},
    "RandomSpans.v1": {},
}
ADAPTER = {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 4, "placement": "houlsby"}


def objective(kind="PretrainMaskedLM.v1", masker="WholeWords.v1", **settings):
    return {
        "@architectures": f"spacy-bertfamily.{kind}",
        "masker": {"@maskers": f"spacy-bertfamily.{masker}", **MASKERS[masker]},
        "mask_rate": 0.3,
        **settings,
    }


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("masked")
    make_masked_lm("bert", folder)
    return folder


@pytest.fixture
def raw_text(tmp_path):
    return write_texts(tmp_path / "raw.jsonl", TEXTS * 4)


@contextmanager
def no_warning(code):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert not [warning for warning in caught if code in str(warning.message)]


def read_weights(path, backbone, **settings):
    """RETURNS (AdapterTransformer): A transformer that read what `spacy pretrain` wrote."""
    transformer = add_transformer(spacy.blank("en"), str(backbone), **settings)
    transformer.model.initialize()
    transformer.model.from_bytes(path.read_bytes())
    return transformer


@pytest.mark.filterwarnings("ignore:.*W402")
@pytest.mark.parametrize(
    ("kind", "masker"),
    [
        *(("PretrainMaskedLM.v1", masker) for masker in MASKERS),
        ("PretrainReplacedTokens.v1", "Pieces.v1"),
    ],
)
def test_pretraining_learns_and_is_read_again(kind, masker, backbone, raw_text, tmp_path):
    config = make_pretraining_config(
        backbone, raw_text, objective(kind, masker), pretraining={"max_epochs": 8}
    )
    folder = run_pretraining(config, tmp_path / "out")
    losses = [line["epoch_loss"] for line in srsly.read_jsonl(folder / "log.jsonl")]
    assert np.mean(losses[-4:-1]) < np.mean(losses[:3])
    settings = {"trainable": ["all"], "adapter": None}
    learned = read_weights(folder / "model-last.bin", backbone, **settings)
    assert learned.shim.encoder.pretraining is None
    new = add_transformer(spacy.blank("en"), str(backbone), **settings)
    new.model.initialize()
    assert not torch.equal(learned.shim.encoder.embeddings, new.shim.encoder.embeddings)


def test_a_domain_adapter_goes_into_a_training(backbone, raw_text, tmp_path):
    settings = {"trainable": ["adapter", "layer_norm"], "adapter": ADAPTER}
    config = make_pretraining_config(backbone, raw_text, objective(), **settings)
    folder = run_pretraining(config, tmp_path / "out")
    learned = read_weights(folder / "model-last.bin", backbone, **settings)
    names = set(learned.shim.encoder.delta())
    assert any(name.startswith("adapter.") for name in names)
    assert not any(name.startswith("pretraining.") for name in names)
    training = Config(config).copy()
    training["initialize"]["init_tok2vec"] = str(folder / "model-last.bin")
    write_docs(tmp_path / "train.spacy")
    for name in ("train", "dev"):
        training["corpora"][name]["path"] = str(tmp_path / "train.spacy")
    nlp = init_nlp(training)
    used = nlp.get_pipe("transformer").shim.encoder.delta()
    for name, tensor in learned.shim.encoder.delta().items():
        assert torch.equal(used[name], tensor)


def write_docs(path):
    nlp = spacy.blank("en")
    DocBin(docs=[nlp(text) for text in TEXTS]).to_disk(path)


def test_the_same_seed_gives_the_same_weights(backbone, raw_text, tmp_path):
    config = make_pretraining_config(backbone, raw_text, objective())
    contents = []
    for name in ("a", "b"):
        folder = run_pretraining(config, tmp_path / name)
        contents.append((folder / "model-last.bin").read_bytes())
    first, second = (tensors_in(content) for content in contents)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(second[name], tensor)


def tensors_in(content):
    ((shim,),) = srsly.msgpack_loads(content)["shims"]
    return load(srsly.msgpack_loads(shim)["delta"])


@pytest.mark.parametrize("kind", ["PretrainMaskedLM.v1", "PretrainReplacedTokens.v1"])
def test_resuming_goes_on_with_head_and_generator(kind, backbone, raw_text, tmp_path):
    config = make_pretraining_config(
        backbone, raw_text, objective(kind), pretraining={"max_epochs": 4}
    )
    first = run_pretraining(config, tmp_path / "first")
    config["pretraining"]["max_epochs"] = 5
    second = run_pretraining(config, tmp_path / "second", resume_path=first / "model3.bin")
    begun = [line["epoch_loss"] for line in srsly.read_jsonl(first / "log.jsonl")]
    resumed = list(srsly.read_jsonl(second / "log.jsonl"))
    assert [line["epoch"] for line in resumed] == [4, 5]
    assert resumed[0]["epoch_loss"] < begun[0]


def test_the_learning_rate_follows_its_schedule(backbone, raw_text, tmp_path, capsys):
    dev = write_texts(tmp_path / "dev.jsonl")
    log = tmp_path / "evaluation.jsonl"
    evaluation = {
        "@misc": "spacy-bertfamily.PretrainEvaluation.v1",
        "corpus": {"@readers": "spacy.JsonlCorpus.v1", "path": str(dev)},
        "frequency": 2,
        "output_file": str(log),
    }
    schedule = {
        "@schedules": "warmup_linear.v1",
        "initial_rate": 0.01,
        "warmup_steps": 4,
        "total_steps": 100,
    }
    optimizer = {"@optimizers": "Adam.v1", "learn_rate": schedule}
    config = make_pretraining_config(
        backbone,
        raw_text,
        objective(evaluation=evaluation),
        pretraining={"optimizer": optimizer, "max_epochs": 4},
    )
    run_pretraining(config, tmp_path / "out")
    lines = list(srsly.read_jsonl(log))
    assert len(lines) > 3
    assert [line["step"] for line in lines[:3]] == [2, 4, 6]
    assert lines[0]["learn_rate"] == pytest.approx(0.005)
    assert max(line["learn_rate"] for line in lines) == pytest.approx(0.01)
    assert lines[-1]["dev_loss"] < lines[0]["dev_loss"]
    assert 0 <= lines[-1]["dev_accuracy"] <= 1
    assert "dev acc" in capsys.readouterr().out


def test_spacy_does_not_step_schedules_itself():
    """If it begins to, `UpdateShim` must stop."""
    assert "step_schedules" not in inspect.getsource(spacy.training.pretrain)


def test_an_evaluation_without_texts_is_refused(backbone, raw_text, tmp_path):
    (tmp_path / "dev.jsonl").write_text("")
    evaluation = {
        "@misc": "spacy-bertfamily.PretrainEvaluation.v1",
        "corpus": {"@readers": "spacy.JsonlCorpus.v1", "path": str(tmp_path / "dev.jsonl")},
    }
    config = make_pretraining_config(backbone, raw_text, objective(evaluation=evaluation))
    with pytest.raises(BertFamilyError, match="B407"):
        run_pretraining(config, tmp_path / "out")


def test_components_annotate_the_corpus(backbone, raw_text, tmp_path):
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "FOOD", "pattern": "green eggs"}])
    nlp.to_disk(tmp_path / "ruler")
    config = make_pretraining_config(backbone, raw_text, objective(masker="Spans.v1"))
    config["nlp"]["pipeline"] = ["transformer", "entity_ruler"]
    config["components"]["entity_ruler"] = {"source": str(tmp_path / "ruler")}
    config["corpora"]["pretrain"] = {
        "@readers": "spacy-bertfamily.AnnotatedCorpus.v1",
        "corpus": config["corpora"]["pretrain"],
        "annotating_components": ["entity_ruler"],
    }
    objective_block = config["pretraining"]["objective"]
    objective_block["masker"]["spans"] = ["ents"]
    with no_warning("W402"):
        run_pretraining(config, tmp_path / "out")
    config["corpora"]["pretrain"]["annotating_components"] = ["ner"]
    with pytest.raises(BertFamilyError, match="B409"):
        run_pretraining(config, tmp_path / "out2")


def test_annotation_of_a_docbin_is_kept(backbone, tmp_path):
    nlp = spacy.blank("en")
    docs = []
    for text in TEXTS * 2:
        doc = nlp(text)
        doc.set_ents([Span(doc, 0, 2, "E")])
        docs.append(doc)
    DocBin(docs=docs).to_disk(tmp_path / "raw.spacy")
    masker = {"@maskers": "spacy-bertfamily.Spans.v1", "spans": ["ents"]}
    config = make_pretraining_config(backbone, "", {**objective(), "masker": masker})
    config["corpora"]["pretrain"] = {
        "@readers": "spacy.Corpus.v1",
        "path": str(tmp_path / "raw.spacy"),
        "gold_preproc": False,
        "max_length": 0,
        "limit": 0,
        "augmenter": None,
    }
    with no_warning("W402"):
        run_pretraining(config, tmp_path / "out")


def test_another_component_is_refused(backbone, raw_text, tmp_path):
    config = make_pretraining_config(backbone, raw_text, objective())
    config["nlp"]["pipeline"] = ["transformer", "tok2vec"]
    config["components"]["tok2vec"] = {"factory": "tok2vec"}
    config = load_model_from_config(Config(config), auto_fill=True).config.interpolate()
    config["pretraining"]["component"] = "tok2vec"
    with pytest.raises(BertFamilyError, match="B404"):
        run_pretraining(config, tmp_path / "out")


def test_a_generator_of_another_vocabulary_is_refused(backbone, raw_text, tmp_path):
    make_masked_lm("roberta", tmp_path / "roberta")
    generator = {
        "@architectures": "spacy-bertfamily.AdapterTransformer.v1",
        "name": str(tmp_path / "roberta"),
        "trainable": ["all"],
        "adapter": None,
        "max_pieces": 32,
        "stride": 8,
        "batch_pieces": 256,
        "precision": "float32",
        "separator": None,
    }
    block = objective("PretrainReplacedTokens.v1", generator=generator)
    with pytest.raises(BertFamilyError, match="B408"):
        run_pretraining(make_pretraining_config(backbone, raw_text, block), tmp_path / "out")


def test_examples_are_not_changed(backbone):
    """The objective reads Docs and leaves them as they are."""
    transformer = make_transformer(backbone)
    task = MaskedLM(WholeWordMasker(), 0.15, (0.8, 0.1, 0.1), "auto")
    task.attach(transformer.shim)
    doc = Doc(transformer.vocab, words=["green", "eggs"])
    before = doc.to_bytes()
    task.run(transformer.shim, [Example(doc, doc.copy()).reference], np.random.default_rng(0), True)
    assert doc.to_bytes() == before


def annotated(path, components):
    corpus = {"@readers": "spacy.JsonlCorpus.v1", "path": str(path)}
    return {
        "@readers": "spacy-bertfamily.AnnotatedCorpus.v1",
        "corpus": corpus,
        "annotating_components": components,
    }


def test_held_out_texts_are_annotated_by_the_pipeline_too(backbone, raw_text, tmp_path):
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "FOOD", "pattern": "green eggs"}])
    nlp.to_disk(tmp_path / "ruler")
    dev = write_texts(tmp_path / "dev.jsonl")
    evaluation = {
        "@misc": "spacy-bertfamily.PretrainEvaluation.v1",
        "corpus": annotated(dev, ["entity_ruler"]),
        "frequency": 1,
        "output_file": str(tmp_path / "log.jsonl"),
    }
    masker = {"@maskers": "spacy-bertfamily.Spans.v1", "spans": ["ents"]}
    block = {**objective(evaluation=evaluation), "masker": masker}
    config = make_pretraining_config(backbone, raw_text, block)
    config["nlp"]["pipeline"] = ["transformer", "entity_ruler"]
    config["components"]["entity_ruler"] = {"source": str(tmp_path / "ruler")}
    config["corpora"]["pretrain"] = annotated(raw_text, ["entity_ruler"])
    with no_warning("W402"):
        run_pretraining(config, tmp_path / "out")
    assert list(srsly.read_jsonl(tmp_path / "log.jsonl"))


# nothing; what the vocabulary does not know; what the tokenizer drops
@pytest.mark.parametrize("texts", [[], ["\U00010348 \U00010348"], ["\u200b \u200b", "\x07", " "]])
def test_a_corpus_that_gives_nothing_to_learn_is_said(backbone, tmp_path, texts):
    raw_text = write_texts(tmp_path / "raw.jsonl", texts)
    config = make_pretraining_config(backbone, raw_text, objective())
    with pytest.warns(UserWarning, match="W404.*Nothing was learned"):
        run_pretraining(config, tmp_path / "out")


def test_texts_without_a_piece_are_passed_over(backbone, tmp_path):
    """In training and among the held-out texts."""
    texts = ["\u200b \u200b", "Ann laughs at the dog.", "\ufffd", "Ben likes green eggs."] * 3
    path = write_texts(tmp_path / "raw.jsonl", texts)
    evaluation = {
        "@misc": "spacy-bertfamily.PretrainEvaluation.v1",
        "corpus": {"@readers": "spacy.JsonlCorpus.v1", "path": str(path)},
        "frequency": 1,
        "output_file": str(tmp_path / "new" / "log.jsonl"),
    }
    run_pretraining(
        make_pretraining_config(backbone, path, objective(evaluation=evaluation)), tmp_path / "out"
    )
    assert all(line["dev_loss"] > 0 for line in srsly.read_jsonl(tmp_path / "new" / "log.jsonl"))


def test_a_log_that_cannot_be_written_is_refused_before_the_training(backbone, raw_text, tmp_path):
    evaluation = {
        "@misc": "spacy-bertfamily.PretrainEvaluation.v1",
        "corpus": {"@readers": "spacy.JsonlCorpus.v1", "path": str(raw_text)},
        "output_file": str(tmp_path),
    }
    config = make_pretraining_config(backbone, raw_text, objective(evaluation=evaluation))
    with pytest.raises(BertFamilyError, match="B402.*output_file.*Is a directory"):
        run_pretraining(config, tmp_path / "out")


def test_an_evaluation_without_a_path_is_refused(backbone, raw_text, tmp_path):
    evaluation = {
        "@misc": "spacy-bertfamily.PretrainEvaluation.v1",
        "corpus": {"@readers": "spacy.JsonlCorpus.v1", "path": None},
    }
    config = make_pretraining_config(backbone, raw_text, objective(evaluation=evaluation))
    with pytest.raises(BertFamilyError, match="B407.*JsonlCorpus, path 'None'.*evaluation = null"):
        run_pretraining(config, tmp_path / "out")


@pytest.mark.parametrize("path", [None, "nothing.jsonl"])
@pytest.mark.parametrize("is_annotated", [False, True])
def test_a_corpus_that_is_not_there_is_an_error_before_anything_else(backbone, path, is_annotated):
    config = make_pretraining_config(backbone, path, objective())
    config["corpora"]["pretrain"]["path"] = path
    if is_annotated:
        config["corpora"]["pretrain"] = annotated(path, [])
        config["corpora"]["pretrain"]["corpus"]["path"] = path
    with pytest.raises(BertFamilyError, match=r"B423.*\[corpora.pretrain\] path = .*--paths"):
        run_pretraining(config, backbone.parent / "out")


def test_held_out_texts_that_are_not_there_are_an_error(backbone, raw_text, tmp_path):
    evaluation = {
        "@misc": "spacy-bertfamily.PretrainEvaluation.v1",
        "corpus": annotated("nothing.jsonl", []),
    }
    config = make_pretraining_config(backbone, raw_text, objective(evaluation=evaluation))
    with pytest.raises(BertFamilyError, match="B407.*path 'nothing.jsonl'"):
        run_pretraining(config, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "code"), [("./nothing", "B020"), ("no/such/name", "B030"), ("none:model", "B021")]
)
def test_a_backbone_that_is_missing_is_said_by_its_own_error(name, code, raw_text, tmp_path):
    """Not by spaCy's E874."""
    config = make_pretraining_config(name, raw_text, objective())
    with pytest.raises(BertFamilyError, match=rf"\[{code}\] "):
        run_pretraining(config, tmp_path / "out")


def test_a_loss_that_is_not_finite_ends_the_pretraining(backbone, raw_text, tmp_path):
    optimizer = {"@optimizers": "Adam.v1", "learn_rate": 1e30}
    config = make_pretraining_config(
        backbone, raw_text, objective(), pretraining={"optimizer": optimizer}
    )
    with pytest.raises(BertFamilyError, match="B405.*Lower the learning rate"):
        run_pretraining(config, tmp_path / "out")
