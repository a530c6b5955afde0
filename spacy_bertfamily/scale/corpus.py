"""Annotate all texts of some files into a folder, and go on where an earlier run has stopped."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from ..errors import Errors
from .annotate import Annotate
from .engines import ENGINES
from .folder import OutputFolder
from .formats import DOCBIN, FORMATS
from .inputs import (
    check_parquet,
    digest_files,
    find_files,
    kind_of,
    open_parquet,
    read_input,
    read_schema,
)
from .local import run_here
from .pipelines import pipeline_folders
from .shards import Job, Shard, cut_into_shards

# Called with the number of texts that were annotated, and of those that failed.
OnShard = Callable[[int, int], Any]


class Counts(NamedTuple):
    """What is in an output folder.

    shards, texts, failures (int): How many there are.
    kept (int): How many of the texts were annotated by an earlier run.
    """

    shards: int
    texts: int
    failures: int
    kept: int


def count_cores() -> int:
    """RETURNS (int): The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def annotate_corpus(
    annotate: Annotate,
    source: Path,
    target: Path,
    *,
    engine: str = "local",
    workers: int = 1,
    format: str = "jsonl",
    shard_size: int = 1000,
    id_column: str | None = None,
    on_shard: OnShard = lambda texts, failures: None,
    on_kept: Callable[[int], Any] = lambda texts: None,
) -> Counts:
    """Annotate all texts of an input into numbered files in the input's order.

    The same call goes on where an earlier one was interrupted or killed.

    annotate (Annotate): Annotates texts. With `format = "spacy"` its annotation is `docbin`.
    source (Path): A file or folder, as in `read_input`.
    target (Path): A folder that is made, or that an earlier run of the same has made.
    engine (str): `local` for processes of this machine, `ray` or `spark`.
    workers (int): The number of processes; with `local` and 1 all is done in this one.
    format (str): `jsonl`, `parquet` or `spacy`.
    shard_size (int): Rows of the input for each file.
    id_column (str | None): The only column of the input to keep; None to keep all.
    on_shard (Callable[[int, int], Any]): Called after each shard with its texts and failures.
    on_kept (Callable[[int], Any]): Called with the texts of each shard that was there already.
    RETURNS (Counts): What is in the folder now.
    RAISES (BertFamilyError): If something is missing, or the folder is of another run.
    """
    _check(annotate, engine, workers, format, shard_size)
    job = Job(annotate, format, id_column, _read_schema(source, target, format, id_column))
    settings = _describe(annotate, source, target, format, shard_size, id_column)
    folder = OutputFolder(target, FORMATS[format].suffix, settings)
    run = run_here if engine == "local" and workers == 1 else ENGINES[engine]
    plan = _Plan(folder, on_kept)
    shards = cut_into_shards(read_input(source, annotate.text_column, target), shard_size)
    for annotated in run(job, plan.undone(shards), workers):
        folder.write(annotated)
        plan.failures += annotated.failures
        on_shard(annotated.texts, annotated.failures)
    counts = Counts(plan.shards, plan.texts, plan.failures, plan.kept)
    folder.finish(counts._asdict())
    return counts


class _Plan:
    """Which shards are to be done, and counts of all.

    folder (OutputFolder): Where shards are written.
    on_kept (Callable[[int], Any]): Called with the texts of each shard that is written already.
    """

    def __init__(self, folder: OutputFolder, on_kept: Callable[[int], Any]):
        self.folder = folder
        self.on_kept = on_kept
        self.shards = self.texts = self.failures = self.kept = 0

    def undone(self, shards: Iterable[Shard]) -> Iterator[Shard]:
        """YIELDS (Shard): Those that are not written yet."""
        for shard in shards:
            self.shards += 1
            self.texts += len(shard.rows)
            if self.folder.is_done(shard.number):
                self.kept += len(shard.rows)
                self.failures += self.folder.count_failures(shard.number)
                self.on_kept(len(shard.rows))
            else:
                yield shard


def count_rows(source: Path, target: Path | None = None) -> int | None:
    """Count the rows of an input where that is quick, for a progress bar.

    source (Path): A file or folder.
    target (Path | None): The output, which is left out if it is in the folder.
    RETURNS (int | None): The number; None if that needs reading, of gzipped files and DocBins.
    """
    total = 0
    for file in find_files(source, target):
        kind = kind_of(file)
        if kind == ".parquet":
            with open_parquet(file) as table:
                total += table.metadata.num_rows
        elif kind == ".txt" and source.is_dir():
            total += 1
        elif file.suffix == ".gz" or kind == ".spacy":
            return None
        else:
            with file.open("rb") as lines:
                total += sum(1 for line in lines if line.strip() or kind == ".txt")
    return total


def _check(annotate: Annotate, engine: str, workers: int, format: str, shard_size: int) -> None:
    for setting, value, allowed in (("engine", engine, ENGINES), ("format", format, FORMATS)):
        if value not in allowed:
            raise Errors.B505(setting=setting, value=value, allowed=", ".join(allowed))
    for setting, number in (("workers", workers), ("shard_size", shard_size)):
        if number < 1:
            raise Errors.B505(setting=setting, value=number, allowed="1 or more")
    if format == "spacy" and annotate.names != (DOCBIN,):
        raise Errors.B514(given=", ".join(annotate.names))


def _read_schema(source: Path, target: Path, format: str, id_column: str | None) -> Any:
    """RETURNS (pa.Schema | None): That of what is kept of Parquet, so that all files have it."""
    files = find_files(source, target)
    if format != "parquet":
        return None
    check_parquet()
    if any(kind_of(file) != ".parquet" for file in files):
        return None
    schema = read_schema(files)
    for name in [name for name in schema.names if id_column not in (None, name)]:
        schema = schema.remove(schema.get_field_index(name))
    return schema


def _describe(
    annotate: Annotate,
    source: Path,
    target: Path,
    format: str,
    shard_size: int,
    id_column: str | None,
) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): What determines the content of the output, as values of JSON."""
    folders = pipeline_folders(str(annotate.pipeline))
    code = Path(annotate.code) if annotate.code is not None else None
    return {
        "input": digest_files(find_files(source, target), source),
        "pipeline": [
            digest_files(filter(_is_content, sorted(folder.rglob("*"))), folder)
            for folder in folders
        ],
        "code": digest_files([code], code) if code is not None else None,
        "annotation": list(annotate.names),
        "text column": annotate.text_column,
        "id column": id_column,
        "format": format,
        "shard size": shard_size,
        "spacy-bertfamily": __version__,
    }


def _is_content(path: Path) -> bool:
    """RETURNS (bool): Whether a pipeline's file is of it, and not made by importing it."""
    return path.is_file() and path.suffix != ".pyc"
