"""`python -m spacy bertfamily compare`: the adapter curve."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from wasabi import msg

from .shared import or_fail, read_overrides, split_numbers

if TYPE_CHECKING:  # every spaCy command imports this file, so it must not bring torch
    from ..experiments.curve import Point
    from ..experiments.runs import Experiment

SIZES = "2,4,8,16,32,64,128,256"


def compare_command(
    ctx: typer.Context,  # for other settings of the configs
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
    tops: str | None = typer.Option(
        None, "--tops", help="Numbers of top layers, '' for none; by default all"
    ),
    steps: int = typer.Option(1000, "--steps", min=1, help="Updates in each run"),
    seeds: int = typer.Option(3, "--seeds", min=1, help="Seeds of each point"),
    rate_factors: str = typer.Option(
        "1",
        "--rate-factors",
        help="Try each mode's learning rate times each of these, and take the best on dev",
    ),
    score: str | None = typer.Option(
        None, "--score", help="Score to compare; by default the task's main score"
    ),
    jobs: int = typer.Option(1, "--jobs", min=1, help="Runs at a time"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    as_json: bool = typer.Option(
        False, "--json", "-j", help="Print the points as JSON instead of a table"
    ),
) -> None:
    """Draw the adapter curve: what adapters and top layers reach beside full fine-tuning.

    The figure shows scores against the number of trained parameters, for adapters of each size and
    for each number of top layers. Runs that are finished are kept in OUTPUT: an interrupted
    comparison goes on where it was. Settings of the configs are changed as in `spacy train`.

    EXAMPLE: python -m spacy bertfamily compare ner train.spacy dev.spacy --output curve --seeds 5

    EXAMPLE: python -m spacy bertfamily compare tagger train.spacy dev.spacy --test test.spacy
    --output curve --sizes 8,64 --tops 1,2 --steps 300 --rate-factors 1,3 --training.batcher.size 16
    """
    from ..experiments.curve import Comparison, check_same, make_experiment, points, write_csv
    from .plots import draw_curve, new_figure

    overrides = read_overrides(ctx.args)
    factors = split_numbers(rate_factors, "--rate-factors", float) or [1.0]
    adapters = split_numbers(sizes, "--sizes", int)
    with or_fail("Cannot compare"):
        new_figure(
            1, 1
        )  # a missing matplotlib is found out before the first run, not after the last
        comparison = Comparison(
            task, str(train), str(dev), str(test) if test else None, score, steps, factors, lang, backbone, gpu_id,
            overrides,
        )  # fmt: skip
        layers = top_layers(
            tops, comparison.config("full")["components"]["transformer"]["model"]["name"]
        )
        check_same(output, comparison)
        results = output / "results.jsonl"
        experiment = make_experiment(comparison, adapters, layers, results)
        run_all(experiment, jobs, seeds, show=not as_json)
        found = points(experiment)
    write_csv(found, output / "curve.csv")
    draw_curve(found, f"{task}, {seeds} seed(s), {steps} steps", output / "curve.png")
    if as_json:
        typer.echo(_json(found))
        return
    print_table(found, experiment.scores[task])
    msg.good(f"Wrote {output / 'curve.csv'} and {output / 'curve.png'}")


def top_layers(tops: str | None, backbone: str) -> list[int]:
    """RETURNS (list[int]): Numbers of top layers; by default 1 to all layers that have weights of
    their own.
    RAISES (ValueError): If the backbone has fewer layers.
    """
    from ..backbone import read_config
    from ..errors import Errors

    config = read_config(backbone)[1]
    count = getattr(config, "num_hidden_groups", config.num_hidden_layers)
    if tops is None:
        return list(range(1, count + 1))
    numbers = split_numbers(tops, "--tops", int)
    if max(numbers, default=0) > count:
        raise Errors.B007(n=max(numbers), name=backbone, model_type=config.model_type, layers=count)
    return numbers


def run_all(experiment: "Experiment", jobs: int, seeds: int, show: bool) -> None:
    """Run what has not been run yet, with a progress bar."""
    import tqdm

    from ..experiments.runs import load_results

    total = sum(len(rates) for rates in experiment.rates.values()) + (seeds - 1) * len(
        experiment.rates
    )
    done = min(total, len(load_results(experiment.results)))
    with tqdm.tqdm(total=total, initial=done, desc="Runs", disable=not show) as progress:

        def report(result: dict) -> None:
            progress.set_postfix_str(
                f"{result['mode']} seed {result['seed']}: {100 * result['test']:.2f}"
            )
            progress.update()

        experiment.run(jobs, seeds, report)


def print_table(found: Sequence["Point"], score: str) -> None:
    """One row for each point."""
    rows = [
        (
            p.mode,
            f"{p.trained:,}",
            f"{p.share:.2%}",
            f"{p.rate:g}",
            str(p.seeds),
            f"{p.score:.2f}",
            _range(p),
        )
        for p in found
    ]
    header = ("mode", "trained", "share", "rate", "seeds", score, "beside full")
    msg.table(rows, header=header, aligns=("l", *"rrrrrr"), divider=True)


def _range(point: "Point") -> str:
    spread = f" ({point.low:+.2f} to {point.high:+.2f})" if point.seeds > 1 else ""
    return f"{point.difference:+.2f}{spread}"


def _json(found: Sequence["Point"]) -> str:
    import json

    return json.dumps([asdict(point) for point in found], indent=2)
