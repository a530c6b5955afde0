"""The thinc shim of the encoder: loads, updates, averages, copies and stores it."""

import contextlib
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import srsly
import torch
from spacy.language import Language
from thinc.api import Optimizer, get_torch_default_device, torch2xp, xp2torch
from thinc.shims import PyTorchGradScaler, Shim
from thinc.types import FloatsXd
from torch import nn

from ..backbone import Backbone, load_backbone, read_config
from ..backbone.fingerprint import computing_settings
from ..encoder.check import check_structure
from ..encoder.encode import States
from ..encoder.module import Encoder, make_encoder
from ..encoder.schedule import EncoderSchedule
from ..encoder.separate_layers import check_separate_layers
from ..encoder.settings import EncoderSettings
from ..errors import Errors
from ..runtime.choice import make_runtime
from ..storage.adapter_state import record_adapters
from ..storage.backbone_files import read_backbone_files, write_backbone_files
from ..storage.delta import (
    EMPTY_DELTA,
    Reference,
    check_fingerprint,
    delta_to_bytes,
    read_delta,
)
from ..storage.restore import restore_encoder
from ..windows.pieces import PieceTokenizer
from .finite import FiniteCheck
from .requirements import find_distribution

DELTA_FILE = "delta.safetensors"
# How the names of the objectives begin that load the backbone themselves.
OBJECTIVES = "spacy-bertfamily.Pretrain"


