"""Export an encoder with its adapters to OpenVINO, and check that it computes the same."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from ..backbone import load_backbone
from ..encoder.module import Encoder
from ..errors import Errors
from ..patching.onednn import use_torch_linear
from ..patching.openvino_tools import import_openvino, private_and_quiet
from ..storage.adapter_state import record_adapters
from ..storage.restore import restore_encoder
from ..windows.padding import PaddedWindows
from .compiled import CompiledEncoder, output_name

# Windows and pieces of the batch that is traced, and of those that are compared; the last of these
# is as long as a window may be.
TRACED = (2, 9)
COMPARED = ((1, 3), (2, 8), (3, 17))
# The largest difference to torch, of numbers whose largest is 1.
TOLERANCE = 1e-3


class Traced(nn.Module):
    """An encoder as OpenVINO traces it: tensors in, all hidden states out.

    encoder (Encoder): The encoder, without gradients.
    layers (Sequence[int]): The hidden states.
    names (Sequence[str]): The inputs beside ids and mask.
    """

    def __init__(self, encoder: Encoder, layers: Sequence[int], names: Sequence[str]):
        super().__init__()
        self.encoder = encoder
        self.layers = tuple(layers)
        self.names = tuple(names)

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor, *others: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """*Shape:* inputs `(windows, pieces)`, each output `(windows, pieces, width)`."""
        given = dict(zip(self.names, others))
        types = given.get("types", mask)  # not read unless it is an input
        states = self.encoder(ids, mask, types, self.layers, given.get("global_mask"))
        return tuple(states[layer] for layer in self.layers)


def export_encoder(encoder: Encoder, name: str) -> Any:
    """Export an encoder with its active adapter, as it is now, in float32.

    encoder (Encoder): The encoder, which stays as it is.
    name (str): The transformer's name, for messages.
    RETURNS (openvino.Model): Its inputs are named `ids`, `mask`, `types` and `global_mask`, its
        outputs after the hidden states.
    RAISES (BertFamilyError): If it cannot be exported, or what was exported computes something
        else.
    """
    copied = _copy(encoder, name)
    model_type = encoder.shared.config.model_type
    try:
        model = _convert(copied)
    except Exception as e:  # tracing runs a model's own code, and fails in its own ways
        reason = str(e).strip().split("\n")[0] or repr(e)
        raise Errors.B772(name=name, model_type=model_type, reason=reason) from e
    problem = _find_difference(model, copied)
    if problem is not None:
        raise Errors.B772(name=name, model_type=model_type, reason=problem)
    return model


def exported_layers(encoder: Encoder) -> list[int]:
    """RETURNS (list[int]): The hidden states of a backbone that can be read at all."""
    has_inner = encoder.spec.why_not("mix") is None
    return [*range(encoder.depth + 1)] if has_inner else [encoder.depth]


def _copy(encoder: Encoder, name: str) -> Encoder:
    """Copy an encoder in float32, with torch's own dense layers and without gradients."""
    settings = replace(
        encoder.settings,
        precision="float32",
        gradient_checkpointing=False,
        runtime="torch",
        weights="float",
    )
    backbone = encoder.shared
    if backbone.model.dtype != torch.float32:
        backbone = load_backbone(str(backbone.folder))
    with encoder.lock.read():
        record = record_adapters(encoder)
        tensors = {name: tensor.detach().clone() for name, tensor in encoder.delta().items()}
    copied = restore_encoder(backbone, settings, record, tensors, "the export", name)
    use_torch_linear(copied)
    return copied.requires_grad_(False)


