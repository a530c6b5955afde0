"""The lowest layers, in which each of two texts is read by itself, and what is kept of them.

Up to the hidden state `separate_layers`, a segment is a window of its own. The states of both are
put together there, and the layers above compute with all pieces of the window. What the lowest
layers compute of a segment depends on its pieces, their types and places: if nothing is trained
there, it is computed once.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Protocol
from weakref import WeakKeyDictionary

import torch

from ..backbone import Backbone
from ..windows.batching import pack
from ..windows.cut import Window
from ..windows.pieces import PieceTokenizer
from ..windows.segments import SegmentRooms, is_pair
from .cache import Key, StateCache, window_key
from .forward import forward_batch, pad_batch, pad_states
from .frozen_layers import FrozenLayers
from .module import Encoder
from .reuse import StateReuse, up_to
from .separate_layers import check_trained

MEGABYTE = 2**20
# By layer, each `(pieces, width)`.
States = dict[int, torch.Tensor]


class KeptStates(Protocol):
    """Where states of segments are looked up, such as a `StateCache` or a file."""

    def get(self, window: Window, layers: Sequence[int]) -> States | None:
        """Look up the states of a segment.

        window (Window): The segment as a window of its own. `window_key` is the same for segments
            of which the same is computed.
        layers (Sequence[int]): The hidden states that are needed; the highest is
            `separate_layers`.
        RETURNS (dict[int, torch.Tensor] | None): The states by layer, each `(pieces, width)`; None
            if one of them is not known.
        """


@dataclass(frozen=True)
class SegmentPlan:
    """How the lowest layers of a batch are computed.

    layers (FrozenLayers): All layers, the lowest of which are separate.
    has_gradients (bool): Whether gradients come back to these layers. If not, a segment that is
        in several windows is computed once.
    kept (tuple[KeptStates, ...]): Where states are looked up, in order.
    cache (StateCache | None): Keeps what is computed; None for nothing.
    replaces (bool): Whether new states replace old ones in a full cache.
    """

    layers: FrozenLayers
    has_gradients: bool
    kept: tuple[KeptStates, ...]
    cache: StateCache | None
    replaces: bool

    def look_up(self, window: Window, layers: Sequence[int]) -> States | None:
        """RETURNS (dict[int, torch.Tensor] | None): The states of a segment, if they are known."""
        for kept in self.kept:
            states = kept.get(window, layers)
            if states is not None:
                return states
        return None


_BY_BACKBONE: WeakKeyDictionary[Backbone, StateCache] = WeakKeyDictionary()


class SegmentReader:
    """Reads the segments of windows apart in the lowest layers.

    encoder (Encoder): The encoder.
    tokenizer (PieceTokenizer): Its tokenizer.
    reuse (StateReuse): What need not be computed twice for the encoder.
    """

    def __init__(self, encoder: Encoder, tokenizer: PieceTokenizer, reuse: StateReuse):
        self.encoder = encoder
        self.reuse = reuse
        self.pad_id = tokenizer.pad_id
        self.number = encoder.settings.separate_layers
        self.rooms = SegmentRooms.of(tokenizer.pair, encoder.settings.max_pieces)
        # of an encoder that has changed its lowest layers, and the state of its weights
        self._own = StateCache(0)
        self._revision: tuple[int, int] | None = None

    def plan(self, is_train: bool, kept: KeptStates | None = None) -> SegmentPlan:
        """Decide what need not be computed. The encoder must not be locked for reading.

        is_train (bool): Whether the encoder is being trained.
        kept (KeptStates | None): Where states are looked up first.
        RETURNS (SegmentPlan): How the lowest layers are computed.
        RAISES (BertFamilyError): If something is trained there, and not all layers are.
        """
        layers = self.reuse.separate
        if is_train:
            check_trained(self.encoder, layers)
        has_gradients = is_train and layers.is_trained
        cache = None if has_gradients else self._find_cache()
        stores: list[KeptStates] = [store for store in (kept, cache) if store is not None]
        return SegmentPlan(layers, has_gradients, tuple(stores), cache, not is_train)

    def _find_cache(self) -> StateCache | None:
        """Find the cache of the bare backbone, or if the encoder differs from it, its own."""
        max_bytes = self.encoder.settings.cache_mb * MEGABYTE
        if not max_bytes:
            return None
        if self.reuse.unchanged.number >= self.number:
            return share_cache(self.encoder.shared, max_bytes)
        revision = self.encoder.revision
        if self._revision != revision:
            self._own = StateCache(max_bytes)
            self._revision = revision
        return self._own

    def place(self, windows: Sequence[Window]) -> list[Window]:
        """RETURNS (list[Window]): The windows; those of two texts say where their pieces are."""
        return [
            replace(window, positions=self.rooms.place(window)) if is_pair(window) else window
            for window in windows
        ]

    def read(
        self, windows: Sequence[Window], layers: Sequence[int], plan: SegmentPlan
    ) -> dict[int, torch.Tensor]:
        """Compute the lowest layers of windows, or look them up.

        windows (Sequence[Window]): The windows of a batch.
        layers (Sequence[int]): The hidden states that are wanted.
        plan (SegmentPlan): How they are computed.
        RETURNS (dict[int, torch.Tensor]): The state above the lowest layers, and the wanted ones
            beneath it, by layer, `(windows, pieces, width)`.
        """
        needed = up_to(self.number, layers)
        parts = [self.rooms.split(window) for window in windows]
        flat = [part for of_window in parts for part in of_window]
        read = iter(self.read_segments(flat, needed, plan))
        joined: list[States] = []
        for of_window in parts:
            states = [next(read) for _ in of_window]
            joined.append({j: torch.cat([state[j] for state in states]) for j in needed})
        return {j: pad_states(self.encoder, [states[j] for states in joined]) for j in needed}

    def read_segments(
        self, segments: Sequence[Window], layers: Sequence[int], plan: SegmentPlan
    ) -> list[States]:
        """Compute the lowest layers of segments, or look them up.

        segments (Sequence[Window]): The segments, each a window of its own.
        layers (Sequence[int]): The hidden states, none above the separate layers.
        plan (SegmentPlan): How they are computed.
        RETURNS (list[dict[int, torch.Tensor]]): The states of each by layer, `(pieces, width)`, on
            the encoder's device.
        """
        keys = [i if plan.has_gradients else window_key(s) for i, s in enumerate(segments)]
        device = self.encoder.device
        known: dict[Key | int, States] = {}
        missing: dict[Key | int, Window] = {}
        for key, segment in zip(keys, segments):
            if key in known or key in missing:
                continue
            states = plan.look_up(segment, layers)
            if states is None:
                missing[key] = segment
            else:
                known[key] = {j: states[j].to(device) for j in layers}
        computed = self._compute(list(missing.values()), layers, plan)
        names = list(missing)
        for index, states in computed:
            known[names[index]] = states
        return [known[key] for key in keys]

    def _compute(
        self, segments: list[Window], layers: Sequence[int], plan: SegmentPlan
    ) -> Iterator[tuple[int, States]]:
        """YIELDS (tuple[int, States]): The number of each segment, and what is computed of it."""
        encoder = self.encoder
        lengths = [len(segment) for segment in segments]
        for rows in self._pack(lengths):
            padded = pad_batch(encoder, [segments[row] for row in rows], self.pad_id)
            context = nullcontext() if plan.has_gradients else torch.no_grad()
            with context, plan.layers.stop(self.number):
                batch = forward_batch(encoder, padded, layers)
            for place, row in enumerate(rows):
                states = {j: batch[j][place, : lengths[row]] for j in layers}
                if plan.cache is not None:
                    plan.cache.put(segments[row], states, replaces=plan.replaces)
                yield row, states

    def _pack(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Pack segments, of which none is more than twice as long as another of its batch.

        A question is much shorter than a context; `pack` alone would put some of both in a batch.

        lengths (Sequence[int]): The pieces of each segment.
        YIELDS (list[int]): The numbers of the segments of a batch.
        """
        encoder = self.encoder
        groups: dict[int, list[int]] = {}
        for row, length in enumerate(lengths):
            groups.setdefault(length.bit_length(), []).append(row)
        for group in groups.values():
            of_group = [lengths[row] for row in group]
            for places in pack(of_group, encoder.batch_pieces, encoder.padded_length):
                yield [group[place] for place in places]


def share_cache(backbone: Backbone, max_bytes: int) -> StateCache:
    """Find the segments' states of a bare backbone, which all encoders on it share.

    Entries never go stale: the backbone's weights are immutable.

    backbone (Backbone): The backbone.
    max_bytes (int): The bytes that an encoder wants to keep; of several, the most.
    RETURNS (StateCache): The cache.
    """
    cache = _BY_BACKBONE.setdefault(backbone, StateCache(max_bytes))
    cache.max_bytes = max(cache.max_bytes, max_bytes)
    return cache
