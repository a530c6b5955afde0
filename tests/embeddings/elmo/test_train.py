"""A small ELMo is trained on raw text."""

import math

import pytest
import torch
from torch.nn import functional
from typer.testing import CliRunner

from spacy_bertfamily import BertFamilyError
from spacy_bertfamily.cli import bertfamily_cli
from spacy_bertfamily.embeddings.elmo import train as train_module
from spacy_bertfamily.embeddings.elmo.language_model import SampledSoftmax
from spacy_bertfamily.embeddings.elmo.options import read_options
from spacy_bertfamily.embeddings.elmo.reader import ElmoReader
from spacy_bertfamily.embeddings.elmo.train import ElmoTraining, make_vocabulary, new_elmo
from spacy_bertfamily.embeddings.elmo.weights import read_network

TEXT = [["the", "dog", "saw", "a", "cat"], ["a", "cat", "saw", "the", "dog", "."]] * 20
SMALL = {"width": 16, "cell_dim": 24}


def test_the_sampled_loss_estimates_that_of_all_words():
    torch.manual_seed(0)
    softmax = SampledSoftmax(8, 500, 250)
    states, targets = torch.randn(40, 8), torch.randint(0, 500, (40,))
    exact = functional.cross_entropy(softmax.output(states), targets)
    with torch.no_grad():
        estimate = torch.stack([softmax(states, targets) for _ in range(200)]).mean()
        exact = exact.detach()
        assert float(softmax.eval()(states, targets)) == pytest.approx(float(exact), abs=1e-5)
    assert float(estimate) == pytest.approx(float(exact), abs=0.05)


def test_the_sampled_gradient_estimates_that_of_all_words():
    torch.manual_seed(0)
    softmax = SampledSoftmax(8, 300, 200)
    states, targets = torch.randn(30, 8, requires_grad=True), torch.randint(0, 300, (30,))
    (exact,) = torch.autograd.grad(
        functional.cross_entropy(softmax.output(states), targets), states
    )
    drawn = [torch.autograd.grad(softmax(states, targets), states)[0] for _ in range(300)]
    estimate = torch.stack(drawn).mean(0)
    assert float((estimate - exact).norm() / exact.norm()) < 0.1


def test_it_learns_and_is_read_as_any_other(tmp_path):
    training = ElmoTraining(epochs=60, learn_rate=0.01, dropout=0.0)
    result = new_elmo(tmp_path, TEXT, **SMALL, training=training, held_out=TEXT[:2])
    # two sentences of seven different words: by chance the perplexity is that of the words
    assert result["perplexity"] < 2.5
    assert result["words"] == 60 * sum(map(len, TEXT))
    network = read_network(read_options(tmp_path / "options.json"), tmp_path / "weights.hdf5")
    (states,) = ElmoReader(network).read([["the", "unseen", "cat"]])
    assert states.shape == (3, 3, 16)


def test_the_same_seed_gives_the_same_weights(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    found = []
    for name in ("a", "b"):
        new_elmo(tmp_path / name, TEXT, **SMALL, training=ElmoTraining(epochs=1))
        options = read_options(tmp_path / name / "options.json")
        found.append(read_network(options, tmp_path / name / "weights.hdf5").state_dict())
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert torch.equal(torch.rand(1), expected)


def test_the_vocabulary_is_that_of_frequent_words():
    vocabulary = make_vocabulary([["a", "b", "a"], ["c", "a", "b"]], 5)
    assert list(vocabulary)[3:] == ["a", "b"]


def test_without_text_it_is_refused(tmp_path):
    with pytest.raises(BertFamilyError, match="no words to train an ELMo on"):
        new_elmo(tmp_path / "elmo", [])
    assert not (tmp_path / "elmo").exists()


@pytest.mark.parametrize(
    ("sizes", "name"),
    [
        ({"width": 7}, "width = 7"),
        ({"width": 0}, "width = 0"),
        ({"cell_dim": 10**6}, "cell_dim = 1000000"),
        ({"layers": 0}, "layers = 0"),
    ],
)
def test_sizes_that_no_elmo_has_are_refused(sizes, name, tmp_path):
    with pytest.raises(BertFamilyError, match=f"{name} is not allowed"):
        new_elmo(tmp_path / "elmo", TEXT, **sizes)
    assert not (tmp_path / "elmo").exists()


@pytest.mark.parametrize(
    "setting",
    [
        {"epochs": 0},
        {"minutes": 0},
        {"minutes": -1.0},
        {"minutes": math.nan},
        {"vocab_size": 3},
        {"n_samples": 0},
        {"learn_rate": 0.0},
        {"dropout": 1.0},
    ],
)
def test_settings_of_the_training_are_checked(setting):
    ((name, value),) = setting.items()
    with pytest.raises(BertFamilyError, match=f"{name} = {value} is not allowed"):
        ElmoTraining(**setting)


@pytest.mark.parametrize("blank", ["\n", "\n  \n\t\n", ""])
def test_blank_text_is_none(blank, tmp_path):
    (tmp_path / "raw.txt").write_text(blank)
    arguments = ["new-elmo", str(tmp_path / "elmo"), "--text", str(tmp_path / "raw.txt")]
    result = CliRunner().invoke(bertfamily_cli, [*arguments, "--width", "8", "--cell", "8"])
    assert result.exit_code == 1
    assert "B605" in result.output


def test_the_command_trains_one(tmp_path):
    (tmp_path / "raw.txt").write_text("The dog saw a cat.\n\n" + "word " * 450 + "\nA cat 😀.\n")
    arguments = ["new-elmo", str(tmp_path / "elmo"), "--text", str(tmp_path / "raw.txt")]
    arguments += ["--dev", str(tmp_path / "raw.txt"), "--width", "8", "--cell", "8", "-e", "1"]
    result = CliRunner().invoke(bertfamily_cli, arguments)
    assert result.exit_code == 0, result.output
    assert "Perplexity of the held-out text" in result.output
    assert (tmp_path / "elmo" / "weights.hdf5").is_file()
    (tmp_path / "raw.txt").write_text("\n")
    arguments.append("--force")
    result = CliRunner().invoke(bertfamily_cli, arguments)
    assert result.exit_code == 1
    assert "B605" in result.output


def test_an_elmo_in_the_folder_stays_unless_it_is_to_be_replaced(tmp_path, monkeypatch):
    once = ElmoTraining(epochs=1)
    new_elmo(tmp_path, TEXT, **SMALL, training=once)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(BertFamilyError, match="a folder that is not empty") as error:
        new_elmo(tmp_path, TEXT, **SMALL, training=once)
    assert error.value.code == "B414"
    with monkeypatch.context() as patch:
        patch.setattr(train_module, "_step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            new_elmo(tmp_path, TEXT, width=32, cell_dim=8, training=once, force=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    new_elmo(tmp_path, TEXT, width=32, cell_dim=8, training=once, force=True)
    assert read_options(tmp_path / "options.json").width == 32


def interrupt(*args):
    raise KeyboardInterrupt


def test_minutes_end_the_training(tmp_path):
    training = ElmoTraining(epochs=10_000, minutes=0.005)
    result = new_elmo(tmp_path, TEXT, **SMALL, training=training)
    assert 0 < result["words"] < 10_000
    assert not math.isnan(result["loss"])
