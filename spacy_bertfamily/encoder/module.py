"""The torch side: a shared frozen backbone, the tensors trained on top, and their forward pass."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from itertools import chain
from typing import Any, cast

import torch
from torch import nn
from transformers import PreTrainedModel

from ..adapters import DEFAULT, Adapter, AdapterModules, NamedAdapters
from ..adapters.size import check_adapter_size, sketch_adapter
from ..backbone import Backbone
from ..backbone.model import LOADING_LOCK
from ..errors import Errors
from ..model_types import ModelTypeSpec, known_spec, spec_for
from ..patching.bfloat16_attention import ProductAttention
from ..patching.checkpointing import recompute
from ..patching.forked_threads import use_one_thread_if_forked
from ..patching.hooks import Handle, ThreadLocalSlot
from ..patching.mixed_layer_norm import use_mixed_layer_norm
from ..patching.onednn import use_onednn
from ..patching.parameters import replace_parameters
from ..patching.visible_attention import install_visible_attention
from .inputs import ModelInputs
from .lock import ReadWriteLock
from .seen import SeenPieces
from .settings import EncoderSettings
from .trainable import thawed_modules, trained_names


class PretrainingModules(nn.Module):
    """What a pretraining learns beside an encoder."""

    def tie(self, encoder: "Encoder") -> None:
        """Use an encoder's tensors where these modules share them.

        encoder (Encoder): The encoder.
        """

    def describe(self, encoder: "Encoder") -> dict[str, Any]:
        """Say what is needed to make these modules again, beside their tensors.

        encoder (Encoder): The encoder.
        RETURNS (dict[str, Any]): JSON.
        """
        return {}


class Encoder(NamedAdapters):
    """A backbone with what is trained on it.

    Frozen tensors are the shared backbone's own; trained ones are copies in float32, whatever the
    precision of the rest, since small updates vanish in 16 bits. `make_encoder` gives one with the
    configured adapter.

    shared (Backbone): The backbone. It is kept, so that others can share it as long as this lives.
    settings (EncoderSettings): What to train and how.
    """

    def __init__(self, shared: Backbone, settings: EncoderSettings):
        model_type = shared.config.model_type
        contexts = ThreadLocalSlot()
        backbone = _make_trainable(shared, settings, contexts)
        thawed = thawed_modules(backbone, settings, model_type)
        super().__init__(backbone, trains_adapter=settings.trains_adapter)
        self.shared = shared
        self.settings = settings
        self.spec = spec_for(model_type)
        self.inputs = ModelInputs.of(shared)
        # predictions read; training, probing and changes of adapters write
        self.lock = ReadWriteLock()
        # whether the configured adapter, or another state of the adapters, is in place
        self.is_complete = settings.adapter is None
        # what a pretraining learns beside the encoder, such as a head
        self.pretraining: PretrainingModules | None = None
        # incremented by every change of weights by training
        self.updates = 0
        self._thawed = [backbone.get_submodule(path) for path in thawed]
        # makes the context of the running forward pass, for layers that are computed again
        self._contexts = contexts
        self._process = os.getpid()
        # how the self-attentions attend in the running forward pass, if not as the model does
        self._plan = ThreadLocalSlot()
        self._visible_attention: Handle | None = None
        self.train(False)

    # Adapters

    def configure_adapter(self) -> None:
        """Make the adapter of the config, and activate it.

        An adapter that is made of others by name is left for later, until those are there.

        RAISES (BertFamilyError): If the adapter does not fit the backbone.
        """
        settings = self.settings.adapter
        if self.is_complete or settings is None or self.missing_adapters:
            return
        self.new_adapter(DEFAULT, settings, self.known_spec)
        self.set_adapter(DEFAULT)
        self.is_complete = True

    def restore_adapters(self, adapters: Mapping[str, Adapter], active: str | None) -> None:
        """Make stored adapters in place of the one of the config. Their tensors are new.

        adapters (Mapping[str, Adapter]): Settings by name.
        active (str | None): The adapter that acts, None for none.
        RAISES (BertFamilyError): If an adapter does not fit the backbone.
        """
        self.set_adapter(None)
        for name in self.adapters:
            self.delete_adapter(name)
        for name, settings in adapters.items():
            self.new_adapter(name, settings, self.known_spec)
        self.set_adapter(active)
        self.is_complete = True

    @property
    def missing_adapters(self) -> list[str]:
        """RETURNS (list[str]): The adapters that the configured one needs and that are missing."""
        if self.is_complete or self.settings.adapter is None:
            return []
        return [name for name in self.settings.adapter.names if name not in self.adapters]

    def check_complete(self) -> None:
        """RAISES (BertFamilyError): If the configured adapter could not be made yet."""
        if not self.is_complete:
            raise Errors.B077(name=(self.missing_adapters or [DEFAULT])[0])

    def new_adapter(self, name: str, settings: Adapter, spec: ModelTypeSpec) -> None:
        """As `NamedAdapters.new_adapter`. Predictions of other threads wait."""
        # first the lock that a load in another thread may hold for long: predictions go on
        with LOADING_LOCK, self.lock.write():
            super().new_adapter(name, settings, spec)

    def add_adapter(self, name: str, settings: Adapter, modules: AdapterModules) -> None:
        """As `NamedAdapters.add_adapter`. Predictions of other threads wait."""
        with self.lock.write():
            super().add_adapter(name, settings, modules)

    def delete_adapter(self, name: str) -> None:
        """As `NamedAdapters.delete_adapter`. Predictions of other threads wait."""
        with self.lock.write():
            super().delete_adapter(name)

    def set_adapter(self, name: str | None) -> None:
        """As `NamedAdapters.set_adapter`. Predictions of other threads see one of both adapters."""
        with self.lock.write():
            super().set_adapter(name)

    def merge_adapter(self) -> None:
        """As `NamedAdapters.merge_adapter`. Predictions of other threads wait."""
        with self.lock.write():
            super().merge_adapter()

    def make_adapter(self, settings: Adapter, spec: ModelTypeSpec) -> AdapterModules:
        """Make the modules of an adapter, which are inactive until `set_adapter`.

        settings (Adapter): The adapter's settings.
        spec (ModelTypeSpec): Where the backbone takes adapters.
        RETURNS (AdapterModules): The modules.
        RAISES (BertFamilyError): If the adapter does not fit the backbone or the windows, or is
            larger than the backbone.
        """
        self.settings.check_adapter(settings, self.shared.config)
        # loading a backbone in another thread patches how torch makes modules
        with LOADING_LOCK:
            check_adapter_size(settings, self.shared.model, spec)
            with self.lock.write():
                modules = super().make_adapter(settings, spec)
        _accelerate(modules, self.settings, self.device)
        return modules

    def sketch_adapter(
        self, settings: Adapter, most_numbers: int, most_modules: int
    ) -> AdapterModules:
        """Make the modules of an adapter on the meta device, where they take no memory.

        settings (Adapter): The adapter's settings.
        most_numbers (int): The most numbers that it may have.
        most_modules (int): The most modules.
        RETURNS (AdapterModules): The modules.
        RAISES (TooLargeError): If it is larger.
        RAISES (BertFamilyError): If the adapter does not fit the backbone.
        """
        with LOADING_LOCK:
            return sketch_adapter(
                settings, self.shared.model, self.known_spec, most_numbers, most_modules
            )

    # Pretraining

    def attach(self, modules: PretrainingModules) -> None:
        """Learn more than the encoder: in pretraining, and stored with it until that is over.

        modules (PretrainingModules): What else is learned.
        """
        modules.tie(self)
        with self.lock.write():
            self.pretraining = modules.to(self.device)

    @property
    def embeddings(self) -> nn.Parameter:
        """RETURNS (nn.Parameter): The embeddings of pieces, `(vocabulary, width)`."""
        model = cast(PreTrainedModel, self.backbone)
        return cast(nn.Parameter, model.get_input_embeddings().weight)

    # What the backbone is

    @property
    def known_spec(self) -> ModelTypeSpec:
        """Look up where the backbone takes adapters.

        RETURNS (ModelTypeSpec): The row of the table of model types.
        RAISES (BertFamilyError): If there is none.
        """
        return known_spec(self.shared.config.model_type)

    @property
    def device(self) -> torch.device:
        """RETURNS (torch.device): Where the backbone computes."""
        return next(self.backbone.parameters()).device

    @property
    def depth(self) -> int:
        """RETURNS (int): The number of layers; there is one more hidden state than that."""
        return int(getattr(self.shared.config, self.spec.depth))

    @property
    def width(self) -> int:
        """RETURNS (int): The width of the last hidden state."""
        return int(self.shared.config.hidden_size * self.spec.width)

    @property
    def causal(self) -> bool:
        """RETURNS (bool): Whether a piece sees only the pieces before it."""
        is_decoder = getattr(self.shared.config, "is_decoder", False)  # as a BERT can be
        return self.spec.causal or bool(is_decoder)

    @property
    def batch_pieces(self) -> int:
        """RETURNS (int): The most padded pieces in a batch, unless a single window is longer."""
        return 1 if self.spec.unbatched else self.settings.batch_pieces

    def padded_length(self, length: int) -> int | None:
        """Find the length to which a window must be padded.

        length (int): The window's length in pieces.
        RETURNS (int | None): The length that all windows of its batch must have; None if padding
            makes no difference.
        """
        return None if self.spec.pad_to is None else self.spec.pad_to(self.shared.config, length)

    def check_layers(self, layers: Sequence[int]) -> None:
        """Check that the backbone has some hidden states.

        layers (Sequence[int]): Their numbers.
        RAISES (BertFamilyError): If inner ones are among them and the model type has none that fit
            its pieces.
        """
        if any(layer != self.depth for layer in layers):
            self.spec.check("mix", self.shared.config.model_type)

    # What is trained

    @property
    def revision(self) -> tuple[int, int]:
        """RETURNS (tuple[int, int]): Differs once anything has changed what is computed."""
        return self.version, self.updates

    @property
    def trains(self) -> bool:
        """RETURNS (bool): Whether anything is trainable at all."""
        with self.lock.read():
            return any(p.requires_grad for p in self.parameters())

    def delta(self) -> dict[str, torch.Tensor]:
        """Find what a pipeline must store.

        RETURNS (dict[str, torch.Tensor]): The tensors that the backbone's own files do not hold, by
            name.
        """
        merged = {f"backbone.{name}" for name in self.merged}
        return {
            name: tensor
            for name, tensor in chain(self.named_parameters(), self.named_buffers())
            if tensor.requires_grad or name in merged or name.startswith(("adapter.", "adapter@"))
        }

    @contextmanager
    def in_training(self) -> Iterator[None]:
        """Switch dropout on where weights are trained, and gradients. No other thread predicts."""
        with self.lock.write(), torch.enable_grad():
            self.training = True
            for module in self._thawed:
                module.train()
            if self.active_modules is not None and self.trains_adapter:
                self.active_modules.train()
            try:
                yield
            finally:
                self.train(False)

    # The forward pass

    def allow_seen_pieces(self) -> None:
        """Let forward passes say what each piece sees. All others compute as before.

        RAISES (BertFamilyError): If the model type's self-attention does not take that.
        """
        if self._visible_attention is not None:
            return
        spec, config = self.known_spec, self.shared.config
        spec.check("prefix", config.model_type)
        if getattr(config, "position_embedding_type", "absolute") != "absolute" or self.causal:
            raise Errors.B720(name=self.settings.name, model_type=config.model_type)
        layers = spec.find_layers(self.backbone)
        modules = [layer.get_submodule(spec.self_attention) for layer in layers]
        with self.lock.write():
            self._visible_attention = install_visible_attention(
                modules, spec.attention_parts, self._plan
            )

    def check_process(self) -> None:
        """Make sure that the encoder can compute in a forked process."""
        use_one_thread_if_forked()
        if os.getpid() != self._process:
            self._process = os.getpid()
            self.lock = ReadWriteLock()  # a thread of the parent may have held the old one

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor,
        layers: Iterable[int],
        global_attention_mask: torch.Tensor | None = None,
        bare: bool = False,
        seen: SeenPieces | None = None,
    ) -> dict[int, torch.Tensor]:
        """Run a batch of windows of equal padded length.

        input_ids, attention_mask, token_type_ids (torch.Tensor): Integers, one row per window. A
            backbone without token types does not see them.
        layers (Iterable[int]): The hidden states that are wanted: 0 is the embeddings' output,
            `depth` the last.
        global_attention_mask (torch.Tensor | None): 1 for the pieces that see all others, in a
            backbone with such global attention.
        bare (bool): Run the shared backbone without what is trained on it.
        seen (SeenPieces | None): What each piece sees, after `allow_seen_pieces`; None if it sees
            all pieces of its window.
        RETURNS (dict[int, torch.Tensor]): The hidden states by layer.
        *Shape:* inputs `(windows, pieces)`, each output `(windows, pieces, width)`.
        """
        layers = tuple(layers)
        positions = None if seen is None else seen.positions
        inputs = self.inputs(
            input_ids, attention_mask, token_type_ids, global_attention_mask, positions
        )
        inner = any(layer != self.depth for layer in layers)
        model = self.shared.model if bare else self.backbone
        context = partial(_enter_all, [*self._context_makers(model, input_ids.shape[1])])
        self._contexts.value = context
        self._plan.value = None if seen is None else seen.plan()
        try:
            with self.autocast(), context():
                output = model(
                    **inputs,
                    output_hidden_states=inner,
                    output_attentions=False,
                    return_dict=True,
                )
        finally:
            # the layers hold the slot, and through this they would keep the whole model alive
            self._contexts.value = None
            self._plan.value = None
        states = {layer: output.hidden_states[layer] for layer in layers if layer != self.depth}
        if self.depth in layers:
            states[self.depth] = output.last_hidden_state
        return states

    def autocast(self) -> torch.autocast:
        """RETURNS (torch.autocast): The context in which the precision of the settings holds."""
        is_float32 = self.settings.precision == "float32"
        return torch.autocast(self.device.type, self.settings.dtype, enabled=not is_float32)

    def _context_makers(
        self, model: nn.Module, length: int
    ) -> Iterator[Callable[[], AbstractContextManager[Any]]]:
        """List the contexts that layers run in, in the forward pass and when they are recomputed.

        model (nn.Module): The model that runs.
        length (int): The padded length of its windows.
        YIELDS (Callable[[], AbstractContextManager[Any]]): Makes a context.
        """
        if self.spec.forward_context is not None:
            yield partial(self.spec.forward_context, model, length)
        if self.settings.precision == "bfloat16" and torch.is_grad_enabled():
            yield ProductAttention


def make_encoder(shared: Backbone, settings: EncoderSettings) -> Encoder:
    """Make an encoder with the adapter of its settings.

    shared (Backbone): The backbone.
    settings (EncoderSettings): What to train and how.
    RETURNS (Encoder): The encoder.
    RAISES (BertFamilyError): If the settings do not fit the backbone.
    """
    encoder = Encoder(shared, settings)
    encoder.configure_adapter()
    return encoder


def _make_trainable(
    shared: Backbone, settings: EncoderSettings, contexts: ThreadLocalSlot
) -> nn.Module:
    """Make a module tree over a backbone's tensors, in which trained tensors are copies.

    shared (Backbone): The backbone.
    settings (EncoderSettings): What to train and how.
    contexts (ThreadLocalSlot): Makes the context of a forward pass, for recomputed layers.
    RETURNS (nn.Module): The tree.
    """
    model_type = shared.config.model_type
    model = shared.share()
    _replace_by_copies(model, trained_names(model, settings, model_type))
    if settings.precision != "float32":
        use_mixed_layer_norm(model)
    device = next(model.parameters()).device
    _accelerate(model, settings, device)
    _accelerate(shared.model, settings, device)  # computes what several encoders share
    if settings.gradient_checkpointing:
        recompute(known_spec(model_type).find_layers(model), contexts)
    return model


def _accelerate(model: nn.Module, settings: EncoderSettings, device: torch.device) -> None:
    if settings.precision == "float32" and device.type == "cpu":
        use_onednn(model)


def _replace_by_copies(model: nn.Module, names: Iterable[str]) -> None:
    """Put a trainable float32 copy of each named parameter in its place, wherever it is used."""
    parameters = dict(model.named_parameters())
    replace_parameters(model, {parameters[name]: parameters[name].float() for name in names})
    for parameter in map(model.get_parameter, names):
        parameter.requires_grad = True


@contextmanager
def _enter_all(makers: Sequence[Callable[[], AbstractContextManager[Any]]]) -> Iterator[None]:
    with ExitStack() as stack:
        for make in makers:
            stack.enter_context(make())
        yield
