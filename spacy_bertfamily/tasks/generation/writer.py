"""The interface of what writes: one class for each architecture of `text_generator`.

A writer is a set of settings. Its trained modules belong to a `WriterShim`, which makes them with
`new_modules`, gives them to each method that needs them, steps and stores them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from spacy.tokens import Doc
from torch import nn

from ...transformer.shim import EncoderShim
from ...windows.pieces import PieceTokenizer


@dataclass(frozen=True)
class Source:
    """A text that something is written for, as its writer reads it.

    length (int): How much it costs to read, in pieces. Sources of about equal length are decoded
        together.
    is_cut (bool): Whether a part of the text is not read, because it is too long.
    content (Any): What the writer needs of it.
    """

    length: int
    is_cut: bool
    content: Any


class WritingState(ABC):
    """Texts that are being written, one in each row. All rows have the same number of pieces."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """RETURNS (int): The number of texts."""

    @abstractmethod
    def advance(self, pieces: torch.Tensor | None) -> torch.Tensor:
        """Append a piece to each text, and score the pieces that may come next.

        pieces (torch.Tensor | None): Their ids, `(rows,)`; None at the start.
        RETURNS (torch.Tensor): Scores before softmax in float32, `(rows, vocabulary)`.
        """

    @abstractmethod
    def select(self, rows: torch.Tensor) -> None:
        """Continue with some of the rows, in any order and number.

        rows (torch.Tensor): For each new row, the index of the old one, `(new rows,)`.
        """


class Writer(ABC):
    """Reads sources, learns to write, and writes.

    The default of what concerns the target's vocabulary is that of the encoder's tokenizer.
    """

    def check(self, shim: EncoderShim) -> None:  # noqa: B027
        """Check that an encoder can be used.

        shim (EncoderShim): Holds the encoder.
        RAISES (BertFamilyError): If it cannot.
        """

    @abstractmethod
    def new_modules(self, shim: EncoderShim) -> nn.Module:
        """Make what is trained beside the encoder, with new weights or those of a checkpoint.

        All parameters and buffers that are not the encoder's are stored with the pipeline.

        shim (EncoderShim): Holds the encoder, which is loaded.
        RETURNS (nn.Module): The modules.
        RAISES (BertFamilyError): If the encoder cannot be used for this.
        """

    def empty_modules(self, shim: EncoderShim, tensors: Mapping[str, torch.Tensor]) -> nn.Module:
        """Make the modules for stored weights, which will replace all of theirs.

        shim (EncoderShim): Holds the encoder.
        tensors (Mapping[str, torch.Tensor]): The stored weights.
        RETURNS (nn.Module): The modules.
        """
        return self.new_modules(shim)

    def learn_targets(  # noqa: B027
        self, modules: nn.Module, shim: EncoderShim, texts: Sequence[str]
    ) -> None:
        """Take what is to be known of the gold texts into new modules, before training.

        modules (nn.Module): From `new_modules`.
        shim (EncoderShim): Holds the encoder.
        texts (Sequence[str]): All gold texts of the training data.
        """

    def tie(self, modules: nn.Module, shim: EncoderShim) -> None:  # noqa: B027
        """Use an encoder's tensors where the modules share them. They are the encoder's to train.

        modules (nn.Module): From `new_modules` or `empty_modules`.
        shim (EncoderShim): Holds the encoder.
        """

    def encode_targets(self, shim: EncoderShim, texts: Sequence[str]) -> list[np.ndarray]:
        """Split target texts into pieces, without a closing one.

        shim (EncoderShim): Holds the encoder.
        texts (Sequence[str]): The texts.
        RETURNS (list[np.ndarray]): The piece ids of each, `(pieces,)`.
        """
        return [pieces.ids for pieces in shim.tokenizer.split(texts)]

    def decode_target(self, shim: EncoderShim, ids: Sequence[int]) -> str:
        """Make a text of pieces.

        shim (EncoderShim): Holds the encoder.
        ids (Sequence[int]): The piece ids, without a closing one.
        RETURNS (str): The text, without special pieces.
        """
        tokenizer = shim.tokenizer.tokenizer
        text = tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=True
        )
        return str(text).strip()

    def text_of(self, modules: nn.Module, shim: EncoderShim, ids: Sequence[int]) -> str:
        """Make a text of pieces with what is known of the gold texts; see `decode_target`.

        modules (nn.Module): The modules.
        shim (EncoderShim): Holds the encoder.
        ids (Sequence[int]): The piece ids.
        RETURNS (str): The text.
        """
        return self.decode_target(shim, ids)

    @abstractmethod
    def end_id(self, shim: EncoderShim) -> int:
        """RETURNS (int): The piece that closes a target."""

    @abstractmethod
    def forbidden_ids(self, shim: EncoderShim) -> list[int]:
        """RETURNS (list[int]): Pieces that are never written, such as special ones."""

    @abstractmethod
    def read(self, shim: EncoderShim, docs: Sequence[Doc], max_length: int) -> list[Source | None]:
        """Read sources.

        shim (EncoderShim): Holds the encoder.
        docs (Sequence[Doc]): The Docs.
        max_length (int): The most pieces of a target, without a closing one.
        RETURNS (list[Source | None]): One for each; None if there is nothing to be read.
        """

    @abstractmethod
    def train_on(
        self,
        modules: nn.Module,
        shim: EncoderShim,
        sources: Sequence[Source],
        targets: Sequence[np.ndarray],
        trains_encoder: bool,
        total: Callable[[int], float],
    ) -> float:
        """Add to the gradients of the modules, and of the encoder if it is trained.

        Random numbers come from numpy's and torch's global generators, which spaCy seeds.

        modules (nn.Module): The modules, in training mode.
        shim (EncoderShim): Holds the encoder.
        sources (Sequence[Source]): The sources.
        targets (Sequence[np.ndarray]): The pieces of each target without a closing one.
        trains_encoder (bool): Whether gradients go into the encoder.
        total (Callable[[int], float]): From the number of pieces that this process predicts to that
            of all processes, by which losses are divided. It is called once.
        RETURNS (float): The loss: the mean over the pieces that were predicted.
        """

    @abstractmethod
    def start(
        self, modules: nn.Module, shim: EncoderShim, sources: Sequence[Source], max_length: int
    ) -> WritingState:
        """Begin to write, for prediction.

        modules (nn.Module): The modules, in evaluation mode.
        shim (EncoderShim): Holds the encoder.
        sources (Sequence[Source]): The sources, of about equal length.
        max_length (int): The most pieces of a target.
        RETURNS (WritingState): One row for each source.
        """


def never_written(tokenizer: PieceTokenizer, rows: int, end_id: int) -> list[int]:
    """Find what is never written: special pieces, and numbers that are no pieces.

    tokenizer (PieceTokenizer): The tokenizer of what is written.
    rows (int): The number of embeddings; there may be more than pieces.
    end_id (int): The piece that closes a target.
    RETURNS (list[int]): The numbers, sorted, without the closing piece.
    """
    strings = tokenizer.strings
    unused = {i for i in range(rows) if i >= len(strings) or not strings[i]}
    return sorted({*tokenizer.tokenizer.all_special_ids, *unused} - {end_id})
