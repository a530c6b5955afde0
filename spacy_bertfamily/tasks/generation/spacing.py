"""Put WordPiece's pieces together to a text, with spaces where gold texts have them.

WordPiece does not keep the whitespace of a text. The tokenizer's own decoder removes the space
before some punctuation of English; `family-friendly` and `£20-25` stay apart. What is written is
put together as most gold texts are.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from ...windows.pieces import PieceTokenizer

CONTINUES = "##"
# Punctuation that gold texts do not have.
GLUED_BEFORE = ".,!?;:)]}%…”’。，！？；：）】》、"
GLUED_AFTER = "([{£$€#@“‘（【《"
# Chinese characters and kana, which BERT's tokenizer takes apart.
CJK = ((0x2E80, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))


class Spacing(nn.Module):
    """Which punctuation has no space before or after it.

    before, after (torch.Tensor): The pieces that have none, `(pieces,)`.
    known (torch.Tensor): The pieces that this is known of, `(pieces,)`.
    """

    before: torch.Tensor
    after: torch.Tensor
    known: torch.Tensor

    def __init__(self, before: Sequence[int], after: Sequence[int], known: Sequence[int]):
        super().__init__()
        for name, ids in (("before", before), ("after", after), ("known", known)):
            self.register_buffer(name, torch.tensor(sorted(ids), dtype=torch.long))

    @classmethod
    def learn(cls, tokenizer: PieceTokenizer, texts: Sequence[str]) -> "Spacing":
        """Count where texts have no space beside punctuation.

        tokenizer (PieceTokenizer): The tokenizer.
        texts (Sequence[str]): The texts.
        RETURNS (Spacing): What most texts do.
        """
        total: Counter[int] = Counter()
        before: Counter[int] = Counter()
        after: Counter[int] = Counter()
        for pieces in tokenizer.split(texts):
            touches = (pieces.starts[1:] == pieces.ends[:-1]).tolist()
            ids = pieces.ids.tolist()
            for i, piece in enumerate(ids):
                if not is_punctuation(tokenizer.strings[piece]):
                    continue
                total[piece] += 1
                before[piece] += i > 0 and touches[i - 1]
                after[piece] += i < len(touches) and touches[i]
        return cls(
            [piece for piece in total if 2 * before[piece] > total[piece]],
            [piece for piece in total if 2 * after[piece] > total[piece]],
            [*total],
        )

    @classmethod
    def read(cls, tensors: Mapping[str, torch.Tensor]) -> "Spacing | None":
        """Read what was stored as a part `spacing` of a network.

        tensors (Mapping[str, torch.Tensor]): The network's tensors by name.
        RETURNS (Spacing | None): What is known; None if nothing was stored.
        """
        if "spacing.known" not in tensors:
            return None
        before, after, known = (
            tensors[f"spacing.{name}"].tolist() for name in ("before", "after", "known")
        )
        return cls(before, after, known)

    def join(self, tokenizer: PieceTokenizer, ids: Sequence[int]) -> str:
        """Make a text of pieces.

        tokenizer (PieceTokenizer): The tokenizer.
        ids (Sequence[int]): The pieces.
        RETURNS (str): The text, without special pieces.
        """
        special = set(tokenizer.tokenizer.all_special_ids)
        kept = [piece for piece in ids if piece not in special]
        before, after, known = (set(x.tolist()) for x in (self.before, self.after, self.known))
        text = ""
        for i, piece in enumerate(kept):
            string = tokenizer.strings[piece]
            if string.startswith(CONTINUES) and len(string) > len(CONTINUES):
                text += string[len(CONTINUES) :]
                continue
            last = tokenizer.strings[kept[i - 1]] if i else ""
            glued_before = piece in before if piece in known else string in GLUED_BEFORE
            glued_after = bool(last) and last in GLUED_AFTER
            if i and kept[i - 1] in known:
                glued_after = kept[i - 1] in after
            is_glued = glued_before or glued_after or is_cjk(last[-1:]) or is_cjk(string[:1])
            text += string if not i or is_glued else f" {string}"
        return text


def keeps_no_spaces(tokenizer: PieceTokenizer) -> bool:
    """RETURNS (bool): Whether a tokenizer's pieces are WordPiece's, in words without whitespace."""
    plain = tokenizer.tokenizer
    if not plain.is_fast:
        return False
    return type(plain.backend_tokenizer.decoder).__name__ == "WordPiece"


def is_punctuation(string: str) -> bool:
    """RETURNS (bool): Whether a piece has neither letters nor digits, and continues no word."""
    return not string.startswith(CONTINUES) and not any(char.isalnum() for char in string)


def is_cjk(char: str) -> bool:
    """RETURNS (bool): Whether a character is of a script that is written without spaces."""
    return bool(char) and any(low <= ord(char) <= high for low, high in CJK)
