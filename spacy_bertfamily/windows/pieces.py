"""From text to wordpieces, with the place of each in the text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from spacy.tokens import Doc
from transformers import PreTrainedTokenizerBase

from ..annotation.segments import Bounds, segment_bounds
from .offsets import tokenize_slowly


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


@dataclass(frozen=True)
class Template:
    """The special pieces of a backbone: what it puts before, between and after one or two texts.

    special (tuple[tuple[int, ...], ...]): Piece ids; one text has two places for them, two texts
        three.
    special_types (tuple[tuple[int, ...], ...]): Their token type ids.
    text_types (tuple[int, ...]): The token type id of each text.
    """

    special: tuple[tuple[int, ...], ...]
    special_types: tuple[tuple[int, ...], ...]
    text_types: tuple[int, ...]

    @classmethod
    def learn(cls, tokenizer: PreTrainedTokenizerBase, *probes: str) -> "Template":
        """Read the template off what the tokenizer makes of a text, or of two."""
        special: list[list[int]] = [[] for _ in range(len(probes) + 1)]
        types: list[list[int]] = [[] for _ in range(len(probes) + 1)]
        text_types = [0] * len(probes)
        place = 0
        for piece, type_id, text in _probe(tokenizer, probes):
            if text is None:
                special[place].append(piece)
                types[place].append(type_id)
            else:
                place, text_types[text] = text + 1, type_id
        return cls(tuple(map(tuple, special)), tuple(map(tuple, types)), tuple(text_types))

    @property
    def n_special(self) -> int:
        return sum(map(len, self.special))


def _probe(
    tokenizer: PreTrainedTokenizerBase, probes: Sequence[str]
) -> Iterable[tuple[int, int, int | None]]:
    """RETURNS (Iterable[tuple[int, int, int | None]]): For each piece that a tokenizer makes of one
    or two texts its id, its token type id, and the number of its text; None for a special piece.
    """
    if tokenizer.is_fast:
        # as all texts are split: to change this of a tokenizer fails while another thread uses it
        options = {
            "add_special_tokens": True,
            "split_special_tokens": True,
            "truncation": False,
            "padding": False,
        }
        encoding = tokenizer(*probes, **options).encodings[0]
        return zip(encoding.ids, encoding.type_ids, encoding.sequence_ids)
    texts = [[-1], [-2]][: len(probes)]  # no ids of pieces
    ids = tokenizer.build_inputs_with_special_tokens(*texts)
    return zip(
        ids,
        tokenizer.create_token_type_ids_from_sequences(*texts),
        [-i - 1 if i < 0 else None for i in ids],
    )


class PieceTokenizer:
    """A backbone's tokenizer, as the encoder needs it: user text never becomes a special piece.

    tokenizer (PreTrainedTokenizerBase): Its tokenizer.
    causal (bool): Whether the backbone's pieces see only those before them.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, causal: bool = False):
        self.tokenizer = tokenizer
        self.causal = causal
        self.single = Template.learn(tokenizer, "a")
        self.pair = Template.learn(tokenizer, "a", "a")
        self.pad_id = tokenizer.pad_token_id or 0
        self.unknown_id, self.classifying_id = (
            tokenizer.unk_token_id,
            tokenizer.cls_token_id,
        )  # slow to look up
        self.filler = self.pad_id if tokenizer.eos_token_id is None else tokenizer.eos_token_id
        vocabulary = tokenizer.get_vocab()
        self.strings = [""] * (max(vocabulary.values()) + 1)
        for string, piece in vocabulary.items():
            self.strings[piece] = string

    def __call__(self, docs: Sequence[Doc], separator: str | None) -> list[Pieces]:
        """Split Docs into pieces, all texts in one call.

        docs (Sequence[Doc]): The Docs.
        separator (str | None): What sets two texts apart.
        RETURNS (list[Pieces]): One for each Doc.
        """
        bounds: list[tuple[Bounds, ...]] = []
        texts: list[str] = []
        for doc in docs:
            text = doc.text
            segments = segment_bounds(doc, separator) or ((0, len(text)),)
            bounds.append(segments)
            texts.extend(text[start:end] for start, end in segments)
        encodings = iter(self._encode(texts))
        return [_join([next(encodings) for _ in segments], segments) for segments in bounds]

    def cls_index(self, ids: np.ndarray, special: np.ndarray) -> int:
        """Find the piece that stands for a sequence, as [CLS] does in BERT.

        ids (np.ndarray): The sequence, `(length,)`, at least one piece.
        special (np.ndarray): Which of them are special, boolean, `(length,)`.
        RETURNS (int): The position of the classification piece. Where there is none, that of a
            special piece at the beginning, or else of the last special one, or else of the last
            one; in a causal backbone of the last one, since only that has seen the others.
        """
        if self.causal:
            return len(ids) - 1
        places = np.flatnonzero(special)
        classifying = places[ids[places] == self.classifying_id]
        if len(classifying):
            return int(classifying[0])
        return 0 if special[0] else int(places[-1]) if len(places) else len(ids) - 1

    def split(self, texts: Sequence[str]) -> list[Pieces]:
        """Split plain texts into pieces, whatever is in them.

        texts (Sequence[str]): The texts.
        RETURNS (list[Pieces]): One for each text.
        """
        return [
            _join([encoded], ((0, len(text)),))
            for text, encoded in zip(texts, self._encode(list(texts)))
        ]

    def _encode(self, texts: list[str]) -> list[tuple[np.ndarray, np.ndarray]]:
        if not texts:
            return []
        if not self.tokenizer.is_fast:
            return [tokenize_slowly(self.tokenizer, text) for text in texts]
        encoded = self.tokenizer(
            texts,
            add_special_tokens=False,
            split_special_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            truncation=False,
            padding=False,
            verbose=False,
        )
        return [
            (np.asarray(e.ids, dtype="int64"), np.asarray(e.offsets, dtype="int64").reshape(-1, 2))
            for e in encoded.encodings
        ]


def _join(encoded: list[tuple[np.ndarray, np.ndarray]], segments: tuple[Bounds, ...]) -> Pieces:
    ids = np.concatenate([ids for ids, _ in encoded])
    offsets = np.concatenate(
        [offsets + start for (_, offsets), (start, _) in zip(encoded, segments)]
    )
    return Pieces(
        ids,
        offsets[:, 0],
        offsets[:, 1],
        len(encoded[0][0]) if len(encoded) == 2 else None,
        segments,
    )
