"""Compare what pieces say with the characters that a tokenizer gives for them."""

from typing import NamedTuple

import numpy as np
from transformers import PreTrainedTokenizerBase

from .offsets import fold, text_of_piece
from .pieces import encode_texts

# Entries of the vocabulary that are tried, and words of them that the probes are made of.
TRIED_ENTRIES = 160
PROBE_WORDS = 64
SINGLE_CHARACTERS = "abio012"
# What stands between the words of a probe: tokenizers split there in different ways.
JOINTS = (" ", ", ", ",", "-", ". ", "/", "7", "\n", "_", "'", "你")


class WrongOffset(NamedTuple):
    """A piece whose characters are not what it says.

    said (str): What it says, without case, accents and whitespace.
    claimed (str): The characters that the tokenizer gives for it.
    """

    said: str
    claimed: str


def find_wrong_offset(tokenizer: PreTrainedTokenizerBase) -> WrongOffset | None:
    """Try a tokenizer on texts that are made of its own vocabulary.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    RETURNS (WrongOffset | None): The first piece that says something of the text that its
        characters lack; None if all are right.
    """
    words = _known_words(tokenizer)
    probes = [joint + joint.join(words) for joint in JOINTS]
    for probe, (ids, offsets) in zip(probes, encode_texts(tokenizer, probes)):
        in_text, _ = fold(probe)
        for said, (start, end) in zip(_say(tokenizer, ids), offsets.tolist()):
            claimed = probe[start:end]
            if said not in claimed and said in in_text and not _holds(fold(claimed)[0], said):
                return WrongOffset(said, claimed)
    return None


def _holds(text: str, said: str) -> bool:
    """RETURNS (bool): Whether a text has all characters of another, in order.

    There may be others between them: a tokenizer may drop letters that its vocabulary lacks.
    """
    rest = iter(text)
    return all(char in rest for char in said)


def _known_words(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """RETURNS (list[str]): Words and characters that the pieces spell as they are."""
    ids = np.linspace(0, len(tokenizer) - 1, TRIED_ENTRIES, dtype="int64")
    candidates = [word for word in _say(tokenizer, np.unique(ids)) if word.isalpha()]
    words = list(dict.fromkeys([*candidates, *SINGLE_CHARACTERS]))
    known = []
    for word, (word_ids, _) in zip(words, encode_texts(tokenizer, words)):
        if "".join(_say(tokenizer, word_ids)) == word:
            known.append(word)
    step = max(1, len(known) // PROBE_WORDS)
    return known[::step]


def _say(tokenizer: PreTrainedTokenizerBase, ids: np.ndarray) -> list[str]:
    """RETURNS (list[str]): What each piece says, folded; an empty string if it says nothing."""
    said = {}
    unknown = tokenizer.unk_token
    pieces = tokenizer.convert_ids_to_tokens(ids.tolist())
    for piece in set(pieces):
        is_word = piece is not None and piece != unknown
        said[piece] = fold(text_of_piece(tokenizer, piece))[0] if is_word else ""
    return [said[piece] for piece in pieces]
