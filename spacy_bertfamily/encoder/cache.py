"""Hidden states that are computed once, because nothing beneath them is trained."""

import threading
from collections.abc import Sequence

import torch

from ..windows.cut import Window

Key = tuple[bytes, bytes, int, int]


class StateCache:
    """Keeps the hidden states of windows up to a number of bytes.

    It belongs to one backbone; whoever asks it makes sure that nothing beneath these states is
    trained. Without training and dropout a window's states depend on nothing but its pieces and
    their types.

    For an epoch, which visits all windows in turn, what came first stays: making room for new ones
    would throw away each just before it is needed again. For several encoders that read the same
    Docs one after the other, what came last stays, where it is.

    max_bytes (int): How much is kept; 0 keeps nothing.
    recent (bool): What came last stays, on its device. Otherwise what came first, on the CPU.
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
        """RETURNS (dict[int, torch.Tensor] | None): The states of a window, each `(length, width)`,
        or None if not all of the layers are here.
        """
        states = self._states.get(_key(window))
        return None if states is None or any(layer not in states for layer in layers) else states

    def put(self, window: Window, states: dict[int, torch.Tensor]) -> None:
        """Keep copies of a window's states, if there is room.

        window (Window): The window.
        states (dict[int, torch.Tensor]): By layer, each `(length, width)`.
        """
        with self._lock:
            key = _key(window)
            kept = self._states.get(key, {})
            new = {layer: state for layer, state in states.items() if layer not in kept}
            size = _size(new)
            if self.recent:
                self._make_room(size, key)
            if self.n_bytes + size <= self.max_bytes:
                self.n_bytes += size
                self._states[key] = {
                    **kept,
                    **{layer: self._copy(state) for layer, state in new.items()},
                }

    def _copy(self, state: torch.Tensor) -> torch.Tensor:
        return state.detach().to(state.device if self.recent else "cpu", copy=True)

    def _make_room(self, size: int, key: Key) -> None:
        for oldest in list(self._states):
            if self.n_bytes + size <= self.max_bytes:
                return
            if oldest != key:
                self.n_bytes -= _size(self._states.pop(oldest))


def _key(window: Window) -> Key:
    return window.ids.tobytes(), window.types.tobytes(), window.cls, window.n_first


def _size(states: dict[int, torch.Tensor]) -> int:
    return sum(state.numel() * state.element_size() for state in states.values())
