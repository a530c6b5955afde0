"""The command `new-elmo`: a small ELMo trained on raw text."""

import math
from collections.abc import Iterable
from pathlib import Path

import typer
from wasabi import msg

from .shared import exit_on_error

# Short pieces stand beside each other in a batch, so that each step multiplies more rows: 50 words
# are learned from three times as fast as 200.
PIECE_WORDS = 50

TEXT_HELP = (
    "once for each: one text in each line, JSON lines (.jsonl) with 'text', or a DocBin (.spacy); "
    ".gz after the suffix if it is gzipped"
)


def new_elmo_command(
    folder: Path = typer.Argument(..., help="Folder to write", file_okay=False),
    text: list[Path] = typer.Option(
        ..., "--text", "-t", help=f"File to learn from, {TEXT_HELP}", exists=True, dir_okay=False
    ),
    dev: list[Path] = typer.Option(
        [], "--dev", "-d", help=f"File to measure on, {TEXT_HELP}", exists=True, dir_okay=False
    ),
    lang: str = typer.Option("en", "--lang", "-g", help="Language of the tokenizer"),
    width: int = typer.Option(
        256, "--width", "-w", help="Width of a token's vector, an even number", min=2
    ),
    cell_dim: int = typer.Option(512, "--cell", "-c", help="Width of an LSTM's cell", min=1),
    layers: int = typer.Option(2, "--layers", "-l", help="LSTM layers each way", min=1),
    vocab_size: int = typer.Option(
        20_000, "--vocab-size", "-v", help="Words that are told apart in training", min=4
    ),
    epochs: int = typer.Option(5, "--epochs", "-e", help="How often all is read", min=1),
    minutes: float | None = typer.Option(None, "--minutes", "-m", help="Most CPU minutes"),
    seed: int = typer.Option(0, "--seed", "-s", help="Seed of weights, order and samples"),
    force: bool = typer.Option(False, "--force", "-F", help="Replace an ELMo in the folder"),
) -> None:
    """Train a small ELMo on raw text, for `spacy-bertfamily.ELMo.v1`.

    Writes options.json and weights.hdf5, in the form of the original implementation, after each
    epoch. Any word can be read; the vocabulary is that of the words that are predicted.

    EXAMPLE: python -m spacy bertfamily new-elmo my_elmo --text wiki.txt --epochs 5
    """
    from ..embeddings.elmo.train import ElmoTraining, new_elmo

    with exit_on_error(f"Cannot make {folder}"):
        training = ElmoTraining(epochs=epochs, minutes=minutes, vocab_size=vocab_size, seed=seed)
        result = new_elmo(
            folder,
            _read_words(text, lang),
            width=width,
            cell_dim=cell_dim,
            layers=layers,
            training=training,
            held_out=_read_words(dev, lang),
            force=force,
        )
    msg.good(f"Wrote {folder} after {result['words']:,.0f} words; loss {result['loss']:.3f}")
    if not math.isnan(result.get("perplexity", math.nan)):
        msg.text(f"Perplexity of the held-out text: {result['perplexity']:.1f}")


def _read_words(paths: Iterable[Path], lang: str) -> list[list[str]]:
    """RETURNS (list[list[str]]): The words of each text, in pieces."""
    import spacy

    from ..convert.raw_text import read_texts

    tokenize = spacy.blank(lang).tokenizer
    sentences = []
    for text in read_texts(paths):
        if not text.strip():
            continue
        words = [token.text for token in tokenize(text)]
        parts = range(0, len(words), PIECE_WORDS)
        sentences += [words[start : start + PIECE_WORDS] for start in parts]
    return sentences
