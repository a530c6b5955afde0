"""The command `index`: keep an index of texts in a folder up to date."""

import time
from pathlib import Path

import typer
from spacy.cli._util import setup_gpu
from wasabi import msg

from .shared import exit_on_error, load_pipeline


def index_command(
    pipeline: str = typer.Argument(
        ..., help="Folder, package or released name of a pipeline with an adapter_transformer"
    ),
    source: Path = typer.Argument(
        ...,
        help="Folder in which each .txt file is one text, whose id is its path, and files of JSON "
        "lines (.jsonl), Parquet (.parquet) or DocBins (.spacy) have several; or one such file",
        exists=True,
    ),
    target: Path = typer.Argument(
        ..., help="Folder of the index, to make or to bring up to date", file_okay=False
    ),
    progress: bool = typer.Option(True, help="Show a progress bar"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
) -> None:
    """Make an index of texts, for 'ask --index', or bring one up to date.

    Only new and changed texts are read by the backbone; those that are no longer there are deleted.
    The same command goes on where an earlier one was stopped or killed.

    EXAMPLE: python -m spacy bertfamily index en_minilm_qa reports/ reports_index
    """
    with exit_on_error("Cannot use the GPU"):
        setup_gpu(gpu_id, silent=True)
    nlp = load_pipeline(pipeline)
    from ..index.update import update_folder

    began = time.perf_counter()
    with exit_on_error(f"Cannot make an index of {source}"):
        index, read, deleted = update_folder(nlp, source, target, progress=progress)
    seconds = time.perf_counter() - began
    if not len(index):
        msg.warn("The index has no texts")
    msg.good(
        f"{len(index)} texts with {index.n_passages} passages in {target} ({read} read in "
        f"{seconds:.0f} s, {deleted} deleted)"
    )
