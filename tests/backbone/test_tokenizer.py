"""Tokenizers that give wrong characters for their pieces are mended or refused when loading."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import spacy

from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.windows import offset_check
from spacy_bertfamily.windows.pieces import PieceTokenizer, encode_texts

from ..util.pipelines import add_transformer
from ..util.tokenizers import split_before_bytes

TEXT = "i like small dogs, who ate 19 green eggs"


@pytest.fixture
def roberta_copy(backbones, tmp_path):
    return Path(shutil.copytree(backbones("roberta"), tmp_path / "backbone"))


def covered_text(folder):
    """RETURNS (str): The text, with a space for each character that no piece has."""
    (pieces,) = PieceTokenizer(load_backbone(str(folder)).tokenizer).split([TEXT])
    covered = {i for start, end in zip(pieces.starts, pieces.ends) for i in range(start, end)}
    return "".join(char if i in covered else " " for i, char in enumerate(TEXT))


@pytest.mark.parametrize("before", ["Whitespace", "WhitespaceSplit", "BertPreTokenizer"])
def test_pieces_behind_another_pre_tokenizer_keep_their_first_letter(roberta_copy, before):
    """RobBERT's tokenizer gave 'ogs' for 'dogs'."""
    split_before_bytes(roberta_copy, before)
    assert covered_text(roberta_copy) == TEXT


def test_tokens_get_the_pieces_of_all_their_letters(roberta_copy):
    split_before_bytes(roberta_copy, "Whitespace")
    nlp = spacy.blank("en")
    add_transformer(nlp, str(roberta_copy))
    nlp.initialize()
    doc = nlp("a b c d")
    assert doc._.trf_data.align.lengths.tolist() == [2, 2, 2, 2]  # the mark of a word, the letter


def test_other_tokenizers_are_left_as_they_are(backbones):
    """RoBERTa's leaves out the space before a word."""
    (pieces,) = PieceTokenizer(load_backbone(backbones("roberta")).tokenizer).split([TEXT])
    claimed = [TEXT[start:end] for start, end in zip(pieces.starts, pieces.ends)]
    assert not any(char.isspace() for text in claimed for char in text)
    assert covered_text(backbones("roberta")) == TEXT


def test_a_tokenizer_that_cannot_be_mended_is_refused(tiny_copy, monkeypatch):
    def encode_shifted(tokenizer, texts):
        encoded = encode_texts(tokenizer, texts)
        return [(ids, np.minimum(offsets + 1, len(t))) for t, (ids, offsets) in zip(texts, encoded)]

    monkeypatch.setattr(offset_check, "encode_texts", encode_shifted)
    with pytest.raises(BertFamilyError, match=r"B036.*wrong characters.*another tokenizer\.json"):
        load_backbone(str(tiny_copy))
