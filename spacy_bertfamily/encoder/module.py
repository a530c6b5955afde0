"""The torch side: a shared frozen backbone, the tensors that are trained on top, and one forward pass."""

import inspect
import os
import threading
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain
from typing import Any, Callable, ContextManager, Dict, Iterable, Iterator, Optional, Sequence, Tuple

import torch
from torch import nn
from transformers import PretrainedConfig

from ..adapters import (
    DEFAULT,
    Adapter,
    AdapterModules,
    Family,
    NamedAdapters,
    Remembered,
    describe,
    find_family,
    replace_parameters,
)
from ..backbone import Backbone
from ..errors import Errors
from .attention import ProductAttention
from .cache import StateCache
from .common import join
from .linear import use_onednn
from .prefix import Prefix, find_prefix, find_unchanged
from .recompute import recompute
from .settings import EncoderSettings
from .trainable import thawed_modules, trained_names


class Encoder(NamedAdapters):
    """A backbone with what is trained on it.

    Frozen tensors are the shared backbone's own; trained ones are copies in float32, whatever the precision of the
    rest, since small updates vanish in 16 bits.

    shared (Backbone): The backbone. It is kept, so that others can share it as long as this lives.
    settings (EncoderSettings): What to train and how.
    """

    def __init__(self, shared: Backbone, settings: EncoderSettings):
        super().__init__()
        self.settings = settings
        self.shared = shared
        self.backbone = shared.share()
        self.traits = describe(shared.config.model_type)
        accepted = inspect.signature(self.backbone.forward).parameters
        missing = [name for name in ("input_ids", "attention_mask") if name not in accepted]
        if missing:
            raise ValueError(Errors.B116.format(model_type=shared.config.model_type, missing=" and ".join(missing)))
        self.has_token_types = _has_token_types(self.traits, shared.config, "token_type_ids" in accepted)
        # keys and values for pieces still to come: there are none
        self._no_cache = {"use_cache": False} if "use_cache" in accepted else {}
        self.piece_inputs = {key: table.to(self.device) for key, table in shared.piece_inputs().items()}
        model_type = shared.config.model_type
        names = trained_names(self.backbone, settings, model_type)
        self._thawed = [self.backbone.get_submodule(p) for p in thawed_modules(self.backbone, settings, model_type)]
        _replace_by_copies(self.backbone, names)
        for model in (self.backbone, shared.model):  # the latter computes what several have in common
            self._accelerate(model)
        self._surroundings = Remembered()
        if settings.gradient_checkpointing:
            recompute(self.family.find_layers(self.backbone), self._surroundings)
        self.trains_adapter = "adapter" in settings.trainable or "all" in settings.trainable
        self._prefixes: Dict[str, Prefix] = {}
        # held while this is trained, and while it is tried what its layers do: that takes dropout and gradients away
        self.busy = threading.RLock()
        self.forget()
        self._process = os.getpid()
        self.set_training(False)
        self.wanted: Tuple[int, ...] = ()
        self.common = join(self)
        # the adapters that the configured one is made of, where they have to come first
        self.waits_for = () if settings.adapter is None else settings.adapter.names
        if not self.waits_for:
            self.configure_adapter()

    def configure_adapter(self) -> None:
        """Make the adapter of the config, and let it act. One that is made of others by name has to wait for them.

        RAISES (ValueError): If there are no adapters of those names.
        """
        if self.settings.adapter is not None:
            self.new_adapter(DEFAULT, self.settings.adapter, self.family)
            self.set_adapter(DEFAULT)
            self.waits_for = ()

    def check_complete(self) -> None:
        """RAISES (ValueError): If the configured adapter could not be made yet."""
        if self.waits_for:
            raise ValueError(Errors.B077.format(name=self.waits_for[0]))

    @property
    def family(self) -> Family:
        """RETURNS (Family): Where the backbone takes adapters. RAISES (ValueError): If that is not known."""
        return find_family(self.shared.config.model_type)

    def make_adapter(self, settings: Adapter, family: Family) -> AdapterModules:
        self.settings.check_adapter(settings, self.shared.config)
        modules = super().make_adapter(settings, family)
        self._accelerate(modules)
        return modules

    def _accelerate(self, model: nn.Module) -> None:
        if self.settings.precision == "float32" and self.device.type == "cpu":
            use_onednn(model)

    def set_adapter(self, name: Optional[str]) -> None:
        super().set_adapter(name)
        self.forget()

    def forget(self) -> None:
        """Forget hidden states, which were computed with another adapter, and which layers they belong to."""
        self.cache = StateCache(self.settings.cache_mb * 2**20)
        while self._prefixes:
            self._prefixes.popitem()[1].remove()

    @property
    def prefix(self) -> Prefix:
        """RETURNS (Prefix): The layers beneath all that is trained, whose result can be kept in training."""
        return self._find("trained", lambda: find_prefix(self))

    @property
    def unchanged(self) -> Prefix:
        """RETURNS (Prefix): The layers beneath all in which this differs from the bare backbone."""
        return self._find("own", lambda: find_unchanged(self))

    def _find(self, beneath: str, find: Callable[[], Prefix]) -> Prefix:
        if beneath not in self._prefixes:
            # one thread at a time says what needs gradients, which whoever only predicts may have switched off
            with self.busy, torch.inference_mode(False):
                if beneath not in self._prefixes:
                    self._prefixes[beneath] = find()
        return self._prefixes[beneath]

    @property
    def device(self) -> torch.device:
        return next(self.backbone.parameters()).device

    @property
    def depth(self) -> int:
        """RETURNS (int): The number of layers; there is one more hidden state than that."""
        return getattr(self.shared.config, self.traits.depth)

    @property
    def width(self) -> int:
        return self.shared.config.hidden_size * self.traits.width

    @property
    def causal(self) -> bool:
        """RETURNS (bool): Whether a piece sees only those before it: by its type, or as a BERT made a decoder does."""
        return self.traits.causal or getattr(self.shared.config, "is_decoder", False)

    @property
    def batch_pieces(self) -> int:
        """RETURNS (int): The most padded pieces in a batch, unless a single window is longer."""
        return 1 if self.traits.alone else self.settings.batch_pieces

    def padded_length(self, length: int) -> Optional[int]:
        """RETURNS (Optional[int]): The length to which a window must be padded, and that all windows of its batch have;
        None if that makes no difference.
        """
        return None if self.traits.pad_to is None else self.traits.pad_to(self.shared.config, length)

    @property
    def trains(self) -> bool:
        """RETURNS (bool): Whether anything is trainable at all."""
        return any(p.requires_grad for p in self.parameters())

    def delta(self) -> Dict[str, torch.Tensor]:
        """RETURNS (Dict[str, torch.Tensor]): What a pipeline must store: the tensors that the backbone's own files
        do not give back, by name.
        """
        merged = {f"backbone.{name}" for name in self.merged}
        return {
            name: tensor
            for name, tensor in chain(self.named_parameters(), self.named_buffers())
            if tensor.requires_grad or name in merged or name.startswith(("adapter.", "adapter@"))
        }

    def check_process(self) -> None:
        """Compute with one thread in a forked process: OpenMP's threads do not survive a fork, so that the first wide
        operation of `nlp.pipe(n_process=2)` would wait for them for ever.
        """
        if os.getpid() != self._process:
            self._process = os.getpid()
            torch.set_num_threads(1)

    def check_layers(self, layers: Sequence[int]) -> None:
        """RAISES (ValueError): If inner hidden states are wanted of a type whose own do not fit the last."""
        if any(layer != self.depth for layer in layers):
            self.traits.check("mix", self.shared.config.model_type)

    def set_training(self, training: bool) -> None:
        """Switch dropout on where weights are trained, and off in all that is frozen."""
        if training == self.training:
            return
        self.train(False)
        if training:
            self.training = True
            for module in self._thawed:
                module.train()
            if self.active_modules is not None and self.trains_adapter:
                self.active_modules.train()

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor,
        layers: Iterable[int],
        focus: Optional[torch.Tensor] = None,
        bare: bool = False,
    ) -> Dict[int, torch.Tensor]:
        """Run a batch of windows of equal padded length.

        input_ids, attention_mask, token_type_ids (torch.Tensor): Integers, one row per window. A backbone without token
            types does not see them.
        layers (Iterable[int]): The hidden states that are wanted: 0 is the embeddings' output, `depth` the last.
        focus (Optional[torch.Tensor]): 1 for the pieces that see all others, in a backbone with such global attention.
        bare (bool): Run the shared backbone as it came.
        RETURNS (Dict[int, torch.Tensor]): The hidden states by layer.
        *Shape:* inputs `(windows, pieces)`, each output `(windows, pieces, width)`.
        """
        layers = tuple(layers)
        inputs: Dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask, **self._no_cache}
        if self.has_token_types:
            inputs["token_type_ids"] = token_type_ids
        if self.traits.global_attention and focus is not None:
            inputs["global_attention_mask"] = focus
        inputs.update({name: table[input_ids] for name, table in self.piece_inputs.items()})
        inner = any(layer != self.depth for layer in layers)
        autocast = torch.autocast(self.device.type, self.settings.dtype, enabled=self.settings.precision != "float32")
        model = self.shared.model if bare else self.backbone
        around = partial(_together, [*self._around(model, input_ids.shape[1])])
        self._surroundings.value = around
        try:
            with autocast, around():
                output = model(**inputs, output_hidden_states=inner, output_attentions=False, return_dict=True)
        finally:
            self._surroundings.value = None  # the model, whose layers keep this alive, would be kept by it
        return {j: output.last_hidden_state if j == self.depth else output.hidden_states[j] for j in layers}

    def _around(self, model: nn.Module, length: int) -> Iterator[Callable[[], ContextManager]]:
        """YIELDS (Callable[[], ContextManager]): What makes a context that layers run in, when they are computed first
        and when they are computed again on the way back.
        """
        if self.traits.around is not None:
            yield partial(self.traits.around, model, length)
        if self.settings.precision == "bfloat16" and torch.is_grad_enabled():
            yield ProductAttention


@contextmanager
def _together(makers: Sequence[Callable[[], ContextManager]]) -> Iterator[None]:
    with ExitStack() as stack:
        for make in makers:
            stack.enter_context(make())
        yield


def _has_token_types(traits: Family, config: PretrainedConfig, accepted: bool) -> bool:
    """RETURNS (bool): Whether a backbone tells two segments apart by token type ids."""
    if traits.token_types is not None:
        return traits.token_types
    return accepted and getattr(config, "type_vocab_size", 0) > 1


def _replace_by_copies(model: nn.Module, names: Iterable[str]) -> None:
    """Put a float32 copy of each named parameter in its place, at every place where the model uses it."""
    parameters = dict(model.named_parameters())
    replace_parameters(model, {parameters[name]: parameters[name].float() for name in names})
    for parameter in map(model.get_parameter, names):
        parameter.requires_grad = True
