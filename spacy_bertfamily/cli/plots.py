"""Draw layer weights, curves, training logs and reports with matplotlib (the extra `plot`)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..compress.report import PipelineReport
from ..errors import Errors
from ..experiments.curve import FULL, Point
from ..layer_mix.weights import MixWeights

BLUE, GREY, ORANGE, GREEN = "#09a3d5", "#777777", "#e07a1f", "#3a923a"
# The colours of runs, one after the other
COLORS = (BLUE, ORANGE, GREEN, GREY)
# The lines of the curve: the prefix of the modes, the line's label and colour.
LINES = (("adapter:", "adapters and layer norms", BLUE), ("top:", "top layers", ORANGE))


def new_figure(width: float, height: float) -> Any:
    """Make an empty figure.

    width (float): Its width in inches.
    height (float): Its height in inches.
    RETURNS (Figure): The figure.
    RAISES (BertFamilyError): If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as e:
        raise Errors.B310() from e
    return Figure(figsize=(width, height), layout="constrained")


def set_style(axis: Any, title: str = "", x: str = "", y: str = "") -> None:
    """Give a plot the style that all have: a grid behind, no frame, the title on the left.

    axis (Axes): The plot.
    title (str): Its title.
    x (str): The label of its horizontal axis.
    y (str): The label of its vertical axis.
    """
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.set_title(title, loc="left", fontsize=10)
    axis.set_xlabel(x)
    axis.set_ylabel(y)


def draw_layers(mixes: Sequence[MixWeights], title: str, path: Path) -> None:
    """Draw a bar chart for each mix: the weight of each hidden state.

    mixes (Sequence[MixWeights]): The mixes, at least one.
    title (str): The pipeline, or what it was trained on.
    path (Path): The picture; its suffix decides the format.
    """
    figure = new_figure(6.4, 1.2 + 1.8 * len(mixes))
    axes = figure.subplots(len(mixes), sharex=True, squeeze=False)[:, 0]
    for axis, mix in zip(axes, mixes):
        axis.bar(mix.layers, mix.weights, color=BLUE)
        set_style(axis, f"{mix.component} ({mix.kind}), gamma {mix.gamma:.2f}", y="weight")
    figure.suptitle(title, fontsize=10)
    axes[-1].set_xlabel("hidden state (0: embeddings)")
    axes[-1].set_xticks(sorted({layer for mix in mixes for layer in mix.layers}))
    figure.savefig(path, dpi=150)


def draw_curve(points: Sequence[Point], title: str, path: Path) -> None:
    """Draw differences to full fine-tuning against the number of trained parameters.

    Bands reach from the lowest to the highest score of the seeds.

    points (Sequence[Point]): The points, full fine-tuning among them.
    title (str): What is compared.
    path (Path): The picture.
    """
    figure = new_figure(6.4, 4.2)
    axis = figure.subplots()
    (full,) = [point for point in points if point.mode == FULL]
    axis.axhline(0, color=GREY, linewidth=1, linestyle="--")
    spread = [[-full.low], [full.high]]
    axis.errorbar(
        [full.trained], [0], spread, color=GREY, marker="s", capsize=3, label="full fine-tuning"
    )
    for prefix, label, color in LINES:
        line = [point for point in points if point.mode.startswith(prefix)]
        line.sort(key=lambda point: point.trained)
        if line:
            _draw_line(axis, line, label, color)
        for point in line:
            _annotate(axis, point, point.mode.removeprefix(prefix))
    axis.set_xscale("log")
    set_style(
        axis, title, "trained parameters of the transformer", "points beside full fine-tuning"
    )
    axis.legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=150)


def _draw_line(axis: Any, line: Sequence[Point], label: str, color: str) -> None:
    x = [point.trained for point in line]
    low = [point.low for point in line]
    high = [point.high for point in line]
    axis.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
    axis.plot(x, [point.difference for point in line], color=color, marker="o", label=label)


def _annotate(axis: Any, point: Point, text: str) -> None:
    at, offset = (point.trained, point.difference), (0, 6)
    axis.annotate(text, at, offset, textcoords="offset points", ha="center", fontsize=8)


def draw_log(logs: dict[str, list[dict[str, Any]]], title: str, path: Path) -> None:
    """Draw the scores of training runs, and below them the losses of each component.

    Losses of different components are of different sizes: each component has a plot of its own.

    logs (dict[str, list[dict[str, Any]]]): By the run's name, the rows that spaCy's console logger
        writes: `step`, `score`, `losses`.
    title (str): What was trained on what.
    path (Path): The picture.
    """
    components = list(dict.fromkeys(name for rows in logs.values() for name in rows[0]["losses"]))
    figure = new_figure(6.4, 1.2 + 2.0 * (1 + len(components)))
    axes = figure.subplots(1 + len(components), sharex=True, squeeze=False)[:, 0]
    for i, (name, rows) in enumerate(logs.items()):
        steps = [row["step"] for row in rows]
        look = {"label": name, "marker": ".", "color": COLORS[i % len(COLORS)]}
        axes[0].plot(steps, [row["score"] for row in rows], **look)
        for axis, component in zip(axes[1:], components):
            axis.plot(steps, [row["losses"].get(component, math.nan) for row in rows], **look)
    set_style(axes[0], title, y="score on dev")
    axes[0].legend(loc="lower right", fontsize=8)
    for axis, component in zip(axes[1:], components):
        set_style(axis, f"loss of {component} since the row before", y="loss")
    axes[-1].set_xlabel("step")
    figure.savefig(path, dpi=150)


def draw_reports(reports: Sequence[PipelineReport], title: str, path: Path) -> None:
    """Draw the scores of pipelines against their size and their speed.

    reports (Sequence[PipelineReport]): The pipelines, timed; those without a score are left out.
    title (str): The data that the scores are of.
    path (Path): The picture.
    """
    figure = new_figure(8.0, 3.6)
    by_size, by_speed = figure.subplots(1, 2, sharey=True)
    for report in reports:
        if report.score is None:
            continue
        size = report.megabytes + report.backbone_megabytes
        for axis, x in ((by_size, size), (by_speed, report.words_per_second)):
            axis.scatter([x], [report.score], color=BLUE)
            at, offset = (x, report.score), (0, 6)
            name = Path(report.name).name
            axis.annotate(name, at, offset, textcoords="offset points", ha="center", fontsize=8)
    set_style(by_size, title, "megabytes with the backbone", "score")
    set_style(by_speed, x="words per CPU second")
    figure.savefig(path, dpi=150)
