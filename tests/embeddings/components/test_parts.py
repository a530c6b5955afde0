"""Parts of characters as an embedding layer."""

import numpy as np
import pytest
from spacy.tokens import Doc

from spacy_bertfamily import BertFamilyError

from ...util.characters import (
    component_block,
    embed_words,
    embedding_of,
    make_character_tagger,
    tagged_characters,
    train_character_tagger,
)


def part_table(nlp):
    pool = embedding_of(nlp).layers[1]
    return next(node for node in pool.walk() if node.name == "hashembed")


def test_parts_reach_the_vectors_of_all_characters_that_have_them():
    nlp = train_character_tagger(component_block(rows=5000))
    words = list("洋沙娘a")
    before = embed_words(nlp, words)[0]
    table = part_table(nlp)
    rows = table.ops.hash(np.asarray([ord("氵")], "uint64"), table.attrs["seed"]) % 5000
    changed = table.get_param("E").copy()
    changed[rows.ravel()] += 0.5
    table.set_param("E", changed)
    moved = np.abs(embed_words(nlp, words)[0] - before).max(axis=1) > 1e-3
    assert moved.tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"max_depth": 1}, "氵可女子"),
        ({}, "氵可⺀㇀丁口女子㇛丆了一"),
        ({"max_depth": None}, "氵可⺀㇀丁口丶一亅囗冂丨㇆女子㇛丆了一丿㇇亅"),
    ],
)
def test_parts_are_divided_as_often_as_is_wanted(settings, parts):
    nlp = make_character_tagger(component_block(**settings))
    nlp.initialize(lambda: tagged_characters(nlp))
    layer = embedding_of(nlp).layers[1].layers[0].layers[0]
    found = layer.predict(np.asarray([ord("河"), ord("好")]))
    assert "".join(chr(code) for code in found.dataXd) == parts


def test_an_own_vector_that_is_not_dropped_is_used_for_unseen_tokens():
    nlp = train_character_tagger(component_block(own_dropout=0))
    layer = embedding_of(nlp)
    doc = Doc(nlp.vocab, words=["洋"])
    characters = layer.layers[1].predict([doc]).vectors
    assert not np.allclose(layer.predict([doc])[0], characters, atol=1e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"rows": 0}, "rows = 0 is not allowed"), ({"max_depth": 0}, "max_depth = 0 is not allowed")],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(BertFamilyError, match=message) as error:
        make_character_tagger(component_block(**settings))
    assert error.value.code == "B004"
