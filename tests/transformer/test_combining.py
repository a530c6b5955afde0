"""Components of several trained pipelines in one, each behind its own transformer."""

import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import spacy
from spacy.cli.assemble import assemble_cli
from spacy.cli.package import package
from spacy.training import Example
from spacy.util import load_config_from_str, load_model_from_config
from spacy_transformers.layers import TransformerListener
from spacy_transformers.pipeline_component import Transformer

from spacy_bertfamily import combine
from spacy_bertfamily.init_config.make import make_config

from ..util.files import ROOT
from ..util.layer_mix import make_pooled, train_like_spacy
from ..util.pairs import PAIRS, cats
from ..util.pipelines import TEXT, WINDOWS, add_transformer, tagged_examples, train
from ..util.qa import CONTEXT, PARTS, make_example
from ..util.stored_outputs import output, stored_outputs_of

PAIR = "a cat sleeps [SEP] an animal sleeps"
ENTITIES = [("Ann likes eggs", (0, 3, "PER")), ("The dog likes Rome", (14, 18, "LOC"))]


def entity_examples(nlp):
    return [Example.from_dict(nlp.make_doc(text), {"entities": [e]}) for text, e in ENTITIES]


def pair_examples(nlp):
    return [Example.from_dict(nlp.make_doc(text), {"cats": cats(label)}) for text, label in PAIRS]


def question_examples(nlp):
    return [make_example(nlp, question, CONTEXT, answer) for question, answer, _ in PARTS]


EXAMPLES = {
    "tagger": tagged_examples,
    "ner": entity_examples,
    "pair": pair_examples,
    "qa": question_examples,
}
COMPONENTS = {"tagger": "tagger", "ner": "ner", "pair": "pair_classifier", "qa": "span_qa"}


@pytest.fixture
def trained(tiny):
    """Make a pipeline by `init-config`, and train it for a few steps."""

    def make(task, seed, backbone=tiny, **options):
        config = load_config_from_str(make_config(task, backbone=backbone, **options))
        for block in config["components"].values():
            if block["factory"] == "adapter_transformer":
                block["model"].update(WINDOWS)
        nlp = load_model_from_config(config, auto_fill=True)
        examples = EXAMPLES[task](nlp)
        spacy.util.fix_random_seed(seed)
        nlp.initialize(lambda: examples)
        return train(nlp, examples, 4)

    return make


def check_outputs(nlp, expected):
    for name, values in expected.items():
        np.testing.assert_allclose(output(nlp, name), values, atol=1e-5, err_msg=name)


