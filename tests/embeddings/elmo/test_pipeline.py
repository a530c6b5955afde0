"""ELMo as the tok2vec of spaCy's own components."""

import copy
import pickle
import shutil
import threading

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from spacy_bertfamily import BertFamilyError, layer_weights

from ...util.elmo import FOLDER, LAYER_MIX, OPTIONS, WEIGHTS, make_elmo_tagger
from ...util.pipelines import TAGGED, TEXT, initialize_and_train, tagged_examples, train


def tok2vec_of(nlp):
    return nlp.get_pipe("tagger").model.get_ref("tok2vec")


def elmo_vectors(nlp, *texts):
    return tok2vec_of(nlp).predict([nlp.make_doc(text) for text in texts])


@pytest.fixture(params=[None, LAYER_MIX], ids=["last", "mix"])
def tagger(request):
    nlp = make_elmo_tagger(mix=request.param)
    examples = tagged_examples(nlp)
    nlp.initialize(lambda: examples)
    return train(nlp, examples, steps=80)


def test_a_tagger_learns(tagger):
    scores = tagger.evaluate(tagged_examples(tagger))
    assert scores["tag_acc"] == 1


def test_only_the_mix_and_the_tagger_learn():
    nlp = make_elmo_tagger(mix=LAYER_MIX)
    examples = tagged_examples(nlp)
    nlp.initialize(lambda: examples)
    (before,) = layer_weights(nlp)
    assert before.layers == (0, 1, 2)
    assert before.weights == pytest.approx((1 / 3,) * 3)
    lowest = elmo_vectors(nlp, TEXT)[0]
    train(nlp, examples, steps=10)
    (after,) = layer_weights(nlp)
    assert after.weights != pytest.approx(before.weights, abs=1e-3)
    assert not np.allclose(elmo_vectors(nlp, TEXT)[0], lowest)


def test_the_mix_is_that_of_the_states():
    last, mixed = make_elmo_tagger(), make_elmo_tagger(mix=LAYER_MIX)
    states = tok2vec_of(mixed).layers[0].predict([mixed.make_doc(TEXT)])[0].model_output
    expected = sum(states.hidden_states) / 3
    np.testing.assert_allclose(elmo_vectors(mixed, TEXT)[0], expected[0], atol=1e-6)
    np.testing.assert_allclose(elmo_vectors(last, TEXT)[0], states.hidden_states[2][0], atol=1e-6)


def test_stored_pipelines_predict_the_same(tagger, tmp_path):
    tags = [token.tag_ for token in tagger(TEXT)]
    tagger.to_disk(tmp_path / "pipeline")
    assert sum(file.stat().st_size for file in (tmp_path / "pipeline/tagger").iterdir()) < 50_000
    loaded = spacy.load(tmp_path / "pipeline")
    from_bytes = make_elmo_tagger(
        mix=None if len(layer_weights(tagger)[0].layers) == 1 else LAYER_MIX
    )
    from_bytes.from_bytes(tagger.to_bytes())
    for again in (loaded, from_bytes, pickle.loads(pickle.dumps(tagger)), copy.deepcopy(tagger)):
        assert [token.tag_ for token in again(TEXT)] == tags
        np.testing.assert_array_equal(elmo_vectors(again, TEXT)[0], elmo_vectors(tagger, TEXT)[0])


