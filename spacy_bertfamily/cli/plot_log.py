"""The command `plot-log`: draw training curves."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from .shared import exit_on_error


def plot_log_command(
    picture: Path = typer.Argument(
        ..., help="The picture to write (.png, .svg, .pdf)", dir_okay=False
    ),
    logs: list[Path] = typer.Argument(
        ..., help="Files that spaCy's console logger has written", exists=True
    ),
    title: str = typer.Option(
        "", "--title", "-t", help="Title of the picture; by default the names of the logs"
    ),
) -> None:
    """Draw the scores and losses of training runs.

    The logs come from `spacy train` with --training.logger.output_file log.jsonl, where the
    config's logger is spacy.ConsoleLogger.v3.

    EXAMPLE: python -m spacy bertfamily plot-log curves.png training/adapter.jsonl
    training/full.jsonl --title "Messages by topic"
    """
    from .plots import draw_log

    with exit_on_error("Cannot draw"):
        found = dict(zip(name_runs(logs), map(read_log, logs)))
        draw_log(found, title or ", ".join(found), picture)
    msg.good(f"Drew {', '.join(log.name for log in logs)} into {picture}")


def name_runs(logs: Sequence[Path]) -> list[str]:
    """Name training runs by their logs.

    logs (Sequence[Path]): The logs.
    RETURNS (list[str]): The names of the files, or their paths if several have the same name.
    """
    names = [log.stem for log in logs]
    return names if len(set(names)) == len(names) else [str(log) for log in logs]


def read_log(path: Path) -> list[dict[str, Any]]:
    """Read a training log.

    path (Path): The file.
    RETURNS (list[dict[str, Any]]): Step, score and losses of each row.
    RAISES (BertFamilyError): If it is not a training log.
    """
    from ..convert.files import printable
    from ..errors import Errors

    try:
        lines = path.read_text(encoding="utf8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
        if not rows:
            raise ValueError("it is empty")
        return [_read_row(row) for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as e:
        reason = printable(f"{type(e).__name__} {e}")
        raise Errors.B313(file=str(path), reason=reason) from e


def _read_row(row: dict[str, Any]) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The values of a row that are drawn, as numbers."""
    losses = {name: float(loss) for name, loss in row["losses"].items()}
    return {"step": int(row["step"]), "score": float(row["score"]), "losses": losses}
