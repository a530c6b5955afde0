"""The command `new-backbone`: a tokenizer trained on text, and a model with random weights."""

import warnings
from pathlib import Path

import typer
from wasabi import msg

from .shared import exit_on_error


def new_backbone_command(
    folder: Path = typer.Argument(..., help="Folder to write", file_okay=False),
    text: list[Path] = typer.Option(
        ...,
        "--text",
        "-t",
        help="File to learn the vocabulary from, once for each: one text in each line, JSON lines "
        "(.jsonl) with 'text', or a DocBin (.spacy); .gz after the suffix if it is gzipped",
        exists=True,
        dir_okay=False,
    ),
    model_type: str = typer.Option("bert", "--type", "-T", help="Type of the model"),
    layers: int = typer.Option(4, "--layers", "-l", help="Number of layers"),
    width: int = typer.Option(256, "--width", "-w", help="Width of the hidden states"),
    heads: int | None = typer.Option(
        None, "--heads", "-n", help="Number of attention heads; by default one for each 64 of width"
    ),
    vocab_size: int = typer.Option(8000, "--vocab-size", "-v", help="Number of pieces"),
    tokenizer: str = typer.Option(
        "auto",
        "--tokenizer",
        "-k",
        help="wordpiece, bpe, unigram, or auto for the type's usual one",
    ),
    lowercase: bool | None = typer.Option(
        None,
        "--lowercase/--no-lowercase",
        help="Whether to read all text in lower case; by default as the type usually does",
    ),
    max_letters: int | None = typer.Option(
        None,
        "--max-letters",
        help="wordpiece: most different characters to learn; rarer ones are then unknown",
    ),
    max_pieces: int = typer.Option(512, "--max-pieces", "-m", help="Longest window in pieces"),
    seed: int = typer.Option(0, "--seed", "-s", help="Seed of the random weights"),
    force: bool = typer.Option(False, "--force", "-F", help="Replace a folder that is not empty"),
) -> None:
    """Make a backbone of your own, to be pretrained.

    That is a tokenizer that is trained on text, and a model with random weights.

    EXAMPLE: python -m spacy bertfamily new-backbone my_bert --text wiki.txt --text news.jsonl.gz
    --layers 4 --width 256 --vocab-size 8000
    """
    from ..convert.raw_text import read_texts
    from ..pretraining.new_backbone import new_backbone

    with exit_on_error(f"Cannot make {folder}"), warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", message=r"\[W")
        new_backbone(
            folder,
            read_texts(text),
            model_type=model_type,
            layers=layers,
            width=width,
            heads=heads,
            vocab_size=vocab_size,
            tokenizer=tokenizer,
            lowercase=lowercase,
            max_letters=max_letters,
            max_pieces=max_pieces,
            seed=seed,
            force=force,
        )
    for warning in caught:
        msg.warn(str(warning.message))
    msg.good(f"Wrote {folder}")
