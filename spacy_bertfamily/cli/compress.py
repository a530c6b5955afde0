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
        [],
        "--text",
        "-t",
        help="File of texts like those that are to be read, once for each: one text in each line, "
        "JSON lines (.jsonl) with 'text', or a DocBin (.spacy); .gz after the suffix if it is "
        "gzipped",
        exists=True,
        dir_okay=False,
    ),
    coverage: float | None = typer.Option(
        None,
        "--coverage",
        "-c",
        help="Share of the texts' pieces to keep: the most frequent ones; 0.99 if nothing else is "
        "to be left out",
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
    layers: str | None = typer.Option(
        None,
        "--layers",
        "-l",
        help="Of a backbone: how many of the lowest layers to keep, or their numbers with commas, "
        "where 1 is the lowest",
    ),
    ffn: float | None = typer.Option(
        None,
        "--ffn",
        help="Of a backbone: share of the feed-forward units to keep, those that matter most for "
        "the texts",
    ),
    force: bool = typer.Option(False, "--force", "-F", help="Replace a folder that is not empty"),
) -> None:
    """Leave out pieces of the vocabulary that hardly occur in some texts; or layers and units.

    Of texts of the other pieces all stays the same. The backbone is stored with a pipeline then.
    Without some layers or units a backbone computes something else: let it learn from the whole one
    with configs/pretrain_distill.cfg.

    EXAMPLE: python -m spacy bertfamily compress prune en_minilm_pos_ner small --text news.jsonl

    EXAMPLE: python -m spacy bertfamily compress prune my_bert student --layers 1,3,5
    """
    from ..compress.prune import PruneSettings, prune
    from ..convert.raw_text import read_texts

    with exit_on_error(f"Cannot make {source} smaller"):
        settings = PruneSettings(coverage, size, keep_letters, read_layers(layers), ffn)
        pruned = prune(source, folder, lambda: read_texts(text), settings, force=force)
    msg.good(f"Wrote {folder}")
    rows = [
        ("pieces", f"{pruned.pieces_before:,}", f"{pruned.pieces_after:,}"),
        ("parameters", f"{pruned.numbers_before:,}", f"{pruned.numbers_after:,}"),
        ("of the texts' pieces", "100 %", f"{pruned.coverage:.2%}".replace("%", " %")),
    ]
    msg.table(rows, header=("", "before", "now"), aligns=("l", "r", "r"))


def read_layers(layers: str | None) -> int | list[int] | None:
    """RETURNS (int | list[int] | None): How many layers, or which ones."""
    if layers is None:
        return None
    numbers = [int(part) if part.strip().isdigit() else 0 for part in layers.split(",")]
    return numbers if "," in layers else numbers[0]


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

            draw_reports(reports, f"scores on {corpus.name}", plot)
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