class OtherProcess:
    """Loads stored pipelines in a process that has made none of them.

    One process reads all the pipelines of these tests, since it takes seconds to start.
    """

    def __init__(self):
        command = [sys.executable, "-m", "tests.util.stored_outputs"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)

    def stored_outputs_of(self, folder, names):
        """RETURNS (dict[str, list]): As `outputs`, of the pipeline that is stored in a folder."""
        self.process.stdin.write(json.dumps([str(folder), list(names)]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module")
def other_process():
    other = OtherProcess()
    yield other
    other.process.stdin.close()
    assert other.process.wait(timeout=60) == 0


@pytest.fixture
def check_stored(other_process, tmp_path):
    """Check the outputs of a pipeline, of a copy from bytes, and of one loaded elsewhere."""

    def check(nlp, expected):
        check_outputs(nlp, expected)
        copied = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
        check_outputs(copied, expected)
        nlp.to_disk(tmp_path / "stored")
        check_outputs(spacy.load(tmp_path / "stored"), expected)
        found = other_process.stored_outputs_of(tmp_path / "stored", expected)
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, atol=1e-5, err_msg=name)

    return check


def readers(nlp):
    """RETURNS (dict[str, list[str]]): The components that listen to each transformer."""
    return {
        name: list(component.listener_map)
        for name, component in nlp.components
        if isinstance(component, Transformer)
    }


@pytest.mark.parametrize("mode", ["adapter", "mix"])
def test_a_renamed_transformer_keeps_its_listeners_in_another_pipeline(
    trained, tmp_path, mode, check_stored
):
    nlp, other = trained("tagger", 0, mode=mode), trained("ner", 1)
    expected = {"tagger": output(nlp, "tagger"), "ner": output(other, "ner")}
    other.rename_pipe("transformer", "ner_transformer")
    assert readers(other) == {"ner_transformer": ["ner"]}
    for name in ("ner_transformer", "ner"):
        nlp.add_pipe(name, source=other)
    assert readers(nlp) == {"transformer": ["tagger"], "ner_transformer": ["ner"]}
    check_stored(nlp, expected)
    assert readers(spacy.load(tmp_path / "stored")) == readers(nlp)


@pytest.mark.parametrize("task", ["ner", "pair", "qa"])
def test_components_can_be_sourced_under_new_names(trained, check_stored, task):
    nlp, other = trained("tagger", 0), trained(task, 1, mode="mix")
    component = COMPONENTS[task]
    expected = {"tagger": output(nlp, "tagger"), "second": output(other, component)}
    nlp.add_pipe("transformer", source=other, name="second_transformer")
    nlp.add_pipe(component, source=other, name="second")
    assert readers(nlp) == {"transformer": ["tagger"], "second_transformer": ["second"]}
    check_stored(nlp, expected)


def test_the_source_can_be_stored_after_its_transformer_was_renamed(trained, tmp_path):
    nlp, other = trained("tagger", 0), trained("ner", 1)
    expected = stored_outputs_of(other, ["ner"])
    nlp.add_pipe("transformer", source=other, name="ner_transformer")
    nlp.add_pipe("ner", source=other)
    other.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert readers(loaded) == {"transformer": ["ner"]}
    check_outputs(loaded, expected)


def test_a_config_can_assemble_trained_pipelines(trained, tmp_path, check_stored):
    expected = {}
    for task, component in COMPONENTS.items():
        nlp = trained(task, len(expected), transformer_name=f"{task}_transformer")
        expected[component] = output(nlp, component)
        nlp.to_disk(tmp_path / task)
    config = spacy.blank("en").config
    for task, component in COMPONENTS.items():
        for name in (f"{task}_transformer", component):
            config["components"][name] = {"source": str(tmp_path / task)}
    config["nlp"]["pipeline"] = list(config["components"])
    config.to_disk(tmp_path / "config.cfg")
    assemble_cli(SimpleNamespace(args=[]), tmp_path / "config.cfg", tmp_path / "all", None, False)
    check_stored(spacy.load(tmp_path / "all"), expected)


def test_combined_pipelines_predict_as_each_alone(trained, check_stored):
    parts = {task: trained(task, seed) for seed, task in enumerate(COMPONENTS)}
    expected = {name: output(parts[task], name) for task, name in COMPONENTS.items()}
    before = {task: nlp.to_bytes() for task, nlp in parts.items()}
    nlp = combine(parts)
    names = [name for task, part in COMPONENTS.items() for name in (f"{task}_transformer", part)]
    assert nlp.pipe_names == names
    assert readers(nlp) == {f"{task}_transformer": [name] for task, name in COMPONENTS.items()}
    pipelines = [nlp, *parts.values()]
    shims = [c.shim for p in pipelines for _, c in p.components if isinstance(c, Transformer)]
    assert len({id(shim.encoder.shared) for shim in shims}) == 1
    check_stored(nlp, expected)
    for task, part in parts.items():
        assert part.to_bytes() == before[task]
        assert readers(part) == {"transformer": [COMPONENTS[task]]}


def test_combined_tasks_take_texts(trained):
    parts = {"pair": trained("pair", 0), "qa": trained("qa", 1)}
    alone = [
        parts["pair"].get_pipe("pair_classifier").predict_pairs([("a cat sleeps", "a dog barks")]),
        parts["qa"].get_pipe("span_qa").ask(CONTEXT, PARTS[0][0]),
    ]
    nlp = combine(parts)
    pairs = nlp.get_pipe("pair_classifier").predict_pairs([("a cat sleeps", "a dog barks")])
    assert pairs[0] == pytest.approx(alone[0][0], abs=1e-5)
    answers = nlp.get_pipe("span_qa").ask(CONTEXT, PARTS[0][0])
    assert [answer.text for answer in answers] == [answer.text for answer in alone[1]]


def test_equal_names_and_any_upstream_become_definite(tiny, trained, check_stored):
    """Listeners with `*` read the nearest transformer or pooler, and are stored with its name."""
    parts = {}
    for seed, key in enumerate("ab"):
        spacy.util.fix_random_seed(seed)
        nlp, examples = make_pooled(tiny, ["adapter"])
        train_like_spacy(nlp, examples, 4)
        parts[key] = nlp
    expected = {
        f"{key}_{name}": output(nlp, name)
        for key, nlp in parts.items()
        for name in ("tagger", "second")
    }
    nlp = combine(parts)
    assert nlp.pipe_names[:3] == ["a_transformer", "a_pooler", "a_tagger"]
    for key in parts:
        assert list(nlp.get_pipe(f"{key}_transformer").listener_map) == [f"{key}_pooler"]
        taggers = [f"{key}_tagger", f"{key}_second"]
        assert list(nlp.get_pipe(f"{key}_pooler").listener_map) == taggers
        tagger = nlp.config["components"][f"{key}_tagger"]["model"]["tok2vec"]
        assert tagger["upstream"] == f"{key}_pooler"
    check_stored(nlp, expected)


def test_a_combined_pipeline_can_be_trained(trained):
    nlp = combine({"a": trained("tagger", 0), "b": trained("ner", 1)})
    examples = [*tagged_examples(nlp), *entity_examples(nlp)]
    names = ["a_transformer", "b_transformer"]
    before = {name: nlp.get_pipe(name).shim.delta_bytes() for name in names}
    train(nlp, examples, 1)
    for name, content in before.items():
        assert nlp.get_pipe(name).shim.delta_bytes() != content


def test_two_processes_run_a_combined_pipeline(trained):
    nlp = combine({"a": trained("tagger", 0), "b": trained("ner", 1)})
    texts = [TEXT, "", "Ann likes Rome"] * 3
    expected = [(d.ents, [t.tag_ for t in d]) for d in nlp.pipe(texts)]
    found = [(d.ents, [t.tag_ for t in d]) for d in nlp.pipe(texts, n_process=2, batch_size=3)]
    assert [tags for _, tags in found] == [tags for _, tags in expected]
    assert [str(ents) for ents, _ in found] == [str(ents) for ents, _ in expected]


@pytest.mark.slow
def test_a_combined_pipeline_can_be_packaged(trained, tmp_path):
    nlp = combine({"a": trained("tagger", 0), "b": trained("ner", 1)})
    expected = stored_outputs_of(nlp, ["tagger", "ner"])
    nlp.to_disk(tmp_path / "nlp")
    (tmp_path / "out").mkdir()
    package(tmp_path / "nlp", tmp_path / "out", create_wheel=False, create_sdist=False)
    (data,) = (tmp_path / "out").glob("en_a_b-*/en_a_b/en_a_b-*")
    check_outputs(spacy.load(data), expected)


def test_a_backbone_that_is_stored_with_its_pipelines_is_combined(tiny_copy, tmp_path):
    parts = {}
    for key in "ab":
        nlp = spacy.blank("en")
        add_transformer(nlp, str(tiny_copy), save_backbone=True)
        nlp.initialize()
        nlp.to_disk(tmp_path / key)
        parts[key] = nlp
    shutil.rmtree(tiny_copy)
    parts = {key: spacy.load(tmp_path / key) for key in parts}
    nlp = combine(parts)
    shared = {id(nlp.get_pipe(name).shim.encoder.shared) for name in nlp.pipe_names}
    assert len(shared) == 1
    nlp.to_disk(tmp_path / "both")
    assert spacy.load(tmp_path / "both")(TEXT)._.trf_data.model_output.last_hidden_state.any()


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("name", ["transformer", "another_name"])
def test_a_component_without_its_own_transformer_is_refused(trained, tmp_path, stored, name):
    nlp, other = trained("tagger", 0), trained("ner", 1, transformer_name=name)
    if stored:
        nlp.to_disk(tmp_path / "nlp")
        other.to_disk(tmp_path / "other")
        nlp, other = spacy.load(tmp_path / "nlp"), spacy.load(tmp_path / "other")
    with pytest.raises(ValueError, match=rf"B054.*'ner'.*'{name}'.*'transformer'.*combine"):
        nlp.add_pipe("ner", source=other)


def test_a_stored_component_is_refused_when_its_transformer_is_left_out(trained, tmp_path):
    combine({"a": trained("tagger", 0), "b": trained("ner", 1)}).to_disk(tmp_path)
    with pytest.raises(ValueError, match=r"B054.*'ner'.*'b_transformer'.*'a_transformer'"):
        spacy.load(tmp_path, exclude=["b_transformer"])
    loaded = spacy.load(tmp_path, exclude=["b_transformer", "ner"])
    assert readers(loaded) == {"a_transformer": ["tagger"]}


@pytest.mark.parametrize("stored", [False, True])
def test_the_same_frozen_backbone_may_have_another_name(
    trained, tiny_copy, tmp_path, stored, check_stored
):
    nlp = trained("tagger", 0, mode="frozen")
    other = trained("ner", 1, mode="mix", backbone=str(tiny_copy), transformer_name="frozen_bert")
    expected = {"tagger": output(nlp, "tagger"), "ner": output(other, "ner")}
    if stored:
        nlp.to_disk(tmp_path / "nlp")
        other.to_disk(tmp_path / "other")
        nlp, other = spacy.load(tmp_path / "nlp"), spacy.load(tmp_path / "other")
    nlp.add_pipe("ner", source=other)
    assert readers(nlp) == {"transformer": ["tagger", "ner"]}
    check_stored(nlp, expected)


def test_a_new_transformer_may_take_over_trained_components(trained, tiny, tmp_path, check_stored):
    """A component that learned on a frozen backbone can go on with adapters."""
    trained("tagger", 0, mode="frozen").to_disk(tmp_path / "frozen")
    nlp = spacy.blank("en")
    add_transformer(nlp, tiny, trainable=["adapter"])
    nlp.initialize()
    nlp.add_pipe("tagger", source=spacy.load(tmp_path / "frozen"))
    train(nlp, tagged_examples(nlp))
    expected = stored_outputs_of(nlp, ["tagger"])
    check_stored(nlp, expected)


def test_components_of_another_library_count_as_transformers(tiny, trained):
    """The Doc holds what the last transformer computed, whoever made it."""
    nlp = trained("tagger", 0)
    foreign = {"model": {"@architectures": "spacy-transformers.TransformerModel.v3", "name": tiny}}
    with pytest.raises(ValueError, match=r"B074.*'tagger'.*'transformer', but 'foreign' runs"):
        nlp.add_pipe("transformer", name="foreign", config=foreign, before="tagger")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: {}, "B004"),
        (lambda: {"a": spacy.blank("en"), "b": "en"}, r"B057.*'b' is a str"),
        (lambda: {"a b": spacy.blank("en")}, r"B055.*'a b'"),
        (lambda: {"a": spacy.blank("en"), "b": spacy.blank("de")}, r"B056.*languages.*en and de"),
        (lambda: {"a": spacy.blank("en"), "b": with_case()}, r"B056.*'a' and 'b'.*tokenizers"),
        (lambda: {"a": with_vectors(1.0), "b": with_vectors(2.0)}, r"B056.*word vectors"),
    ],
)
def test_pipelines_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        combine(make())


