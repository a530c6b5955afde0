"""Adapters made of others: formulas, what is trained, and which combinations are refused."""

import shutil

import numpy as np
import pytest
import spacy
import torch
from spacy.util import fix_random_seed

from spacy_bertfamily.adapters import PAL, Average, Bottleneck, Fusion, Peft, Stack
from spacy_bertfamily.adapters.fusion import FusionModule
from spacy_bertfamily.adapters.registry import resolve_adapter
from spacy_bertfamily.model_types.table import SPECS

from ..util.adapters import block, bottleneck, make_bert, needs_peft
from ..util.pipelines import train, vectors

IDS = torch.arange(12).reshape(2, 6)
PFEIFFER = {
    "@adapters": "spacy-bertfamily.Bottleneck.v1",
    "size": 4,
    "placement": "pfeiffer",
    "init_scale": 0.3,
}
FUSION = {"@adapters": "spacy-bertfamily.Fusion.v1", "adapters": ["a", "ab"]}
LORA = {"@adapters": "spacy-bertfamily.LoRA.v1", "rank": 2}


def two(placement="pfeiffer"):
    return {name: Bottleneck(size=5, placement=placement, init_scale=0.3) for name in ("a", "b")}


def read(norm, placement, out, middle):
    """RETURNS (torch.Tensor): The input of an adapter after the feed-forward sublayer."""
    return {"houlsby": out, "pfeiffer": norm(out + middle), "parallel": middle}[placement]


def stacked(modules, key, placement, norm, out, middle):
    for name in ("a", "b"):
        out = out + bottleneck(
            modules.member(name).layers[key]["ffn"], read(norm, placement, out, middle)
        )
    return out


def averaged(modules, key, placement, norm, out, middle):
    changes = [
        weight
        * bottleneck(modules.member(name).layers[key]["ffn"], read(norm, placement, out, middle))
        for name, weight in (("a", 0.25), ("b", 0.75))
    ]
    return out + changes[0] + changes[1]


def fused(modules, key, placement, norm, out, middle):
    """Compute Pfeiffer et al. 2021, section 3.2, for each piece separately."""
    attention, x = modules.layers[f"{key}-ffn"], read(norm, placement, out, middle)
    changes = [bottleneck(modules.member(name).layers[key]["ffn"], x) for name in ("a", "b")]
    result = out.clone()
    for window in range(out.shape[0]):
        for piece in range(out.shape[1]):
            query = attention.query.weight @ x[window, piece] + attention.query.bias
            keys = [attention.key.weight @ c[window, piece] + attention.key.bias for c in changes]
            parts = torch.softmax(torch.stack([query @ key for key in keys]), 0)
            for part, change in zip(parts, changes):
                result[window, piece] += part * (attention.value.weight @ change[window, piece])
    return result


@pytest.mark.parametrize("placement", ["pfeiffer", "parallel"])
@pytest.mark.parametrize(
    ("kind", "settings", "formula"),
    [(Stack, {}, stacked), (Average, {"weights": (1.0, 3.0)}, averaged), (Fusion, {}, fused)],
)
def test_equals_the_formula(kind, settings, formula, placement):
    model = make_bert()
    modules = kind(two(placement), **settings).attach(model, SPECS["bert"])
    torch.manual_seed(2)
    for _, parameter in sorted(modules.layers.named_parameters()):
        parameter.data.copy_(torch.randn(parameter.shape) * 0.3)
    with torch.no_grad():
        found = model(IDS).last_hidden_state
        modules.detach()
        expected = model.embeddings(IDS)
        for depth, layer in enumerate(model.encoder.layer):
            middle = layer.attention(expected)[0]
            out = layer.output.dense(layer.intermediate(middle))
            norm = layer.output.LayerNorm
            expected = norm(formula(modules, str(depth), placement, norm, out, middle) + middle)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda m: Stack({"a": m}),
        lambda m: Average({"a": m}),
        lambda m: Fusion({"a": m}),
        lambda m: Stack({"x": Average({"a": m, "no": Bottleneck(init_scale=0.0)}, (1.0, 0.0))}),
    ],
)
@pytest.mark.parametrize(
    "member",
    [
        Bottleneck(5, init_scale=0.3),
        Bottleneck(5, init_scale=0.3, layers=(1,)),
        PAL(8, 2, init_scale=0.3),
    ],
)
def test_a_combination_of_one_adapter_equals_that_adapter(make, member):
    outputs = []
    for settings in (member, make(member)):
        model = make_bert()
        torch.manual_seed(3)
        settings.attach(model, SPECS["bert"])
        outputs.append(model(IDS).last_hidden_state)
    assert not torch.allclose(outputs[0], make_bert()(IDS).last_hidden_state, atol=1e-3)
    # a fusion's V differs from the identity by 1e-6
    torch.testing.assert_close(*outputs, atol=1e-4, rtol=1e-4)