def _convert(encoder: Encoder) -> Any:
    layers = exported_layers(encoder)
    names = ["ids", "mask", *_other_inputs(encoder)]
    batch = _make_batch(encoder, *TRACED)
    example = tuple(tensor for _, tensor in zip(names, _tensors(encoder, batch)))
    openvino = import_openvino()
    with private_and_quiet(), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, about what is compared below
        inputs = [([-1, -1], openvino.Type.i64)] * len(example)
        traced = Traced(encoder, layers, names[2:]).eval()
        model = openvino.convert_model(traced, example_input=example, input=inputs)
    for port, given in zip(model.inputs, names):
        port.get_tensor().set_names({given})
    for port, layer in zip(model.outputs, layers):
        port.get_tensor().set_names({output_name(layer)})
    return model


def _other_inputs(encoder: Encoder) -> list[str]:
    """RETURNS (list[str]): The inputs that the backbone takes beside ids and mask."""
    types = ["types"] if encoder.inputs.token_types else []
    return [*types, "global_mask"] if encoder.inputs.global_attention else types


def _make_batch(encoder: Encoder, windows: int, pieces: int) -> PaddedWindows:
    """Make a batch of random pieces, in which all windows but the first are padded."""
    config, rng = encoder.shared.config, np.random.default_rng(0)
    pieces = encoder.padded_length(pieces) or pieces
    shape = (1 if encoder.spec.unbatched else windows, pieces)
    tables = map(len, encoder.inputs.by_piece.values())
    ids = rng.integers(3, min(config.vocab_size, len(encoder.shared.tokenizer), *tables), shape)
    mask, types, global_mask = np.ones_like(ids), np.zeros_like(ids), np.zeros_like(ids)
    mask[1:, pieces - pieces // 3 :] = 0
    types[:, pieces // 2 :] = 1
    global_mask[:, 0] = 1
    ids[mask == 0] = config.pad_token_id or 0
    return PaddedWindows(ids, mask, types, global_mask)


def _probes(encoder: Encoder) -> Iterator[PaddedWindows]:
    longest = encoder.settings.max_pieces
    for windows, pieces in (*COMPARED, (1, longest)):
        yield _make_batch(encoder, windows, min(pieces, longest))


def _tensors(encoder: Encoder, batch: PaddedWindows) -> list[torch.Tensor]:
    arrays = {"types": batch.types, "global_mask": batch.global_attention_mask}
    others = [arrays[name] for name in _other_inputs(encoder)]
    return [torch.from_numpy(array) for array in (batch.ids, batch.mask, *others)]


def _find_difference(model: Any, encoder: Encoder) -> str | None:
    """RETURNS (str | None): How an exported model differs from the encoder; None if equal."""
    layers = exported_layers(encoder)
    batch = None
    try:
        compiled = CompiledEncoder(model, layers, encoder.settings, torch.get_num_threads())
        for batch in _probes(encoder):
            found, expected = compiled(batch, layers), _run_torch(encoder, batch, layers)
            is_piece = torch.from_numpy(batch.mask).bool()
            for layer in layers:
                if found[layer].shape != expected[layer].shape:
                    return f"it gives states of another shape {_describe(batch)}"
                right, ours = expected[layer][is_piece], found[layer][is_piece]
                largest = float((right - ours).abs().max())
                if not largest <= TOLERANCE * max(1.0, float(right.abs().max())):
                    return f"it differs from torch by {largest:.1e} {_describe(batch)}"
    except RuntimeError as e:
        return f"it fails {_describe(batch)} ({str(e).strip().splitlines()[-1]})"
    return None


def _describe(batch: PaddedWindows | None) -> str:
    if batch is None:
        return "when it is compiled"
    windows, pieces = batch.ids.shape
    return f"in a batch of {windows} windows of {pieces} pieces"


def _run_torch(
    encoder: Encoder, batch: PaddedWindows, layers: Sequence[int]
) -> dict[int, torch.Tensor]:
    arrays = (batch.ids, batch.mask, batch.types)
    ids, mask, types = map(torch.from_numpy, arrays)
    global_mask = torch.from_numpy(batch.global_attention_mask)
    with torch.no_grad():
        states: dict[int, torch.Tensor] = encoder(ids, mask, types, layers, global_mask)
    return states
