"""The thinc shim of what a `text_generator` trains beside the encoder."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from safetensors.torch import load, save
from thinc.api import Optimizer, torch2xp, xp2torch
from thinc.shims import Shim
from thinc.types import FloatsXd
from torch import nn

from ...encoder.module import Encoder
from ...errors import Errors
from ...transformer.shim import EncoderShim
from .writer import Writer


class WriterShim(Shim):
    """Hold a writer and its modules; there are none before `initialize` or `from_bytes`.

    Stored weights become modules when an encoder is there, with the first `modules_on`.

    writer (Writer): What writes.
    """

    _model: nn.Module | None

    def __init__(self, writer: Writer):
        super().__init__(None)
        self.writer = writer
        self.component = "text_generator"
        # weights that were read and have no modules yet: a safetensors file
        self._stored: bytes | None = None
        # the encoder that the modules are tied to
        self._encoder: Encoder | None = None
        self._lock = threading.RLock()

    @property
    def is_ready(self) -> bool:
        """RETURNS (bool): Whether there are weights."""
        return self._model is not None or self._stored is not None

    def initialize(self, shim: EncoderShim, texts: Sequence[str] = ()) -> None:
        """Make new modules, unless there are weights already.

        shim (EncoderShim): Holds the encoder.
        texts (Sequence[str]): All gold texts of the training data.
        """
        if self.is_ready:
            self.modules_on(shim)
            return
        self._model = self.writer.new_modules(shim)
        self.writer.learn_targets(self._model, shim, texts)
        self._connect(shim)

    def modules_on(self, shim: EncoderShim) -> nn.Module:
        """Get the modules, tied to an encoder.

        shim (EncoderShim): Holds the encoder.
        RETURNS (nn.Module): The modules.
        RAISES (BertFamilyError): If there are no weights, or they do not fit the encoder.
        """
        with self._lock:  # another thread must not get modules before their weights are read
            if self._stored is not None:
                tensors = load(self._stored)
                with torch.random.fork_rng():  # what is drawn is overwritten
                    modules = self.writer.empty_modules(shim, tensors)
                self._model = modules
                self._connect(shim)
                self._put_stored(tensors)
                self._stored = None
            if self._model is None:
                raise Errors.B721(name=self.component)
            if self._encoder is not shim.encoder:
                self._connect(shim)
            return self._model

    def _connect(self, shim: EncoderShim) -> None:
        assert self._model is not None
        self._model.to(shim.encoder.device)
        self.writer.tie(self._model, shim)
        self._model.train(False)
        self._encoder = shim.encoder

    def _put_stored(self, tensors: dict[str, torch.Tensor]) -> None:
        """RAISES (BertFamilyError): If stored weights are not those of the modules."""
        own = self._own_tensors()
        wrong = [
            name
            for name in sorted({*own, *tensors})
            if name not in own or name not in tensors or own[name].shape != tensors[name].shape
        ]
        if wrong:
            self._model = None
            raise Errors.B722(name=self.component, tensors=", ".join(wrong[:5]))
        with torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(tensors[name])

    def own_parameters(self) -> dict[str, nn.Parameter]:
        """RETURNS (dict[str, nn.Parameter]): The trained tensors that are not the encoder's."""
        if self._model is None:
            return {}
        of_encoder: set[int] = set()
        if self._encoder is not None:
            of_encoder = {id(parameter) for parameter in self._encoder.parameters()}
        return {
            name: parameter
            for name, parameter in self._model.named_parameters()
            if id(parameter) not in of_encoder and parameter.requires_grad
        }

    def _own_tensors(self) -> dict[str, torch.Tensor]:
        """RETURNS (dict[str, torch.Tensor]): What is stored: trained tensors, and buffers."""
        buffers = {} if self._model is None else dict(self._model.named_buffers())
        kept = {} if self._model is None else self._model.state_dict().keys()
        own = {name: buffer for name, buffer in buffers.items() if name in kept}
        return {**self.own_parameters(), **own}

    # Training

    def finish_update(self, optimizer: Optimizer) -> None:
        """Step the tensors that have a gradient.

        optimizer (Optimizer): The optimizer.
        """
        for name, parameter in self.own_parameters().items():
            if parameter.grad is None:
                continue
            value = cast(FloatsXd, torch2xp(parameter.data))
            gradient = cast(FloatsXd, torch2xp(parameter.grad))
            weights, _ = optimizer((self.id, name), value, gradient)
            parameter.data.copy_(xp2torch(weights, device=parameter.device))
            parameter.grad = None

    @contextlib.contextmanager
    def use_params(self, params: dict[Any, FloatsXd] | None) -> Iterator[None]:
        """Use averages instead of the trained tensors inside this context.

        params (dict[Any, FloatsXd] | None): Averages by the optimizer's key; others are ignored.
        """
        averages = {
            name: (params or {})[(self.id, name)]
            for name in self.own_parameters()
            if (self.id, name) in (params or {})
        }
        own = self.own_parameters()
        backup = {name: own[name].data.clone() for name in averages}
        for name, average in averages.items():
            own[name].data.copy_(xp2torch(average, device=own[name].device))
        try:
            yield
        finally:
            for name, value in backup.items():
                own[name].data.copy_(value)

    # Copies and storage

    def copy(self) -> "WriterShim":
        """RETURNS (WriterShim): Has tensors of its own."""
        copied = WriterShim(self.writer)
        copied.component = self.component
        return copied.from_bytes(self.to_bytes())

    def __deepcopy__(self, memo: dict[int, Any]) -> "WriterShim":
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (self.writer, self.component, self.to_bytes())

    def to_device(self, device_type: str, device_id: int) -> None:
        """Let the modules be placed anew when they are next needed."""
        self._encoder = None

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): The trained tensors as a safetensors file; empty if there are none."""
        if self._stored is not None:
            return self._stored
        if self._model is None:
            return b""
        tensors = {
            name: tensor.detach().cpu().contiguous() for name, tensor in self._own_tensors().items()
        }
        return save(tensors)

    def from_bytes(self, data: bytes) -> "WriterShim":
        """Take what `to_bytes` gave.

        data (bytes): The bytes.
        RETURNS (WriterShim): This shim.
        """
        if data:
            self._stored = bytes(data)
            self._model = self._encoder = None
        return self


def _unpickle(writer: Writer, component: str, content: bytes) -> WriterShim:
    shim = WriterShim(writer)
    shim.component = component
    return shim.from_bytes(content)
