"""Print what each way of training reached, and what it trained and stored for it."""

import json
from pathlib import Path
from typing import Annotated, List

import spacy
import typer
from wasabi import msg


def main(
    pipelines: Annotated[List[Path], typer.Argument(help="Trained pipelines, each in a folder named by its mode")],
    metrics: Annotated[Path, typer.Option(help="Folder with MODE.json of `spacy evaluate` for each")],
    score: Annotated[str, typer.Option(help="The score to show")] = "cats_macro_f",
) -> None:
    """Compare trained PIPELINES."""
    rows = []
    for path in pipelines:
        mode = path.parent.name
        summary = spacy.load(path).get_pipe("transformer").trainable_summary()
        stored = (path / "transformer" / "delta.safetensors").stat().st_size
        value = json.loads((metrics / f"{mode}.json").read_text(encoding="utf8"))[score]
        rows.append(
            (mode, f"{100 * value:.1f}", f"{summary.trained:,}", f"{summary.share:.1%}", f"{stored / 1e6:.1f} MB")
        )
    header = ("mode", score, "trained parameters", "share", "stored")
    msg.table(rows, header=header, aligns=("l", "r", "r", "r", "r"), divider=True)


if __name__ == "__main__":
    typer.run(main)
