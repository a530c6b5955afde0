"""The command `new-vectors`: static vectors from raw text or from a file."""

import warnings
from pathlib import Path

import typer
from wasabi import msg

from .shared import exit_on_error


def new_vectors_command(
    folder: Path = typer.Argument(..., help="Folder to write", file_okay=False),
    text: list[Path] = typer.Option(
        [],
        "--text",
        "-t",
        help="File to learn from, once for each: one text in each line, JSON lines (.jsonl) with "
        "'text', or a DocBin (.spacy); .gz after the suffix if it is gzipped",
        exists=True,
        dir_okay=False,
    ),
    file: Path | None = typer.Option(
        None,
        "--file",
        "-f",
        help="File of vectors to read instead, as text: as word2vec, GloVe or (with --method "
        "floret) floret write it; may be gzipped or in a zip file",
        exists=True,
        dir_okay=False,
    ),
    method: str = typer.Option(
        "word2vec",
        "--method",
        "-m",
        help="word2vec, one vector for each word; floret, vectors of parts of words, for any word; "
        "glove, from a file",
    ),
    lang: str = typer.Option("en", "--lang", "-g", help="Language of the tokenizer"),
    width: int = typer.Option(100, "--width", "-w", help="Width of a vector", min=1),
    epochs: int = typer.Option(5, "--epochs", "-e", help="How often all is read", min=1),
    window: int = typer.Option(5, "--window", help="Most words before and after a word", min=1),
    min_count: int = typer.Option(5, "--min-count", "-c", help="Leave out rarer words", min=1),
    buckets: int = typer.Option(50_000, "--buckets", "-b", help="floret: rows of its table", min=1),
    lowercase: bool = typer.Option(
        False, "--lowercase", "-l", help="Words are in lower case; found for upper case, too"
    ),
    truncate: int = typer.Option(
        0, "--truncate", help="Most words to read of a file; 0 for all", min=0
    ),
    threads: int = typer.Option(
        1, "--threads", help="With more than one, the vectors differ each time", min=1
    ),
    force: bool = typer.Option(False, "--force", "-F", help="Replace a folder that is not empty"),
) -> None:
    """Make a pipeline of static vectors, from raw text or from a file of them.

    It is what `spacy init vectors` makes: give it to a training with --paths.vectors, whose config
    has include_static_vectors = true.

    EXAMPLE: python -m spacy bertfamily new-vectors my_vectors --text wiki.txt --method floret

    EXAMPLE: python -m spacy bertfamily new-vectors my_vectors --file glove.6B.50d.txt --method
    glove --lowercase
    """
    from ..convert.raw_text import read_texts
    from ..embeddings.static.new_vectors import new_vectors
    from ..embeddings.static.train import VectorsTraining

    with exit_on_error(f"Cannot make {folder}"), warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", message=r"\[W6")
        training = VectorsTraining(
            width=width,
            epochs=epochs,
            window=window,
            min_count=min_count,
            buckets=buckets,
            threads=threads,
        )
        report = new_vectors(
            folder,
            read_texts(text) if text else None,
            file=file,
            method=method,
            lang=lang,
            lowercase=lowercase,
            truncate=truncate,
            training=training,
            force=force,
        )
    for warning in caught:
        if str(warning.message).startswith("[W6"):
            msg.warn(str(warning.message))
    mean = "" if report.mean_cosine is None else f"; mean cosine {report.mean_cosine:.2f}"
    words = f"{report.words:,} words" if report.words else "any word"
    msg.good(f"Wrote {folder}: vectors of {words}, {report.rows:,} x {report.width}{mean}")
