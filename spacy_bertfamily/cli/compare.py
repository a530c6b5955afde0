"""The command `compare`: draw the adapter curve."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from wasabi import msg

from .shared import exit_on_error, read_overrides, split_numbers

if TYPE_CHECKING:  # every spaCy command imports this file, so it must not import torch
    from ..experiments.curve import Comparison, Point
    from ..experiments.results import Result
    from ..experiments.runs import Experiment

SIZES = "2,4,8,16,32,64,128,256"


def compare_command(
    ctx: typer.Context,  # holds further settings of the configs
    task: str = typer.Argument(..., help="As in init-config: tagger, ner, textcat, pair, qa, ..."),
    train: Path = typer.Argument(..., help="Training corpus (.spacy)", exists=True, dir_okay=False),
    dev: Path = typer.Argument(
        ..., help="Corpus that learning rates are chosen on", exists=True, dir_okay=False
    ),
    output: Path = typer.Option(
        ..., "--output", "-o", help="Folder for results.jsonl, curve.csv and curve.png"
    ),
    test: Path | None = typer.Option(
        None, "--test", help="Corpus that is scored; by default dev", exists=True, dir_okay=False
    ),
    backbone: str | None = typer.Option(None, "--backbone", "-b", help="As in init-config"),
    lang: str = typer.Option("en", "--lang", "-l", help="Code of the language"),
    sizes: str = typer.Option(SIZES, "--sizes", help="Sizes of adapters, '' for none"),
    top_layers: str | None = typer.Option(
        None,
        "--top-layers",
        "--tops",  # its name in version 0.1
        help="Numbers of top layers to train, '' for none; by default 1 to all",
    ),
    steps: int = typer.Option(1000, "--steps", min=1, help="Number of updates in each run"),
    seeds: int = typer.Option(3, "--seeds", min=1, help="Number of seeds of each point"),
    rate_factors: str = typer.Option(
        "1",
        "--rate-factors",
        help="Try each mode's learning rate times each of these, and take the best on dev",
    ),
    score: str | None = typer.Option(
        None, "--score", help="Score to compare; by default the task's main score"
    ),
    jobs: int = typer.Option(1, "--jobs", min=1, help="Number of runs at a time"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    as_json: bool = typer.Option(
        False, "--json", "-j", help="Print the points as JSON instead of a table"
    ),
) -> None:
    """Draw the adapter curve: scores of adapters and top layers compared with full fine-tuning.

    The figure shows scores against the number of trained parameters, for adapters of each size and
    for each number of top layers. Finished runs are kept in OUTPUT: an interrupted comparison
    resumes with the next run. Settings of the configs are changed as in `spacy train`.

    EXAMPLE: python -m spacy bertfamily compare ner train.spacy dev.spacy --output curve --seeds 5

    EXAMPLE: python -m spacy bertfamily compare tagger train.spacy dev.spacy --test test.spacy
    --output curve --sizes 8,64 --top-layers 1,2 --steps 300 --rate-factors 1,3
    --training.batcher.size 16
    """
    from ..experiments.curve import Comparison

    overrides = read_overrides(ctx.args)
    factors = split_numbers(rate_factors, "--rate-factors", float) or [1.0]
    adapter_sizes = split_numbers(sizes, "--sizes", int)
    comparison = Comparison(
        task=task,
        train=str(train),
        dev=str(dev),
        test=str(test) if test else None,
        score=score,
        steps=steps,
        factors=factors,
        lang=lang,
        backbone=backbone,
        gpu_id=gpu_id,
        overrides=overrides,
    )
    with exit_on_error("Cannot compare"):
        found = compute_points(
            comparison, adapter_sizes, top_layers, output, jobs, seeds, show=not as_json
        )
    files = write_files(
        found, f"{task} on {(test or dev).name}, {seeds} seed(s), {steps} steps", output
    )
    if as_json:
        typer.echo(json.dumps([asdict(point) for point in found], indent=2))
        return
    print_table(found, comparison.score_name)
    msg.good(f"Wrote {' and '.join(map(str, files))}")


def compute_points(
    comparison: "Comparison",
    sizes: Sequence[int],
    top_layers: str | None,
    output: Path,
    jobs: int,
    seeds: int,
    show: bool,
) -> list["Point"]:
    """Execute the runs of a comparison that have no result yet, and compute the curve.

    comparison (Comparison): What all runs have in common.
    sizes (Sequence[int]): The sizes of adapters.
    top_layers (str | None): The option of this name.
    output (Path): The folder of the results.
    jobs (int): How many runs at a time.
    seeds (int): The number of seeds.
    show (bool): Whether to show a progress bar.
    RETURNS (list[Point]): The points of the curve.
    RAISES (BertFamilyError): On settings that are not allowed, or a run that fails.
    """
    from ..experiments.curve import FULL, check_same, make_experiment, points
    from .plots import new_figure

    new_figure(1, 1)  # fails now if matplotlib is missing, and not after the last run
    model = comparison.config(FULL)["components"]["transformer"]["model"]
    layers = read_top_layers(top_layers, model["name"])
    check_same(output, comparison)
    experiment = make_experiment(comparison, sizes, layers, output / "results.jsonl")
    run_all(experiment, jobs, seeds, show)
    return points(experiment)


def read_top_layers(given: str | None, backbone: str) -> list[int]:
    """Read the option --top-layers.

    given (str | None): The option; None for 1 to all layers that have weights of their own.
    backbone (str): The name of the backbone.
    RETURNS (list[int]): The numbers of top layers.
    RAISES (BertFamilyError): If the backbone has fewer layers.
    """
    from ..backbone import read_config
    from ..errors import Errors

    config = read_config(backbone)[1]
    count = getattr(config, "num_hidden_groups", config.num_hidden_layers)
    if given is None:
        return list(range(1, count + 1))
    numbers = split_numbers(given, "--top-layers", int)
    if max(numbers, default=0) > count:
        raise Errors.B007(n=max(numbers), name=backbone, model_type=config.model_type, layers=count)
    return numbers


def run_all(experiment: "Experiment", jobs: int, seeds: int, show: bool) -> None:
    """Execute the runs that have no result yet, with a progress bar.

    experiment (Experiment): The runs.
    jobs (int): How many at a time.
    seeds (int): The number of seeds.
    show (bool): Whether to show the progress bar.
    """
    import tqdm

    from ..experiments.runs import load_results

    grid_size = sum(len(rates) for rates in experiment.rates.values())
    total = grid_size + (seeds - 1) * len(experiment.rates)
    done = min(total, len(load_results(experiment.results)))
    with tqdm.tqdm(total=total, initial=done, desc="Runs", disable=not show) as progress:

        def show_result(result: "Result") -> None:
            test = f"{100 * result['test']:.2f}"
            progress.set_postfix_str(f"{result['mode']} seed {result['seed']}: {test}")
            progress.update()

        experiment.run(jobs, seeds, show_result)


def write_files(found: Sequence["Point"], title: str, output: Path) -> tuple[Path, Path]:
    """Write the curve as a table and as a picture.

    found (Sequence[Point]): The points.
    title (str): The title of the picture.
    output (Path): The folder.
    RETURNS (tuple[Path, Path]): The files.
    """
    from ..experiments.curve import write_csv
    from .plots import draw_curve

    table, picture = output / "curve.csv", output / "curve.png"
    write_csv(found, table)
    draw_curve(found, title, picture)
    return table, picture


def print_table(found: Sequence["Point"], score: str) -> None:
    """Print one row for each point."""
    rows = []
    for point in found:
        rows.append(
            (
                point.mode,
                f"{point.trained:,}",
                f"{point.share:.2%}",
                f"{point.rate:g}",
                str(point.seeds),
                f"{point.score:.2f}",
                _format_difference(point),
            )
        )
    header = ("mode", "trained", "share", "rate", "seeds", score, "beside full")
    msg.table(rows, header=header, aligns=("l", *"rrrrrr"), divider=True)


def _format_difference(point: "Point") -> str:
    difference = f"{point.difference:+.2f}"
    if point.seeds > 1:
        difference += f" ({point.low:+.2f} to {point.high:+.2f})"
    return difference
