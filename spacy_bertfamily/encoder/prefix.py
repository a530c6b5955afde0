"""The lower layers of a backbone in which nothing is trained: their result is kept, and the rest goes on from it."""

import contextlib
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional, Sequence, Tuple

import torch
from torch import nn

from ..adapters import Remembered, StandIn

if TYPE_CHECKING:
    from .module import Encoder

PROBED = (2, 8)  # windows, pieces
TOLERANCE = 1e-4
# What layers of transformers' models return: the hidden state, alone or before attention weights that nobody asked for.
FORMS: Tuple[Callable[[torch.Tensor], Any], ...] = (
    lambda h: (h,),
    lambda h: h,
    lambda h: (h, None),
    lambda h: (h.transpose(0, 1), None),  # XLNet's
    lambda h: {"feature_map": h.transpose(1, 2)},  # SqueezeBERT's
)


class Prefix:
    """Layers that need not be computed where the hidden state above them is known.

    number (int): That hidden state: 0 for nothing, the backbone's depth if nothing is trained at all.
    layers (Sequence[nn.Module]): The layers.
    form (Callable): From that hidden state to what a layer of this backbone returns.
    """

    def __init__(
        self, number: int, layers: Sequence[nn.Module] = (), form: Callable[[torch.Tensor], Any] = FORMS[0]
    ) -> None:
        self.number = number
        self.form = form
        # in each thread: what the layers return, and how many of them; else they compute it
        self._known = Remembered()
        self._stand_ins = [StandIn(layer, self._guard(depth, layer.forward)) for depth, layer in enumerate(layers)]

    def _guard(self, depth: int, forward: Callable) -> Callable:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            known, number = self._known.value or (None, 0)
            return known if depth < number else forward(*args, **kwargs)

        return guarded

    def remove(self) -> None:
        """Leave the layers as they were."""
        while self._stand_ins:
            self._stand_ins.pop().remove()

    @contextlib.contextmanager
    def skip(self, state: torch.Tensor, number: Optional[int] = None) -> Iterator[None]:
        """Let the layers return what is known instead of computing it, in this thread.

        state (torch.Tensor): The hidden state above them, `(windows, pieces, width)`. Those below are then not what
            they are called.
        number (Optional[int]): How many of the layers; None for all.
        """
        self._known.value = (self.form(state), self.number if number is None else number)
        try:
            yield
        finally:
            self._known.value = None


def find_prefix(encoder: "Encoder") -> Prefix:
    """Find the layers beneath everything that is trained.

    Autograd says which those are, whatever is trained and by whatever kind of adapter: below, hidden states need no
    gradient. Whether a model can go on from there is tried: some hand more from layer to layer than a hidden state.

    encoder (Encoder): The backbone and what is trained on it.
    RETURNS (Prefix): The layers; none if there is nothing to save.
    """
    depth = encoder.depth
    layers = encoder.traits.find_layers(encoder.backbone)
    if len(layers) != depth or "prefix" in encoder.traits.lacks:  # unknown, or not one for each hidden state
        return Prefix(0 if encoder.trains else depth)
    with _without_dropout(encoder):
        inputs = _probe(encoder)
        with torch.enable_grad():
            states = encoder(*inputs, range(depth + 1))
        number = next((j for j in range(depth + 1) if states[j].requires_grad), depth + 1) - 1
        return _first_form(encoder, number, layers, inputs, states)


def find_unchanged(encoder: "Encoder") -> Prefix:
    """Find the layers beneath everything in which an encoder differs from its bare backbone, trained or not.

    encoder (Encoder): The backbone and what is trained on it.
    RETURNS (Prefix): The layers; none if there is nothing to share.
    """
    shared = {id(parameter) for parameter in encoder.shared.model.parameters()}
    own = [p for p in encoder.parameters() if id(p) not in shared and not p.requires_grad]
    for parameter in own:
        parameter.requires_grad = True
    try:
        prefix = find_prefix(encoder)
    finally:
        for parameter in own:
            parameter.requires_grad = False
    inputs, layers = _probe(encoder), range(prefix.number + 1)
    with _without_dropout(encoder), torch.no_grad():
        found, bare = encoder(*inputs, layers), encoder(*inputs, layers, bare=True)
    if not all(_equal(found[j], bare[j]) for j in layers):  # it has no parameters, but changes something
        prefix.remove()
        return Prefix(0)
    return prefix


@contextlib.contextmanager
def _without_dropout(encoder: "Encoder") -> Iterator[None]:
    """Try something as in prediction. Dropout would change it, and move the random numbers of a training on."""
    was_training = encoder.training
    encoder.set_training(False)
    try:
        yield
    finally:
        encoder.set_training(was_training)


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE)


def _probe(encoder: "Encoder") -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """RETURNS (Tuple[torch.Tensor, torch.Tensor, torch.Tensor]): Piece ids, attention mask and token type ids."""
    windows, pieces = PROBED
    pieces = encoder.padded_length(pieces) or pieces
    vocabulary = encoder.shared.config.vocab_size
    ids = torch.arange(windows * pieces, device=encoder.device).reshape(windows, pieces) % vocabulary
    mask = torch.ones_like(ids)
    mask[1:, pieces // 2 :] = 0
    return ids, mask, torch.zeros_like(ids)


def _first_form(encoder: "Encoder", number: int, layers: Sequence[nn.Module], inputs: Any, states: Any) -> Prefix:
    for form in FORMS if number > 0 else ():
        prefix = Prefix(number, layers[:number], form)
        if _goes_on(encoder, prefix, inputs, states):
            return prefix
        prefix.remove()
    return Prefix(number if number == encoder.depth else 0)


def _goes_on(encoder: "Encoder", prefix: Prefix, inputs: Any, states: Any) -> bool:
    """RETURNS (bool): Whether all is as before if the layers are skipped."""
    number = min(prefix.number, encoder.depth - 1)
    above = range(number + 1, encoder.depth + 1)
    seen = inputs[1].bool()
    try:
        with torch.no_grad(), prefix.skip(states[number], number):
            again = encoder(*inputs, above)
    except Exception:  # whatever a model's own code makes of layers that do not return what it expects
        return False
    return all(_equal(again[j][seen], states[j][seen]) for j in above)
