"""Tokenizers without an unknown piece: refused when they fail, and else characters are left out."""

import json
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.windows.cut import make_windows
from spacy_bertfamily.windows.lay_out import lay_out
from spacy_bertfamily.windows.pieces import PieceTokenizer

WORDS = ["[PAD]", "[CLS]", "[SEP]", "i", "like", "green", "eggs", "a"]
VOCABULARY = {word: i for i, word in enumerate(WORDS)}
SCORES = [(word, -1.0) for word in WORDS]
WITH_UNKNOWN = {**VOCABULARY, "[UNK]": 8}


@pytest.fixture
def load(tiny, tmp_path):
    """Load the tiny BERT with another vocabulary."""

    def load(model, **names):
        folder = Path(shutil.copytree(tiny, tmp_path / "backbone"))
        for file in ("vocab.txt", "special_tokens_map.json"):
            (folder / file).unlink(missing_ok=True)  # not all versions write all files
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.save(str(folder / "tokenizer.json"))
        settings = {"tokenizer_class": "PreTrainedTokenizerFast", **names}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        return load_backbone(str(folder))

    return load


@pytest.mark.parametrize(
    ("model", "names", "reason"),
    [
        (models.WordLevel(VOCABULARY), {}, "WordLevel.*Missing"),
        # a name that the tokenizer's settings give does not reach its model
        (models.WordLevel(VOCABULARY), {"unk_token": "[UNK]"}, "WordLevel.*Missing"),
        (models.WordLevel(VOCABULARY, unk_token="[UNK]"), {}, "WordLevel.*Missing"),
        (models.WordPiece(VOCABULARY), {}, "WordPiece.*Missing"),
        (models.Unigram(SCORES), {}, "unknown token.*unk_id"),
        (models.BPE({"a": 0}, [], unk_token="[UNK]"), {}, "not found"),
    ],
    ids=["words", "named elsewhere", "not in the vocabulary", "wordpieces", "unigram", "bpe"],
)
def test_tokenizers_that_fail_on_unknown_text_are_refused(load, model, names, reason):
    with pytest.raises(BertFamilyError, match=rf"B034.*fails on text.*{reason}.*unk_token"):
        load(model, **names)


@pytest.mark.parametrize(
    "model",
    [
        models.WordLevel(WITH_UNKNOWN, unk_token="[UNK]"),
        models.WordPiece(WITH_UNKNOWN, unk_token="[UNK]"),
        models.Unigram([*SCORES, ("[UNK]", -9.0)], unk_id=8),
    ],
    ids=["words", "wordpieces", "unigram"],
)
def test_tokenizers_with_an_unknown_piece_read_any_text(load, model):
    tokenizer = PieceTokenizer(load(model, unk_token="[UNK]").tokenizer)
    (pieces,) = tokenizer.split(["i like \U00010348"])
    assert pieces.ids.tolist() == [3, 4, 8]


@pytest.mark.parametrize(
    "names", [{}, {"unk_token": "[UNK]"}, {"unk_token": "[PAD]"}], ids=["", "named", "misnamed"]
)
@pytest.mark.parametrize(
    "model",
    [
        models.WordLevel(WITH_UNKNOWN, unk_token="[UNK]"),
        models.WordPiece(WITH_UNKNOWN, unk_token="[UNK]"),
        models.BPE({"i": 3, "[UNK]": 8}, [], unk_token="[UNK]"),
        models.Unigram([*SCORES, ("[UNK]", -9.0)], unk_id=8),
    ],
    ids=["words", "wordpieces", "bpe", "unigram"],
)
def test_the_model_of_a_tokenizer_decides_which_piece_is_unknown(load, model, names):
    """The settings beside tokenizer.json may name no piece, or another."""
    tokenizer = PieceTokenizer(load(model, **names).tokenizer)
    (pieces,) = tokenizer.split(["i \U00010348"])
    layout = lay_out(pieces, tokenizer, max_pieces=32, stride=8).layout
    assert pieces.ids.tolist() == [3, 8]
    assert layout.known.tolist() == [True, False]


def test_all_is_known_without_an_unknown_piece(load):
    tokenizer = PieceTokenizer(load(models.BPE({"i": 0}, [])).tokenizer)
    (pieces,) = tokenizer.split(["i i \U00010348"])
    layout = lay_out(pieces, tokenizer, max_pieces=32, stride=8).layout
    assert layout.known.tolist() == [True, True]


def test_characters_that_a_vocabulary_leaves_out_get_no_piece(load):
    """BPE without an unknown piece: a text of nothing else still makes a window."""
    model = models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")])
    tokenizer = PieceTokenizer(load(model).tokenizer)
    some, none = tokenizer.split(["ab \U00010348 b", "\U00010348 \U00010348"])
    assert some.ids.tolist() == [2, 1]
    assert list(zip(some.starts.tolist(), some.ends.tolist())) == [(0, 2), (5, 6)]
    assert len(none) == 0
    (window,) = make_windows(none, tokenizer, max_pieces=32, stride=8)
    assert len(window) == 1
    assert window.pieces.tolist() == [-1]


def test_letters_around_those_that_a_vocabulary_leaves_out_keep_their_places(load):
    """The tokenizer itself says that they are the first ones of the word."""
    model = models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")])
    (pieces,) = PieceTokenizer(load(model).tokenizer).split(["xxab ayyb"])
    claimed = ["xxab ayyb"[start:end] for start, end in zip(pieces.starts, pieces.ends)]
    assert claimed == ["ab", "ayyb"]
