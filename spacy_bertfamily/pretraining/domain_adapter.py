"""Adapters among the weights that `spacy pretrain` has saved."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from transformers import PreTrainedModel

from ..adapters import Adapter, AdapterModules
from ..backbone import Backbone
from ..encoder.module import Encoder
from ..encoder.settings import SPECIAL_PIECES, EncoderSettings
from ..errors import BertFamilyError, Errors
from ..model_types import known_spec
from ..storage.adapter_state import check_fit, restore_adapters

BACKBONE = "backbone."
ADAPTERS = ("adapter.", "adapter@")
NOT_MERGEABLE = "B064"
# The shortest window: an encoder that only merges or checks an adapter reads nothing.
SHORTEST = SPECIAL_PIECES + 1


@dataclass(frozen=True)
class DomainAdapter:
    """An adapter that a pretraining has learned and that is no part of a backbone.

    name (str): Its name.
    settings (Adapter): Its settings.
    tensors (Mapping[str, torch.Tensor]): Its tensors by their names in its modules.
    """

    name: str
    settings: Adapter
    tensors: Mapping[str, torch.Tensor]

    def attach(self, model: PreTrainedModel) -> None:
        """Put the adapter into a model.

        model (PreTrainedModel): A model of the adapter's backbone, with any head.
        """
        spec = known_spec(model.config.model_type)
        modules = self.settings.attach(model.base_model, spec)
        with torch.no_grad():
            for name, tensor in _tensors_of(modules).items():
                tensor.copy_(self.tensors[name])
        modules.eval()


def take_adapter(
    file: str,
    shared: Backbone,
    tensors: Mapping[str, torch.Tensor],
    record: Mapping[str, Any],
) -> tuple[dict[str, torch.Tensor], DomainAdapter | None]:
    """Merge the active adapter into the backbone, or set it apart if it cannot be merged.

    file (str): Where the tensors are from, for errors.
    shared (Backbone): The backbone.
    tensors (Mapping[str, torch.Tensor]): What was saved.
    record (Mapping[str, Any]): The adapters' settings as in `record_adapters`, all written out.
    RETURNS (tuple[dict[str, torch.Tensor], DomainAdapter | None]): What was saved without adapters,
        with the tensors into which one was merged; and the adapter that could not be merged.
    RAISES (BertFamilyError): If a tensor does not fit, or the settings ask for more numbers than
        are saved.
    """
    others = {name: value for name, value in tensors.items() if not name.startswith(ADAPTERS)}
    active = record["active"]
    if active is None:
        return others, None
    kept = {"active": active, "adapters": {active: record["adapters"][active]}, "merged": []}
    encoder = _make_encoder(file, shared, others)
    with torch.random.fork_rng():  # adapters are drawn, and then overwritten
        restore_adapters(encoder, kept, dict(tensors), file)
    _fill_adapter(file, encoder, tensors)
    settings, modules = encoder.adapter_settings[active], encoder.modules_of(active)
    try:
        encoder.merge_adapter()
    except BertFamilyError as e:
        if e.code != NOT_MERGEABLE:
            raise
        return others, DomainAdapter(active, settings, _tensors_of(modules))
    return {**others, **encoder.delta()}, None


def _make_encoder(file: str, shared: Backbone, tensors: Mapping[str, torch.Tensor]) -> Encoder:
    """RETURNS (Encoder): An encoder with the trained tensors of the backbone, without adapters."""
    settings = EncoderSettings(
        name=shared.name,
        trainable=(),
        max_pieces=SHORTEST,
        stride=0,
        batch_pieces=SHORTEST,
        precision="float32",
        separator=None,
        adapter=None,
        cache_mb=0,
    )
    encoder = Encoder(shared, settings)
    trained = {
        name.removeprefix(BACKBONE): tensor
        for name, tensor in tensors.items()
        if name.startswith(BACKBONE)
    }
    own = dict(encoder.backbone.named_parameters())
    _check_fit(file, {name: own[name] for name in trained if name in own}, trained)
    encoder.put_merged(trained)
    return encoder


def _fill_adapter(file: str, encoder: Encoder, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put saved tensors into the only adapter of an encoder.

    file (str): Where the tensors are from, for errors.
    encoder (Encoder): The encoder.
    tensors (Mapping[str, torch.Tensor]): What was saved.
    RAISES (BertFamilyError): If a tensor does not fit.
    """
    own = {name: value for name, value in encoder.delta().items() if name.startswith(ADAPTERS)}
    prefixes = {name.partition(".")[0] for name in own}
    given = {name: value for name, value in tensors.items() if name.partition(".")[0] in prefixes}
    _check_fit(file, own, given)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(given[name])


def _check_fit(file: str, own: dict[str, torch.Tensor], given: dict[str, torch.Tensor]) -> None:
    problems = check_fit(own, given)
    if problems is not None:
        raise Errors.B041(file=file, component="transformer", **problems)


def _tensors_of(modules: AdapterModules) -> dict[str, torch.Tensor]:
    """RETURNS (dict[str, torch.Tensor]): All tensors by name, those that no file holds too."""
    return dict(chain(modules.named_parameters(), modules.named_buffers()))
