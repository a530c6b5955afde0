"""Decoding of a prefix-LM, with the keys and values of all that is final.

Each step reads two pieces: the one that was written last, and the mask behind it, at which the next
one is predicted. The mask's keys and values are overwritten in the next step.
"""

from collections.abc import Sequence

import torch

from ...encoder.module import Encoder
from ...encoder.seen import SeenPieces
from ...windows.cut import Window
from ...windows.padding import pad_windows
from .prefix_head import PrefixHead
from .prefix_windows import PrefixPieces
from .writer import WritingState


class KeyValueBuffer:
    """Keys and values of each layer, in memory that is allocated once.

    room (int): The most pieces.
    used (int): The pieces that are kept; those that come are written behind them.
    """

    def __init__(self, room: int):
        self.room = room
        self.used = 0
        self.layers: list[tuple[torch.Tensor, torch.Tensor]] = []

    def extend(
        self, layer: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write new keys and values behind those that are kept. See `KeyValueStore`."""
        if layer == len(self.layers):
            windows, heads, _, width = keys.shape
            shape = (windows, heads, self.room, width)
            self.layers.append((keys.new_empty(shape), values.new_empty(shape)))
        end = self.used + keys.shape[2]
        kept = self.layers[layer]
        for buffer, new in zip(kept, (keys, values)):
            buffer[:, :, self.used : end] = new
        return kept[0][:, :, :end], kept[1][:, :, :end]

    def select(self, rows: torch.Tensor, start: int = 0) -> None:
        """Keep some rows.

        rows (torch.Tensor): For each new row, the index of the old one.
        start (int): The first piece in which rows differ from the rows that they are put in the
            place of; as many rows as before if it is not 0.
        """
        for layer, pair in enumerate(self.layers):
            if start:
                for buffer in pair:
                    buffer[:, :, start : self.used] = buffer[rows, :, start : self.used]
                continue
            keys, values = (self._copy(buffer, rows) for buffer in pair)
            self.layers[layer] = keys, values

    def _copy(self, buffer: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        _, heads, room, width = buffer.shape
        copied = buffer.new_empty((len(rows), heads, room, width))
        copied[:, :, : self.used] = buffer[rows, :, : self.used]
        return copied


class PrefixState(WritingState):
    """Texts that a prefix-LM is writing.

    encoder (Encoder): The encoder.
    head (PrefixHead): The masked-LM head.
    pieces (PrefixPieces): The special pieces.
    windows (Sequence[Window]): The sources.
    max_length (int): The most pieces of a target.
    """

    def __init__(
        self,
        encoder: Encoder,
        head: PrefixHead,
        pieces: PrefixPieces,
        windows: Sequence[Window],
        max_length: int,
    ):
        self.encoder = encoder
        self.head = head
        self.pieces = pieces
        padded = pad_windows(windows, pieces.tokenizer.pad_id)
        ids, types, mask = (
            torch.from_numpy(array).to(encoder.device)
            for array in (padded.ids, padded.types, padded.mask)
        )
        self.n_source = ids.shape[1]
        self.n_written = 0
        # which positions of the source are pieces, `(rows, source)`
        self.is_source = mask.bool()
        # which source each row belongs to
        self.sources = torch.arange(len(ids), device=encoder.device)
        # with the last piece and the mask
        self.buffer = KeyValueBuffer(self.n_source + max_length + 2)
        visible = self.is_source[:, None].expand(-1, self.n_source, -1).clone()
        visible[:, :, 0] = True  # padding sees something, so that its states are finite
        places = torch.arange(self.n_source, device=encoder.device).expand_as(ids)
        self._run(ids, types, places, visible)
        self.buffer.used = self.n_source

    @property
    def rows(self) -> int:
        """RETURNS (int): The number of texts."""
        return len(self.is_source)

    def advance(self, pieces: torch.Tensor | None) -> torch.Tensor:
        """Append a piece to each text, and score the pieces that may come next."""
        masks = self.is_source.new_full((self.rows, 1), self.pieces.mask_id, dtype=torch.long)
        ids = masks if pieces is None else torch.cat([pieces[:, None], masks], dim=1)
        n = ids.shape[1]
        types = torch.full_like(ids, self.pieces.target_type)
        lengths = self.is_source.sum(1, keepdim=True)
        places = lengths + self.n_written + torch.arange(n, device=ids.device)
        kept = self.is_source.new_ones((self.rows, self.n_written))
        seen = torch.cat([self.is_source, kept], dim=1)[:, None].expand(-1, n, -1)
        new = self.is_source.new_ones((n, n)).tril().expand(self.rows, n, n)
        states = self._run(ids, types, places, torch.cat([seen, new], dim=2))
        self.n_written += n - 1
        self.buffer.used += n - 1
        with torch.inference_mode():
            return self.head.predict_all(self.encoder, states[:, -1])

    def select(self, rows: torch.Tensor) -> None:
        """Continue with some of the rows."""
        sources = self.sources[rows]
        same_sources = len(rows) == self.rows and bool((sources == self.sources).all())
        if same_sources and bool((rows == torch.arange(self.rows, device=rows.device)).all()):
            return
        self.buffer.select(rows, self.n_source if same_sources else 0)
        self.is_source = self.is_source[rows]
        self.sources = sources

    def _run(
        self, ids: torch.Tensor, types: torch.Tensor, places: torch.Tensor, visible: torch.Tensor
    ) -> torch.Tensor:
        """RETURNS (torch.Tensor): The last hidden states of new pieces, `(rows, new, width)`."""
        encoder = self.encoder
        encoder.check_process()
        seen = SeenPieces(visible, places, self.buffer)
        mask = torch.ones_like(ids)
        with encoder.lock.read(), torch.inference_mode():
            states = encoder(ids, mask, types, [encoder.depth], seen=seen)
        last: torch.Tensor = states[encoder.depth]
        return last
