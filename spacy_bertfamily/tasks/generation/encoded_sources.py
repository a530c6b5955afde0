"""Sources of an encoder-decoder: their windows, and the encoder's states of these."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from ...transformer.shim import EncoderShim
from ...windows.cut import Window
from ...windows.lay_out import LaidOutText
from .writer import Source


@dataclass(frozen=True)
class SourceWindows:
    """The windows of a source.

    windows (tuple[Window, ...]): The windows, in the order of the text.
    kept (tuple[np.ndarray, ...]): For each window, the positions whose states the decoder sees. Of
        a piece that stands in several windows, that is the one with the most context.
    own_ids (np.ndarray): The text in pieces of a decoder that has another vocabulary, `(pieces,)`;
        none if the decoder does not read them.
    """

    windows: tuple[Window, ...]
    kept: tuple[np.ndarray, ...]
    own_ids: np.ndarray = field(default_factory=lambda: np.empty(0, dtype="int64"))

    @property
    def ids(self) -> np.ndarray:
        """RETURNS (np.ndarray): The piece at each kept position, `(positions,)`."""
        ids = [window.ids[kept] for window, kept in zip(self.windows, self.kept)]
        return np.concatenate(ids).astype("int64")

    @property
    def is_text(self) -> np.ndarray:
        """RETURNS (np.ndarray): Whether it is a piece of the text, boolean, `(positions,)`."""
        return np.concatenate([w.pieces[kept] >= 0 for w, kept in zip(self.windows, self.kept)])


def take_windows(laid_out: LaidOutText, max_windows: int) -> Source:
    """Take the first windows of a text.

    laid_out (LaidOutText): The text, which has words.
    max_windows (int): The most windows that are read.
    RETURNS (Source): Its content are `SourceWindows`.
    """
    layout = laid_out.layout
    assert layout is not None
    windows = tuple(laid_out.windows[:max_windows])
    kept = []
    for row, window in enumerate(windows):
        is_special = window.pieces < 0
        kept.append(np.flatnonzero(is_special | layout.is_max_context[row, : len(window)]))
    length = sum(map(len, kept))
    is_cut = len(windows) < len(laid_out.windows)
    return Source(length, is_cut, SourceWindows(windows, tuple(kept)))


@dataclass(frozen=True)
class EncodedSources:
    """What a decoder sees of some sources.

    states (torch.Tensor): The encoder's last hidden states in float32, `(rows, positions, width)`;
        of width 0 for a decoder that does not read them.
    mask (torch.Tensor): Whether a position is one of the source, boolean, `(rows, positions)`.
    ids (torch.Tensor): The pieces, `(rows, positions)`.
    is_text (torch.Tensor): Whether it is a piece of the text, boolean, `(rows, positions)`.
    own_ids (tuple[np.ndarray, ...]): See `SourceWindows`; none after `select`, since a decoder
        reads them first of all.
    """

    states: torch.Tensor
    mask: torch.Tensor
    ids: torch.Tensor
    is_text: torch.Tensor
    own_ids: tuple[np.ndarray, ...] = ()

    def select(self, rows: torch.Tensor) -> "EncodedSources":
        """RETURNS (EncodedSources): Those of some rows."""
        return EncodedSources(
            self.states[rows], self.mask[rows], self.ids[rows], self.is_text[rows]
        )


def encode_sources(
    shim: EncoderShim, sources: Sequence[Source], is_train: bool, cache: bool, run: bool = True
) -> EncodedSources:
    """Run the encoder on sources.

    shim (EncoderShim): Holds the encoder.
    sources (Sequence[Source]): From `take_windows`, at least one.
    is_train (bool): Whether gradients will come back, if the encoder is trained.
    cache (bool): Whether states of layers that are not trained may be looked up and kept.
    run (bool): Whether the decoder reads the encoder's states.
    RETURNS (EncodedSources): What a decoder sees.
    """
    encoder = shim.encoder
    contents: list[SourceWindows] = [source.content for source in sources]
    kept = [positions for content in contents for positions in content.kept]
    parts = [torch.empty(len(positions), 0, device=encoder.device) for positions in kept]
    windows = [window for content in contents for window in content.windows] if run else []
    for batch in shim.schedule.run(windows, [encoder.depth], is_train=is_train, cache=cache):
        states = batch.states[encoder.depth]
        for i, row in enumerate(batch.rows):
            # a copy, since what was computed for prediction cannot be trained on
            parts[row] = states[i, torch.from_numpy(kept[row]).to(states.device)].float().clone()
    rows, first = [], 0
    for content in contents:
        end = first + len(content.windows)
        rows.append(torch.cat(parts[first:end]))
        first = end
    lengths = [len(row) for row in rows]
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    device = encoder.device
    ids = pad_sequence([torch.from_numpy(content.ids) for content in contents], True)
    is_text = pad_sequence([torch.from_numpy(content.is_text) for content in contents], True)
    own_ids = tuple(content.own_ids for content in contents)
    states = pad_sequence(rows, batch_first=True)
    return EncodedSources(states, mask.to(device), ids.to(device), is_text.to(device), own_ids)
