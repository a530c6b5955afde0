"""The commands `compress prune`, `quantize` and `report`: smaller pipelines, and what they lose."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from wasabi import msg

from .shared import exit_on_error

if TYPE_CHECKING:  # every spaCy command imports this file, so it must not import torch
    from ..compress.report import PipelineReport

REPORT_HEADER = (
    "pipeline",
    "parameters",
    "MB",
    "with backbone",
    "score",
    "equal",
    "words/s",
    "one by one",
)

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


@compress_cli.command("quantize")
def quantize_command(
    source: str = typer.Argument(..., help="Folder, package or released name of a pipeline"),
    folder: Path = typer.Argument(..., help="Folder to write", file_okay=False),
    weights: str = typer.Option(
        "int8", "--weights", "-w", help="Kind of weights that are computed with: int8 or float"
    ),
    precision: str | None = typer.Option(
        None,
        "--precision",
        "-p",
        help="What is computed in: float32, or bfloat16 where the processor can; the pipeline's if "
        "not given",
    ),
    runtime: str = typer.Option(
        "openvino",
        "--runtime",
        "-r",
        help="openvino, or auto to use torch on machines without OpenVINO",
    ),
    force: bool = typer.Option(False, "--force", "-F", help="Replace a folder that is not empty"),
) -> None:
    """Let OpenVINO compute a pipeline's transformers, with weights in int8.

    What it computes from is exported beside the pipeline. It needs the extra openvino.

    EXAMPLE: python -m spacy bertfamily compress quantize en_minilm_pos_ner fast
    """
    from ..compress.quantize import quantize

    with exit_on_error(f"Cannot quantize {source}"):
        sizes = quantize(
            source, folder, weights=weights, precision=precision, runtime=runtime, force=force
        )
    msg.good(f"Wrote {folder}")
    rows = []
    for size in sizes:
        before, after = size.bytes_before / 1e6, size.bytes_after / 1e6
        rows.append((size.name, f"{before:.1f} MB", f"{after:.1f} MB", f"{after / before:.0%}"))
    msg.table(rows, header=("", "float32", weights, "share"), aligns=("l", "r", "r", "r"))


@compress_cli.command("report")
def report_command(
    pipelines: list[str] = typer.Argument(
        ...,
        help="Folders, packages or released names of pipelines; the first is what the others are "
        "compared with",
    ),
    corpus: Path = typer.Option(
        ..., "--corpus", "-c", help="Annotated Docs in .spacy format, file or folder", exists=True
    ),
    rounds: int = typer.Option(3, "--rounds", "-r", help="How often each is timed, in turn"),
    limit: int = typer.Option(0, "--limit", "-l", help="The most Docs to use; 0 for all"),
    plot: Path | None = typer.Option(
        None, "--plot", "-p", help="Picture of score against size and speed", dir_okay=False
    ),
) -> None:
    """Compare pipelines: size, speed, score, and how often they decide alike.

    Speed is in words per CPU second of this machine, the median of all rounds.

    EXAMPLE: python -m spacy bertfamily compress report en_minilm_pos_ner small --corpus dev.spacy
    """
    from ..compress.report import compare_pipelines

    with exit_on_error("Cannot compare the pipelines"):
        reports = compare_pipelines(pipelines, corpus, rounds=rounds, limit=limit)
        if plot is not None:
            from .plots import draw_reports

            draw_reports(reports, plot)
    msg.table(
        list(map(_row, reports)),
        header=REPORT_HEADER,
        aligns=("l", *"r" * (len(REPORT_HEADER) - 1)),
    )
    if plot is not None:
        msg.good(f"Drew {plot}")


def _row(report: "PipelineReport") -> tuple[str, ...]:
    return (
        Path(report.name).name,
        f"{report.parameters:,}",
        f"{report.megabytes:.1f}",
        f"{report.megabytes + report.backbone_megabytes:.1f}",
        "-" if report.score is None else f"{report.score:.2f}",
        f"{report.equal:.2f} %",
        f"{report.words_per_second:,.0f}",
        f"{report.words_per_second_single:,.0f}",
    )
