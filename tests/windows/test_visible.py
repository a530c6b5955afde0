"""Windows that say what each of their pieces sees."""

import numpy as np

from spacy_bertfamily.windows.cut import Window
from spacy_bertfamily.windows.padding import pad_windows


def make_window(length, **fields):
    zeros = np.zeros(length, dtype="int64")
    return Window(np.arange(length), zeros, zeros, zeros, **fields)


def test_padding_is_seen_by_no_piece_and_sees_something():
    visible = np.tril(np.ones((3, 3), dtype=bool))
    first = make_window(3, visible=visible, positions=np.array([0, 1, 1]))
    padded = pad_windows([first, make_window(2), make_window(4)], pad_id=9)
    assert padded.visible.shape == (3, 4, 4)
    assert (padded.visible[0, :3, :3] == visible).all()
    assert not padded.visible[0, :3, 3].any()
    assert padded.visible[1, :2, :2].all()
    assert not padded.visible[1, :2, 2:].any()
    assert padded.visible[2].all()
    assert padded.visible.any(-1).all()
    assert padded.positions.tolist() == [[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 2, 3]]


def test_other_windows_need_no_mask_for_pairs_of_pieces():
    padded = pad_windows([make_window(3), make_window(2)], pad_id=9)
    assert padded.visible is None
    assert padded.positions is None
