"""The interface of decoders: what an encoder-decoder writes with."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from spacy.tokens import Doc
from torch import nn

from ...transformer.shim import EncoderShim
from .encoded_sources import EncodedSources
from .writer import Source, WritingState

# What the keys and values of pieces that were read are called, in transformers 4 and in 5.
CACHE_NAMES = ("past_key_values", "cache")


class DecoderModules(nn.Module, ABC):
    """The network of a decoder."""

    @abstractmethod
    def forward(
        self,
        sources: EncodedSources,
        ids: torch.Tensor,
        wanted: torch.Tensor,
        cache: Any = None,
        keep: bool = False,
    ) -> tuple[torch.Tensor, Any]:
        """Read pieces of targets, and score the pieces that may come after them.

        sources (EncodedSources): The sources, one for each target.
        ids (torch.Tensor): The pieces that come after those in the cache, `(rows, pieces)`. Without
            a cache the first is the one that begins a target.
        wanted (torch.Tensor): The pieces after which scores are wanted, boolean, `(rows, pieces)`.
        cache (Any): What was kept of the pieces before.
        keep (bool): Whether to keep keys and values.
        RETURNS (tuple[torch.Tensor, Any]): Scores before softmax in float32 of the pieces that can
            be predicted, `(wanted, predicted)`; and what is kept.
        """

    def labels(self, pieces: torch.Tensor) -> torch.Tensor:
        """RETURNS (torch.Tensor): The columns of pieces in the scores; -100 for none."""
        return pieces

    def expand(self, scores: torch.Tensor) -> torch.Tensor:
        """RETURNS (torch.Tensor): Scores of the whole vocabulary, `(wanted, vocabulary)`."""
        return scores


class Decoder(ABC):
    """Settings of a decoder, and its vocabulary.

    Unless a method says otherwise, the vocabulary is that of the encoder's tokenizer.
    """

    @abstractmethod
    def new_modules(self, shim: EncoderShim) -> DecoderModules:
        """Make the network.

        shim (EncoderShim): Holds the encoder.
        RETURNS (DecoderModules): The network.
        RAISES (BertFamilyError): If it does not fit the encoder.
        """

    def tie(self, modules: DecoderModules, shim: EncoderShim) -> None:  # noqa: B027
        """Use an encoder's tensors where the network shares them; see `Writer.tie`."""

    def empty_modules(
        self, shim: EncoderShim, tensors: Mapping[str, torch.Tensor]
    ) -> DecoderModules:
        """Make the network for stored weights; see `Writer.empty_modules`.

        shim (EncoderShim): Holds the encoder.
        tensors (Mapping[str, torch.Tensor]): The stored weights by name.
        RETURNS (DecoderModules): The network.
        RAISES (BertFamilyError): If they belong to another network.
        """
        return self.new_modules(shim)

    def learn_targets(  # noqa: B027
        self, modules: DecoderModules, shim: EncoderShim, texts: Sequence[str]
    ) -> None:
        """Take what is to be known of the gold texts; see `Writer.learn_targets`."""

    @property
    def reads_states(self) -> bool:
        """RETURNS (bool): Whether it reads the encoder's states."""
        return True

    def limit(
        self, shim: EncoderShim, docs: Sequence[Doc], sources: Sequence[Source], max_length: int
    ) -> list[Source]:
        """Fit sources into the network.

        shim (EncoderShim): Holds the encoder.
        docs (Sequence[Doc]): The Docs.
        sources (Sequence[Source]): Their windows.
        max_length (int): The most pieces of a target, with the closing one.
        RETURNS (list[Source]): The sources, of which as much is left as the network can read.
        RAISES (BertFamilyError): If targets of this length do not fit.
        """
        return list(sources)

    def encode_targets(self, shim: EncoderShim, texts: Sequence[str]) -> list[np.ndarray] | None:
        """RETURNS (list[np.ndarray] | None): As `Writer.encode_targets`; None for its default."""
        return None

    def text_of(self, modules: DecoderModules, shim: EncoderShim, ids: Sequence[int]) -> str | None:
        """RETURNS (str | None): As `Writer.text_of`; None for its default."""
        return None

    @abstractmethod
    def start_id(self, shim: EncoderShim) -> int:
        """RETURNS (int): The piece that begins a target."""

    @abstractmethod
    def end_id(self, shim: EncoderShim) -> int:
        """RETURNS (int): The piece that closes a target."""

    @abstractmethod
    def forbidden_ids(self, shim: EncoderShim) -> list[int]:
        """RETURNS (list[int]): Pieces that are never written."""


class DecoderState(WritingState):
    """Texts that a decoder is writing.

    modules (DecoderModules): The decoder's network.
    sources (EncodedSources): The sources.
    start_id (int): The piece that begins a target.
    context (Callable[[], torch.autocast]): Makes the context of a forward pass.
    """

    def __init__(
        self,
        modules: DecoderModules,
        sources: EncodedSources,
        start_id: int,
        context: Callable[[], torch.autocast],
    ):
        self.modules = modules
        self.sources = sources
        self.start_id = start_id
        self.context = context
        self.cache: Any = None

    @property
    def rows(self) -> int:
        """RETURNS (int): The number of texts."""
        return len(self.sources.mask)

    def advance(self, pieces: torch.Tensor | None) -> torch.Tensor:
        """Append a piece to each text, and score the pieces that may come next."""
        mask = self.sources.mask
        ids = mask.new_full((self.rows, 1), self.start_id, dtype=torch.long)
        if pieces is not None:
            ids = pieces[:, None]
        wanted = torch.ones_like(ids, dtype=torch.bool)
        with torch.inference_mode(), self.context():
            scores, self.cache = self.modules(self.sources, ids, wanted, self.cache, keep=True)
            return self.modules.expand(scores)

    def select(self, rows: torch.Tensor) -> None:
        """Continue with some of the rows."""
        if len(rows) == self.rows and torch.equal(rows, torch.arange(self.rows).to(rows.device)):
            return
        self.sources = self.sources.select(rows)
        self.cache = select_cache(self.cache, rows)


def run_with_cache(model: nn.Module, cache: Any, keep: bool, **inputs: Any) -> tuple[Any, Any]:
    """Run one of transformers' models with the keys and values of pieces that were read.

    model (nn.Module): The model.
    cache (Any): The keys and values; None at the start.
    keep (bool): Whether to keep them.
    **inputs (Any): What else the model takes.
    RETURNS (tuple[Any, Any]): The model's output, and the keys and values.
    """
    parameters = inspect.signature(model.forward).parameters
    name = next((name for name in reversed(CACHE_NAMES) if name in parameters), CACHE_NAMES[0])
    output = model(**inputs, **{name: cache}, use_cache=keep, return_dict=True)
    return output, (output.get(name) if keep else None)


def select_cache(cache: Any, rows: torch.Tensor) -> Any:
    """Keep some rows of keys and values.

    cache (Any): From `run_with_cache`: an object of transformers', which is changed; or tuples of
        tensors.
    rows (torch.Tensor): For each new row, the index of the old one.
    RETURNS (Any): The keys and values of these rows.
    """
    if cache is None:
        return None
    if hasattr(cache, "reorder_cache"):
        cache.reorder_cache(rows)
        return cache
    if isinstance(cache, tuple):
        return tuple(select_cache(part, rows) for part in cache)
    return cache.index_select(0, rows)
