"""The lower layers of a backbone in which nothing is trained.

Their output can be kept; the forward pass then resumes above them.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from ..patching.hooks import ForwardOverride, ThreadLocalSlot, install_all
from .module import Encoder

PROBED = (2, 8)  # windows, pieces
TOLERANCE = 1e-4
# What layers of transformers' models return: the hidden state, alone or before attention weights
# that nobody asked for.
FORMS: tuple[Callable[[torch.Tensor], Any], ...] = (
    lambda h: (h,),
    lambda h: h,
    lambda h: (h, None),
    lambda h: (h.transpose(0, 1), None),  # XLNet
    lambda h: {"feature_map": h.transpose(1, 2)},  # SqueezeBERT
)


class FrozenLayers:
    """Layers that need not be computed where the hidden state above them is known.

    number (int): The number of that hidden state: 0 for nothing, the backbone's depth if nothing is
        trained at all.
    layers (Sequence[nn.Module]): The layers.
    form (Callable): From that hidden state to what a layer of this backbone returns.
    transposed_axes (tuple[int, int] | None): As in `ModelTypeSpec`.
    is_trained (bool): Whether something is trained up to that hidden state, after all.
    """

    def __init__(
        self,
        number: int,
        layers: Sequence[nn.Module] = (),
        form: Callable[[torch.Tensor], Any] = FORMS[0],
        transposed_axes: tuple[int, int] | None = None,
        is_trained: bool = False,
    ) -> None:
        self.number = number
        self.is_trained = is_trained
        self.form = form
        self.transposed_axes = transposed_axes
        # in each thread: what the layers return, and how many of them do so
        self._skipping = ThreadLocalSlot()
        # in each thread: the number of layers that compute
        self._stopping = ThreadLocalSlot()
        self._overrides = install_all(
            partial(ForwardOverride, layer, self._guard(depth, layer.forward))
            for depth, layer in enumerate(layers)
        )

    def _guard(self, depth: int, forward: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            output, number = self._skipping.value or (None, 0)
            if depth < number:
                return output
            stop = self._stopping.value
            if stop is not None and depth >= stop:
                return self._pass_on(args[0] if args else next(iter(kwargs.values())))
            return forward(*args, **kwargs)

        return guarded

    def _pass_on(self, state: torch.Tensor) -> Any:
        """RETURNS (Any): What a layer returns that leaves its input as it is."""
        axes = self.transposed_axes
        return self.form(state if axes is None else state.transpose(*axes))

    def remove(self) -> None:
        """Give the layers their own forward functions back."""
        self._overrides.remove()

    @contextlib.contextmanager
    def skip(self, state: torch.Tensor, number: int | None = None) -> Iterator[None]:
        """Let the layers return a known hidden state instead of computing it, in this thread.

        Outputs of the layers below are invalid inside this context.

        state (torch.Tensor): The hidden state above them, `(windows, pieces, width)`.
        number (int | None): How many of the layers are skipped; None for all.
        """
        self._skipping.value = (self.form(state), self.number if number is None else number)
        try:
            yield
        finally:
            self._skipping.value = None

    @contextlib.contextmanager
    def stop(self, number: int) -> Iterator[None]:
        """Let the layers above a hidden state return their input, in this thread.

        Outputs of the layers above are invalid inside this context.

        number (int): The number of the hidden state.
        """
        self._stopping.value = number
        try:
            yield
        finally:
            self._stopping.value = None


def find_frozen_layers(encoder: Encoder) -> FrozenLayers:
    """Find the layers beneath everything that is trained.

    Autograd says which those are, for every `trainable` and every kind of adapter: the hidden
    states below need no gradient. Whether a model can resume there is probed: some models hand more
    from layer to layer than a hidden state.

    encoder (Encoder): The backbone and what is trained on it.
    RETURNS (FrozenLayers): The layers; none if there is nothing to save.
    """
    depth = encoder.depth
    layers = encoder.spec.find_layers(encoder.backbone)
    if len(layers) != depth or "caching" in encoder.spec.unsupported:
        # the layers are unknown, or there is not one for each hidden state
        return FrozenLayers(0 if encoder.trains else depth)
    inputs = _probe(encoder)
    with torch.enable_grad():
        states = encoder(*inputs, range(depth + 1))
    trained = (j for j in range(depth + 1) if states[j].requires_grad)
    number = next(trained, depth + 1) - 1
    return _find_form(encoder, number, layers, inputs, states)


def find_unchanged_layers(encoder: Encoder) -> FrozenLayers:
    """Find the layers beneath everything in which an encoder differs from its bare backbone.

    encoder (Encoder): The backbone and what is trained on it.
    RETURNS (FrozenLayers): The layers; none if there is nothing to share.
    """
    shared = {id(parameter) for parameter in encoder.shared.model.parameters()}
    own = [p for p in encoder.parameters() if id(p) not in shared and not p.requires_grad]
    for parameter in own:
        parameter.requires_grad = True
    try:
        found = find_frozen_layers(encoder)
    finally:
        for parameter in own:
            parameter.requires_grad = False
    inputs, layers = _probe(encoder), range(found.number + 1)
    with torch.no_grad():
        states, bare = encoder(*inputs, layers), encoder(*inputs, layers, bare=True)
    if not all(_equal(states[j], bare[j]) for j in layers):
        # something without parameters changes the layers
        found.remove()
        return FrozenLayers(0)
    return found


def find_resumable_layers(encoder: Encoder, number: int) -> FrozenLayers:
    """Find all layers, to compute only those beneath or only those above a hidden state.

    encoder (Encoder): The backbone and what is trained on it.
    number (int): The number of the hidden state.
    RETURNS (FrozenLayers): The layers, with the number 0 if the model does not allow that.
    """
    layers = encoder.spec.find_layers(encoder.backbone)
    axes = encoder.spec.transposed_axes
    inputs = _probe(encoder)
    with torch.enable_grad():
        states = encoder(*inputs, range(encoder.depth + 1))
    is_trained = states[number].requires_grad
    for form in FORMS if len(layers) == encoder.depth else ():
        found = FrozenLayers(number, layers, form, axes, is_trained)
        if _can_resume(encoder, found, inputs, states) and _can_stop(
            encoder, found, inputs, states
        ):
            return found
        found.remove()
    return FrozenLayers(0)


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    # where embeddings are trained, one of them is in float32, and the other may be in 16 bits
    return torch.allclose(one.float(), other.float(), rtol=TOLERANCE, atol=TOLERANCE)


def _probe(encoder: Encoder) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Make a small batch of windows, one of them padded.

    encoder (Encoder): The encoder that will read them.
    RETURNS (tuple[torch.Tensor, torch.Tensor, torch.Tensor]): Piece ids, attention mask and token
        type ids.
    """
    windows, pieces = PROBED
    pieces = encoder.padded_length(pieces) or pieces
    vocabulary = encoder.shared.config.vocab_size
    numbers = torch.arange(windows * pieces, device=encoder.device)
    ids = numbers.reshape(windows, pieces) % vocabulary
    mask = torch.ones_like(ids)
    mask[1:, pieces // 2 :] = 0
    return ids, mask, torch.zeros_like(ids)


def _find_form(
    encoder: Encoder, number: int, layers: Sequence[nn.Module], inputs: Any, states: Any
) -> FrozenLayers:
    """Find the form of output that the layer above accepts.

    encoder (Encoder): The encoder.
    number (int): The number of the hidden state above the frozen layers.
    layers (Sequence[nn.Module]): All layers.
    inputs, states: The probe, and the hidden states that it has.
    RETURNS (FrozenLayers): The layers with that form; none if there is no such form.
    """
    for form in FORMS if number > 0 else ():
        found = FrozenLayers(number, layers[:number], form)
        if _can_resume(encoder, found, inputs, states):
            return found
        found.remove()
    return FrozenLayers(number if number == encoder.depth else 0)


def _can_resume(encoder: Encoder, layers: FrozenLayers, inputs: Any, states: Any) -> bool:
    """RETURNS (bool): Whether the states above are the same if the layers are skipped."""
    number = min(layers.number, encoder.depth - 1)
    above = range(number + 1, encoder.depth + 1)
    is_piece = inputs[1].bool()
    try:
        with torch.no_grad(), layers.skip(states[number], number):
            again = encoder(*inputs, above)
    except Exception:  # models fail in their own ways on layers with an unexpected output
        return False
    return all(_equal(again[j][is_piece], states[j][is_piece]) for j in above)


def _can_stop(encoder: Encoder, layers: FrozenLayers, inputs: Any, states: Any) -> bool:
    """RETURNS (bool): Whether the states below are the same if the layers above do nothing."""
    below = range(layers.number + 1)
    is_piece = inputs[1].bool()
    try:
        with torch.no_grad(), layers.stop(layers.number):
            again = encoder(*inputs, below)
    except Exception:  # as in `_can_resume`
        return False
    return all(_equal(again[j][is_piece], states[j][is_piece]) for j in below)
