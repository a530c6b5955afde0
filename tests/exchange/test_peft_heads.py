"""Folders of peft with a head beside the adapter: the adapter is loaded, the head set aside."""

import inspect

import numpy as np
import pytest
import spacy
import torch
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from spacy_bertfamily.exchange.peft_heads import CLASSIFIERS

from ..util.adapters import needs_peft
from ..util.backbones import MODEL_TYPES
from ..util.files import change_json, change_tensors
from ..util.pipelines import add_transformer

pytestmark = needs_peft

VIRTUAL = 3
FILE = "adapter_model.safetensors"
TEXT = "I like green eggs"
POOLER = {"model": {"pooling": "pooler"}}
HIDDEN = {"model": {"hidden_size": 32}}
SEQ_CLS = {"task_type": "SEQ_CLS"}
CLASSES = {
    "QUESTION_ANS": AutoModelForQuestionAnswering,
    "SEQ_CLS": AutoModelForSequenceClassification,
    "TOKEN_CLS": AutoModelForTokenClassification,
}
# as "all-linear" names modules
PATHS = ["bert.encoder.layer.0.attention.self.query", "bert.pooler.dense"]
TARGETS = {"mpnet": ["q", "v"], "distilbert": ["q_lin", "v_lin"], "gpt2": ["c_attn"]}


@pytest.fixture
def make_folder(backbones, tmp_path):
    """Let peft write an adapter and a head with random weights, and return its model too."""

    def make_folder(model_type="bert", model_class=None, method="LoraConfig", **settings):
        import peft

        torch.manual_seed(0)
        model_class = model_class or CLASSES[settings["task_type"]]
        model = model_class.from_pretrained(backbones(model_type), num_labels=3)
        if method == "LoraConfig":
            targets = TARGETS.get(model_type, ["query", "value"])
            defaults = {"r": 2, "target_modules": targets, "init_lora_weights": False}
            settings = {**defaults, **settings}
        if model_type == "gpt2":
            settings["fan_in_fan_out"] = True
        model = peft.get_peft_model(model, getattr(peft, method)(**settings)).eval()
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data.normal_(std=0.2)
        model.save_pretrained(tmp_path / "lora")
        return tmp_path / "lora", model

    return make_folder


@pytest.fixture
def make_bare(backbones):
    """Make a pipeline on a bare backbone."""

    def make_bare(model_type="bert"):
        nlp = spacy.blank("en")
        add_transformer(nlp, backbones(model_type), trainable=[], adapter=None)
        nlp.initialize()
        return nlp

    return make_bare


@pytest.fixture
def make_pipeline(make_bare):
    """Make a pipeline, load an adapter of peft into it, and add a component."""

    def make_pipeline(folder, model_type="bert", factory="pair_classifier", **config):
        nlp = make_bare(model_type)
        transformer = nlp.get_pipe("transformer")
        with pytest.warns(UserWarning, match=r"W092.*holds a head beside the adapter"):
            transformer.set_adapter(transformer.load_adapter(folder))
        return nlp, nlp.add_pipe(factory, config=config)

    return make_pipeline


def run(theirs, nlp):
    """Run peft's model on the pieces of the text that a pipeline makes.

    theirs (PeftModel): The model.
    nlp (Language): The pipeline.
    RETURNS (ModelOutput): What the model computes.
    """
    doc = nlp.get_pipe("transformer")(nlp.make_doc(TEXT))
    wordpieces = doc._.trf_data.wordpieces
    ids = torch.from_numpy(wordpieces.input_ids).long()
    mask = torch.from_numpy(wordpieces.attention_mask)
    inputs = {"input_ids": ids, "attention_mask": mask, "output_hidden_states": True}
    with torch.no_grad():
        if not theirs.peft_config["default"].is_prompt_learning or takes_past(theirs):
            return theirs(**inputs)
        # peft 0.21 knows no other name of the argument, and transformers 5 has one
        past = theirs.get_prompt(len(ids))
        inputs["attention_mask"] = torch.cat([mask.new_ones(len(ids), VIRTUAL), mask], dim=1)
        return theirs.base_model(**inputs, cache=past)


def takes_past(theirs):
    """RETURNS (bool): Whether the model in a PeftModel has the argument that peft gives it."""
    backbone = theirs.base_model.get_submodule(theirs.transformer_backbone_name)
    return "past_key_values" in inspect.signature(backbone.forward).parameters


