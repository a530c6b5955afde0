"""Pictures of characters as an embedding layer."""

import numpy as np
import pytest
import spacy
import torch

from spacy_bertfamily import BertFamilyError
from spacy_bertfamily.embeddings.glyphs.layer import read_glyphs
from spacy_bertfamily.embeddings.glyphs.network import GlyphCNN
from spacy_bertfamily.embeddings.glyphs.pictures import Pictures

from ...util.characters import (
    TEXT,
    UNSEEN,
    embed_words,
    embedding_of,
    glyph_block,
    make_character_tagger,
    make_font,
    tagged_characters,
    train_character_tagger,
)
from ...util.pipelines import predicted_tags

CODES = np.asarray([ord(character) for character in "河湖妈姐林铁"])


@pytest.fixture
def font(tmp_path):
    return make_font(tmp_path / "test.ttf")


@pytest.fixture
def layer(font):
    layer = read_glyphs(Pictures((font,)), 32, 64, loss_weight=0.5, loss_half_life=10)
    layer.initialize()
    return layer


def reference(layer):
    """RETURNS (tuple[GlyphCNN, torch.Tensor]): A module of torch with the layer's weights."""
    network = GlyphCNN(1, 32, 64)
    network.load_state_dict(
        {name: torch.tensor(layer.get_param(name)) for name in layer.param_names}
    )
    pictures = [layer.attrs["pictures"].find(chr(code)) for code in CODES]
    return network, torch.tensor(np.stack(pictures)).float() / 255


def auxiliary_loss(network, vectors):
    targets = torch.tensor(CODES % 64)
    return torch.nn.CrossEntropyLoss(reduction="sum")(network.classes(vectors), targets)


def test_gradients_are_those_of_both_losses(layer):
    network, images = reference(layer)
    outputs, backprop = layer(CODES, is_train=True)
    expected = network(images)
    np.testing.assert_allclose(outputs, expected.detach(), atol=1e-5)
    d_outputs = np.random.default_rng(0).normal(size=outputs.shape).astype("float32")
    backprop(d_outputs)
    total = (expected * torch.tensor(d_outputs)).sum() + 0.5 * auxiliary_loss(network, expected)
    total.backward()
    for name, parameter in network.named_parameters():
        np.testing.assert_allclose(layer.get_grad(name), parameter.grad, atol=1e-4)


def test_the_auxiliary_loss_teaches_which_character_is_shown(layer):
    from thinc.api import Adam

    optimizer = Adam(0.01)
    losses = []
    for _ in range(15):
        network, images = reference(layer)
        losses.append(auxiliary_loss(network, network(images)).item())
        outputs, backprop = layer(CODES, is_train=True)
        backprop(np.zeros_like(outputs))
        layer.finish_update(optimizer)
    assert losses[-1] < losses[0] / 2


def test_the_weight_of_the_auxiliary_loss_falls_by_half(layer):
    gradients = []
    for _ in range(11):
        outputs, backprop = layer(CODES, is_train=True)
        backprop(np.zeros_like(outputs))
        gradients.append(layer.get_grad("classes.bias").copy())
        layer.set_grad("classes.bias", 0 * gradients[-1])
    np.testing.assert_allclose(gradients[10], gradients[0] / 2, atol=1e-6)
    layer.predict(CODES)
    assert layer.attrs["n_updates"] == 11


def test_without_the_font_characters_of_the_training_are_still_read(font, tmp_path):
    nlp = train_character_tagger(glyph_block(font))
    expected, vectors = predicted_tags(nlp, TEXT), embed_words(nlp, TEXT)[0]
    nlp.to_disk(tmp_path / "pipeline")
    block = {"fonts": ["nowhere.ttf"]}
    config = {"components": {"tagger": {"model": {"tok2vec": {"embed": block}}}}}
    loaded = spacy.load(tmp_path / "pipeline", config=config)
    assert predicted_tags(loaded, TEXT) == expected
    np.testing.assert_array_equal(embed_words(loaded, TEXT)[0], vectors)
    with pytest.warns(UserWarning, match="W611") as caught:
        docs = list(loaded.pipe([UNSEEN, "木"]))
    assert [doc.text for doc in docs] == [UNSEEN, "木"]
    assert len([w for w in caught if "W611" in str(w.message)]) == 1


def test_a_missing_font_is_known_before_the_training():
    nlp = make_character_tagger(glyph_block("nowhere.ttf"))
    with pytest.raises(BertFamilyError, match="apt-get install") as error:
        nlp.initialize(lambda: tagged_characters(nlp))
    assert error.value.code == "B611"


@pytest.mark.parametrize(
    "settings",
    [{"width": 40}, {"fonts": []}, {"loss_weight": -1}, {"loss_half_life": 0}, {"n_classes": 0}],
)
def test_settings_are_checked(font, settings):
    ((name, value),) = settings.items()
    with pytest.raises(BertFamilyError, match=f"{name} = ") as error:
        make_character_tagger(glyph_block(font, **settings))
    assert error.value.code == "B004"
    assert repr(value) in str(error.value)


def test_a_copy_of_the_model_takes_stored_pictures(font):
    nlp = train_character_tagger(glyph_block(font))
    stored = embedding_of(nlp).to_bytes()
    loaded = make_character_tagger(glyph_block("nowhere.ttf"))
    copied = embedding_of(loaded).copy().from_bytes(stored)
    (vectors,) = copied.predict([nlp.make_doc(TEXT)])
    np.testing.assert_array_equal(vectors, embed_words(nlp, TEXT)[0])
