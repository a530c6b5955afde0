"""The one path from Docs to hidden states and back, for prediction and for training."""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple, cast

import numpy as np
import torch
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from thinc.api import torch2xp, xp2torch
from thinc.types import Floats2d, Floats3d, Ints2d
from torch import nn
from transformers.modeling_outputs import ModelOutput

from .align import align_tokens
from .batching import pack
from .common import Source, find_source
from .layout import LaidOutWordpieces, make_layout
from .module import Encoder
from .pieces import Pieces, PieceTokenizer
from .windows import Window, make_windows

States = Dict[int, Floats3d]  # by layer, each (windows of the Doc, longest window, width)
Owner = Tuple[int, int, int]  # Doc, window of that Doc, length


@dataclass(frozen=True)
class _Batch:
    """Windows that went through the backbone together.

    owners (List[Owner]): For each row: Doc, window of that Doc, length.
    states (Dict[int, torch.Tensor]): Hidden states by layer, `(windows, longest window, width)`.
    """

    owners: List[Owner]
    states: Dict[int, torch.Tensor]


def encode(
    encoder: Encoder, tokenizer: PieceTokenizer, docs: Sequence[Doc], layers: Sequence[int], is_train: bool
) -> Tuple[List[TransformerData], Callable[[List[States]], None]]:
    """Run Docs through the encoder.

    encoder (Encoder): The backbone and what is trained on it.
    tokenizer (PieceTokenizer): Its tokenizer.
    docs (Sequence[Doc]): The Docs; empty ones get empty data.
    layers (Sequence[int]): The hidden states to keep besides the last.
    is_train (bool): Whether gradients will come back.
    RETURNS (Tuple[List[TransformerData], Callable]): spacy-transformers' data for each Doc, and a callback that takes
        the gradients of each Doc's hidden states by layer, and adds to the gradients of the trained tensors.
    RAISES (ValueError): If the backbone has no hidden states besides the last that fit its pieces.
    """
    encoder.check_process()
    encoder.check_complete()
    encoder.check_layers(layers)
    settings = encoder.settings
    wanted = sorted({*layers, encoder.depth})
    pieces = tokenizer(docs, settings.separator)
    windows = [
        make_windows(p, tokenizer, settings.max_pieces, settings.stride) if len(doc) else []
        for doc, p in zip(docs, pieces)
    ]
    with_grad = is_train and encoder.trains
    if not with_grad:
        encoder.set_training(False)
    outputs = [_allocate(encoder, doc_windows, wanted) for doc_windows in windows]
    batches: List[_Batch] = []

    def run(owners: List[Owner], numbers: Sequence[int]) -> Dict[int, torch.Tensor]:
        with _training(encoder) if with_grad else torch.inference_mode():
            states = run_windows(encoder, tokenizer, [windows[doc][i] for doc, i, _ in owners], numbers)
        _write(outputs, owners, {j: states[j] for j in numbers if j in wanted})
        if with_grad:
            batches.append(_Batch(owners, {j: state for j, state in states.items() if state.requires_grad}))
        return states

    source = find_source(encoder, wanted, is_train)
    above = [j for j in wanted if j > source.number]
    # packed without regard to what is known: dropout must not draw other numbers for it
    for owners in _pack_windows(encoder, windows):
        known = _look_up(source, windows, owners)
        if known is None:
            states = run(owners, sorted({*wanted, *source.kept}))
            for row, (doc, i, length) in enumerate(owners if source.kept else ()):
                source.put(windows[doc][i], {j: states[j][row, :length] for j in source.kept})
            continue
        for owner, of_window in zip(owners, known):
            _write(outputs, [owner], {j: of_window[j][None] for j in source.wanted if j in wanted})
        if above:
            state = _pad_states(encoder, [of_window[source.number] for of_window in known])
            with source.prefix.skip(state, source.number):
                run(owners, above)
    data = [
        _doc_data(encoder, tokenizer, doc, p, doc_windows, output, bool(layers))
        if doc_windows
        else TransformerData.empty()
        for doc, p, doc_windows, output in zip(docs, pieces, windows, outputs)
    ]

    def backprop(gradients: List[States]) -> None:
        tensors, grads = [], []
        for batch in batches:
            for layer, state in batch.states.items():
                tensors.append(state)
                grads.append(_gather(batch, layer, state, gradients))
        batches.clear()
        if tensors:
            with _training(encoder):  # layers may be computed again
                torch.autograd.backward(tensors, grads)

    return data, backprop


@contextmanager
def _training(encoder: Encoder) -> Iterator[None]:
    """Whatever another thread does with the encoder, or a prediction did since the last time."""
    with encoder.busy, torch.enable_grad():
        encoder.set_training(True)
        yield