def states(nlp):
    """RETURNS (np.ndarray): The last hidden states of the text, of the transformer alone."""
    doc = nlp.get_pipe("transformer")(nlp.make_doc(TEXT))
    return doc._.trf_data.model_output.last_hidden_state


def outputs(nlp, component):
    """RETURNS (np.ndarray): The logits of a component for one text."""
    doc = nlp.get_pipe("transformer")(nlp.make_doc(TEXT))
    return component.model.predict([doc])


CASES = [
    ("bert", POOLER, SEQ_CLS),
    ("bert", POOLER, {**SEQ_CLS, "target_modules": PATHS}),
    ("bert", POOLER, {**SEQ_CLS, "modules_to_save": ["classifier", "pooler"]}),
    (
        "bert",
        POOLER,
        {"model_class": CLASSES["SEQ_CLS"], "modules_to_save": ["classifier"]},
    ),
    ("bert", POOLER, {**SEQ_CLS, "method": "PrefixTuningConfig", "num_virtual_tokens": VIRTUAL}),
    *(
        (model_type, POOLER if form.use_pooler else HIDDEN, SEQ_CLS)
        for model_type, form in CLASSIFIERS.items()
        if model_type in MODEL_TYPES and model_type != "bert"
    ),
]


@pytest.mark.parametrize(("model_type", "config", "settings"), CASES)
def test_adapter_and_head_compute_what_peft_does(
    make_folder, make_pipeline, model_type, config, settings
):
    folder, theirs = make_folder(model_type, **settings)
    nlp, component = make_pipeline(folder, model_type, **config)
    component.load_head(folder)
    assert component.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    expected = run(theirs, nlp)
    np.testing.assert_allclose(states(nlp), expected.hidden_states[-1].numpy(), atol=1e-5)
    np.testing.assert_allclose(outputs(nlp, component), expected.logits.numpy(), atol=1e-5)


def test_the_head_of_question_answering_is_read(make_folder, make_pipeline):
    folder, theirs = make_folder("roberta", task_type="QUESTION_ANS")
    _, component = make_pipeline(folder, "roberta", "span_qa")
    with pytest.raises(ValueError, match=r"B090.*it has 3 outputs, and answers have 2"):
        component.load_head(folder)
    change_tensors(folder / FILE, keep_two_outputs)
    component.load_head(folder)
    expected = theirs.base_model.model.qa_outputs.modules_to_save["default"]
    head = component.model.get_ref("head")
    assert np.array_equal(head.get_param("W"), expected.weight[:2].detach().numpy())
    assert np.array_equal(head.get_param("b"), expected.bias[:2].detach().numpy())


def keep_two_outputs(tensors):
    for name in list(tensors):
        if "qa_outputs" in name:
            tensors[name] = tensors[name][:2].clone()


def test_names_of_other_versions_of_peft_are_read(make_folder, make_pipeline):
    folder, _ = make_folder(**SEQ_CLS)
    nlp, component = make_pipeline(folder, **POOLER)
    component.load_head(folder)
    before = outputs(nlp, component)

    def rename(tensors):
        for name in list(tensors):
            if "classifier" in name:
                new = name.replace("classifier", "classifier.modules_to_save.default")
                tensors[new] = tensors.pop(name)

    change_tensors(folder / FILE, rename)
    change_json(folder / "adapter_config.json", modules_to_save=None)
    again, component = make_pipeline(folder, **POOLER)
    component.load_head(folder)
    assert np.array_equal(outputs(again, component), before)


def test_labels_and_mode_are_those_of_a_config_beside_the_head(make_folder, make_pipeline):
    folder, theirs = make_folder(**SEQ_CLS)
    config = theirs.config
    config.id2label = {0: "no", 1: "yes", 2: "maybe"}
    config.problem_type = "multi_label_classification"
    config.save_pretrained(folder)
    _, component = make_pipeline(folder, **POOLER)
    with pytest.raises(ValueError, match=r'B090.*Make the component with mode = "multilabel"'):
        component.load_head(folder)
    _, component = make_pipeline(folder, **POOLER, mode="multilabel")
    component.load_head(folder)
    assert component.labels == ("no", "yes", "maybe")
    config.id2label = {0: "a", 1: "b"}
    del config.problem_type
    config.save_pretrained(folder)
    for mode in ("exclusive", "multilabel"):
        _, component = make_pipeline(folder, **POOLER, mode=mode)
        component.load_head(folder)
        assert component.labels == ("LABEL_0", "LABEL_1", "LABEL_2")


