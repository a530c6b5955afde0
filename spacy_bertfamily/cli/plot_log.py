"""`python -m spacy bertfamily plot-log`: training curves."""

import json
from pathlib import Path
from typing import Any

import typer
from wasabi import msg

from .shared import or_fail


def plot_log_command(
    picture: Path = typer.Argument(
        ..., help="The picture to write (.png, .svg, .pdf)", dir_okay=False
    ),
    logs: list[Path] = typer.Argument(
        ..., help="Files that spaCy's console logger has written", exists=True
    ),
) -> None:
    """Draw the scores and losses of training runs.

    The logs come from `spacy train` with --training.logger.output_file log.jsonl, where the
    config's logger is spacy.ConsoleLogger.v3.

    EXAMPLE: python -m spacy bertfamily plot-log curves.png training/adapter.jsonl
    training/full.jsonl
    """
    from .plots import draw_log

    with or_fail("Cannot draw"):
        draw_log({log.stem: read_log(log) for log in logs}, picture)
    msg.good(f"Drew {', '.join(log.name for log in logs)} into {picture}")


def read_log(path: Path) -> list[dict[str, Any]]:
    """RETURNS (list[Dict]): The rows of a log. RAISES (ValueError): If it is something else."""
    from ..convert.files import printable
    from ..errors import Errors

    try:
        rows = [
            json.loads(line)
            for line in path.read_text(encoding="utf8").splitlines()
            if line.strip()
        ]
        if not rows:
            raise ValueError("it is empty")
        return [_check(row) for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as e:
        reason = printable(f"{type(e).__name__} {e}")
        raise Errors.B313(file=str(path), reason=reason) from e


def _check(row: dict[str, Any]) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): What is drawn of a row, as numbers."""
    losses = {name: float(loss) for name, loss in row["losses"].items()}
    return {"step": int(row["step"]), "score": float(row["score"]), "losses": losses}