def _look_up(
    source: Source, windows: List[List[Window]], owners: List[Owner]
) -> Optional[List[Dict[int, torch.Tensor]]]:
    """RETURNS (Optional[List[Dict[int, torch.Tensor]]]): The known states of each window by layer, `(pieces, width)`;
    None if one of the windows has to be computed.
    """
    known = []
    for doc, i, _ in owners:
        states = source.get(windows[doc][i])
        if states is None:
            return None
        known.append(states)
    return known


def _write(outputs: List[Dict[int, torch.Tensor]], owners: List[Owner], states: Dict[int, torch.Tensor]) -> None:
    """Copy the states of a batch, each `(windows, pieces, width)`, to the Docs that they belong to."""
    for layer, state in states.items():
        for row, (doc, i, length) in enumerate(owners):
            outputs[doc][layer][i, :length] = state[row, :length].detach()


def _pad_states(encoder: Encoder, states: List[torch.Tensor]) -> torch.Tensor:
    """RETURNS (torch.Tensor): One hidden state of several windows, `(windows, longest window, width)`."""
    padded = nn.utils.rnn.pad_sequence([state.to(encoder.device) for state in states], batch_first=True)
    length = encoder.padded_length(padded.shape[1]) or padded.shape[1]
    return nn.functional.pad(padded, (0, 0, 0, length - padded.shape[1]))


def _pack_windows(encoder: Encoder, windows: List[List[Window]]) -> List[List[Owner]]:
    owners = [(doc, i, len(window)) for doc, of_doc in enumerate(windows) for i, window in enumerate(of_doc)]
    batches = pack([length for _, _, length in owners], encoder.batch_pieces, encoder.padded_length)
    return [[owners[i] for i in batch] for batch in batches]


def _allocate(encoder: Encoder, windows: List[Window], layers: Sequence[int]) -> Dict[int, torch.Tensor]:
    if not windows:
        return {}
    shape = (len(windows), max(map(len, windows)), encoder.width)
    return {layer: torch.zeros(shape, dtype=torch.float32, device=encoder.device) for layer in layers}


def run_windows(
    encoder: Encoder, tokenizer: PieceTokenizer, windows: List[Window], layers: Sequence[int]
) -> Dict[int, torch.Tensor]:
    """RETURNS (Dict[int, torch.Tensor]): Hidden states of one batch by layer, `(windows, pieces, width)`, with at least
    as many pieces as the longest window has.
    """
    length = encoder.padded_length(max(map(len, windows)))
    arrays = pad_windows(windows, tokenizer.pad_id, length)
    focus = np.zeros_like(arrays[0])
    for row, window in enumerate(windows):
        focus[row, : len(window)] = window.focus
    ids, mask, types, focused = (torch.from_numpy(array).to(encoder.device) for array in (*arrays, focus))
    return encoder(ids, mask, types, layers, focused)


def pad_windows(
    windows: List[Window], pad_id: int, length: Optional[int] = None
) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """RETURNS (Tuple[np.ndarray, np.ndarray, np.ndarray]): Piece ids, attention mask and token type ids, each
    `(windows, length)`; None is the length of the longest window.
    """
    shape = (len(windows), length or max(map(len, windows)))
    ids, mask, types = np.full(shape, pad_id, dtype="int64"), np.zeros(shape, "int64"), np.zeros(shape, "int64")
    for row, window in enumerate(windows):
        ids[row, : len(window)] = window.ids
        mask[row, : len(window)] = 1
        types[row, : len(window)] = window.types
    return ids, mask, types


def _doc_data(
    encoder: Encoder,
    tokenizer: PieceTokenizer,
    doc: Doc,
    pieces: Pieces,
    windows: List[Window],
    output: Dict[int, torch.Tensor],
    with_layers: bool,
) -> TransformerData:
    ids, mask, types = pad_windows(windows, tokenizer.pad_id)
    arrays = {layer: torch2xp(state) for layer, state in output.items()}
    model_output = ModelOutput(last_hidden_state=arrays[encoder.depth])
    if with_layers:
        model_output["hidden_states"] = [arrays.get(layer) for layer in range(encoder.depth + 1)]
    layout = make_layout(pieces, windows, tokenizer)
    wordpieces = LaidOutWordpieces(
        strings=[[tokenizer.strings[i] for i in row] for row in ids.tolist()],
        input_ids=cast(Ints2d, ids),
        attention_mask=cast(Floats2d, mask.astype("float32")),
        lengths=[len(window) for window in windows],
        token_type_ids=cast(Ints2d, types) if encoder.has_token_types else None,
        layout=layout,
    )
    return TransformerData(wordpieces=wordpieces, model_output=model_output, align=align_tokens(doc, layout))


def _gather(batch: _Batch, layer: int, state: torch.Tensor, gradients: List[States]) -> torch.Tensor:
    """RETURNS (torch.Tensor): The gradient of one batch's hidden state, from those of the Docs."""
    grad = torch.zeros_like(state)
    for row, (doc, window, length) in enumerate(batch.owners):
        if layer in gradients[doc]:
            grad[row, :length] = xp2torch(gradients[doc][layer][window, :length], device=state.device)
    return grad
