"""The command `compress prune`: a pipeline or a backbone with fewer pieces."""

from pathlib import Path

import typer
from wasabi import msg

from .shared import exit_on_error

compress_cli = typer.Typer(
    name="compress", help="Make pipelines and backbones smaller.", no_args_is_help=True
)


@compress_cli.command("prune")
def prune_command(
    source: str = typer.Argument(
        ..., help="Folder, package or released name of a pipeline; or folder or name of a backbone"
    ),
    folder: Path = typer.Argument(..., help="Folder to write", file_okay=False),
    text: list[Path] = typer.Option(
        ...,
        "--text",
        "-t",
        help="File of texts like those that are to be read, once for each: one text in each line, "
        "JSON lines (.jsonl) with 'text', or a DocBin (.spacy); .gz after the suffix if it is "
        "gzipped",
        exists=True,
        dir_okay=False,
    ),
    coverage: float = typer.Option(
        0.99, "--coverage", "-c", help="Share of the texts' pieces to keep: the most frequent ones"
    ),
    size: int | None = typer.Option(
        None, "--size", "-n", help="Number of pieces to keep, instead of the coverage"
    ),
    keep_letters: bool = typer.Option(
        True,
        "--letters/--no-letters",
        help="Whether to keep all pieces of one character. Without them, characters that the "
        "texts lack are unknown",
    ),
    force: bool = typer.Option(False, "--force", "-F", help="Replace a folder that is not empty"),
) -> None:
    """Leave out the pieces of the vocabulary that hardly occur in some texts.

    Of texts of the other pieces all stays the same. The backbone is stored with a pipeline then.

    EXAMPLE: python -m spacy bertfamily compress prune en_minilm_pos_ner small --text news.jsonl
    """
    from ..compress.prune import prune_vocabulary
    from ..convert.raw_text import read_texts

    with exit_on_error(f"Cannot make {source} smaller"):
        pruned = prune_vocabulary(
            source,
            folder,
            read_texts(text),
            coverage=coverage,
            size=size,
            keep_letters=keep_letters,
            force=force,
        )
    msg.good(f"Wrote {folder}")
    rows = [
        ("pieces", f"{pruned.pieces_before:,}", f"{pruned.pieces_after:,}"),
        ("parameters", f"{pruned.numbers_before:,}", f"{pruned.numbers_after:,}"),
        ("of the texts' pieces", "100 %", f"{pruned.coverage:.2%}".replace("%", " %")),
    ]
    msg.table(rows, header=("", "before", "now"), aligns=("l", "r", "r"))