def with_case():
    nlp = spacy.blank("en")
    nlp.tokenizer.add_special_case("gimme", [{"ORTH": "gim"}, {"ORTH": "me"}])
    return nlp


def with_vectors(value):
    nlp = spacy.blank("en")
    nlp.vocab.set_vector("ham", np.full(4, value, dtype="float32"))
    return nlp


def test_rules_and_vectors_are_combined():
    nlp = combine({"a": spacy.blank("en"), "b": with_vectors(1.0)})
    assert nlp.vocab["ham"].vector.tolist() == [1.0] * 4
    rules = with_case()
    rules.add_pipe("sentencizer")
    rules.add_pipe("merge_entities")
    other = with_case()
    other.add_pipe("sentencizer")
    nlp = combine({"a": rules, "b": other})
    assert nlp.pipe_names == ["a_sentencizer", "merge_entities", "b_sentencizer"]
    assert [token.text for token in nlp("gimme ham")] == ["gim", "me", "ham"]


def disable(nlp, tmp_path):
    nlp.disable_pipe("transformer")
    return nlp


def exclude(nlp, tmp_path):
    nlp.to_disk(tmp_path)
    return spacy.load(tmp_path, exclude=["transformer"])


def remove(nlp, tmp_path):
    nlp.remove_pipe("transformer")
    return nlp


