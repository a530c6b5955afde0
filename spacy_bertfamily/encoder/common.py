"""What several encoders on one backbone compute only once: the layers that in all of them are the backbone's own."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Dict, Iterable, Optional, Sequence, Tuple
from weakref import WeakKeyDictionary, WeakSet

import torch

from ..backbone import Backbone
from .cache import StateCache
from .prefix import Prefix
from .windows import Window

if TYPE_CHECKING:
    from .module import Encoder

# Room for the windows of a batch, which one transformer of a pipeline reads after the other.
MAX_BYTES = 128 * 2**20


class Common:
    """The encoders on one backbone, and the hidden states that they have lately computed of it alone. These never grow
    wrong: a backbone does not change.
    """

    def __init__(self) -> None:
        self.states = StateCache(MAX_BYTES, recent=True)
        self.encoders: "WeakSet[Encoder]" = WeakSet()

    def number(self) -> int:
        """RETURNS (int): The hidden state beneath the lowest layer in which any encoder differs from the backbone; 0 if
        there are not two that have the lowest layers in common.
        """
        encoders = [encoder for encoder in list(self.encoders) if encoder.settings.cache_mb]
        if len(encoders) < 2:
            return 0
        numbers = [encoder.unchanged.number for encoder in encoders if encoder.unchanged.number]
        return min(numbers) if len(numbers) > 1 else 0

    def wanted(self, number: int) -> Tuple[int, ...]:
        """RETURNS (Tuple[int, ...]): The hidden states up to a number from which all encoders' follow."""
        return _up_to(number, [layer for encoder in list(self.encoders) for layer in encoder.wanted])


_BY_BACKBONE: "WeakKeyDictionary[Backbone, Common]" = WeakKeyDictionary()


def join(encoder: "Encoder") -> Common:
    """RETURNS (Common): What an encoder has in common with all others on its backbone."""
    common = _BY_BACKBONE.setdefault(encoder.shared, Common())
    common.encoders.add(encoder)
    return common


@dataclass(frozen=True)
class Source:
    """Where hidden states may be known from.

    prefix (Prefix): The layers that need not be computed then.
    number (int): How many of them; 0 if nothing is known.
    wanted (Tuple[int, ...]): The hidden states that have to be known of a window.
    kept (Tuple[int, ...]): Those to keep of one that was computed.
    stores (Tuple[StateCache, ...]): Where they are looked for and kept.
    """

    prefix: Prefix
    number: int = 0
    wanted: Tuple[int, ...] = ()
    kept: Tuple[int, ...] = ()
    stores: Tuple[StateCache, ...] = ()

    def get(self, window: Window) -> Optional[Dict[int, torch.Tensor]]:
        """RETURNS (Optional[Dict[int, torch.Tensor]]): What is known of a window, each `(length, width)`."""
        for i, store in enumerate(self.stores):
            states = store.get(window, self.wanted)
            if states is not None:
                for earlier in self.stores[:i]:
                    earlier.put(window, {layer: states[layer] for layer in self.wanted})
                return states
        return None

    def put(self, window: Window, states: Dict[int, torch.Tensor]) -> None:
        """Keep what was computed of a window."""
        for store in self.stores:
            store.put(window, states)


def find_source(encoder: "Encoder", layers: Sequence[int], is_train: bool) -> Source:
    """Decide what need not be computed.

    In training, states beneath what is trained are kept for the next epoch. Encoders on one backbone share those
    beneath what is theirs.

    encoder (Encoder): The encoder.
    layers (Sequence[int]): The hidden states that it has to give.
    is_train (bool): Whether it is being trained.
    RETURNS (Source): Where states may be known from.
    """
    encoder.wanted = tuple(layers)
    if not encoder.settings.cache_mb:
        return Source(Prefix(0))
    number, shared = encoder.common.number(), (encoder.common.states,)
    if is_train and encoder.prefix.number:
        kept = _up_to(encoder.prefix.number, layers)
        if number != encoder.prefix.number or number > encoder.unchanged.number:
            return Source(encoder.prefix, encoder.prefix.number, kept, kept, (encoder.cache,))
        return Source(encoder.prefix, number, kept, encoder.common.wanted(number), (encoder.cache, *shared))
    if 0 < number <= encoder.unchanged.number:
        return Source(encoder.unchanged, number, _up_to(number, layers), encoder.common.wanted(number), shared)
    return Source(Prefix(0))


def _up_to(number: int, layers: Iterable[int]) -> Tuple[int, ...]:
    """RETURNS (Tuple[int, ...]): The hidden states from which all others follow: that one and those beneath it."""
    return tuple(sorted({number, *(layer for layer in layers if layer <= number)}))
