"""Guesses are those of transformers' own pipeline."""

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    FillMaskPipeline,
)

from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.pretraining.fill_mask import fill_mask
from spacy_bertfamily.pretraining.masked_lm import head_of, predict_pieces
from spacy_bertfamily.pretraining.new_backbone import new_backbone
from spacy_bertfamily.pretraining.save_backbone import save_backbone

from ..util.pretraining import RAW_TEXTS, load_pretraining, pretrain_tiny

TEXTS = ["The dog likes [MASK] eggs.", "[MASK] wrote to [MASK]"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Make new backbones, each once."""
    folders = {}

    def get(model_type):
        if model_type not in folders:
            folder = tmp_path_factory.mktemp("new") / model_type
            size = {"layers": 2, "width": 32, "heads": 4, "vocab_size": 350, "max_pieces": 32}
            with pytest.warns(UserWarning, match=r"\[W410\]"):
                folders[model_type] = new_backbone(folder, RAW_TEXTS, model_type=model_type, **size)
        return folders[model_type]

    return get


def guesses_of_transformers(folder, text, top):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    found = FillMaskPipeline(model=model, tokenizer=tokenizer, device="cpu")(
        text.replace("[MASK]", tokenizer.mask_token), top_k=top
    )
    rows = found if isinstance(found[0], list) else [found]
    return [[(guess["token_str"], guess["score"]) for guess in row] for row in rows]


def assert_equal(found, expected):
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected):
        assert [piece for piece, _ in ours] == [piece for piece, _ in theirs]
        assert [chance for _, chance in ours] == pytest.approx(
            [chance for _, chance in theirs], abs=1e-5
        )


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("model_type", ["bert", "roberta", "albert", "electra", "distilbert"])
def test_guesses_equal_those_of_transformers(model_type, text, made):
    folder = made(model_type)
    found = fill_mask(folder, text, top=7)
    assert len(found) == text.count("[MASK]")
    assert_equal(found, guesses_of_transformers(folder, text, 7))
    mask = AutoTokenizer.from_pretrained(folder).mask_token
    assert_equal(found, fill_mask(str(folder), text.replace("[MASK]", mask), top=7))


def test_weights_of_a_pretraining_guess_as_the_folder_that_they_are_saved_to(made, tmp_path):
    settings = {"trainable": ["all"], "adapter": None}
    file = pretrain_tiny(str(made("bert")), tmp_path, **settings)
    save_backbone(file, tmp_path / "saved")
    found = fill_mask(file, TEXTS[0])
    assert len(found[0]) == 5
    assert_equal(found, guesses_of_transformers(tmp_path / "saved", TEXTS[0], 5))


def guesses_of_pretraining(transformer, text, top):
    """RETURNS (list): What the model of `spacy pretrain` guesses of a text without a Doc."""
    shim, tokenizer = transformer.shim, transformer.shim.tokenizer.tokenizer
    encoder = shim.encoder
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        states = encoder(ids, torch.ones_like(ids), torch.zeros_like(ids), [encoder.depth])
        masked = states[encoder.depth][0][ids[0] == tokenizer.mask_token_id]
        best = predict_pieces(encoder, head_of(encoder), masked).softmax(1).topk(top)
    rows = zip(best.indices.tolist(), best.values.tolist())
    return [[(tokenizer.decode([p]), c) for p, c in zip(*row)] for row in rows]


@pytest.mark.parametrize("trainable", [["adapter"], ["adapter", "layer_norm"]])
@pytest.mark.parametrize(
    "adapter",
    [
        {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 4},
        {"@adapters": "spacy-bertfamily.LoRA.v1", "rank": 4},
        {"@adapters": "spacy-bertfamily.PrefixTuning.v2", "num_virtual_tokens": 3},
    ],
    ids=lambda adapter: adapter["@adapters"],
)
def test_weights_with_a_domain_adapter_guess_with_it(made, trainable, adapter, tmp_path):
    settings = {"trainable": trainable, "adapter": adapter, "max_pieces": 24}
    file = pretrain_tiny(made("bert"), tmp_path, **settings)
    transformer = load_pretraining(file, backbone=made("bert"), **settings)
    found = fill_mask(file, TEXTS[1], top=7)
    assert_equal(found, guesses_of_pretraining(transformer, TEXTS[1], 7))
    transformer.shim.encoder.set_adapter(None)
    (bare, _) = guesses_of_pretraining(transformer, TEXTS[1], 7)
    assert [chance for _, chance in bare] != pytest.approx([c for _, c in found[0]], abs=1e-5)


def test_windows_are_shorter_by_the_places_of_an_adapter(made, tmp_path):
    adapter = {"@adapters": "spacy-bertfamily.PrefixTuning.v2", "num_virtual_tokens": 10}
    file = pretrain_tiny(
        made("bert"), tmp_path, trainable=["adapter"], adapter=adapter, max_pieces=20
    )
    with pytest.raises(BertFamilyError, match=r"\[B402\] .* at most 22 pieces"):
        fill_mask(file, "[MASK]" + " dog" * 22)


def test_no_more_guesses_than_pieces_and_they_are_probabilities(made):
    (guesses,) = fill_mask(made("bert"), TEXTS[0], top=10_000)
    assert len(guesses) == len(AutoTokenizer.from_pretrained(made("bert")))
    assert sum(chance for _, chance in guesses) == pytest.approx(1, abs=1e-4)


def test_random_numbers_are_not_touched(made):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    fill_mask(made("bert"), TEXTS[0])
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("No mask", {}, r"\[B418\] There is no mask in the text 'No mask'. Write \[MASK\], or '<m"),
        ("", {}, r"\[B418\] "),
        (TEXTS[0], {"top": 0}, r"\[B402\] top = 0 is not allowed"),
        ("[MASK]" + " dog" * 40, {}, r"\[B402\] text = .* at most 32 pieces, while this one has"),
    ],
)
def test_texts_that_cannot_be_filled_are_refused(text, settings, message, made):
    with pytest.raises(BertFamilyError, match=message):
        fill_mask(made("roberta"), text, **settings)


def test_a_backbone_without_a_head_is_refused(tiny, backbones, make_tagger):
    with pytest.raises(BertFamilyError, match=r"\[B419\] .* no whole head that predicts pieces"):
        fill_mask(tiny, TEXTS[0])
    with pytest.raises(BertFamilyError, match=r"\[B400\] A backbone of type 'gpt2'"):
        fill_mask(backbones("gpt2"), TEXTS[0])


def test_a_part_of_a_head_is_not_enough(tiny_copy):
    model = BertForMaskedLM(BertConfig.from_pretrained(tiny_copy))
    tensors = {k: v for k, v in model.state_dict().items() if "transform" not in k}
    model.save_pretrained(tiny_copy, state_dict=tensors)
    with pytest.raises(BertFamilyError, match=r"\[B419\] "):
        fill_mask(tiny_copy, TEXTS[0])
