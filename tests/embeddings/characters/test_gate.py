"""What holds for parts and pictures of characters alike: gate, pooling, files, any text."""

import copy
import pickle

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from thinc.api import Model

from spacy_bertfamily import BertFamilyError
from spacy_bertfamily.embeddings.characters.gate import gate_vectors
from spacy_bertfamily.embeddings.characters.pool import TokenVectors, pool_characters

from ...util.characters import (
    CHARACTERS,
    OWN,
    TEXT,
    UNSEEN,
    component_block,
    embed_words,
    embedding_of,
    glyph_block,
    make_character_tagger,
    make_font,
    tagged_characters,
    train_character_tagger,
)
from ...util.pipelines import initialize_and_train, predicted_tags


@pytest.fixture(scope="module")
def font(tmp_path_factory):
    return make_font(tmp_path_factory.mktemp("font") / "test.ttf", CHARACTERS + UNSEEN)


@pytest.fixture(scope="module", params=["parts", "pictures", "both"])
def embed_block(request, font):
    if request.param == "parts":
        return component_block()
    if request.param == "pictures":
        return glyph_block(font)
    return glyph_block(font, component_block(), own_dropout=0)


@pytest.fixture(scope="module")
def tagger(embed_block):
    return train_character_tagger(embed_block)


def test_a_tagger_learns(tagger):
    assert tagger.evaluate(tagged_characters(tagger))["tag_acc"] == 1


def test_training_is_repeatable(embed_block, tagger):
    again = train_character_tagger(embed_block)
    assert again.to_bytes(exclude=["meta"]) == tagger.to_bytes(exclude=["meta"])


def test_vectors_do_not_depend_on_the_batch(tagger):
    docs = [list("河妈"), [], list("a河😀"), ["林铁", UNSEEN], ["\n"], list(TEXT)]
    together = embed_words(tagger, *docs)
    for doc, vectors in zip(docs, together):
        assert vectors.shape == (len(doc), 32)
        np.testing.assert_allclose(embed_words(tagger, doc)[0], vectors, atol=1e-5)


def test_docs_of_different_vocabularies_can_be_in_a_batch(tagger):
    docs = [list(words) for words in (TEXT, UNSEEN, "a河")]
    own = [Doc(spacy.blank("zh").vocab, words=words) for words in docs]
    together = embedding_of(tagger).predict(own)
    for vectors, expected in zip(together, embed_words(tagger, *docs)):
        np.testing.assert_array_equal(vectors, expected)


def test_stored_pipelines_predict_the_same(embed_block, tagger, tmp_path):
    texts = [TEXT, UNSEEN, "a 河"]
    expected = [predicted_tags(tagger, text) for text in texts]
    vectors = embed_words(tagger, TEXT + UNSEEN)[0]
    tagger.to_disk(tmp_path / "pipeline")
    from_bytes = make_character_tagger(embed_block).from_bytes(tagger.to_bytes())
    copies = [spacy.load(tmp_path / "pipeline"), from_bytes, copy.deepcopy(tagger)]
    for again in [*copies, pickle.loads(pickle.dumps(tagger))]:
        assert [predicted_tags(again, text) for text in texts] == expected
        np.testing.assert_array_equal(embed_words(again, TEXT + UNSEEN)[0], vectors)
        assert again.to_bytes(exclude=["meta"]) == tagger.to_bytes(exclude=["meta"])


@pytest.mark.usefixtures("threads_in_use")
def test_processes_predict_the_same(tagger):
    texts = [TEXT, UNSEEN, ""] * 3
    expected = [[token.tag_ for token in doc] for doc in tagger.pipe(texts)]
    assert [[token.tag_ for token in doc] for doc in tagger.pipe(texts, n_process=2)] == expected


@pytest.mark.parametrize(
    "text", ["", " ", "\n\n", "Latin letters", "😀👍🏽", "ひらがな", "河" * 500]
)
def test_docs_of_any_kind_come_through(tagger, text):
    docs = list(tagger.pipe([text, TEXT, text]))
    assert docs[0].text == docs[2].text == text
    assert [token.tag_ for token in docs[1]] == predicted_tags(tagger, TEXT)
    assert list(tagger.pipe([])) == []


def test_tokens_without_known_characters_keep_their_own_vector(tagger):
    layer = embedding_of(tagger)
    words = ["a", "あ", "😀", "Latin", "。"]
    own = layer.layers[0].predict([Doc(tagger.vocab, words=words)])
    np.testing.assert_array_equal(embed_words(tagger, words)[0], own[0])


@pytest.mark.parametrize("kind", ["parts", "pictures"])
def test_unseen_tokens_are_read_by_their_characters_alone(kind, font):
    nlp = train_character_tagger(component_block() if kind == "parts" else glyph_block(font))
    embed, pool, _ = embedding_of(nlp).layers
    characters = pool.predict([Doc(nlp.vocab, words=list(UNSEEN))])
    before = embed_words(nlp, UNSEEN, TEXT)
    np.testing.assert_allclose(before[0], characters.vectors, atol=1e-6)
    table = next(node for node in embed.walk() if node.name == "hashembed")
    table.set_param("E", table.get_param("E") * np.float32(-3))
    after = embed_words(nlp, UNSEEN, TEXT)
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.allclose(before[1], after[1], atol=1e-3)


def test_tokens_have_the_mean_of_their_known_characters(tagger):
    pool = embedding_of(tagger).layers[1]
    words = ["河妈", "河", "妈", "a河1妈。", "ab"]
    found = pool.predict([Doc(tagger.vocab, words=words)])
    np.testing.assert_allclose(found.vectors[0], found.vectors[1:3].mean(0), atol=1e-6)
    np.testing.assert_allclose(found.vectors[3], found.vectors[0], atol=1e-6)
    assert found.known.tolist() == [True] * 4 + [False]
    assert not found.vectors[4].any()


