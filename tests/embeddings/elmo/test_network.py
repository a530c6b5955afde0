"""ELMo computes what the reference implementation does, and reads its files safely."""

import json
import shutil

import h5py
import numpy as np
import pytest
import torch

from spacy_bertfamily import BertFamilyError
from spacy_bertfamily.embeddings.elmo import reader as reader_module
from spacy_bertfamily.embeddings.elmo.characters import character_ids
from spacy_bertfamily.embeddings.elmo.options import read_options
from spacy_bertfamily.embeddings.elmo.reader import ElmoReader, split_batches
from spacy_bertfamily.embeddings.elmo.weights import read_network, write_network

from ...util.elmo import FOLDER, read_outputs, read_rows

ROWS = read_rows()
SENTENCES = [sentence for row in ROWS for sentence in row]
CELL = "RNN_1/RNN/MultiRNNCell/Cell1/LSTMCell"


@pytest.fixture
def reader():
    options = read_options(FOLDER / "options.json")
    return ElmoReader(read_network(options, FOLDER / "lm_weights.hdf5"))


@pytest.fixture
def files(tmp_path):
    for name in ("options.json", "lm_weights.hdf5"):
        shutil.copy(FOLDER / name, tmp_path / name)
    return tmp_path / "options.json", tmp_path / "lm_weights.hdf5"


def distance(found, row, number):
    return np.abs(found[-1].numpy() - read_outputs(row)[number]).max()


def test_equals_the_reference_with_states_of_rows(reader):
    for number in range(10):
        found = reader.read_on([row[number] for row in ROWS])
        for row in range(3):
            assert distance(found[row], row, number) < 1.1e-6


def test_without_states_it_is_another_function(reader):
    found = reader.read([row[1] for row in ROWS])
    assert max(distance(found[row], row, 1) for row in range(3)) > 1


def test_a_row_that_is_not_in_a_batch_keeps_its_state(reader):
    for number in range(3):
        reader.read_on([row[number] for row in ROWS])
    reader.read_on([ROWS[0][3]])
    found = reader.read_on([ROWS[0][4], ROWS[1][3]])
    assert distance(found[0], 0, 4) < 1.1e-6
    assert distance(found[1], 1, 3) < 1.1e-6


def test_a_batch_without_rows_changes_no_state(reader):
    reader.read_on([ROWS[0][0]])
    assert reader.read_on([]) == reader.read([]) == []
    assert distance(reader.read_on([ROWS[0][1]])[0], 0, 1) < 1.1e-6


def test_a_sentence_does_not_depend_on_its_batch(reader, monkeypatch):
    together = reader.read(SENTENCES)
    monkeypatch.setattr(reader_module, "KEPT_WORDS", 10)
    monkeypatch.setattr(reader_module, "BATCH_WORDS", 100)
    for sentence, states in zip(SENTENCES, together):
        torch.testing.assert_close(reader.read([sentence])[0], states, atol=3e-6, rtol=0)
    for one, other in zip(reader.read(SENTENCES), together):
        torch.testing.assert_close(one, other, atol=3e-6, rtol=0)


def test_the_lowest_state_is_the_word_twice(reader):
    (states,) = reader.read([["bank", "of", "bank"]])
    lowest = states[0]
    assert torch.equal(lowest[0], lowest[2])
    assert torch.equal(lowest[:, :16], lowest[:, 16:])
    assert not torch.equal(states[1][0], states[1][2])


def test_batches_hold_each_sentence_once_and_are_bounded():
    lengths = [3, 3000, 1, 500, 500, 500, 500, 500, 7]
    batches = list(split_batches(lengths))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert batches[0] == [1]
    for batch in batches[1:]:
        assert len(batch) * lengths[batch[0]] <= reader_module.BATCH_WORDS


@pytest.mark.parametrize("word", ["a", "x" * 48, "x" * 500, "😀" * 30, "\ud800", "字"])
def test_any_word_has_fifty_characters(word, reader):
    ids = character_ids(word)
    assert len(ids) == 50
    assert ids[0] == 259
    assert 260 in ids
    assert torch.isfinite(reader.read([[word]])[0]).all()


def test_what_is_written_is_read_again(reader, tmp_path):
    write_network(reader.network, tmp_path / "weights.hdf5")
    again = read_network(reader.network.options, tmp_path / "weights.hdf5")
    for name, tensor in reader.network.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    with (
        h5py.File(tmp_path / "weights.hdf5") as ours,
        h5py.File(FOLDER / "lm_weights.hdf5") as theirs,
    ):
        assert np.array_equal(ours[f"{CELL}/W_0"], theirs[f"{CELL}/W_0"])
        assert np.array_equal(ours["CNN/W_cnn_4"], theirs["CNN/W_cnn_4"])


def test_loading_leaves_random_numbers_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    read_network(read_options(FOLDER / "options.json"), FOLDER / "lm_weights.hdf5")
    assert torch.equal(torch.rand(2), expected)


