"""Reuse of hidden states, in later epochs and by other encoders on the same backbone."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch

from ..backbone import Backbone
from ..windows.cut import Window
from .cache import StateCache
from .frozen_layers import FrozenLayers, find_frozen_layers, find_unchanged_layers
from .module import Encoder
from .separate_layers import find_separate_layers

# Room for the windows of a batch, which one transformer of a pipeline reads after the other.
SHARED_BYTES = 128 * 2**20


@dataclass(frozen=True)
class CachePlan:
    """Where cached hidden states are looked up, and which layers they replace.

    layers (FrozenLayers): The layers that are skipped where the states are known.
    number (int): How many of these layers; 0 if nothing is looked up.
    needed (tuple[int, ...]): The hidden states of a window that have to be known to skip layers.
    kept (tuple[int, ...]): The hidden states to keep of a window that was computed.
    caches (tuple[StateCache, ...]): Where states are looked up, in order, and kept.
    """

    layers: FrozenLayers
    number: int = 0
    needed: tuple[int, ...] = ()
    kept: tuple[int, ...] = ()
    caches: tuple[StateCache, ...] = ()

    def look_up(self, windows: Sequence[Window]) -> list[dict[int, torch.Tensor]] | None:
        """Look up all windows of a batch.

        windows (Sequence[Window]): The windows.
        RETURNS (list[dict[int, torch.Tensor]] | None): The states of each window by layer,
            `(pieces, width)`; None if one of the windows has to be computed.
        """
        known = []
        for window in windows:
            states = self._get(window)
            if states is None:
                return None
            known.append(states)
        return known

    def _get(self, window: Window) -> dict[int, torch.Tensor] | None:
        for i, cache in enumerate(self.caches):
            states = cache.get(window, self.needed)
            if states is not None:
                for earlier in self.caches[:i]:
                    earlier.put(window, {layer: states[layer] for layer in self.needed})
                return states
        return None

    def keep(self, window: Window, states: dict[int, torch.Tensor]) -> None:
        """Keep what was computed of a window.

        window (Window): The window.
        states (dict[int, torch.Tensor]): By layer, each `(pieces, width)`.
        """
        for cache in self.caches:
            cache.put(window, {layer: states[layer] for layer in self.kept})


NO_CACHE = CachePlan(FrozenLayers(0))


class SharedPrefixCache:
    """The hidden states that several encoders on one backbone compute only once.

    They are those up to the lowest layer in which one of the encoders differs. Entries never go
    stale: the backbone's weights are immutable.
    """

    def __init__(self) -> None:
        self.states = StateCache(SHARED_BYTES, recent=True)
        # what each encoder was last asked for
        self._requests: WeakKeyDictionary[StateReuse, tuple[int, ...]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, backbone: Backbone, separate_layers: int = 0) -> "SharedPrefixCache":
        """Find the one of a backbone.

        backbone (Backbone): The backbone.
        separate_layers (int): As in the settings of the encoders that share it.
        RETURNS (SharedPrefixCache): Their cache.
        """
        of_backbone = _BY_BACKBONE.setdefault(backbone, {})
        return of_backbone.setdefault(separate_layers, cls())

    def register(self, reuse: "StateReuse") -> None:
        """Let an encoder take part.

        reuse (StateReuse): What is kept of the encoder.
        """
        with self._lock:
            self._requests[reuse] = ()

    def request(self, reuse: "StateReuse", layers: Sequence[int]) -> None:
        """Note the hidden states that an encoder has to give, so that others keep them for it.

        reuse (StateReuse): What is kept of the encoder.
        layers (Sequence[int]): The numbers of the hidden states.
        """
        with self._lock:
            self._requests[reuse] = tuple(layers)

    def number(self) -> int:
        """Find the hidden state up to which encoders have their layers in common.

        RETURNS (int): The number of the hidden state beneath the lowest layer in which any encoder
            differs from the backbone; 0 if no two encoders share their lowest layers.
        """
        with self._lock:
            all_users = list(self._requests)
        users = [reuse for reuse in all_users if reuse.encoder.settings.cache_mb]
        if len(users) < 2:
            return 0
        numbers = [reuse.unchanged.number for reuse in users if reuse.unchanged.number]
        return min(numbers) if len(numbers) > 1 else 0

    def kept(self, number: int) -> tuple[int, ...]:
        """Choose the hidden states to keep for all encoders.

        number (int): The hidden state up to which encoders have their layers in common.
        RETURNS (tuple[int, ...]): That one, and those beneath it that an encoder has to give.
        """
        with self._lock:
            requests = list(self._requests.values())
        return up_to(number, [layer for layers in requests for layer in layers])


_BY_BACKBONE: WeakKeyDictionary[Backbone, dict[int, SharedPrefixCache]] = WeakKeyDictionary()


class StateReuse:
    """What need not be computed twice for one encoder.

    Whatever changes the encoder's function raises its version; then everything here is dropped.

    encoder (Encoder): The encoder.
    shares (bool): Whether it shares states with other encoders from the start on. Otherwise it does
        once torch computes it.
    """

    def __init__(self, encoder: Encoder, shares: bool = True):
        self.encoder = encoder
        self.cache = StateCache(encoder.settings.cache_mb * 2**20)
        self.shared = SharedPrefixCache.of(encoder.shared, encoder.settings.separate_layers)
        self._layers: dict[str, FrozenLayers] = {}
        self._version = encoder.version
        if shares:
            self.shared.register(self)

    @property
    def frozen(self) -> FrozenLayers:
        """RETURNS (FrozenLayers): The layers beneath all that is trained."""
        return self._find("frozen", find_frozen_layers)

    @property
    def unchanged(self) -> FrozenLayers:
        """RETURNS (FrozenLayers): The layers below all that differs from the bare backbone."""
        return self._find("unchanged", find_unchanged_layers)

    @property
    def separate(self) -> FrozenLayers:
        """RETURNS (FrozenLayers): All layers, the lowest of which read segments apart."""
        return self._find("separate", find_separate_layers)

    def _find(self, which: str, find: Callable[[Encoder], FrozenLayers]) -> FrozenLayers:
        self._check_version()
        found = self._layers.get(which)
        if found is None:
            # probing switches gradients, without dropout: nobody else may train or predict
            with self.encoder.lock.write(), torch.inference_mode(False):
                found = self._layers.get(which)
                if found is None:
                    found = self._layers[which] = find(self.encoder)
        return found

    def _check_version(self) -> None:
        self.encoder.check_process()  # other encoders on the backbone ask, too
        if self._version != self.encoder.version:
            with self.encoder.lock.write():
                if self._version != self.encoder.version:
                    self.invalidate_cache()

    def invalidate_cache(self) -> None:
        """Drop all states, and the layers that they belong to."""
        self.cache = StateCache(self.encoder.settings.cache_mb * 2**20)
        while self._layers:
            self._layers.popitem()[1].remove()
        self._version = self.encoder.version

    def plan(self, layers: Sequence[int], is_train: bool) -> CachePlan:
        """Decide what need not be computed.

        In training, states beneath what is trained are kept for the next epoch. Encoders on one
        backbone share the states beneath what is their own.

        layers (Sequence[int]): The hidden states that the encoder has to give.
        is_train (bool): Whether it is being trained.
        RETURNS (CachePlan): Where states are looked up, and which layers they replace.
        """
        self._check_version()
        self.shared.request(self, layers)
        if not self.encoder.settings.cache_mb:
            return NO_CACHE
        number = self.shared.number()
        if is_train and self.frozen.number:
            return self._plan_training(layers, number)
        if not number:
            return NO_CACHE
        unchanged = self.unchanged
        if number > unchanged.number:
            return NO_CACHE
        needed, kept = up_to(number, layers), self.shared.kept(number)
        return CachePlan(unchanged, number, needed, kept, (self.shared.states,))

    def _plan_training(self, layers: Sequence[int], shared_number: int) -> CachePlan:
        frozen = self.frozen
        needed = up_to(frozen.number, layers)
        if shared_number != frozen.number or shared_number > self.unchanged.number:
            return CachePlan(frozen, frozen.number, needed, needed, (self.cache,))
        kept = self.shared.kept(shared_number)
        return CachePlan(frozen, shared_number, needed, kept, (self.cache, self.shared.states))


def up_to(number: int, layers: Iterable[int]) -> tuple[int, ...]:
    """Choose the hidden states that have to be known to resume above one of them.

    number (int): The hidden state above which the forward pass resumes.
    layers (Iterable[int]): The hidden states that are wanted.
    RETURNS (tuple[int, ...]): That one, and the wanted ones beneath it, sorted.
    """
    return tuple(sorted({number, *(layer for layer in layers if layer <= number)}))
