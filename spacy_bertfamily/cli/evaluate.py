"""The command `evaluate`: `spacy evaluate`, and the scores that it does not print."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer
from spacy.cli._util import import_code
from wasabi import msg

from .shared import exit_on_error

# The scores by type that `spacy evaluate` prints by itself, beside that of its --spans-key.
PRINTED = (
    "morph_per_feat",
    "dep_las_per_type",
    "ents_per_type",
    "cats_f_per_type",
    "cats_auc_per_type",
)


def evaluate_command(
    pipeline: str = typer.Argument(
        ..., help="Folder, package or released name of a trained pipeline"
    ),
    data: Path = typer.Argument(..., help="Evaluation data in .spacy format", exists=True),
    output: Path = typer.Option(
        None, "--output", "-o", help="JSON file for all scores", dir_okay=False
    ),
    code: Path = typer.Option(None, "--code", "-c", help="Python file to import first"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    gold_preproc: bool = typer.Option(
        False, "--gold-preproc", "-G", help="Use the sentences and tokens of the data"
    ),
    displacy_path: Path = typer.Option(
        None,
        "--displacy-path",
        "-dp",
        help="Folder for predictions as HTML",
        exists=True,
        file_okay=False,
    ),
    displacy_limit: int = typer.Option(
        25, "--displacy-limit", "-dl", help="Number of Docs in the HTML"
    ),
    per_component: bool = typer.Option(
        False, "--per-component", "-P", help="Print and write the scores by component"
    ),
    spans_key: str = typer.Option(
        "sc", "--spans-key", "-sk", help="Key in Doc.spans that is evaluated"
    ),
) -> None:
    """Evaluate a pipeline as `spacy evaluate` does, and print all scores.

    `spacy evaluate` prints only the scores of spaCy's own components, none of questions.

    EXAMPLE: python -m spacy bertfamily evaluate training/model-best dev.spacy --output scores.json
    """
    from spacy.cli.evaluate import evaluate

    import_code(code)
    with exit_on_error(f"Cannot evaluate {Path(pipeline)}"), TemporaryDirectory() as folder:
        scores = evaluate(
            find_pipeline(pipeline, folder),
            data,
            output=output,
            use_gpu=gpu_id,
            gold_preproc=gold_preproc,
            displacy_path=displacy_path,
            displacy_limit=displacy_limit,
            silent=False,
            spans_key=spans_key,
            per_component=per_component,
        )
    if per_component:
        for name, of_component in scores.items():
            if isinstance(of_component, dict):
                print_scores(of_component, f"Scores of {name}", ())
    else:
        print_scores(scores, "All scores", (*PRINTED, f"spans_{spans_key}_per_type"))


def find_pipeline(pipeline: str, folder: str) -> str:
    """Find what `spacy.load` knows a pipeline by.

    pipeline (str): Folder, package or released name.
    folder (str): An empty folder, for a pipeline that is combined when it is loaded.
    RETURNS (str): Folder or package.
    """
    from .. import released

    if pipeline in released.RELEASED:
        return str(released.find(pipeline))
    if pipeline == released.COMBINED:
        released.load(pipeline).to_disk(folder)
        return folder
    return pipeline


def print_scores(scores: dict[str, Any], title: str, printed: tuple[str, ...]) -> None:
    """Print a table of all scores, and one for each score that is by type.

    scores (dict[str, Any]): The scores, under the names that [training.score_weights] takes.
    title (str): The title of the table.
    printed (tuple[str, ...]): Names of scores by type that are printed already.
    """
    numbers = {name: value for name, value in scores.items() if not isinstance(value, dict)}
    if numbers:
        rows = [(name, _format(value)) for name, value in sorted(numbers.items())]
        msg.table(rows, title=title, aligns=("l", "r"))
    for name, value in scores.items():
        if name not in numbers and value and name not in printed:
            print_by_type(name, value)


def print_by_type(name: str, scores: dict[str, Any]) -> None:
    """Print a table of a score by type.

    name (str): The name of the score.
    scores (dict[str, Any]): By type a number, or several by their names.
    """
    columns: dict[str, None] = {}
    for value in scores.values():
        columns.update(dict.fromkeys(value if isinstance(value, dict) else [""]))
    rows = []
    for key, value in scores.items():
        by_column = value if isinstance(value, dict) else {"": value}
        rows.append((key, *(_format(by_column.get(column)) for column in columns)))
    aligns = ("l", *("r" for _ in columns))
    msg.table(rows, title=name, header=("", *columns), aligns=aligns)


def _format(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
