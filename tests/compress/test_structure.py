"""Backbones with fewer layers and feed-forward units."""

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForMaskedLM
from typer.testing import CliRunner

from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.cli import bertfamily_cli
from spacy_bertfamily.compress.feed_forward import (
    find_feed_forward,
    measure_importance,
    multiplied,
)
from spacy_bertfamily.compress.prune import prune_structure
from spacy_bertfamily.pretraining.new_backbone import new_backbone
from spacy_bertfamily.transformer.text_vectors import cut_texts, load_bare

from ..util.pipelines import TEXT

TYPES = ["bert", "roberta", "electra", "mpnet", "distilbert", "albert", "bart", "xlnet", "llama"]
OTHER = "Numbers: 1,234 zebras quizzed some foxes, jumping"
TEXTS = [TEXT, "I like green eggs", "who wrote it in 1920?"]


def states(folder):
    """RETURNS (list[np.ndarray]): Hidden states of a text by layer."""
    schedule = load_bare(str(folder)).schedule
    windows = [window for _, window in cut_texts(schedule, [TEXT])]
    found = schedule.run_together(windows, range(schedule.encoder.depth + 1))
    return [found[layer].numpy() for layer in sorted(found)]


@pytest.mark.parametrize("model_type", TYPES)
def test_the_lowest_layers_compute_as_before(model_type, backbones, tmp_path):
    whole = backbones(model_type)
    depth = len(states(whole)) - 1
    pruned = prune_structure(whole, tmp_path / "small", layers=depth - 1)
    assert pruned.numbers_after < pruned.numbers_before or model_type == "albert"
    before, after = states(whole), states(tmp_path / "small")
    assert len(after) == depth
    # the last state has a norm of its own in types that normalise first
    for layer in range(depth - 1):
        assert np.array_equal(before[layer], after[layer])


def test_chosen_layers_stand_in_their_order(tmp_path, masked_bert):
    prune_structure(masked_bert, tmp_path / "small", layers=[1, 3])
    whole, small = (
        AutoModelForMaskedLM.from_pretrained(f) for f in (masked_bert, tmp_path / "small")
    )
    assert small.config.num_hidden_layers == 2
    for new, old in enumerate([0, 2]):
        for name, tensor in small.bert.encoder.layer[new].state_dict().items():
            assert torch.equal(tensor, whole.bert.encoder.layer[old].state_dict()[name])
    for name, tensor in small.cls.state_dict().items():  # the head goes along
        assert torch.equal(tensor, whole.cls.state_dict()[name])


@pytest.fixture(scope="module")
def masked_bert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("masked") / "bert"
    return str(new_backbone(folder, [*TEXTS, OTHER], layers=3, width=32, heads=2, vocab_size=130))


@pytest.mark.parametrize("model_type", ["bert", "mpnet", "distilbert", "albert", "bart", "llama"])
def test_units_that_do_nothing_are_left_out(model_type, backbones, tmp_path):
    """Where half of the units feed nothing, the other half computes the same."""
    source = tmp_path / "source"
    shared = load_backbone(backbones(model_type))
    model = AutoModel.from_pretrained(shared.folder)
    encoder = model.get_submodule(shared.prefix.rstrip(".")) if shared.prefix else model
    _, layers = find_feed_forward(shared)
    generator = torch.Generator().manual_seed(0)
    for layer in layers:
        weight = encoder.get_submodule(layer.out).weight
        units = weight.shape[1]
        silent = torch.randperm(units, generator=generator)[: units // 2]
        weight.data[:, silent] = 0
    model.save_pretrained(source)
    for name, content in shared.tokenizer_files.items():
        (source / name).write_bytes(content)
    pruned = prune_structure(source, tmp_path / "small", TEXTS, ffn=0.5)
    assert pruned.numbers_after < pruned.numbers_before
    for before, after in zip(states(source), states(tmp_path / "small"), strict=True):
        assert np.allclose(before, after, atol=1e-5)


def test_importance_is_the_change_of_the_output(masked_bert):
    """A factor of nearly 1 changes the output by as much as the importance says."""
    shared = load_backbone(masked_bert)
    _, layers = find_feed_forward(shared)
    importance = measure_importance(masked_bert, [layer.out for layer in layers], TEXTS * 40)
    module = shared.model.get_submodule(layers[0].out)
    changes = []
    for unit in range(importance.shape[1]):
        factor = torch.ones(1, 1, importance.shape[1])
        factor[..., unit] = 0.99
        change = 0.0
        for text in TEXTS:
            inputs = shared.tokenizer(text, return_tensors="pt")
            with torch.no_grad():
                before = shared.model(**inputs).last_hidden_state
                with multiplied([module], [factor]):
                    after = shared.model(**inputs).last_hidden_state
            change += float(((after - before) / 0.01).square().sum())
        changes.append(change)
    correlation = np.corrcoef(changes, importance[0].numpy())[0, 1]
    assert correlation > 0.95


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": 0}, "B402.*layers = 0.*1 to 3"),
        ({"layers": [1, 4]}, "B402.*1 to 3"),
        ({"layers": [2, 1]}, "B402.*rising"),
        ({"ffn": 1.0}, "B402.*ffn = 1.0.*below 1"),
        ({"ffn": 0.5, "texts": [" "]}, "B702"),
    ],
)
def test_wrong_settings_are_an_error(masked_bert, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        prune_structure(masked_bert, tmp_path / "small", **settings)
    assert not (tmp_path / "small").exists()


def test_pipelines_and_other_types_are_an_error(backbones, tmp_path):
    with pytest.raises(ValueError, match="B708.*en_minilm_qa.*train on that again"):
        prune_structure("en_minilm_qa", tmp_path / "small", layers=3)
    with pytest.raises(ValueError, match="B706.*funnel"):
        prune_structure(backbones("funnel"), tmp_path / "small", layers=1)
    with pytest.raises(ValueError, match="B707.*t5"):
        prune_structure(backbones("t5"), tmp_path / "small", TEXTS, ffn=0.5)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(ValueError, match="B414"):
        prune_structure(backbones("bert"), tmp_path / "full", layers=1)


def test_the_command_leaves_out_layers_units_and_pieces(masked_bert, tmp_path):
    texts = tmp_path / "raw.txt"
    texts.write_text("\n".join(TEXTS))
    assert len(load_backbone(masked_bert).tokenizer) != 50  # as many as the setting top_k has
    args = [masked_bert, str(tmp_path / "small"), "--text", str(texts), "--layers", "1,3"]
    args += ["--ffn", "0.5", "--coverage", "0.9"]
    result = CliRunner().invoke(bertfamily_cli, ["compress", "prune", *args])
    assert result.exit_code == 0, result.output
    small, whole = load_backbone(str(tmp_path / "small")), load_backbone(masked_bert)
    assert small.config.num_hidden_layers == 2
    assert small.config.intermediate_size == whole.config.intermediate_size // 2
    assert len(small.tokenizer) < len(whole.tokenizer)
    args = [masked_bert, str(tmp_path / "lowest"), "--layers", "2"]
    result = CliRunner().invoke(bertfamily_cli, ["compress", "prune", *args])
    assert result.exit_code == 0, result.output
    lowest = load_backbone(str(tmp_path / "lowest"))
    assert lowest.config.num_hidden_layers == 2
    assert len(lowest.tokenizer) == len(whole.tokenizer)
    args = [masked_bert, str(tmp_path / "none"), "--layers", "two"]
    result = CliRunner().invoke(bertfamily_cli, ["compress", "prune", *args])
    assert result.exit_code == 1
    assert "B402" in result.output
