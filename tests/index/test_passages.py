"""How texts are split into passages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bertfamily.index.passages import PassageSize, choose_size, split_passages
from spacy_bertfamily.windows.pieces import Pieces


def split_words(text):
    """RETURNS (Pieces): The characters that are no whitespace, each a piece."""
    starts = np.asarray([i for i, c in enumerate(text) if not c.isspace()], dtype="int64")
    return Pieces(np.zeros(len(starts), dtype="int64"), starts, starts + 1)


def passages_of(text, size):
    return [text[start:end] for start, end in split_passages(text, split_words(text), size)]


@given(
    st.text(alphabet="ab .\n。!", max_size=300),
    st.integers(4, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n // 4))),
)
def test_passages_cover_each_piece_once_or_twice_and_fit(text, size):
    size = PassageSize(*size)
    pieces = split_words(text)
    counts = np.zeros(len(text), dtype=int)
    found = split_passages(text, pieces, size)
    for start, end in found:
        counts[start:end] += 1
        assert sum(not c.isspace() for c in text[start:end]) <= size.pieces
    assert all(1 <= counts[start] <= 2 for start in pieces.starts)
    assert found == sorted(set(found))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n ", []),
        ("abcdefgh", ["abcdefgh"]),
        # the paragraph's end is in the second half, and wins over a later sentence's
        ("aaaaa\n\nb.\ncccc", ["aaaaa", "b.\ncccc"]),
        # a sentence's end; the next passage repeats the sentence that fits the overlap
        ("aaaa. b. cccccc", ["aaaa. b.", "b. cccccc"]),
        # nothing to end at
        ("abcdefghijk", ["abcdefgh", "ghijk"]),
        ("甲乙丙丁戊。己庚辛壬", ["甲乙丙丁戊。", "己庚辛壬"]),
    ],
)
def test_passages_end_at_paragraphs_then_sentences(text, expected):
    assert passages_of(text, PassageSize(8, 2)) == expected


@pytest.mark.parametrize("max_pieces", [8, 32, 128, 384, 512, 8192])
def test_a_passage_fits_beside_a_question(max_pieces):
    size = choose_size(max_pieces, 3)
    assert size.pieces + 3 + min(64, max_pieces // 3) <= max_pieces or size.pieces == 4
    assert size.overlap <= size.pieces // 4