@pytest.mark.parametrize("leave_out", [disable, exclude, remove])
@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("pair", "The component 'pair_classifier'"),
        ("qa", "The component 'span_qa'"),
        ("ner", "The component 'ner'|A component that listens to a transformer"),
        ("tagger", "The component 'tagger'|A component that listens to a transformer"),
    ],
)
def test_components_without_their_transformer_are_an_error(
    trained, tmp_path, task, name, leave_out
):
    nlp = leave_out(trained(task, 0, mode="mix"), tmp_path)
    message = rf"\[B202\] ({name}) got no .*an 'adapter_transformer' named 'transformer' before"
    with pytest.raises(ValueError, match=message):
        nlp(PAIR)
    with pytest.raises(ValueError, match=message):
        list(nlp.pipe([PAIR]))
    assert not len(nlp(""))


def test_errors_of_components_that_read_any_transformer_do_not_name_one(tiny, tmp_path):
    nlp = spacy.blank("en")
    add_transformer(nlp, tiny, trainable=["adapter"])
    nlp.add_pipe("pair_classifier")
    nlp.initialize(lambda: pair_examples(nlp))
    nlp.to_disk(tmp_path / "pair")
    other = spacy.load(tmp_path / "pair", exclude=["transformer"])
    message = "B202.*'pair_classifier'.*an 'adapter_transformer' before"
    with pytest.raises(ValueError, match=message):
        other(PAIR)
    nlp.remove_pipe("pair_classifier")
    for tensor in nlp.get_pipe("transformer").shim.encoder.delta().values():
        tensor.data += 0.1
    nlp.to_disk(tmp_path / "another")
    another = spacy.load(tmp_path / "another")
    message = "B054.*'pair_classifier' read another transformer than.*'transformer'.*'NAME', source"
    with pytest.raises(ValueError, match=message):
        another.add_pipe("pair_classifier", source=other)


