"""Pictures: layer weights, the adapter curve, training logs. They need matplotlib, the extra
`plot`.
"""

import math
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from ..errors import Errors
from ..experiments.curve import FULL, Point
from ..layer_mix.weights import MixWeights

BLUE, GREY, ORANGE = "#09a3d5", "#777777", "#e07a1f"
# The lines of the losses
STYLES = ("-", "--", ":", "-.")
# The lines of the curve: what a mode's name begins with, the line's name and colour.
LINES = (("adapter:", "adapters and layer norms", BLUE), ("top:", "top layers", ORANGE))


def new_figure(width: float, height: float) -> Any:
    """RETURNS (Figure): An empty figure, in inches. RAISES (ImportError): If matplotlib is not
    installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as e:
        raise Errors.B310() from e
    return Figure(figsize=(width, height), layout="constrained")


def draw_layers(mixes: Sequence[MixWeights], path: Path) -> None:
    """Draw a row of bars for each mix: how much it takes of each hidden state.

    mixes (Sequence[MixWeights]): The mixes, at least one.
    path (Path): The picture; its suffix says of which kind.
    """
    figure = new_figure(6.4, 1.2 + 1.8 * len(mixes))
    axes = figure.subplots(len(mixes), sharex=True, squeeze=False)[:, 0]
    for axis, mix in zip(axes, mixes):
        axis.bar(mix.layers, mix.weights, color=BLUE)
        axis.set_title(
            f"{mix.component} ({mix.kind}), gamma {mix.gamma:.2f}", loc="left", fontsize=10
        )
        axis.set_ylabel("weight")
    axes[-1].set_xlabel("hidden state (0: embeddings)")
    axes[-1].set_xticks(sorted({layer for mix in mixes for layer in mix.layers}))
    figure.savefig(path, dpi=150)


def draw_curve(points: Sequence[Point], title: str, path: Path) -> None:
    """Draw differences to full fine-tuning against trained parameters, with bands from the worst to
    the best seed.

    points (Sequence[Point]): The points, full fine-tuning among them.
    title (str): What is compared.
    path (Path): The picture.
    """
    figure = new_figure(6.4, 4.2)
    axis = figure.subplots()
    (full,) = [point for point in points if point.mode == FULL]
    axis.axhline(0, color=GREY, linewidth=1, linestyle="--")
    axis.errorbar(
        [full.trained],
        [0],
        [[-full.low], [full.high]],
        color=GREY,
        marker="s",
        capsize=3,
        label="full fine-tuning",
    )
    for prefix, label, color in LINES:
        line = sorted(
            (p for p in points if p.mode.startswith(prefix)), key=lambda point: point.trained
        )
        if line:
            x = [point.trained for point in line]
            axis.fill_between(
                x,
                [p.low for p in line],
                [p.high for p in line],
                color=color,
                alpha=0.2,
                linewidth=0,
            )
            axis.plot(x, [point.difference for point in line], color=color, marker="o", label=label)
        for point in line:
            at = (point.trained, point.difference)
            axis.annotate(
                point.mode[len(prefix) :],
                at,
                (0, 6),
                textcoords="offset points",
                ha="center",
                fontsize=8,
            )
    axis.set_xscale("log")
    axis.set_xlabel("trained parameters of the transformer")
    axis.set_ylabel("points beside full fine-tuning")
    axis.set_title(title, loc="left", fontsize=10)
    axis.legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=150)


def draw_log(logs: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Draw the scores and the losses of training runs, a line for each, and one for the loss of
    each component.

    logs (dict[str, list[Dict]]): By name, the rows that spaCy's console logger writes: `step`,
        `score`, `losses`.
    path (Path): The picture.
    """
    figure = new_figure(6.4, 5.6)
    upper, lower = figure.subplots(2, sharex=True)
    for name, rows in logs.items():
        steps = [row["step"] for row in rows]
        (line,) = upper.plot(steps, [row["score"] for row in rows], label=name, marker=".")
        for component, style in zip(rows[0]["losses"] if rows else (), cycle(STYLES)):
            losses, label = (
                [row["losses"].get(component, math.nan) for row in rows],
                f"{name}: {component}",
            )
            lower.plot(
                steps, losses, label=label, marker=".", color=line.get_color(), linestyle=style
            )
    upper.set_ylabel("score on dev")
    upper.legend(loc="lower right", fontsize=8)
    lower.set_ylabel("loss since the row before")
    if lower.lines:
        lower.legend(fontsize=8)
    lower.set_yscale("log", nonpositive="mask")  # the components' losses are of different sizes
    lower.set_xlabel("step")
    figure.savefig(path, dpi=150)