def test_fusion_values_start_at_the_identity_and_are_regularized_towards_it():
    module = FusionModule(8, 0.0, regularization=0.5)
    weight = module.value.weight
    assert torch.equal(weight.diagonal(), torch.ones(8))
    noise = weight.detach() - torch.eye(8)
    assert 0 < noise.abs().max() < 1e-5
    weight.data.add_(torch.randn(8, 8))
    expected = 2 * 0.5 * (weight.detach() - torch.eye(8))
    module.regularize()
    assert weight.grad is None  # it had no part in the update
    for _ in range(2):
        (module(torch.randn(1, 3, 8), torch.randn(1, 3, 2, 8)) * 0.0).sum().backward()
    module.regularize()
    torch.testing.assert_close(weight.grad, expected)


def stepped_gradients(make_tagger, batches):
    """Find the gradients that the optimizer gets of several sub-batches.

    make_tagger (Callable): The fixture.
    batches (list[slice]): The examples of each sub-batch.
    RETURNS (dict[str, np.ndarray]): The gradients of the values of a fusion by name.
    """
    fix_random_seed(0)
    fusion = {**block("fusion"), "regularization": 10.0}
    nlp, examples = make_tagger(trainable=["adapter"], adapter=fusion)
    train(nlp, examples)
    found = {}

    def record(key, weights, gradient):
        if str(key[1]).endswith("value.weight"):
            found[key[1]] = gradient.copy()
        return weights, gradient

    for batch in batches:
        nlp.update(examples[batch], sgd=False)
    nlp.get_pipe("transformer").finish_update(record)
    return found


def test_a_fusion_is_regularized_once_a_step(make_tagger):
    whole = stepped_gradients(make_tagger, [slice(3)])
    parts = stepped_gradients(make_tagger, [slice(1), slice(1, 3)])
    assert whole
    for name in whole:
        np.testing.assert_allclose(parts[name], whole[name], atol=1e-4)


@pytest.fixture
def trained(make_tagger):
    """A pipeline with two trained adapters."""
    nlp, examples = make_tagger(trainable=["adapter"], adapter=PFEIFFER)
    transformer = nlp.get_pipe("transformer")
    for name in ("a", "ab"):
        transformer.add_adapter(name, PFEIFFER)
        transformer.set_adapter(name)
        train(nlp, examples)
    return nlp, examples


@pytest.mark.parametrize("kind", ["Stack", "Average", "Fusion"])
def test_named_adapters_are_copied_and_not_changed(trained, tmp_path, kind):
    nlp, examples = trained
    transformer = nlp.get_pipe("transformer")
    encoder = transformer.shim.encoder
    new = {"mine": PFEIFFER, "a": "a", "ab": "ab"}
    transformer.add_adapter("all", {"@adapters": f"spacy-bertfamily.{kind}.v1", "adapters": new})
    transformer.set_adapter("all")
    modules = encoder.modules_of("all")
    before = {name: tensor.clone() for name, tensor in encoder.named_parameters()}
    train(nlp, examples)
    changed = {
        name for name, tensor in encoder.named_parameters() if not torch.equal(tensor, before[name])
    }
    assert {name.split(".")[1] for name in changed} == (
        {"members", "layers"} if kind == "Fusion" else {"members"}
    )
    assert {name.split(".")[2] for name in changed if ".members." in name} == {"mine"}
    for name in ("a", "ab"):
        own, original = modules.member(name).state_dict(), encoder.modules_of(name).state_dict()
        assert all(torch.equal(own[key], original[key]) for key in original)
    output = vectors(nlp)
    for name in ("a", "ab"):
        transformer.delete_adapter(name)
    assert np.array_equal(vectors(nlp), output)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert np.array_equal(vectors(loaded), output)
    summary = loaded.get_pipe("transformer").trainable_summary()
    assert summary.trained == transformer.trainable_summary().trained < summary.groups["adapter"][1]


@pytest.fixture
def saved(trained, tmp_path):
    """The folders of two trained adapters, by name."""
    folders = {name: str(tmp_path / f"{name}_files") for name in ("a", "ab")}
    for name, folder in folders.items():
        trained[0].get_pipe("transformer").save_adapter(folder, name=name)
    return folders


