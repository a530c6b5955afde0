"""The windows of a prefix-LM (Dong et al. 2019, https://arxiv.org/abs/1905.03197).

A window is `[CLS] source [SEP] target [SEP]`. The source, with the special pieces around it, sees
itself; a piece of the target sees the source and the target up to itself.
"""

from dataclasses import dataclass, replace

import numpy as np

from ...pretraining.masking import MaskedWindow
from ...windows.cut import Window
from ...windows.pieces import Pieces, PieceTokenizer


@dataclass(frozen=True)
class PrefixPieces:
    """The pieces that a prefix-LM needs to know.

    tokenizer (PieceTokenizer): The encoder's tokenizer.
    mask_id (int): The mask, where pieces are predicted.
    end_id (int): The piece that closes a target.
    """

    tokenizer: PieceTokenizer
    mask_id: int
    end_id: int

    @property
    def target_type(self) -> int:
        """RETURNS (int): The token type of the target: that of the second of two texts."""
        return self.tokenizer.pair.text_types[1]

    def source_window(self, pieces: Pieces, room: int) -> tuple[Window, bool]:
        """Make the part of a window that all of it sees.

        pieces (Pieces): A text, or two.
        room (int): The most pieces, special ones included.
        RETURNS (tuple[Window, bool]): The part, and whether the text was cut.
        """
        template = self.tokenizer.pair
        before, between = template.special[0], template.special[1]
        ids = pieces.ids
        if pieces.n_first is not None:
            n = pieces.n_first
            ids = np.concatenate([ids[:n], np.asarray(between, dtype=ids.dtype), ids[n:]])
        kept = ids[: max(0, room - len(before) - len(between))]
        types = np.concatenate([
            np.asarray(template.special_types[0], dtype="int64"),
            np.full(len(kept), template.text_types[0]),
            np.asarray(template.special_types[1], dtype="int64"),
        ])  # fmt: skip
        all_ids = np.concatenate([before, kept, between]).astype("int64")
        no_piece = np.full(len(all_ids), -1)
        return Window(all_ids, types, no_piece, no_piece), len(kept) < len(ids)

    def sampled(self, source: Window, target: np.ndarray, rate: float) -> MaskedWindow:
        """Mask a part of the target, each of whose pieces sees the masks before it, too.

        source (Window): From `source_window`.
        target (np.ndarray): The target's pieces, without the closing one, `(pieces,)`.
        rate (float): The share of the target's pieces to mask, the closing one included.
        RETURNS (MaskedWindow): The window, with at least one mask.
        """
        labels = np.append(target, self.end_id).astype("int64")
        chosen = np.random.random(len(labels)) < rate
        if not chosen.any():
            chosen[np.random.randint(len(labels))] = True
        read = np.where(chosen, self.mask_id, labels)
        n = len(source)
        window = self._join(source, read, np.arange(n, n + len(read)))
        visible = np.tril(np.ones((len(window), len(window)), dtype=bool))
        visible[:, :n] = True
        visible[:n, n:] = False
        window = replace(window, visible=visible)
        return MaskedWindow(window, window, n + np.flatnonzero(chosen), labels[chosen])

    def every(self, source: Window, target: np.ndarray) -> MaskedWindow:
        """Put a mask for each piece of the target behind it, at that piece's position.

        A mask sees the source and the target before its position, as in decoding. Nothing sees a
        mask. This is the pseudo-masked language model of Bao et al. (2020,
        https://arxiv.org/abs/2002.12804), for one piece at a time.

        source (Window): From `source_window`.
        target (np.ndarray): The target's pieces, without the closing one, `(pieces,)`.
        RETURNS (MaskedWindow): The window; all pieces and the closing one are predicted.
        """
        labels = np.append(target, self.end_id).astype("int64")
        masks = np.full(len(labels), self.mask_id)
        n, k = len(source), len(target)
        places = np.concatenate([np.arange(n, n + k), np.arange(n, n + k + 1)])
        window = self._join(source, np.concatenate([target, masks]), places)
        visible = np.zeros((len(window), len(window)), dtype=bool)
        visible[:, :n] = True
        visible[n : n + k, n : n + k] = np.tril(np.ones((k, k), dtype=bool))
        visible[n + k :, n : n + k] = np.tril(np.ones((k + 1, k), dtype=bool), -1)
        np.fill_diagonal(visible, True)
        window = replace(window, visible=visible)
        return MaskedWindow(window, window, n + k + np.arange(k + 1), labels)

    def _join(self, source: Window, ids: np.ndarray, places: np.ndarray) -> Window:
        """RETURNS (Window): A source and pieces behind it, at some positions."""
        types = np.full(len(ids), self.target_type)
        length = len(source) + len(ids)
        no_piece = np.full(length, -1)
        return Window(
            np.concatenate([source.ids, ids]).astype("int64"),
            np.concatenate([source.types, types]).astype("int64"),
            no_piece,
            no_piece,
            positions=np.concatenate([np.arange(len(source)), places]),
        )
