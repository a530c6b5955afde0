"""What `trainable` selects, and settings that are refused before anything is loaded."""

import pytest
import spacy

from spacy_bertfamily.adapters import Bottleneck

from ..util.encoders import make_encoder


def groups(folder, *trainable, adapter=None):
    encoder, _ = make_encoder(folder, trainable=trainable, adapter=adapter)
    return {name for name, p in encoder.named_parameters() if p.requires_grad}, encoder


def test_an_empty_list_trains_nothing(tiny):
    names, encoder = groups(tiny)
    assert not names
    assert not encoder.trains


def test_all_trains_everything(tiny):
    names, encoder = groups(tiny, "all", adapter=Bottleneck(size=4))
    assert names == {name for name, _ in encoder.named_parameters()}


@pytest.mark.parametrize("model_type", ["bert", "roberta", "electra", "distilbert", "mpnet"])
def test_top_n_trains_the_highest_layers(backbones, model_type):
    names, encoder = groups(backbones(model_type), "top:1")
    layers = [name for name in names if ".layer." in name]
    assert all(".layer.2." in name for name in layers)
    assert len(layers) == sum(".layer.2." in name for name, _ in encoder.named_parameters())
    assert all("pooler" in name for name in names - set(layers))


def test_layer_norm_and_bias_train_these_only(tiny):
    names, encoder = groups(tiny, "layer_norm")
    assert names == {n for n, _ in encoder.named_parameters() if "LayerNorm" in n}
    names, encoder = groups(tiny, "bias")
    assert names == {n for n, _ in encoder.named_parameters() if n.endswith("bias")}


def test_embeddings_trains_these_only(tiny):
    names, encoder = groups(tiny, "embeddings")
    assert names == {
        n for n, _ in encoder.named_parameters() if n.startswith("backbone.embeddings")
    }


def test_combinations_train_the_union(tiny):
    names, _ = groups(tiny, "adapter", "layer_norm", adapter=Bottleneck(size=4))
    assert names == groups(tiny, "layer_norm")[0] | {n for n in names if n.startswith("adapter.")}
    assert groups(tiny, "top:2", "bias")[0] == groups(tiny, "top:2")[0] | groups(tiny, "bias")[0]


def test_shared_layers_train_as_a_whole(backbones):
    assert groups(backbones("albert"), "top:1")[0]
    with pytest.raises(ValueError, match=r"B007.*'top:2'.*albert.*top:1 to top:1"):
        groups(backbones("albert"), "top:2")


def test_more_layers_than_the_backbone_has_are_an_error(tiny):
    with pytest.raises(ValueError, match=r"B007.*'top:4'.*has 3 layer"):
        groups(tiny, "top:4")


def test_dropout_is_on_only_where_weights_are_trained(tiny):
    encoder, _ = make_encoder(tiny, trainable=("top:1", "layer_norm", "adapter"))
    with encoder.in_training():
        active = {name for name, module in encoder.backbone.named_modules() if module.training}
        assert active
        assert all(name.startswith(("encoder.layer.2", "pooler")) for name in active)
        assert encoder.adapter.training
    assert not any(module.training for module in encoder.modules())


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"trainable": ["adapters"]}, r"B001.*'adapters'.*'layer_norm'"),
        ({"trainable": ["top:0"]}, r"B001.*'top:0'"),
        ({"trainable": ["adapter"], "adapter": None}, "B002"),
        ({"max_pieces": 32, "stride": 28}, r"B003.*stride = 28.*max_pieces = 32"),
        ({"max_pieces": 32, "stride": -1}, r"B003.*stride = -1"),
        ({"max_pieces": 4, "stride": 0}, r"B004.*max_pieces = 4"),
        ({"batch_pieces": 100}, r"B005.*batch_pieces = 100.*max_pieces = 384"),
        ({"precision": "int8"}, r"B004.*precision = 'int8'.*bfloat16"),
        ({"separator": "  "}, r"B004.*separator"),
        ({"trainable": "all"}, "trainable"),
        ({"max_pieces": "many"}, "max_pieces"),
        ({"adapter": {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": "big"}}, "size"),
    ],
)
def test_wrong_settings_are_refused_at_once(model, message):
    nlp = spacy.blank("en")
    # thinc's validation error is a ValueError too
    with pytest.raises(ValueError, match=message):
        nlp.add_pipe("adapter_transformer", config={"model": {"name": "/not/even/there", **model}})


@pytest.mark.parametrize(
    ("model_type", "model", "message"),
    [
        ("bert", {"max_pieces": 65}, r"B006.*65.*64 positions"),
        ("roberta", {"max_pieces": 63}, r"B006.*63.*62 positions"),
        ("mpnet", {"max_pieces": 63}, r"B006.*63.*62 positions"),
        ("bert", {"precision": "float16"}, r"B010.*GPU"),
        ("bert", {"trainable": ["top:9"]}, r"B007"),
    ],
)
def test_settings_that_the_backbone_does_not_support_are_an_error(
    backbones, monkeypatch, model_type, model, message
):
    nlp = spacy.blank("en")
    model = {"name": backbones(model_type), "max_pieces": 32, "stride": 8, **model}
    nlp.add_pipe("adapter_transformer", config={"model": model})
    monkeypatch.setattr(
        "spacy_bertfamily.backbone.load.WeightFiles",
        lambda folder: pytest.fail("weights were read"),
    )
    with pytest.raises(ValueError, match=message):
        nlp.initialize()


def test_windows_of_the_maximum_length_run(backbones):
    for model_type, positions in [("bert", 64), ("roberta", 62), ("mpnet", 62)]:
        nlp = spacy.blank("en")
        model = {"name": backbones(model_type), "max_pieces": positions, "stride": 8}
        nlp.add_pipe("adapter_transformer", config={"model": model})
        nlp.initialize()
        doc = nlp("eat ham " * 200)
        assert max(doc._.trf_data.wordpieces.lengths) == positions


def test_adapters_need_a_backbone_with_sites(tiny, monkeypatch):
    from spacy_bertfamily.model_types.table import SPECS

    monkeypatch.delitem(SPECS, "bert")
    nlp = spacy.blank("en")
    config = {"model": {"name": tiny, "max_pieces": 32, "stride": 8}}
    nlp.add_pipe("adapter_transformer", config=config)
    with pytest.raises(ValueError, match=r"B008.*'bert'.*register_model_type"):
        nlp.initialize()
    config["model"].update(adapter=None, trainable=["layer_norm"])
    nlp.remove_pipe("adapter_transformer")
    nlp.add_pipe("adapter_transformer", config=config)
    nlp.initialize()
    assert nlp("eat ham")._.trf_data.width == 32
