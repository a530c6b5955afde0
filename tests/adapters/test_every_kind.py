"""What must hold for every kind of adapter in a pipeline."""

import numpy as np
import pytest
import spacy
import torch

from spacy_bertfamily.adapters.registry import resolve_adapter

from ..util.adapters import KINDS, block, kinds
from ..util.pipelines import train, vectors


@pytest.fixture
def bare(make_tagger):
    return vectors(make_tagger(trainable=[], adapter=None)[0])


@pytest.fixture
def make(make_tagger):
    def make(kind, trainable=("adapter",)):
        nlp, examples = make_tagger(trainable=list(trainable), adapter=block(kind))
        return nlp, examples, nlp.get_pipe("transformer")

    return make


@pytest.mark.parametrize("kind", kinds())
def test_no_op_at_the_start_where_promised(make, bare, kind):
    nlp, _, _ = make(kind)
    assert np.allclose(vectors(nlp), bare, atol=1e-6) == KINDS[kind][1]


@pytest.mark.parametrize("kind", kinds())
def test_only_the_adapter_is_trained_and_stored(make, kind):
    nlp, examples, transformer = make(kind)
    encoder = transformer.shim.encoder
    shared = encoder.shared.model.state_dict()
    before = {name: tensor.clone() for name, tensor in encoder.named_parameters()}
    train(nlp, examples)
    after = dict(encoder.named_parameters())
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("adapter.") for name in changed)
    assert all(name.startswith("adapter.") for name in encoder.delta())
    # the names are those of the shared backbone, and so is the memory
    own = encoder.backbone.state_dict()
    assert own.keys() == shared.keys()
    assert all(own[name].data_ptr() == shared[name].data_ptr() for name in shared)


@pytest.mark.parametrize("kind", kinds())
def test_switched_off_and_deleted_is_exactly_the_base(make, bare, kind):
    nlp, examples, transformer = make(kind)
    train(nlp, examples)
    trained = vectors(nlp)
    assert not np.allclose(trained, bare, atol=1e-3)
    transformer.set_adapter(None)
    assert np.array_equal(vectors(nlp), bare)
    transformer.set_adapter("default")
    assert np.array_equal(vectors(nlp), trained)
    transformer.set_adapter(None)
    transformer.delete_adapter("default")
    assert transformer.adapters == []
    assert np.array_equal(vectors(nlp), bare)
    assert transformer.shim.encoder.delta() == {}


@pytest.mark.parametrize("kind", kinds())
def test_save_and_load(make, tmp_path, kind):
    nlp, examples, _ = make(kind, ["adapter", "layer_norm"])
    train(nlp, examples)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert np.array_equal(vectors(loaded), vectors(nlp))
    copied = loaded.get_pipe("transformer").model.copy()
    assert copied.shims[0].delta_bytes() == nlp.get_pipe("transformer").shim.delta_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds())
def test_two_adapters_keep_their_own_predictions(make, tmp_path, kind):
    """The name of one adapter contains the other's; both are trained and stored."""
    nlp, examples, transformer = make(kind)
    train(nlp, examples)
    of_default = vectors(nlp)
    for name in ("ner", "ner2"):
        transformer.add_adapter(name, block(kind))
        transformer.set_adapter(name)
        train(nlp, examples, 2)
    outputs = {"default": of_default, "ner2": vectors(nlp)}
    transformer.set_adapter("ner")
    outputs["ner"] = vectors(nlp)
    assert not np.allclose(outputs["ner"], outputs["ner2"], atol=1e-4)
    nlp.to_disk(tmp_path)
    for pipeline in (
        nlp,
        spacy.load(tmp_path),
        spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes()),
    ):
        own = pipeline.get_pipe("transformer")
        assert own.adapters == ["default", "ner", "ner2"]
        assert own.active_adapter == "ner"
        for name in ("ner2", "default", "ner"):
            own.set_adapter(name)
            assert np.array_equal(vectors(pipeline), outputs[name])
        own.delete_adapter("ner2")
        assert np.array_equal(vectors(pipeline), outputs["ner"])


@pytest.mark.parametrize("kind", kinds())
def test_settings_return_the_block_they_were_made_from(make, kind):
    settings = resolve_adapter(block(kind))
    assert resolve_adapter(settings.config()) == settings


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds("houlsby", "pal", "lora-all"))
@pytest.mark.parametrize("model_type", ["albert", "distilbert", "electra", "roberta"])
def test_other_backbones(make_tagger, backbones, tmp_path, model_type, kind):
    nlp, examples = make_tagger(
        trainable=["adapter"], adapter=block(kind), name=backbones(model_type)
    )
    train(nlp, examples)
    trained = vectors(nlp)
    nlp.to_disk(tmp_path)
    assert np.array_equal(vectors(spacy.load(tmp_path)), trained)
    nlp.get_pipe("transformer").set_adapter(None)
    assert not np.allclose(vectors(nlp), trained, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds())
def test_a_backbone_in_bfloat16_with_adapters_in_float32(make_tagger, tmp_path, kind):
    nlp, examples = make_tagger(trainable=["adapter"], adapter=block(kind), precision="bfloat16")
    transformer, before = nlp.get_pipe("transformer"), vectors(nlp)
    train(nlp, examples)
    assert not np.allclose(vectors(nlp), before, atol=1e-3)
    assert all(
        tensor.dtype == torch.float32 for tensor in transformer.shim.encoder.delta().values()
    )
    nlp.to_disk(tmp_path)
    assert np.array_equal(vectors(spacy.load(tmp_path)), vectors(nlp))


@pytest.mark.parametrize("kind", kinds("lora", "lora-all", "dora", "ia3", "loha"))
def test_merging_keeps_the_predictions_and_the_shared_weights(make, tmp_path, kind):
    nlp, examples, transformer = make(kind)
    train(nlp, examples)
    before = vectors(nlp)
    shared = {
        name: p.clone() for name, p in transformer.shim.encoder.shared.model.named_parameters()
    }
    transformer.merge_adapter()
    assert transformer.adapters == []
    np.testing.assert_allclose(vectors(nlp), before, atol=1e-5)
    assert all(
        torch.equal(p, shared[n])
        for n, p in transformer.shim.encoder.shared.model.named_parameters()
    )
    nlp.to_disk(tmp_path)
    assert np.array_equal(vectors(spacy.load(tmp_path)), vectors(nlp))


@pytest.mark.parametrize(
    "kind", ["houlsby", "pfeiffer", "parallel", "pal", "low-rank", "stack", "average", "fusion"]
)
def test_modules_cannot_be_merged(make, kind):
    nlp, _, transformer = make(kind)
    before = vectors(nlp)
    with pytest.raises(ValueError, match=r"B064.*LoRA can be merged"):
        transformer.merge_adapter()
    assert transformer.active_adapter == "default"
    assert np.array_equal(vectors(nlp), before)


@pytest.mark.parametrize("kind", kinds("lora"))
def test_merging_needs_one_active_adapter(make, kind):
    _, _, transformer = make(kind)
    transformer.add_adapter("other", block(kind))
    with pytest.raises(ValueError, match=r"B070.*'default'.*others are: other"):
        transformer.merge_adapter()
    transformer.set_adapter(None)
    with pytest.raises(ValueError, match=r"B070.*active adapter is None"):
        transformer.merge_adapter()
