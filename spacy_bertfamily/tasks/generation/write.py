"""From sources to texts, in batches of about equal length."""

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from ...annotation.generated import Generated
from ...patching.freed_memory import give_back_freed_memory
from ...transformer.shim import EncoderShim
from .beam import write_beams
from .search import SearchRules, Sequences, write_rows
from .settings import GenerationSettings
from .spacing import is_cjk
from .writer import Source, Writer

# Steps of decoding read two pieces of each row, so more rows than in a pass over whole windows
# are efficient; what limits them is the memory of keys and values.
MORE_PIECES = 2
MOST_ROWS = 256


def write_texts(
    writer: Writer,
    modules: nn.Module,
    shim: EncoderShim,
    sources: Sequence[Source | None],
    settings: GenerationSettings,
) -> list[list[Generated]]:
    """Write texts for sources.

    writer (Writer): Reads and predicts.
    modules (nn.Module): Its modules.
    shim (EncoderShim): Holds the encoder.
    sources (Sequence[Source | None]): The sources; nothing is written for None.
    settings (GenerationSettings): How to choose pieces.
    RETURNS (list[list[Generated]]): The texts of each source, best first.
    """
    rules = _make_rules(writer, shim, settings)
    generator = make_generator(settings, shim)
    texts: list[list[Generated]] = [[] for _ in sources]
    for rows in _batches(sources, settings, shim.settings.batch_pieces):
        batch = [source for source in (sources[row] for row in rows) if source is not None]
        state = writer.start(modules, shim, batch, settings.max_length)
        with torch.inference_mode():
            if settings.num_beams > 1:
                written = write_beams(state, rules, settings)
            else:
                written = write_rows(state, rules, settings, generator)
        for row, of_source in zip(rows, written):
            for one in of_source:
                text = writer.text_of(modules, shim, one.ids)
                texts[row].append(Generated(text, one.score(settings.length_penalty)))
    give_back_freed_memory()
    return texts


def stream_text(
    writer: Writer,
    modules: nn.Module,
    shim: EncoderShim,
    source: Source,
    settings: GenerationSettings,
) -> Iterator[str]:
    """Write one text, and give it word by word.

    The parts, put together, are the text. The last word is held back until the next one begins,
    since pieces to come may still be a part of it. A Chinese character or kana is a word.

    writer, modules, shim, settings: As in `write_texts`, with one beam.
    source (Source): The source.
    YIELDS (str): Parts of the text.
    """
    rules = _make_rules(writer, shim, settings)
    generator = make_generator(settings, shim)
    state = writer.start(modules, shim, [source], settings.max_length)
    given = ""
    pieces: torch.Tensor | None = None
    sequences: Sequences | None = None
    for _ in range(settings.max_length):
        with torch.inference_mode():
            logits = state.advance(pieces)
            if sequences is None:
                sequences = Sequences(1, rules, settings, generator, logits.device)
            _, pieces = sequences.step(logits)
        if not len(pieces):
            break
        text = writer.text_of(modules, shim, sequences.written[0].tolist())
        begun = whole_words(text)
        if begun.startswith(given) and len(begun) > len(given):
            yield begun[len(given) :]
            given = begun
    assert sequences is not None
    text = writer.text_of(modules, shim, sequences.finish_all()[0].ids)
    if len(text) > len(given):
        yield text[len(given) :]


def whole_words(text: str) -> str:
    """RETURNS (str): The beginning of a text to which pieces to come cannot add anything."""
    end = len(text)
    while end and text[end - 1] != " " and not is_cjk(text[end - 1]):
        end -= 1
    return text[:end].rstrip(" ")


def make_generator(settings: GenerationSettings, shim: EncoderShim) -> torch.Generator | None:
    """RETURNS (torch.Generator | None): Draws pieces as the seed says; None without a seed."""
    if settings.seed is None or not settings.sample:
        return None
    return torch.Generator(shim.encoder.device).manual_seed(settings.seed)


def _make_rules(writer: Writer, shim: EncoderShim, settings: GenerationSettings) -> SearchRules:
    device = str(shim.encoder.device)
    return SearchRules.of(settings, writer.end_id(shim), writer.forbidden_ids(shim), device)


def _batches(
    sources: Sequence[Source | None], settings: GenerationSettings, batch_pieces: int
) -> Iterator[list[int]]:
    """Pack sources of about equal length.

    YIELDS (list[int]): Indices of sources, the longest first.
    """
    lengths = {row: source.length for row, source in enumerate(sources) if source is not None}
    copies = max(settings.num_beams, settings.num_return)
    batch: list[int] = []
    for row in sorted(lengths, key=lambda row: -lengths[row]):
        longest = lengths[batch[0]] if batch else lengths[row]
        size = (longest + settings.max_length) * copies * (len(batch) + 1)
        is_full = size > MORE_PIECES * batch_pieces or copies * (len(batch) + 1) > MOST_ROWS
        if batch and is_full:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
