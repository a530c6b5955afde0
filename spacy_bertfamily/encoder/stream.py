"""Windows in, hidden states out, a few at a time: for texts of any length in bounded memory."""

from typing import Iterable, Iterator, List, Sequence, Tuple, TypeVar, cast

import torch
from spacy_transformers.data_classes import TransformerData, WordpieceBatch
from thinc.api import torch2xp
from thinc.types import Floats2d, Ints2d
from transformers.modeling_outputs import ModelOutput

from .batching import pack
from .encode import pad_windows, run_windows
from .module import Encoder
from .pieces import PieceTokenizer
from .windows import Window

# So many batches are collected before they are packed by length: enough to fill them, few enough to hold.
BUFFERED_BATCHES = 16

Key = TypeVar("Key")


def encode_stream(
    encoder: Encoder, tokenizer: PieceTokenizer, windows: Iterable[Tuple[Key, Window]], layers: Sequence[int]
) -> Iterator[Tuple[List[Key], TransformerData]]:
    """Run windows of any number of texts through the encoder, for prediction.

    encoder (Encoder): The backbone and what is trained on it.
    tokenizer (PieceTokenizer): Its tokenizer.
    windows (Iterable[Tuple[Key, Window]]): The windows, each with a key to know it by, taken as they are needed.
    layers (Sequence[int]): The hidden states to keep besides the last.
    YIELDS (Tuple[List[Key], TransformerData]): The keys of some windows, and their hidden states as if they were the
        windows of one Doc. Windows of equal length come together, so the order is not that of the input.
    """
    encoder.check_process()
    encoder.set_training(False)
    buffer: List[Tuple[Key, Window]] = []
    size = 0
    for item in windows:
        buffer.append(item)
        size += len(item[1])
        if size >= BUFFERED_BATCHES * encoder.settings.batch_pieces:
            yield from _run(encoder, tokenizer, buffer, layers)
            buffer, size = [], 0
    yield from _run(encoder, tokenizer, buffer, layers)


def _run(
    encoder: Encoder, tokenizer: PieceTokenizer, buffer: List[Tuple[Key, Window]], layers: Sequence[int]
) -> Iterator[Tuple[List[Key], TransformerData]]:
    lengths = [len(window) for _, window in buffer]
    for batch in pack(lengths, encoder.batch_pieces, encoder.padded_length):
        windows = [buffer[i][1] for i in batch]
        length = encoder.padded_length(max(map(len, windows)))
        ids, mask, types = pad_windows(windows, tokenizer.pad_id, length)
        with torch.inference_mode():
            states = run_windows(encoder, tokenizer, windows, sorted({*layers, encoder.depth}))
        arrays = {layer: torch2xp(state.float()) for layer, state in states.items()}
        output = ModelOutput(last_hidden_state=arrays[encoder.depth])
        if layers:
            output["hidden_states"] = [arrays.get(layer) for layer in range(encoder.depth + 1)]
        wordpieces = WordpieceBatch(
            strings=[[] for _ in windows],
            input_ids=cast(Ints2d, ids),
            attention_mask=cast(Floats2d, mask.astype("float32")),
            lengths=[len(window) for window in windows],
            token_type_ids=cast(Ints2d, types) if encoder.has_token_types else None,
        )
        align = TransformerData.empty().align
        data = TransformerData(wordpieces=wordpieces, model_output=output, align=align)
        yield [buffer[i][0] for i in batch], data
