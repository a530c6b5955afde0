"""Split texts into pieces, with the character offsets of each."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from spacy.tokens import Doc
from tokenizers.models import Unigram
from transformers import PreTrainedTokenizerBase

from ..annotation.segments import Bounds, segment_bounds
from .offsets import tokenize_slowly
from .template import Template, split_all

# A cuneiform sign, which hardly a vocabulary has.
UNKNOWN_CHARACTER = "\U0001202d"
# The ids of a text's pieces, `(pieces,)`, and their starts and ends in it, `(pieces, 2)`.
Encoded = tuple[np.ndarray, np.ndarray]


# The attribute of tokenizers whose own offsets are wrong.
ALIGNED = "pieces_are_aligned_with_texts"


@dataclass(frozen=True)
class Pieces:
    """One Doc in pieces, without special ones.

    ids (np.ndarray): The piece ids, `(pieces,)`; the first segment's, then the second's.
    starts, ends (np.ndarray): Character offsets in `doc.text`, `(pieces,)`.
    n_first (int | None): The number of pieces of the first segment, None for a Doc that is one
        text.
    segments (tuple[tuple[int, int], ...]): Start and end of each text in `doc.text`.
    """

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    n_first: int | None = None
    segments: tuple[Bounds, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


def pair_pieces(first: Pieces, second: Pieces) -> Pieces:
    """Put two texts together, each of which keeps its own character offsets.

    first (Pieces): The first text.
    second (Pieces): The second text.
    RETURNS (Pieces): Both, as the backbone reads a pair.
    """
    return Pieces(
        np.concatenate([first.ids, second.ids]),
        np.concatenate([first.starts, second.starts]),
        np.concatenate([first.ends, second.ends]),
        len(first),
    )


def encode_texts(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[Encoded]:
    """Split texts into pieces without special ones, whatever the texts contain.

    Characters for which the vocabulary has no piece, not even an unknown one, get none.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    texts (list[str]): The texts.
    RETURNS (list[tuple[np.ndarray, np.ndarray]]): For each text, the piece ids, `(pieces,)`, and
        their starts and ends in it, `(pieces, 2)`.
    """
    if not texts:
        return []
    if not tokenizer.is_fast or getattr(tokenizer, ALIGNED, False):
        return [tokenize_slowly(tokenizer, text) for text in texts]
    # without transformers' own call, whose options not all tokenizers accept
    backend = split_all(tokenizer)
    encoded = []
    for encoding in backend.encode_batch(texts, add_special_tokens=False):
        ids = np.asarray(encoding.ids, dtype="int64")
        offsets = np.asarray(encoding.offsets, dtype="int64").reshape(-1, 2)
        encoded.append((ids, offsets))
    return encoded


def find_unknown_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """Find the piece that stands for text which the vocabulary lacks.

    A fast tokenizer's own model decides: the settings beside it need not name the piece, or may
    name another.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    RETURNS (int): The piece's id; -1 if there is none.
    """
    unknown_id: int | None = tokenizer.unk_token_id
    if tokenizer.is_fast:
        model = tokenizer.backend_tokenizer.model
        if isinstance(model, Unigram):
            unknown_id = _find_unigram_unknown_id(model, unknown_id)
        elif model.unk_token is not None:
            unknown_id = model.token_to_id(model.unk_token)
    return -1 if unknown_id is None else unknown_id


def _find_unigram_unknown_id(model: Unigram, default: int | None) -> int | None:
    """Find the unknown piece of a model that does not say which one it is.

    It returns unknown text together with the id of that piece.

    model (Unigram): The model.
    default (int | None): Is returned if the model knows every text.
    RETURNS (int | None): The piece's id.
    """
    with suppress(Exception):  # without an unknown piece, of no narrower kind
        for token in model.tokenize(UNKNOWN_CHARACTER):
            if model.id_to_token(token.id) != token.value:
                return int(token.id)
    return default


class PieceTokenizer:
    """A backbone's tokenizer, as the encoder needs it: user text never becomes a special piece.

    tokenizer (PreTrainedTokenizerBase): Its tokenizer.
    causal (bool): Whether the backbone's pieces see only those before them.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, causal: bool = False):
        self.tokenizer = tokenizer
        self.causal = causal
        self.single = Template.from_tokenizer(tokenizer, "a")
        self.pair = Template.from_tokenizer(tokenizer, "a", "a")
        self.pad_id = tokenizer.pad_token_id or 0
        # looked up once, since a tokenizer is slow to look them up
        self.unknown_id = find_unknown_id(tokenizer)
        self.classifying_id = tokenizer.cls_token_id
        # for a window that would otherwise be empty
        self.filler = self.pad_id if tokenizer.eos_token_id is None else tokenizer.eos_token_id
        vocabulary = tokenizer.get_vocab()
        self.strings = [""] * (max(vocabulary.values()) + 1)
        for string, piece in vocabulary.items():
            self.strings[piece] = string

    def __call__(self, docs: Sequence[Doc], separator: str | None) -> list[Pieces]:
        """Split Docs into pieces, all texts in one call of the tokenizer.

        docs (Sequence[Doc]): The Docs.
        separator (str | None): Separates two texts of a Doc.
        RETURNS (list[Pieces]): One for each Doc.
        """
        bounds: list[tuple[Bounds, ...]] = []
        texts: list[str] = []
        for doc in docs:
            text = doc.text
            segments = segment_bounds(doc, separator) or ((0, len(text)),)
            bounds.append(segments)
            texts.extend(text[start:end] for start, end in segments)
        encoded = iter(encode_texts(self.tokenizer, texts))
        return [_make_pieces([next(encoded) for _ in segments], segments) for segments in bounds]

    def split(self, texts: Sequence[str]) -> list[Pieces]:
        """Split plain texts into pieces.

        texts (Sequence[str]): The texts. No tokenizer can read lone surrogates.
        RETURNS (list[Pieces]): One for each text.
        """
        encoded = encode_texts(self.tokenizer, list(texts))
        return [_make_pieces([e], ((0, len(text)),)) for text, e in zip(texts, encoded)]

    def cls_index(self, ids: np.ndarray, special: np.ndarray) -> int:
        """Find the piece that represents a sequence, as [CLS] does in BERT.

        ids (np.ndarray): The sequence, `(length,)`, at least one piece.
        special (np.ndarray): Which of them are special, boolean, `(length,)`.
        RETURNS (int): The position of the classification piece. Where there is none, that of a
            special piece at the beginning, or else of the last special one, or else of the last
            one; in a causal backbone of the last one, since only that has seen the others.
        """
        if self.causal:
            return len(ids) - 1
        positions = np.flatnonzero(special)
        classifying = positions[ids[positions] == self.classifying_id]
        if len(classifying):
            return int(classifying[0])
        if special[0]:
            return 0
        if len(positions):
            return int(positions[-1])
        return len(ids) - 1


def _make_pieces(encoded: list[Encoded], segments: tuple[Bounds, ...]) -> Pieces:
    """Put the texts of a Doc together, with offsets that count from the Doc's start."""
    ids = np.concatenate([ids for ids, _ in encoded])
    offsets = np.concatenate(
        [offsets + start for (_, offsets), (start, _) in zip(encoded, segments)]
    )
    n_first = len(encoded[0][0]) if len(encoded) == 2 else None
    return Pieces(ids, offsets[:, 0], offsets[:, 1], n_first, segments)
