"""The lower layers of a backbone in which nothing is trained: their result is kept, and the rest goes on from it."""

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Iterator, Sequence, Tuple

import torch
from torch import nn

from ..adapters import StandIn, describe

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


@dataclass(frozen=True)
class Prefix:
    """Layers that need not be computed where the hidden state above them is known.

    number (int): That hidden state: 0 for nothing, the backbone's depth if nothing is trained at all.
    layers (Tuple[nn.Module, ...]): The layers.
    form (Callable): From that hidden state to what a layer of this backbone returns.
    """

    number: int
    layers: Tuple[nn.Module, ...] = ()
    form: Callable[[torch.Tensor], Any] = FORMS[0]

    @contextlib.contextmanager
    def skip(self, state: torch.Tensor) -> Iterator[None]:
        """Let the layers return what is known instead of computing it.

        state (torch.Tensor): The hidden state above them, `(windows, pieces, width)`. Those below are then not what
            they are called.
        """
        known = self.form(state)
        stand_ins = [StandIn(layer, lambda *args, **kwargs: known) for layer in self.layers]
        try:
            yield
        finally:
            for stand_in in stand_ins:
                stand_in.remove()

    def kept(self, wanted: Sequence[int]) -> Tuple[int, ...]:
        """RETURNS (Tuple[int, ...]): The hidden states to keep of a window: those from which all wanted ones follow."""
        return tuple(sorted({self.number, *(j for j in wanted if j <= self.number)})) if self.number else ()


def find_prefix(encoder: "Encoder") -> Prefix:
    """Find the layers beneath everything that is trained.

    Autograd says which those are, whatever is trained and by whatever kind of adapter: below, hidden states need no
    gradient. Whether a model can go on from there is tried: some hand more from layer to layer than a hidden state.

    encoder (Encoder): The backbone and what is trained on it.
    RETURNS (Prefix): The layers; none if there is nothing to save.
    """
    if not encoder.trains:
        return Prefix(encoder.depth)
    was_training = encoder.training
    encoder.set_training(False)  # no dropout, which would also move the random numbers on
    try:
        return _probe(encoder)
    finally:
        encoder.set_training(was_training)


def _probe(encoder: "Encoder") -> Prefix:
    depth, config = encoder.depth, encoder.shared.config
    family = describe(config.model_type)
    layers = family.find_layers(encoder.backbone)
    if len(layers) != depth or "prefix" in family.lacks:  # unknown, or not one for each hidden state
        return Prefix(0)
    windows, pieces = PROBED
    pieces = family.pad_to(config, pieces) or pieces if family.pad_to else pieces
    ids = torch.arange(windows * pieces, device=encoder.device).reshape(windows, pieces) % config.vocab_size
    mask = torch.ones_like(ids)
    mask[1:, pieces // 2 :] = 0
    inputs = (ids, mask, torch.zeros_like(ids))
    with torch.enable_grad():
        states = encoder(*inputs, range(depth + 1))
    number = next((j for j in range(depth + 1) if states[j].requires_grad), depth) - 1
    for form in FORMS if number > 0 else ():
        prefix = Prefix(number, layers[:number], form)
        if _goes_on(encoder, prefix, inputs, states):
            return prefix
    return Prefix(0)


def _goes_on(encoder: "Encoder", prefix: Prefix, inputs: Any, states: Any) -> bool:
    """RETURNS (bool): Whether all is as before if the layers are skipped."""
    above = range(prefix.number + 1, encoder.depth + 1)
    seen = inputs[1].bool()
    try:
        with torch.no_grad(), prefix.skip(states[prefix.number]):
            again = encoder(*inputs, above)
    except Exception:  # whatever a model's own code makes of layers that do not return what it expects
        return False
    return all(torch.allclose(again[j][seen], states[j][seen], rtol=TOLERANCE, atol=TOLERANCE) for j in above)