@pytest.mark.parametrize(
    ("model_type", "settings", "factory", "message"),
    [
        ("distilbert", SEQ_CLS, "pair_classifier", r"B090.*head of 'distilbert' in another way"),
        ("electra", SEQ_CLS, "pair_classifier", r"B090.*head of 'electra' in another way"),
        ("gpt2", SEQ_CLS, "pair_classifier", r"B090.*head of 'gpt2' in another way"),
        (
            "bert",
            {"task_type": "TOKEN_CLS"},
            "pair_classifier",
            r"B090.*task_type is 'TOKEN_CLS', allowed here is 'SEQ_CLS'",
        ),
        ("bert", SEQ_CLS, "span_qa", r"B090.*'SEQ_CLS', allowed here is 'QUESTION_ANS'"),
        ("bert", SEQ_CLS, "pair_classifier", r'B090.*Make the component with pooling = "pooler"'),
    ],
)
def test_heads_that_are_computed_otherwise_are_refused_and_the_adapter_is_loaded(
    make_folder, make_pipeline, model_type, settings, factory, message
):
    folder, _ = make_folder(model_type, **settings)
    _, component = make_pipeline(folder, model_type, factory)
    with pytest.raises(ValueError, match=message):
        component.load_head(folder)


def drop_bias(tensors):
    del tensors["base_model.model.classifier.bias"]


def drop_head(tensors):
    drop_bias(tensors)
    del tensors["base_model.model.classifier.weight"]


def add_layer(tensors):
    tensors["base_model.model.classifier.extra.weight"] = torch.zeros(3, 32)


def flatten(tensors):
    tensors["base_model.model.classifier.weight"] = torch.zeros(())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_bias, r"B066.*Missing tensors: classifier.bias"),
        (drop_head, r"B090.*an adapter, and no head beside it"),
        (add_layer, r"B066.*Unexpected: classifier.extra.weight"),
        (flatten, r"B066.*Of another shape: classifier"),
    ],
)
def test_a_damaged_head_is_refused(make_folder, make_pipeline, change, message):
    folder, _ = make_folder(**SEQ_CLS)
    _, component = make_pipeline(folder, **POOLER)
    change_tensors(folder / FILE, change)
    with pytest.raises(ValueError, match=message):
        component.load_head(folder)


def test_trained_modules_of_the_backbone_are_refused(make_folder, make_bare):
    folder, _ = make_folder(**SEQ_CLS, modules_to_save=["classifier", "word_embeddings"])
    transformer = make_bare().get_pipe("transformer")
    with pytest.raises(ValueError, match=r"B071.*'modules_to_save' would train or replace"):
        transformer.load_adapter(folder)
    change_json(folder / "adapter_config.json", modules_to_save="classifier")
    with pytest.raises(ValueError, match=r"B068.*modules_to_save in \S+ is no list of names"):
        transformer.load_adapter(folder)


@pytest.mark.parametrize(
    "settings",
    [
        {"use_new": False, "new_config": None, "new_names": [], "new_name": ""},
        {"use_new": False, "new_size": 16},
    ],
)
def test_settings_that_peft_does_not_know_and_that_are_off_are_left_out(
    make_folder, make_pipeline, settings
):
    folder, _ = make_folder(**SEQ_CLS)
    before = states(make_pipeline(folder)[0])
    change_json(folder / "adapter_config.json", **settings)
    assert np.array_equal(states(make_pipeline(folder)[0]), before)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"use_new": True, "new_size": 16}, "use_new"),
        ({"new_size": 16}, "new_size"),
        ({"new": {"a": 1}}, "new"),
    ],
)
def test_settings_that_peft_does_not_know_and_that_are_on_are_refused(
    make_folder, make_bare, settings, name
):
    folder, _ = make_folder(**SEQ_CLS)
    change_json(folder / "adapter_config.json", **settings)
    transformer = make_bare().get_pipe("transformer")
    with pytest.raises(ValueError, match=rf"B092.*{name} = .*does not know"):
        transformer.load_adapter(folder)