def test_rare_tokens_go_without_their_own_vector_more_often():
    own, other = constant_layer(1.0), constant_pool(-1.0)
    layer = gate_vectors("test", own, other, 2, own_dropout=1.0)
    layer.initialize()
    nlp = spacy.blank("zh")
    doc = Doc(nlp.vocab, words=["河"] * 400)
    shares = []
    for _ in range(6):
        outputs, _ = layer([doc], is_train=True)
        shares.append((outputs[0][:, 0] == -1).mean())
    assert shares[0] == 1
    assert shares[1] < 0.1  # 1 / 401 is expected
    predicted = layer.predict([Doc(nlp.vocab, words=["河", "湖"])])[0]
    np.testing.assert_array_equal(predicted[:, 0], [0, -1])


def constant_layer(value):
    def forward(model, docs, is_train):
        outputs = [np.full((len(doc), 2), value, dtype="float32") for doc in docs]
        return outputs, lambda d_docs: []

    return Model("constant", forward)


def constant_pool(value):
    def forward(model, docs, is_train):
        orths = np.asarray([token.orth for doc in docs for token in doc], dtype="uint64")
        vectors = np.full((len(orths), 2), value, dtype="float32")
        return TokenVectors(vectors, np.ones(len(orths), dtype="bool"), orths), lambda d: []

    return Model("constant", forward)


def table_layer(name, width, keys):
    """RETURNS (Model): A layer that looks rows of its parameter up, and keeps its gradient."""

    def forward(model, inputs, is_train):
        rows = keys(inputs)

        def backprop(d_outputs):
            gradient = model.ops.alloc2f(*model.get_param("E").shape)
            np.add.at(gradient, rows, model.ops.flatten(d_outputs) if name == "own" else d_outputs)
            model.inc_grad("E", gradient)
            return []

        outputs = model.get_param("E")[rows]
        lengths = [len(doc) for doc in inputs] if name == "own" else []
        return (model.ops.unflatten(outputs, lengths) if lengths else outputs), backprop

    model = Model(name, forward, params={"E": None}, dims={"nO": width})
    model.set_param("E", np.random.default_rng(len(name)).normal(size=(9, width)).astype("f"))
    return model


def test_gradients_equal_those_of_torch():
    """An independent computation of pooling and gate, with dropped and unknown tokens."""
    numbers = {"河": 0, "湖": 1, "妈": 2}
    width, vocab = 3, spacy.blank("zh").vocab
    docs = [Doc(vocab, words=["河", "a", "妈湖"]), Doc(vocab, words=["河"])]
    own = table_layer("own", width, lambda docs: [len(t) for doc in docs for t in doc])
    characters = table_layer("chars", width, lambda codes: [numbers[chr(c)] for c in codes])
    pool = pool_characters(characters, width, lambda layer: numbers.__contains__)
    layer = gate_vectors("test", own, pool, width, own_dropout=0)
    layer.initialize()
    gate = layer.layers[2]
    rng = np.random.default_rng(0)
    gate.set_param("W", rng.normal(size=(width, 2 * width)).astype("f"))
    gate.set_param("b", rng.normal(size=width).astype("f"))
    outputs, backprop = layer(docs, is_train=True)
    d_outputs = [rng.normal(size=output.shape).astype("f") for output in outputs]
    backprop(d_outputs)

    names = [(own, "E"), (characters, "E"), (gate, "W"), (gate, "b")]
    tensors = [torch.tensor(node.get_param(name), requires_grad=True) for node, name in names]
    E, C, W, b = tensors
    vectors = [C[0], torch.zeros(width), (C[2] + C[1]) / 2, C[0]]
    results = []
    for length, vector, known in zip([1, 1, 2, 1], vectors, [1, 0, 1, 1]):
        g = torch.sigmoid(W @ torch.cat([E[length], vector]) + b)
        results.append(g * E[length] + (1 - g) * vector if known else E[length])
    expected = torch.stack(results)
    np.testing.assert_allclose(np.concatenate(outputs), expected.detach(), atol=1e-6)
    expected.backward(torch.tensor(np.concatenate(d_outputs)))
    for (node, name), tensor in zip(names, tensors):
        np.testing.assert_allclose(node.get_grad(name), tensor.grad, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "width = 0"),
        ({"own_dropout": -1}, "own_dropout = -1"),
    ],
)
def test_settings_are_checked(font, settings, message):
    for block in (component_block(**settings), glyph_block(font, **settings)):
        with pytest.raises(BertFamilyError, match=message) as error:
            make_character_tagger(block)
        assert error.value.code == "B004"


def test_widths_must_be_equal(font):
    own = {**OWN, "width": 16}
    for block in (component_block(own), glyph_block(font, own)):
        nlp = make_character_tagger(block)
        with pytest.raises(BertFamilyError, match="width 16, but its own 'width' is 32") as error:
            nlp.initialize(lambda nlp=nlp: tagged_characters(nlp))
        assert error.value.code == "B610"


def test_averages_of_weights_are_used(embed_block):
    nlp = make_character_tagger(embed_block)
    initialize_and_train(nlp, tagged_characters(nlp), 3, 0.01)
    model = embedding_of(nlp)
    keys = {(node.id, name) for node in model.walk() for name in node.param_names}
    zeros = {(i, n): 0 * _find(model, i).get_param(n) for i, n in keys}
    with model.use_params(zeros):
        assert not embed_words(nlp, list("河a"))[0].any()
    assert embed_words(nlp, list("河a"))[0].any()


def _find(model, number):
    return next(node for node in model.walk() if node.id == number)
