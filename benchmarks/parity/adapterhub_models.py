"""One backbone as the library adapters has it and as our encoder has it, run on the same pieces."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import adapters
import torch
from transformers import AutoModel

from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.encoder.module import Encoder
from spacy_bertfamily.encoder.settings import EncoderSettings
from spacy_bertfamily.storage.delta import Reference

MODEL_TYPES = ("bert", "roberta", "distilbert", "electra", "albert", "deberta-v2")
# the placement of each of the library's configs
CONFIGS = {"double_seq_bn": "houlsby", "seq_bn": "pfeiffer", "par_bn": "parallel"}
# The library reads the layer's input there instead of the attention's output, so that we refuse
# such files.
REFUSED = ("albert", "double_seq_bn")
IDS = torch.arange(5, 29).reshape(2, 12)
MASK = torch.ones_like(IDS)
MASK[1, 9:] = 0


def their_model(folder: Path) -> Any:
    """RETURNS (nn.Module): The backbone, prepared by the library adapters."""
    model = AutoModel.from_pretrained(folder).eval()
    adapters.init(model)
    return model


def our_encoder(folder: Path) -> Encoder:
    """RETURNS (Encoder): The backbone without adapters, as a transformer component has it."""
    settings = EncoderSettings(str(folder), (), 32, 8, 256, "float32", "[SEP]", None)
    return Encoder(load_backbone(str(folder)), settings)


def reference_of(encoder: Encoder) -> Reference:
    """RETURNS (Reference): The component's reference to its backbone."""
    shared = encoder.shared
    return Reference(encoder.settings.name, shared.config.model_type, shared.fingerprint)


@torch.no_grad()
def last_states(model: Any) -> torch.Tensor:
    """RETURNS (torch.Tensor): The last hidden states of pieces that are not padding.

    *Shape:* `(pieces, width)`
    """
    if isinstance(model, Encoder):
        states = model(IDS, MASK, torch.zeros_like(IDS), [model.depth])[model.depth]
    else:
        model.eval()  # the library adds some modules in train mode
        states = model(input_ids=IDS, attention_mask=MASK).last_hidden_state
    return states[MASK.bool()]


def largest_difference(first: torch.Tensor, second: torch.Tensor) -> float:
    """RETURNS (float): The largest absolute difference of two tensors."""
    return float((first - second).abs().max())


def randomize(parameters: Iterable[tuple[str, Any]]) -> None:
    """Set parameters to large random values, in the order of their names.

    New adapters are near the identity, so that differences would not show.
    """
    for _, parameter in sorted(parameters):
        parameter.data = torch.randn(parameter.shape) * 0.3


def load_into_theirs(model: Any, place: Path) -> None:
    """Load an adapter file into the library's model, and check that all of it was used."""
    info: dict[str, Any] = {}
    model.load_adapter(str(place), set_active=True, use_safetensors=True, loading_info=info)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
