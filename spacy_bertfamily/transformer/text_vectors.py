"""One vector for each text, without Docs: the mean of a transformer's last hidden states."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from os import PathLike, fspath
from typing import cast

import numpy
import torch
from spacy.language import Language
from spacy.util import minibatch
from thinc.types import Floats2d
from transformers import PretrainedConfig

from ..backbone import Backbone, read_config
from ..encoder.module import make_encoder
from ..encoder.schedule import EncoderSchedule
from ..encoder.settings import EncoderSettings, max_positions
from ..errors import Errors
from ..windows.cut import Window
from ..windows.pieces import PieceTokenizer
from .component import DEFAULT_BACKBONE, AdapterTransformer
from .shim import EncoderShim

MAX_PIECES, BATCH_PIECES = 384, 4096
# Texts that the tokenizer splits in one call, and backbones that are kept in memory.
SPLIT, KEPT = 1000, 2


def encode(
    texts: Sequence[str],
    source: str | PathLike[str] | Language = DEFAULT_BACKBONE,
    *,
    normalize: bool = False,
    precision: str = "float32",
) -> Floats2d:
    """Compute a vector for each text: the mean of the last hidden states of its pieces.

    Special pieces count too, as in sentence-transformers. Texts of any length are read whole, in
    windows that do not overlap. The last two backbones stay in memory.

    texts (Sequence[str]): The texts.
    source (str | PathLike | Language): A backbone as in the setting `name` of the transformer; or a
        pipeline, whose first `adapter_transformer` reads the texts in its own windows, with what it
        learned.
    normalize (bool): Whether to divide each vector by its length, so that dot products are cosines.
    precision (str): Of the backbone: `float32`, `bfloat16`, or `float16` (GPU).
    RETURNS (Floats2d): The vectors, `(texts, width)`, float32.
    RAISES (BertFamilyError): If the texts are not strings in a list, the backbone cannot be loaded,
        or the pipeline has no transformer.
    """
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise Errors.B087(given=type(texts).__name__)
    return mean_vectors(_find_schedule(source, precision), texts, normalize=normalize)


def mean_vectors(
    schedule: EncoderSchedule, texts: Sequence[str], *, normalize: bool = False
) -> Floats2d:
    """Compute the mean of the last hidden states of each text's pieces; see `encode`.

    schedule (EncoderSchedule): The encoder and its tokenizer.
    texts (Sequence[str]): The texts.
    normalize (bool): As in `encode`.
    RETURNS (Floats2d): The vectors, `(texts, width)`, float32.
    """
    depth, width = schedule.encoder.depth, schedule.encoder.width
    sums = torch.zeros((len(texts), width))
    counts = torch.zeros((len(texts), 1))
    for owners, _, batch in schedule.run_stream(cut_texts(schedule, texts), [depth]):
        for owner, length, states in zip(owners, batch.lengths, batch.states[depth]):
            sums[owner] += states[:length].sum(0).float().cpu()
            counts[owner] += length
    vectors = sums / counts.clamp(min=1)
    if normalize:
        vectors = torch.nn.functional.normalize(vectors)
    return cast(Floats2d, numpy.asarray(vectors))


def _find_schedule(source: str | PathLike[str] | Language, precision: str) -> EncoderSchedule:
    if not isinstance(source, Language):
        return _load(fspath(source), precision).schedule
    for _, component in source.pipeline:
        if isinstance(component, AdapterTransformer):
            return component.shim.schedule
    raise Errors.B088(pipes=", ".join(source.pipe_names) or "none")


def load_bare(name: str, precision: str = "float32") -> EncoderShim:
    """Load a backbone that reads single texts.

    name (str): As in the setting `name` of the transformer.
    precision (str): Its precision.
    RETURNS (EncoderShim): Holds the encoder, in which nothing is trained.
    RAISES (BertFamilyError): If it cannot be loaded.
    """
    shim = EncoderShim(_bare_settings(name, read_config(name)[1], precision))
    shim.load()
    return shim


def bare_schedule(backbone: Backbone, precision: str = "float32") -> EncoderSchedule:
    """Make what reads texts with a loaded backbone alone, whatever adapters others have on it.

    backbone (Backbone): The backbone. Its weights are shared.
    precision (str): Of its weights.
    RETURNS (EncoderSchedule): The encoder, in which nothing is trained, and its tokenizer.
    """
    settings = _bare_settings(backbone.name, backbone.config, precision)
    encoder = make_encoder(backbone, settings)
    return EncoderSchedule(encoder, PieceTokenizer(backbone.tokenizer, encoder.causal))


def _bare_settings(name: str, config: PretrainedConfig, precision: str) -> EncoderSettings:
    positions = max_positions(config)
    return EncoderSettings(
        name=name,
        trainable=(),
        max_pieces=min(MAX_PIECES, positions or MAX_PIECES),
        stride=0,
        batch_pieces=BATCH_PIECES,
        precision=precision,
        separator=None,
        adapter=None,
    )


_load = lru_cache(maxsize=KEPT)(load_bare)


def cut_texts(schedule: EncoderSchedule, texts: Iterable[str]) -> Iterator[tuple[int, Window]]:
    """Cut texts into windows.

    schedule (EncoderSchedule): The encoder and its tokenizer.
    texts (Iterable[str]): The texts.
    YIELDS (tuple[int, Window]): The windows of all texts, each with the number of its text.
    """
    for part in minibatch(enumerate(texts), SPLIT):
        # no tokenizer can read lone surrogates
        readable = [text.encode("utf8", "replace").decode("utf8") for _, text in part]
        for (number, _), pieces in zip(part, schedule.tokenizer.split(readable)):
            yield from ((number, window) for window in schedule.lay_out(pieces).windows)
