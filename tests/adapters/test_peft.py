"""Compare peft's methods with peft itself, and check which settings are refused."""

import builtins
import inspect

import pytest
import torch
from transformers import AutoModel

from spacy_bertfamily.adapters import Peft
from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.model_types.table import SPECS, known_spec

from ..util.adapters import make_bert, needs_peft
from ..util.backbones import MODEL_TYPES

IDS = torch.arange(12).reshape(2, 6)
# transformers 5 has no nezha
WITHOUT_PREFIX = (
    "albert",
    "deberta-v2",
    "distilbert",
    "gpt2",
    "longformer",
    "mpnet",
    "nezha",
    "t5",
)


def shaken(parameters):
    """Give parameters random values, since LoRA starts as a no-op."""
    torch.manual_seed(1)
    for _, parameter in sorted(parameters):
        parameter.data = torch.randn(parameter.shape) * 0.3


@needs_peft
@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("LORA", {"r": 3, "lora_alpha": 7, "target_modules": ["query", "value", "dense"]}),
        ("LORA", {"r": 3, "use_dora": True, "target_modules": ["query"]}),
        (
            "IA3",
            {"target_modules": ["key", "output.dense"], "feedforward_modules": ["output.dense"]},
        ),
        ("LOKR", {"r": 2, "target_modules": ["query"]}),
    ],
)
def test_equals_pefts_own_injection(method, settings):
    from peft import inject_adapter_in_model

    ours, theirs = make_bert(), make_bert()
    modules = Peft(method, settings).attach(ours, SPECS["bert"])
    inject_adapter_in_model(Peft(method, settings).make_config(), theirs, "default")
    shaken((f"layers.{n}", p) for n, p in theirs.named_parameters() if ".default" in n)
    shaken(modules.named_parameters())
    with torch.no_grad():
        torch.testing.assert_close(
            ours(IDS).last_hidden_state, theirs(IDS).last_hidden_state, atol=1e-6, rtol=1e-6
        )


@needs_peft
@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("MAGIC", {}, r"B071.*'MAGIC'.*the methods are.*LORA"),
        ("LORA", {"magic": 1}, r"B071.*magic"),
        ("LORA", {"r": 0, "target_modules": ["query"]}, r"B071.*`r`"),
        ("LORA", {"target_modules": ["nothing"]}, r"B071.*nothing"),
        (
            "LORA",
            {"target_modules": ["query"], "modules_to_save": ["pooler"]},
            r"B071.*modules_to_save",
        ),
        ("LORA", {"target_modules": ["query"], "bias": "all"}, r"B071.*'bias' in 'trainable'"),
        (
            "LORA",
            {"target_modules": ["query"], "init_lora_weights": "pissa"},
            r"B071.*others share",
        ),
        (
            "PROMPT_TUNING",
            {"num_virtual_tokens": 4},
            r"B071.*'PROMPT_TUNING'.*more pieces before each text",
        ),
        (
            "PREFIX_TUNING",
            {"num_virtual_tokens": 0},
            r"B071.*num_virtual_tokens must be at least 1",
        ),
        (
            "PREFIX_TUNING",
            {"num_virtual_tokens": 4, "token_dim": 64},
            r"B071.*token_dim is 64, but 32",
        ),
    ],
)
def test_wrong_settings(method, settings, message):
    model = make_bert()
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    with pytest.raises(ValueError, match=message):
        Peft(method, settings).attach(model, SPECS["bert"])
    after = dict(model.named_parameters())
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_missing_peft_is_an_error_that_names_the_extra(monkeypatch):
    find = builtins.__import__

    def fail(name, *args, **kwargs):
        if name.startswith("peft"):
            raise ImportError("No module named 'peft'")
        return find(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", fail)
    with pytest.raises(
        ValueError, match=r"B065.*No module named 'peft'.*pip install 'spacy-bertfamily\[peft\]'"
    ):
        Peft("LORA")


@needs_peft
@pytest.mark.parametrize("projection", [False, True])
@pytest.mark.parametrize(
    "model_type", ["bert", "big_bird", "electra", "rembert", "roberta", "roc_bert", "splinter"]
)
def test_prefix_equals_pefts_own_model(backbones, model_type, projection):
    from peft import PeftModelForFeatureExtraction

    settings = Peft("PREFIX_TUNING", {"num_virtual_tokens": 5, "prefix_projection": projection})
    ours, theirs = (AutoModel.from_pretrained(backbones(model_type)).eval() for _ in range(2))
    if not {"cache", "past_key_values"} & {*inspect.signature(ours.forward).parameters}:
        with pytest.raises(ValueError, match=rf"B071.*{model_type}.*installed version"):
            settings.attach(ours, SPECS[model_type])
        return
    mask = torch.ones_like(IDS)
    mask[1, 4:] = 0
    bare = ours(IDS, attention_mask=mask).last_hidden_state
    modules = settings.attach(ours, SPECS[model_type])
    shaken(modules.named_parameters())
    theirs = PeftModelForFeatureExtraction(theirs, settings.make_config())
    theirs.prompt_encoder["default"].load_state_dict(modules.layers["prefix"].state_dict())
    with torch.no_grad():
        found = ours(input_ids=IDS, attention_mask=mask).last_hidden_state
        expected = theirs(input_ids=IDS, attention_mask=mask).last_hidden_state
    assert not torch.allclose(found[0], bare[0], atol=1e-2)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


@needs_peft
@pytest.mark.parametrize("model_type", [name for name in WITHOUT_PREFIX if name in MODEL_TYPES])
def test_backbones_that_cannot_take_a_prefix_are_refused(backbones, model_type):
    model = load_backbone(backbones(model_type)).model
    with pytest.raises(
        ValueError, match=rf"B071.*'{model_type}' take no such prefix, but only bert, big_bird"
    ):
        Peft("PREFIX_TUNING", {"num_virtual_tokens": 5}).attach(model, known_spec(model_type))


@needs_peft
def test_a_prefix_takes_positions_from_the_window(make_tagger):
    with pytest.raises(ValueError, match=r"B081.*max_pieces = 32.*33 virtual tokens.*31 or less"):
        make_tagger(
            trainable=["adapter"],
            adapter={"@adapters": "spacy-bertfamily.PrefixTuning.v2", "num_virtual_tokens": 33},
        )
    nlp, _ = make_tagger(trainable=["adapter"])
    transformer = nlp.get_pipe("transformer")
    prefix = {"@adapters": "spacy-bertfamily.PrefixTuning.v2", "num_virtual_tokens": 33}
    with pytest.raises(ValueError, match=r"B081"):
        transformer.add_adapter(
            "both", {"@adapters": "spacy-bertfamily.Stack.v1", "adapters": {"prefix": prefix}}
        )
    assert transformer.adapters == ["default"]
