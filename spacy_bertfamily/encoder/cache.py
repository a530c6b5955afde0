"""Hidden states that are computed once, because nothing beneath them is trained."""

from typing import Dict, Optional, Sequence, Tuple

import torch

from .windows import Window


class StateCache:
    """Keeps the hidden states of windows up to a number of bytes.

    It belongs to one encoder, and so to one backbone; whoever asks it makes sure that nothing beneath these states is
    trained. Without training and dropout a window's states depend on nothing but its pieces and their types.

    What came first stays: an epoch visits all windows in turn, so that making room for new ones would throw away each
    just before it is needed again.

    max_bytes (int): How much is kept; 0 keeps nothing.
    """

    def __init__(self, max_bytes: int):
        self.max_bytes = max_bytes
        self.n_bytes = 0
        self._states: Dict[Tuple[bytes, bytes], Dict[int, torch.Tensor]] = {}

    def __len__(self) -> int:
        return len(self._states)

    def get(self, window: Window, layers: Sequence[int]) -> Optional[Dict[int, torch.Tensor]]:
        """RETURNS (Optional[Dict[int, torch.Tensor]]): The states of a window, each `(length, width)`, or None if not
        all of the layers are here.
        """
        states = self._states.get(_key(window))
        return None if states is None or any(layer not in states for layer in layers) else states

    def put(self, window: Window, states: Dict[int, torch.Tensor]) -> None:
        """Keep copies of a window's states, on the CPU, if there is room.

        window (Window): The window.
        states (Dict[int, torch.Tensor]): By layer, each `(length, width)`.
        """
        kept = self._states.get(_key(window), {})
        new = {layer: state for layer, state in states.items() if layer not in kept}
        size = sum(state.numel() * state.element_size() for state in new.values())
        if self.n_bytes + size <= self.max_bytes:
            self.n_bytes += size
            self._states[_key(window)] = {
                **kept,
                **{layer: s.detach().to("cpu", copy=True) for layer, s in new.items()},
            }


def _key(window: Window) -> Tuple[bytes, bytes]:
    return window.ids.tobytes(), window.types.tobytes()