def test_a_config_can_name_trained_adapters(trained, saved, make_tagger, tmp_path):
    nlp, examples = make_tagger(initialize=False, trainable=["adapter"], adapter=FUSION)
    nlp.config["initialize"]["components"]["transformer"] = {"adapters": saved}
    nlp.initialize(lambda: examples)
    transformer = nlp.get_pipe("transformer")
    assert (transformer.adapters, transformer.active_adapter) == (["a", "ab", "default"], "default")
    train(nlp, examples)
    nlp.initialize(lambda: examples)  # initializing again loads nothing
    encoder = transformer.shim.encoder
    for name in ("a", "ab"):
        expected = trained[0].get_pipe("transformer").shim.encoder.modules_of(name).state_dict()
        found = encoder.modules_of("default").member(name).state_dict()
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    output = vectors(nlp)
    nlp.to_disk(tmp_path / "pipeline")
    content = nlp.to_bytes()
    for folder in saved.values():
        shutil.rmtree(folder)
    for loaded in (
        spacy.load(tmp_path / "pipeline"),
        spacy.blank("en").from_config(nlp.config).from_bytes(content),
    ):
        assert np.array_equal(vectors(loaded), output)


def test_a_config_that_names_missing_adapters_is_an_error(saved, make_tagger):
    nlp, examples = make_tagger(initialize=False, trainable=["adapter"], adapter=FUSION)
    with pytest.raises(ValueError, match=r"B077.*'a'.*initialize.components.NAME.adapters"):
        nlp.initialize(lambda: examples)
    nlp.config["initialize"]["components"]["transformer"] = {"adapters": {"a": saved["a"]}}
    with pytest.raises(ValueError, match=r"B077.*'ab'"):
        nlp.initialize(lambda: examples)
    with pytest.raises(ValueError, match=r"B077"):
        vectors(nlp)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({**FUSION, "adapters": ["a", "b"]}, r"B062.*'b'.*default, a, ab"),
        ({**FUSION, "adapters": ["a", "a"]}, r"B080.*'a' twice"),
        ({**FUSION, "adapters": []}, r"B004.*at least one adapter"),
        ({**FUSION, "adapters": {"a": 3}}, r"B076.*'a' is to be an adapter, but is 3"),
        ({**FUSION, "adapters": {"a.b": "a"}}, r"B060.*'a.b'"),
        ({**FUSION, "regularization": -1.0}, r"B004.*regularization"),
        ({**FUSION, "dropout": 1.0}, r"B004.*dropout"),
        (
            {**FUSION, "@adapters": "spacy-bertfamily.Average.v1", "weights": [1.0]},
            r"B004.*weights.*2 numbers",
        ),
        (
            {**FUSION, "@adapters": "spacy-bertfamily.Average.v1", "weights": [0.0, 0.0]},
            r"B004.*weights.*not all 0",
        ),
        ({"@adapters": "spacy-bertfamily.Frozen.v1", "adapter": "a"}, r"B076.*'a'"),
    ],
)
def test_wrong_combinations_change_nothing(trained, block, message):
    nlp, _ = trained
    transformer = nlp.get_pipe("transformer")
    before, output = transformer.shim.delta_bytes(), vectors(nlp)
    with pytest.raises(ValueError, match=message):
        transformer.add_adapter("all", block)
    assert transformer.shim.delta_bytes() == before
    assert np.array_equal(vectors(nlp), output)


@needs_peft
def test_lora_and_a_bottleneck_can_be_stacked():
    """A stack of two adapters in one place, or an average with LoRA, is an error."""
    lora, bottlenecks = resolve_adapter(LORA), resolve_adapter(PFEIFFER)
    together, stack, model = make_bert(), make_bert(), make_bert()
    torch.manual_seed(4)
    parts = [settings.attach(together, SPECS["bert"]) for settings in (lora, bottlenecks)]
    modules = Stack({"lora": lora, "bottleneck": bottlenecks}).attach(stack, SPECS["bert"])
    for name, part in zip(("lora", "bottleneck"), parts):
        for parameter in part.parameters():
            parameter.data.copy_(torch.randn(parameter.shape) * 0.3)
        modules.member(name).load_state_dict(part.state_dict())
    with torch.no_grad():
        assert torch.equal(together(IDS).last_hidden_state, stack(IDS).last_hidden_state)
    bottlenecks = Bottleneck(5, placement="parallel")
    with pytest.raises(ValueError, match=r"B079.*Average.v1 cannot take the adapter 'lora'"):
        Average({"b": bottlenecks, "lora": lora}).attach(model, SPECS["bert"])
    with pytest.raises(
        ValueError, match=r"B078.*'second'.*same part of the model, 'encoder.layer.0.attention.self"
    ):
        Stack({"first": lora, "second": Peft("LORA", {"target_modules": ["query"]})}).attach(
            model, SPECS["bert"]
        )
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())