@pytest.mark.usefixtures("threads_in_use")
def test_processes_and_threads_predict_the_same(tagger):
    texts = [TEXT, "Eat blue ham", "I like green eggs"] * 4
    expected = [[token.tag_ for token in doc] for doc in tagger.pipe(texts)]
    assert [[token.tag_ for token in doc] for doc in tagger.pipe(texts, n_process=2)] == expected
    found = {}

    def predict(number):
        found[number] = [[token.tag_ for token in doc] for doc in tagger.pipe(texts, batch_size=2)]

    threads = [threading.Thread(target=predict, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(3)] == [expected] * 3


def test_docs_of_any_kind_come_through(tagger):
    texts = ["", "   ", "\n", "x" * 10_000, "😀 😀", "word " * 1_000, TEXT]
    docs = list(tagger.pipe(texts))
    assert [len(doc) for doc in docs][0] == 0
    assert [token.tag_ for token in docs[-1]] == [token.tag_ for token in tagger(TEXT)]
    assert list(tagger.pipe(["", ""]))[0].text == ""


def test_sentences_are_read_one_by_one_if_they_are_known():
    nlp = make_elmo_tagger()
    model = tok2vec_of(nlp)
    words = ["Ann", "laughs", ".", "Ben", "sings", "."]
    whole = Doc(nlp.vocab, words=words)
    split = Doc(nlp.vocab, words=words, sent_starts=[True, False, False] * 2)
    second = Doc(nlp.vocab, words=words[3:])
    read_whole, read_split, read_second = model.predict([whole, split, second])
    np.testing.assert_allclose(read_split[3:], read_second, atol=1e-6)
    assert not np.allclose(read_whole[3:], read_second, atol=1e-3)


def test_long_sentences_are_cut():
    nlp, cut = make_elmo_tagger(), make_elmo_tagger(max_words=4)
    long, first = "a b c d e f", "a b c d"
    np.testing.assert_allclose(
        elmo_vectors(cut, long)[0][:4], elmo_vectors(nlp, first)[0], atol=1e-6
    )
    assert not np.allclose(elmo_vectors(nlp, long)[0][:4], elmo_vectors(nlp, first)[0], atol=1e-3)


def test_a_stateful_network_reads_on():
    plain, stateful = make_elmo_tagger(), make_elmo_tagger(stateful=True)
    np.testing.assert_allclose(
        elmo_vectors(stateful, TEXT)[0], elmo_vectors(plain, TEXT)[0], atol=1e-6
    )
    assert not np.allclose(elmo_vectors(stateful, TEXT)[0], elmo_vectors(plain, TEXT)[0], atol=1e-3)
    assert elmo_vectors(stateful, "", TEXT)[1].shape == (6, 32)


@pytest.mark.parametrize("stateful", [False, True])
def test_batches_with_empty_docs_can_be_predicted_and_trained_on(stateful):
    nlp = make_elmo_tagger(stateful=stateful)
    examples = tagged_examples(nlp)
    nlp.initialize(lambda: examples)
    model = tok2vec_of(nlp)
    assert model.predict([]) == []
    assert [vectors.shape for vectors in model.predict([nlp.make_doc("")])] == [(0, 0)]
    empty = Example.from_dict(nlp.make_doc(""), {})
    assert nlp.update([empty, *examples, empty])["tagger"] > 0


def test_other_components_take_it():
    nlp = spacy.blank("en")
    block = make_elmo_tagger().config["components"]["tagger"]["model"]["tok2vec"]
    nlp.add_pipe("ner", config={"model": {"tok2vec": block}})
    nlp.add_pipe("parser", config={"model": {"tok2vec": block}})
    nlp.get_pipe("ner").add_label("X")
    nlp.get_pipe("parser").add_label("dep")
    nlp.initialize()
    assert nlp(TEXT).has_annotation("DEP")


def test_a_config_without_the_files_names_them(tmp_path):
    with pytest.raises(BertFamilyError, match="There is no file 'nowhere/options.json'") as error:
        make_elmo_tagger(options="nowhere/options.json")
    assert error.value.code == "B035"
    nlp = make_elmo_tagger(weights="nowhere/weights.hdf5")
    with pytest.raises(BertFamilyError, match="There is no file 'nowhere/weights.hdf5'"):
        nlp.initialize(lambda: tagged_examples(nlp))
    with pytest.raises(BertFamilyError, match="max_words"):
        make_elmo_tagger(max_words=0)


def test_a_mix_that_does_not_fit_is_refused():
    with pytest.raises(BertFamilyError, match="hidden state"):
        make_elmo_tagger(mix={**LAYER_MIX, "layers": [3]})


def test_other_weights_than_those_of_the_training_are_refused(tagger, tmp_path):
    import h5py

    shutil.copytree(FOLDER, tmp_path / "elmo")
    tagger.to_disk(tmp_path / "pipeline")
    with h5py.File(tmp_path / "elmo/lm_weights.hdf5", "r+") as file:
        file["CNN_proj/b_proj"][0] = 5
    where = {"options": OPTIONS, "weights": str(tmp_path / "elmo/lm_weights.hdf5")}
    config = {"components": {"tagger": {"model": {"tok2vec": where}}}}
    nlp = spacy.load(tmp_path / "pipeline", config=config)
    with pytest.raises(BertFamilyError, match="Its outputs would be wrong") as error:
        nlp(TEXT)
    assert error.value.code == "B604"
    shutil.copy(WEIGHTS, tmp_path / "elmo/lm_weights.hdf5")
    moved = spacy.load(tmp_path / "pipeline", config=config)
    assert [t.tag_ for t in moved(TEXT)] == [t.tag_ for t in tagger(TEXT)]


def test_training_is_repeatable():
    found = []
    for _ in range(2):
        nlp = make_elmo_tagger(mix=LAYER_MIX)
        initialize_and_train(nlp, tagged_examples(nlp, TAGGED), 5, 0.01)
        found.append(elmo_vectors(nlp, TEXT)[0])
    np.testing.assert_array_equal(*found)