def test_options_are_written_as_they_are_read():
    given = json.loads((FOLDER / "options.json").read_text())
    assert read_options(FOLDER / "options.json").to_json() == given


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("lstm", "dim"), None, "'dim' is missing"),
        (("lstm", "dim"), "wide", "'wide' is no whole number"),
        (("lstm", "n_layers"), 2.7, "2.7 is no whole number"),
        (("lstm", "proj_clip"), -1, "-1 is no limit of values"),
        (("lstm", "use_skip_connections"), "no", "use_skip_connections is 'no'"),
        (("lstm", "n_layers"), 0, "n_layers is 0"),
        (("lstm", "projection_dim"), 10**9, "projection_dim is 1000000000"),
        (("char_cnn", "activation"), "selu", "activation is 'selu' instead of relu or tanh"),
        (("char_cnn", "n_characters"), 100, "n_characters is 100 instead of 262"),
        (("char_cnn", "max_characters_per_token"), 9, "max_characters_per_token is 9"),
        (("char_cnn", "filters"), [], "filters is empty"),
        (("char_cnn", "filters"), [[51, 4]], "a filter of width 51 does not fit 50"),
    ],
)
def test_options_that_describe_no_elmo_are_refused(files, path, value, message):
    content = json.loads(files[0].read_text())
    block, name = path
    if value is None:
        del content[block][name]
    else:
        content[block][name] = value
    files[0].write_text(json.dumps(content))
    with pytest.raises(BertFamilyError, match=message) as error:
        read_options(files[0])
    assert error.value.code == "B600"


@pytest.mark.parametrize("content", ["", "[]", '{"lstm": 3}', "\x00"])
def test_a_file_that_is_no_options_is_refused(files, content):
    files[0].write_text(content)
    with pytest.raises(BertFamilyError, match="does not describe an ELMo"):
        read_options(files[0])


@pytest.mark.parametrize(("block", "name"), [("lstm", "n_layers"), ("char_cnn", "n_highway")])
def test_options_with_fewer_layers_than_the_weights_are_refused(files, block, name):
    content = json.loads(files[0].read_text())
    content[block][name] = 1
    files[0].write_text(json.dumps(content))
    with pytest.raises(BertFamilyError, match="beside the arrays of the network") as error:
        read_network(read_options(files[0]), files[1])
    assert error.value.code == "B606"


def test_weights_that_are_not_finite_are_refused(files):
    with h5py.File(files[1], "r+") as file:
        file["CNN_proj/b_proj"][3] = np.nan
    with pytest.raises(BertFamilyError, match="CNN_proj/b_proj' has numbers that are not finite"):
        read_network(read_options(files[0]), files[1])


@pytest.mark.parametrize("keep", [0, 1000, 200_000])
def test_a_damaged_file_of_weights_is_refused(files, keep):
    files[1].write_bytes(files[1].read_bytes()[:keep])
    with pytest.raises(BertFamilyError, match="or is damaged") as error:
        read_network(read_options(files[0]), files[1])
    assert error.value.code == "B601"


def remove(file):
    del file["CNN_proj/b_proj"]


def replace_by_group(file):
    del file["CNN_proj/b_proj"]
    file.create_group("CNN_proj/b_proj")


def replace_by_text(file):
    del file["CNN_proj/b_proj"]
    file["CNN_proj/b_proj"] = ["a"] * 16


def replace_by_nothing(file):
    del file["CNN_proj/b_proj"]
    file["CNN_proj/b_proj"] = h5py.Empty("f4")


def declare_terabytes(file):
    del file["CNN_proj/b_proj"]
    file.create_dataset("CNN_proj/b_proj", shape=(10**13,), dtype="f4", chunks=(1000,))


def link_to_another_file(file):
    del file["CNN_proj/b_proj"]
    file["CNN_proj/b_proj"] = h5py.ExternalLink("other.hdf5", "secret")


@pytest.mark.parametrize(
    "change",
    [
        remove,
        replace_by_group,
        replace_by_text,
        replace_by_nothing,
        declare_terabytes,
        link_to_another_file,
    ],
)
def test_a_foreign_file_of_weights_is_refused(files, change):
    with h5py.File(files[1], "r+") as file:
        change(file)
    with pytest.raises(BertFamilyError, match="CNN_proj/b_proj"):
        read_network(read_options(files[0]), files[1])


@pytest.mark.parametrize(
    ("block", "name", "value", "key"),
    [
        ("lstm", "dim", 32, "W_0"),
        ("lstm", "projection_dim", 8, "W_proj"),
        ("char_cnn", "filters", [[1, 4]], "W_cnn_4"),
        ("char_cnn", "embedding", {"dim": 8}, "char_embed"),
    ],
)
def test_options_of_another_network_are_refused(files, block, name, value, key):
    content = json.loads(files[0].read_text())
    content[block][name] = value
    files[0].write_text(json.dumps(content))
    with pytest.raises(BertFamilyError, match=f"{key}.*not belong together"):
        read_network(read_options(files[0]), files[1])
