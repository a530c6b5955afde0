"""Find the special pieces that a backbone puts around one or two texts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Template:
    """The special pieces that a backbone puts before, between and after one or two texts.

    special (tuple[tuple[int, ...], ...]): Piece ids; one text has two places for them, two texts
        three.
    special_types (tuple[tuple[int, ...], ...]): Their token type ids.
    text_types (tuple[int, ...]): The token type id of each text.
    """

    special: tuple[tuple[int, ...], ...]
    special_types: tuple[tuple[int, ...], ...]
    text_types: tuple[int, ...]

    @classmethod
    def from_tokenizer(cls, tokenizer: PreTrainedTokenizerBase, *texts: str) -> "Template":
        """Derive the template from what the tokenizer makes of a text, or of two."""
        special: list[list[int]] = [[] for _ in range(len(texts) + 1)]
        special_types: list[list[int]] = [[] for _ in range(len(texts) + 1)]
        text_types = [0] * len(texts)
        place = 0
        for piece, type_id, text in _label_pieces(tokenizer, texts):
            if text is None:
                special[place].append(piece)
                special_types[place].append(type_id)
            else:
                place = text + 1
                text_types[text] = type_id
        return cls(
            tuple(tuple(ids) for ids in special),
            tuple(tuple(types) for types in special_types),
            tuple(text_types),
        )

    @property
    def n_special(self) -> int:
        """RETURNS (int): The number of special pieces in a window."""
        return sum(len(ids) for ids in self.special)


def _label_pieces(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> Iterable[tuple[int, int, int | None]]:
    """Have a tokenizer put special pieces around one or two texts.

    RETURNS (Iterable[tuple[int, int, int | None]]): For each piece its id, its token type id, and
        the number of its text; None for a special piece.
    """
    if tokenizer.is_fast:
        encoding = split_all(tokenizer).encode(*texts)
        return zip(encoding.ids, encoding.type_ids, encoding.sequence_ids)
    # ids that no piece has: -1 is a piece of the first text, -2 of the second
    placeholders = [[-1], [-2]][: len(texts)]
    ids = tokenizer.build_inputs_with_special_tokens(*placeholders)
    types = tokenizer.create_token_type_ids_from_sequences(*placeholders)
    return zip(ids, types, [-i - 1 if i < 0 else None for i in ids])


def split_all(tokenizer: PreTrainedTokenizerBase) -> Any:
    """Let a fast tokenizer split whole texts, and in them what spells a special piece.

    What is set already is not set again: that fails while another thread uses the tokenizer.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    RETURNS (tokenizers.Tokenizer): What it splits texts with.
    """
    backend: Any = tokenizer.backend_tokenizer
    if backend.truncation is not None:
        backend.no_truncation()
    if backend.padding is not None:
        backend.no_padding()
    if not backend.encode_special_tokens:
        backend.encode_special_tokens = True
    return backend