class EncoderShim(Shim):
    """Hold an `Encoder`; there is none before `load()` or `from_bytes()`.

    settings (EncoderSettings): The backbone to load, and how to train and run it.
    """

    _model: Encoder | None

    def __init__(self, settings: EncoderSettings):
        super().__init__(None)
        self.settings = settings
        self.component = "transformer"
        self.save_backbone = False
        # where the component was made; a copy has none
        self.pipeline: weakref.ref[Language] | None = None
        # what was exported to another runtime, beside the pipeline that this was loaded from
        self.stored_export: Path | None = None
        self._schedule: EncoderSchedule | None = None
        self.finite_check = FiniteCheck()
        # float16 gradients underflow unless they are scaled; the other precisions have float32's
        # range
        self.scaler = PyTorchGradScaler(settings.precision == "float16")

    @property
    def encoder(self) -> Encoder:
        """Get the encoder.

        RETURNS (Encoder): The encoder.
        RAISES (BertFamilyError): If there is none yet.
        """
        return self.schedule.encoder

    @property
    def schedule(self) -> EncoderSchedule:
        """Get what runs the encoder.

        RETURNS (EncoderSchedule): The schedule.
        RAISES (BertFamilyError): If there is no encoder yet.
        """
        if self._schedule is None:
            raise Errors.B011(name=self.component)
        return self._schedule

    @property
    def tokenizer(self) -> PieceTokenizer:
        """Get the backbone's tokenizer.

        RETURNS (PieceTokenizer): The tokenizer.
        RAISES (BertFamilyError): If there is no encoder yet.
        """
        return self.schedule.tokenizer

    @property
    def loaded(self) -> bool:
        """RETURNS (bool): Whether there is an encoder."""
        return self._model is not None

    @property
    def is_pretrained(self) -> bool:
        """RETURNS (bool): Whether the config has an objective of this package."""
        nlp = None if self.pipeline is None else self.pipeline()
        block = {} if nlp is None else nlp.config["pretraining"].get("objective") or {}
        return str(block.get("@architectures", "")).startswith(OBJECTIVES)

    def load(self, source: str | None = None) -> None:
        """Load the backbone and make a new encoder on it.

        source (str | None): A folder to load it from instead of the configured name.
        RAISES (BertFamilyError): If the backbone cannot be loaded, or the settings do not fit it.
        """
        check_structure(*read_config(source or self.settings.name), self.settings)
        backbone = self._load_backbone(source)
        encoder = make_encoder(backbone, self.settings)
        check_separate_layers(encoder)
        self._use(encoder)

    def _use(self, encoder: Encoder, tokenizer: PieceTokenizer | None = None) -> None:
        tokenizer = tokenizer or PieceTokenizer(encoder.shared.tokenizer, encoder.causal)
        runtime = make_runtime(encoder, self.component, self.stored_export)
        schedule = EncoderSchedule(encoder, tokenizer, self.component, runtime)
        self._model, self._schedule = encoder, schedule

    def _load_backbone(self, source: str | None) -> Backbone:
        name = source or self.settings.name
        self.settings.check_backbone(read_config(name)[1])
        return load_backbone(name, dtype=self.settings.dtype, device=get_torch_default_device())

    def _restore(
        self,
        backbone: Backbone,
        adapters: dict[str, Any] | None,
        tensors: dict[str, torch.Tensor],
        file: str,
    ) -> Encoder:
        """Make an encoder from what was stored.

        backbone (Backbone): The backbone.
        adapters (dict[str, Any] | None): From `record_adapters`.
        tensors (dict[str, torch.Tensor]): The trained tensors.
        file (str): Where they are from, for errors.
        RETURNS (Encoder): The encoder.
        """
        pretraining = None if self._model is None else self._model.pretraining
        return restore_encoder(
            backbone, self.settings, adapters, tensors, file, self.component, pretraining
        )

    def reference(self) -> Reference:
        """RETURNS (Reference): The backbone, as stored with the delta."""
        backbone = self.encoder.shared
        return Reference(
            name=self.settings.name,
            model_type=backbone.config.model_type,
            fingerprint=backbone.fingerprint,
            package=find_distribution(self.settings.name),
            tokenizer=backbone.tokenizer_fingerprint,
            config=computing_settings(backbone.config),
        )

    # Training

    def scale(self, gradients: list[States]) -> list[States]:
        """Scale gradients up if the precision needs it; `finish_update` scales them back.

        gradients (list[States]): The gradients of each Doc's hidden states.
        RETURNS (list[States]): The scaled gradients.
        """
        if self.settings.precision != "float16":
            return gradients
        one = torch.ones(1, device=self.encoder.device)
        factor = float(self.scaler.scale([one])[0])
        scaled: list[States] = []
        for states in gradients:
            scaled.append({layer: gradient * factor for layer, gradient in states.items()})
        return scaled

    def finish_update(self, optimizer: Optimizer) -> None:
        """Step all trained tensors that have a gradient. Frozen ones never reach the optimizer.

        optimizer (Optimizer): The optimizer.
        """
        gradients: dict[str, torch.Tensor] = {}
        parameters: dict[str, nn.Parameter] = {}
        with self.encoder.lock.read():
            named = list(self.encoder.named_parameters())
        for name, parameter in named:
            if parameter.requires_grad and parameter.grad is not None:
                parameters[name], gradients[name] = parameter, parameter.grad
        overflow = bool(gradients) and self.scaler.unscale(list(gradients.values()))
        with self.encoder.lock.write():
            if self.encoder.active_modules is not None:
                self.encoder.active_modules.regularize()
            for name, parameter in parameters.items():
                if not overflow:
                    value = cast(FloatsXd, torch2xp(parameter.data))
                    gradient = cast(FloatsXd, torch2xp(gradients[name]))
                    weights, _ = optimizer((self.id, name), value, gradient)
                    parameter.data.copy_(xp2torch(weights, device=parameter.device))
                parameter.grad = None
            if parameters:
                self.encoder.updates += 1
        self.scaler.update()

    @contextlib.contextmanager
    def use_params(self, params: dict[Any, FloatsXd] | None) -> Iterator[None]:
        """Use averages instead of the trained tensors inside this context.

        params (dict[Any, FloatsXd] | None): Averages by the optimizer's key. Those of other layers
            are ignored; frozen tensors have none. None, which `spacy pretrain` passes on from an
            optimizer without averages, for none.
        """
        averages: dict[nn.Parameter, FloatsXd] = {}
        own = {} if self._model is None else dict(self._model.named_parameters())
        for key, value in (params or {}).items():
            if _is_own(key, self.id) and key[1] in own:
                averages[own[key[1]]] = value
        backup = {parameter: parameter.data.clone() for parameter in averages}
        values = {
            parameter: xp2torch(average, device=parameter.device)
            for parameter, average in averages.items()
        }
        self._put(values)
        try:
            yield
        finally:
            self._put(backup)

    def _put(self, values: dict[nn.Parameter, torch.Tensor]) -> None:
        """Overwrite parameters, while no other thread predicts."""
        if not values:
            return
        with self.encoder.lock.write():
            for parameter, value in values.items():
                parameter.data.copy_(value)
            self.encoder.updates += 1

    # Copies and storage

    def copy(self) -> "EncoderShim":
        """RETURNS (EncoderShim): Has trained tensors of its own over the same shared backbone."""
        copied = EncoderShim(self.settings)
        copied.component, copied.save_backbone = self.component, self.save_backbone
        copied.stored_export = self.stored_export
        if self.loaded:
            encoder = self.encoder
            tensors = {name: tensor.detach().cpu() for name, tensor in encoder.delta().items()}
            record = record_adapters(encoder)
            restored = copied._restore(encoder.shared, record, tensors, DELTA_FILE)
            copied._use(restored, self.tokenizer)
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> "EncoderShim":
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as bytes. Spawned processes of `nlp.pipe(n_process=2)` load the backbone."""
        settings = (self.settings, self.component, self.save_backbone)
        return _unpickle, (*settings, self.to_bytes(), self.stored_export)

    def move(self, folder: str, tensors: dict[str, torch.Tensor]) -> None:
        """Put what was trained on another backbone. On any error nothing is changed.

        folder (str): The folder of a backbone of the same structure.
        tensors (dict[str, torch.Tensor]): What was trained, as in `Encoder.delta`, to fit it.
        RAISES (BertFamilyError): If the backbone cannot be loaded, or the tensors do not fit.
        """
        backbone = self._load_backbone(folder)
        self._use(self._restore(backbone, record_adapters(self.encoder), tensors, DELTA_FILE))

    def to_device(self, device_type: str, device_id: int) -> None:
        """Load the backbone on thinc's default device, and move what was trained there.

        device_type, device_id: As in thinc's shims; not used.
        """
        if self._model is None or self._model.device == get_torch_default_device():
            return
        content = self.delta_bytes()
        self.load()
        self.load_delta(content, DELTA_FILE)

    def delta_bytes(self) -> bytes:
        """RETURNS (bytes): What was trained and the backbone's reference, as a safetensors file."""
        if self._model is None:
            return EMPTY_DELTA
        return delta_to_bytes(self.encoder, self.reference())

    def load_delta(self, content: bytes, file: str, source: str | None = None) -> None:
        """Load the backbone that a delta was trained on, and apply the delta.

        On any error nothing is changed.

        content (bytes): A safetensors file.
        file (str): Its name, for errors.
        source (str | None): A folder to load the backbone from instead of the configured name.
        RAISES (BertFamilyError): If the backbone is missing or another one, or the delta is damaged
            or does not fit.
        """
        if content == EMPTY_DELTA:
            return
        tensors, reference, adapters = read_delta(content, file)
        backbone = self._load_backbone(source)
        check_fingerprint(reference, backbone, self.component)
        self._use(self._restore(backbone, adapters, tensors, file))

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): The delta, and the backbone's files if they are saved with it."""
        message: dict[str, Any] = {"delta": None, "backbone": None}
        if self._model is not None:
            message["delta"] = self.delta_bytes()
            if self.save_backbone:
                with tempfile.TemporaryDirectory() as folder:
                    write_backbone_files(self._model.shared, Path(folder) / "backbone")
                    message["backbone"] = read_backbone_files(Path(folder) / "backbone")
        return bytes(srsly.msgpack_dumps(message))

    def from_bytes(self, data: bytes) -> "EncoderShim":
        """Load what `to_bytes` gave.

        data (bytes): The bytes.
        RETURNS (EncoderShim): This shim.
        RAISES (BertFamilyError): As `load_delta`.
        """
        msg: dict[str, Any] = srsly.msgpack_loads(data)
        if msg["delta"] is None:
            return self
        if msg["backbone"] is None:
            self.load_delta(msg["delta"], "the pipeline's bytes")
            return self
        directory = tempfile.TemporaryDirectory()
        try:
            for name, content in msg["backbone"].items():
                (Path(directory.name) / Path(name).name).write_bytes(content)
            self.load_delta(msg["delta"], "the pipeline's bytes", directory.name)
        except BaseException:
            directory.cleanup()
            raise
        shared = self.encoder.shared
        if shared.folder == Path(directory.name) and shared.model.dtype != torch.float32:
            # to be saved again, the backbone is read from these files in float32
            weakref.finalize(shared, directory.cleanup)
        else:
            directory.cleanup()
        return self


def _unpickle(
    settings: EncoderSettings,
    component: str,
    save_backbone: bool,
    content: bytes,
    stored_export: Path | None = None,
) -> EncoderShim:
    shim = EncoderShim(settings)
    shim.component, shim.save_backbone = component, save_backbone
    shim.stored_export = stored_export
    return shim.from_bytes(content)


def _is_own(key: Any, shim_id: int) -> bool:
    return isinstance(key, tuple) and len(key) == 2 and key[0] == shim_id
