"""A bounded cache of windows' hidden states."""

import threading
from collections.abc import Sequence

import torch

from ..windows.cut import Window

Key = tuple[bytes, bytes, int, int, bytes, bytes]


class StateCache:
    """Keep the hidden states of windows up to a number of bytes.

    A cache belongs to one backbone. Its user makes sure that nothing beneath these states is
    trained: then the states of a window depend on its pieces and their types alone.

    An epoch visits all windows in turn, so the first entries stay: an entry that made room for
    another would be dropped just before it is needed again. Several encoders read the same Docs one
    after the other, so for them the last entries stay.

    max_bytes (int): The most bytes that are kept; 0 keeps nothing.
    recent (bool): Keep the last entries, on their device. Otherwise keep the first ones, on the
        CPU.
    """

    def __init__(self, max_bytes: int, recent: bool = False):
        self.max_bytes = max_bytes
        self.recent = recent
        self.n_bytes = 0
        self._states: dict[Key, dict[int, torch.Tensor]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._states)

    def get(self, window: Window, layers: Sequence[int]) -> dict[int, torch.Tensor] | None:
        """Look up the states of a window.

        window (Window): The window.
        layers (Sequence[int]): The layers whose states are needed.
        RETURNS (dict[int, torch.Tensor] | None): The states by layer, each `(length, width)`; None
            if one of them is missing.
        """
        states = self._states.get(window_key(window))
        if states is None or any(layer not in states for layer in layers):
            return None
        return states

    def put(
        self, window: Window, states: dict[int, torch.Tensor], replaces: bool | None = None
    ) -> None:
        """Keep copies of a window's states, if there is room.

        window (Window): The window.
        states (dict[int, torch.Tensor]): By layer, each `(length, width)`.
        replaces (bool | None): Whether the oldest entries make room; None for as `recent`.
        """
        with self._lock:
            key = window_key(window)
            kept = self._states.get(key, {})
            new = {layer: state for layer, state in states.items() if layer not in kept}
            size = _size(new)
            makes_room = self.recent if replaces is None else replaces
            if makes_room and self.n_bytes + size > self.max_bytes:
                self._make_room(size, key)
            if self.n_bytes + size <= self.max_bytes:
                self.n_bytes += size
                copies = {layer: self._copy(state) for layer, state in new.items()}
                self._states[key] = {**kept, **copies}

    def _copy(self, state: torch.Tensor) -> torch.Tensor:
        return state.detach().to(state.device if self.recent else "cpu", copy=True)

    def _make_room(self, size: int, key: Key) -> None:
        for oldest in list(self._states):
            if self.n_bytes + size <= self.max_bytes:
                return
            if oldest != key:
                self.n_bytes -= _size(self._states.pop(oldest))


def window_key(window: Window) -> Key:
    """RETURNS (Key): Is the same for windows of which the same is computed."""
    visible = b"" if window.visible is None else window.visible.tobytes()
    positions = b"" if window.positions is None else window.positions.tobytes()
    ids, types = window.ids.tobytes(), window.types.tobytes()
    return ids, types, window.cls, window.n_first, visible, positions


def _size(states: dict[int, torch.Tensor]) -> int:
    return sum(state.numel() * state.element_size() for state in states.values())
