"""From Docs to hidden states, and from their gradients back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData, WordpieceBatch
from thinc.api import torch2xp, xp2torch
from thinc.types import Floats2d, Floats3d, Ints2d, Ragged
from transformers.modeling_outputs import ModelOutput

from ..windows.align import align_tokens
from ..windows.cut import Window
from ..windows.lay_out import LaidOutText
from ..windows.layout import LaidOutWordpieces, Layout
from ..windows.padding import PaddedWindows, pad_windows
from .module import Encoder
from .schedule import EncodedBatch, EncoderSchedule

States = dict[int, Floats3d]  # by layer, each (windows of the Doc, longest window, width)
Owner = tuple[int, int]  # Doc, window of that Doc


@dataclass(frozen=True)
class _TrainedBatch:
    """Hidden states that need gradients.

    owners (list[Owner]): For each row, the Doc and the window of that Doc.
    lengths (list[int]): The pieces of each window.
    states (dict[int, torch.Tensor]): By layer, `(windows, pieces, width)`.
    """

    owners: list[Owner]
    lengths: list[int]
    states: dict[int, torch.Tensor]


def encode(
    schedule: EncoderSchedule, docs: Sequence[Doc], layers: Sequence[int], is_train: bool
) -> tuple[list[TransformerData], Callable[[list[States]], None]]:
    """Run Docs through an encoder.

    schedule (EncoderSchedule): The encoder and its tokenizer.
    docs (Sequence[Doc]): The Docs; empty ones get empty data.
    layers (Sequence[int]): The hidden states to keep besides the last.
    is_train (bool): Whether gradients will come back.
    RETURNS (tuple[list[TransformerData], Callable]): spacy-transformers' data for each Doc, and a
        callback that takes the gradients of each Doc's hidden states by layer, and adds to the
        gradients of the trained tensors.
    RAISES (BertFamilyError): If the encoder's adapter is missing, or the backbone has no hidden
        states besides the last that fit its pieces.
    """
    encoder = schedule.encoder
    wanted = sorted({*layers, encoder.depth})
    texts = schedule.lay_out_docs(docs)
    outputs = [_allocate(encoder, text.windows, wanted) for text in texts]
    owners = [(doc, i) for doc, text in enumerate(texts) for i in range(len(text.windows))]
    windows = [texts[doc].windows[i] for doc, i in owners]
    batches: list[_TrainedBatch] = []
    for batch in schedule.run(windows, wanted, is_train=is_train):
        batch_owners = [owners[row] for row in batch.rows]
        _write(outputs, batch_owners, batch)
        trained = {layer: state for layer, state in batch.states.items() if state.requires_grad}
        if trained:
            batches.append(_TrainedBatch(batch_owners, batch.lengths, trained))
    data = [
        _doc_data(schedule, doc, text, output, bool(layers))
        for doc, text, output in zip(docs, texts, outputs)
    ]

    def backprop(gradients: list[States]) -> None:
        tensors, grads = [], []
        for batch in batches:
            for layer, state in batch.states.items():
                tensors.append(state)
                grads.append(_gather(batch, layer, state, gradients))
        batches.clear()
        if tensors:
            with encoder.in_training():  # checkpointed layers are computed again
                torch.autograd.backward(tensors, grads)

    return data, backprop


def windows_data(
    schedule: EncoderSchedule,
    windows: Sequence[Window],
    batch: EncodedBatch,
    layers: Sequence[int],
) -> TransformerData:
    """Make data of the windows of a batch, whatever texts they are of, as if they were one Doc's.

    schedule (EncoderSchedule): The encoder and its tokenizer.
    windows (Sequence[Window]): The windows of the batch.
    batch (EncodedBatch): What was computed of them, with the last hidden state.
    layers (Sequence[int]): The hidden states to pass on besides the last.
    RETURNS (TransformerData): The data, without the pieces' strings and tokens.
    """
    encoder = schedule.encoder
    length = encoder.padded_length(max(map(len, windows)))
    padded = pad_windows(windows, schedule.tokenizer.pad_id, length)
    strings: list[list[str]] = [[] for _ in windows]
    states = {layer: state.float() for layer, state in batch.states.items()}
    align = TransformerData.empty().align
    return _make_data(encoder, padded, batch.lengths, strings, states, bool(layers), None, align)


def _doc_data(
    schedule: EncoderSchedule,
    doc: Doc,
    text: LaidOutText,
    states: dict[int, torch.Tensor],
    with_layers: bool,
) -> TransformerData:
    if text.layout is None:
        return TransformerData.empty()
    tokenizer = schedule.tokenizer
    padded = pad_windows(text.windows, tokenizer.pad_id)
    lengths = [len(window) for window in text.windows]
    strings = [[tokenizer.strings[i] for i in row] for row in padded.ids.tolist()]
    align = align_tokens(doc, text.layout)
    return _make_data(
        schedule.encoder, padded, lengths, strings, states, with_layers, text.layout, align
    )


def _make_data(
    encoder: Encoder,
    padded: PaddedWindows,
    lengths: list[int],
    strings: list[list[str]],
    states: dict[int, torch.Tensor],
    with_layers: bool,
    layout: Layout | None,
    align: Ragged,
) -> TransformerData:
    """Make spacy-transformers' data.

    encoder (Encoder): The encoder.
    padded (PaddedWindows): The windows.
    lengths (list[int]): The pieces of each window.
    strings (list[list[str]]): The pieces of each window as text.
    states (dict[int, torch.Tensor]): Hidden states by layer.
    with_layers (bool): Pass on all of these, and not the last one alone.
    layout (Layout | None): Where the pieces are.
    align (Ragged): From tokens to rows of the hidden states.
    RETURNS (TransformerData): The data.
    """
    arrays = {layer: torch2xp(state) for layer, state in states.items()}
    model_output = ModelOutput(last_hidden_state=arrays[encoder.depth])
    if with_layers:
        model_output["hidden_states"] = [arrays.get(j) for j in range(encoder.depth + 1)]
    has_types = encoder.inputs.token_types
    wordpieces: WordpieceBatch = LaidOutWordpieces(
        strings=strings,
        input_ids=cast(Ints2d, padded.ids),
        attention_mask=cast(Floats2d, padded.mask.astype("float32")),
        lengths=lengths,
        token_type_ids=cast(Ints2d, padded.types) if has_types else None,
        layout=layout,
    )
    return TransformerData(wordpieces=wordpieces, model_output=model_output, align=align)


def _allocate(
    encoder: Encoder, windows: Sequence[Window], layers: Sequence[int]
) -> dict[int, torch.Tensor]:
    if not windows:
        return {}
    shape = (len(windows), max(map(len, windows)), encoder.width)
    device = encoder.device
    return {layer: torch.zeros(shape, dtype=torch.float32, device=device) for layer in layers}


def _write(
    outputs: list[dict[int, torch.Tensor]], owners: list[Owner], batch: EncodedBatch
) -> None:
    """Copy the states of a batch to the Docs that they belong to."""
    for layer, state in batch.states.items():
        for row, ((doc, i), length) in enumerate(zip(owners, batch.lengths)):
            outputs[doc][layer][i, :length] = state[row, :length].detach()


def _gather(
    batch: _TrainedBatch, layer: int, state: torch.Tensor, gradients: list[States]
) -> torch.Tensor:
    """Put the Docs' gradients of one hidden state together.

    batch (_TrainedBatch): The batch.
    layer (int): The number of the hidden state.
    state (torch.Tensor): The hidden state.
    gradients (list[States]): The gradients of each Doc.
    RETURNS (torch.Tensor): The gradient of the batch's hidden state.
    """
    grad = torch.zeros_like(state)
    for row, ((doc, window), length) in enumerate(zip(batch.owners, batch.lengths)):
        if layer in gradients[doc]:
            of_window = gradients[doc][layer][window, :length]
            grad[row, :length] = xp2torch(of_window, device=state.device)
    return grad