def test_a_listener_without_a_transformer_is_an_error_when_it_is_initialized():
    nlp = spacy.blank("en")
    tok2vec = {"@architectures": "spacy-bertfamily.WeightedLayerListener.v1"}
    model = {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}
    nlp.add_pipe("tagger", config={"model": model})
    message = "B202.*listens to a transformer.*an 'adapter_transformer' before"
    with pytest.raises(ValueError, match=message):
        nlp.initialize(lambda: tagged_examples(nlp))


def test_a_missing_transformer_goes_to_the_error_handler(trained):
    nlp = trained("pair", 0)
    nlp.remove_pipe("transformer")
    failed = []
    nlp.set_error_handler(lambda name, component, docs, error: failed.append(error.code))
    assert list(nlp.pipe([PAIR])) == []
    assert failed == ["B202"]


@pytest.mark.parametrize("leave_out", [disable, exclude, remove])
def test_a_pooler_without_its_transformer_is_an_error(tiny, tmp_path, leave_out):
    nlp, _ = make_pooled(tiny, [])
    nlp = leave_out(nlp, tmp_path)
    with pytest.raises(ValueError, match=r"\[B202\] The component 'pooler'"):
        nlp(TEXT)


def test_only_initialization_accepts_docs_that_no_transformer_saw(trained):
    nlp = trained("pair", 0)
    examples = pair_examples(nlp)
    nlp.initialize(lambda: examples)
    listeners = [
        node
        for node in nlp.get_pipe("pair_classifier").model.walk()
        if isinstance(node, TransformerListener)
    ]
    assert [len(node.sample) for node in listeners] == [len(examples)]
    with pytest.raises(ValueError, match="B202"):
        nlp.get_pipe("pair_classifier").predict([nlp.make_doc(PAIR)])
    train(nlp, examples, 1)
    assert not listeners[0].sample
