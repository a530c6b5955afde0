"""The command `annotate`: annotate many texts, in several processes or on an engine."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from wasabi import msg

from .shared import exit_on_error

if TYPE_CHECKING:  # every spaCy command imports this file, so it must not import torch
    from ..scale.corpus import Counts


def annotate_command(
    pipeline: str = typer.Argument(
        ..., help="Folder, package or released name of a trained pipeline"
    ),
    source: Path = typer.Argument(
        ...,
        help="JSON lines (.jsonl), a text in each line (.txt), Parquet (.parquet) or a DocBin "
        "(.spacy), the first two gzipped or not; or a folder of these, in which each .txt file is "
        "one text",
        exists=True,
    ),
    target: Path = typer.Argument(..., help="Folder to write, or to go on in", file_okay=False),
    annotation: str | None = typer.Option(
        None,
        "--annotation",
        "-a",
        help="What to add, with commas: tokens, tags, pos, morphs, lemmas, deps, heads, sents, "
        "ents, spans, cats, pair_scores, answers, vector, docbin; by default all that components "
        "of the pipeline set, and docbin with --format spacy",
    ),
    engine: str = typer.Option("local", "--engine", "-e", help="local, ray or spark"),
    workers: int = typer.Option(1, "--workers", "-w", help="Number of processes", min=1),
    format: str = typer.Option(
        "jsonl", "--format", "-f", help="Format of the output: jsonl, parquet or spacy"
    ),
    text_column: str = typer.Option("text", "--text-column", "-t", help="Column of the texts"),
    id_column: str | None = typer.Option(
        None,
        "--id-column",
        "-i",
        help="The only column of the input to keep beside the annotation; by default all are kept",
    ),
    batch_size: int = typer.Option(
        64, "--batch-size", "-b", help="Texts that components get at once", min=1
    ),
    shard_size: int = typer.Option(
        1000, "--shard-size", "-s", help="Rows of the input for each file of the output", min=1
    ),
    threads: int | None = typer.Option(
        None,
        "--threads",
        help="Threads of each process; by default the cores are shared among local processes, and "
        "those of ray and spark have one",
        min=1,
    ),
    code: Path | None = typer.Option(
        None, "--code", "-c", help="Python file to import first", exists=True, dir_okay=False
    ),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
) -> None:
    """Annotate texts, and write them in numbered files in their order.

    The same command goes on where an earlier one was stopped or killed. Texts that make a component
    fail are set aside, with the reason, in files called _failed.

    EXAMPLE: python -m spacy bertfamily annotate en_minilm_pos_ner news.jsonl.gz annotated
    --workers 4

    EXAMPLE: python -m spacy bertfamily annotate training/model-best reviews/ annotated --annotation
    cats --format parquet --engine ray --workers 8
    """
    import tqdm

    from ..scale.annotate import Annotate
    from ..scale.corpus import annotate_corpus, count_cores, count_rows

    if format == "spacy":
        annotation = annotation or "docbin"
    if threads is None:
        threads = max(1, count_cores() // workers) if engine == "local" else 1
    began = time.perf_counter()
    with exit_on_error(f"Cannot annotate {source}"):
        annotate = Annotate(
            pipeline,
            annotation,
            text_column=text_column,
            batch_size=batch_size,
            threads=threads,
            code=code,
            gpu_id=gpu_id,
        )
        # disable = None: the bar is shown on a terminal only
        with tqdm.tqdm(
            total=count_rows(source, target), unit=" texts", disable=None, leave=False
        ) as bar:

            def skip(texts: int) -> None:
                bar.total = bar.total and bar.total - texts

            counts = annotate_corpus(
                annotate,
                source,
                target,
                engine=engine,
                workers=workers,
                format=format,
                shard_size=shard_size,
                id_column=id_column,
                on_shard=lambda texts, failures: bar.update(texts),
                on_kept=skip,
            )
    _report(counts, target, time.perf_counter() - began)


def _report(counts: "Counts", target: Path, seconds: float) -> None:
    """Say what was done. Exit with 1 if nothing could be annotated."""
    new = counts.texts - counts.kept
    speed = f"{new} texts in {seconds:.0f} s, {new / seconds:.3g} texts/s"
    if counts.kept:
        speed += f"; {counts.kept} were there already"
    if counts.failures:
        msg.warn(
            f"{counts.failures} of {counts.texts} texts failed", f"See {target / '_failed-*.jsonl'}"
        )
    if not counts.texts:
        msg.warn("The input has no texts")
    elif counts.failures == counts.texts:
        msg.fail("Nothing could be annotated", exits=1)
    msg.good(f"{counts.texts - counts.failures} texts in {target} ({speed})")
