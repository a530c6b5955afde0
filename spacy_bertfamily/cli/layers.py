"""`python -m spacy bertfamily layers`: what the layer mixes of a pipeline have learned."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional

import typer
from wasabi import msg

if TYPE_CHECKING:  # every spaCy command imports this file, so it must not bring torch
    from ..pipeline.layer_weights import MixWeights


def layers_command(
    pipeline: str = typer.Argument(..., help="Folder or package of a trained pipeline"),
    plot: Optional[Path] = typer.Option(None, "--plot", help="Draw the weights into this file (.png, .svg, .pdf)"),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table"),
) -> None:
    """Show how much each component takes of each layer of the transformer.

    EXAMPLE: python -m spacy bertfamily layers training/model-best --plot layers.png
    """
    import spacy

    from ..pipeline.layer_weights import layer_weights

    try:
        mixes = layer_weights(spacy.load(pipeline))
    except (OSError, ValueError) as e:
        msg.fail(f"Cannot load {pipeline}", str(e))
        sys.exit(1)
    if as_json:
        print(json.dumps([asdict(mix) for mix in mixes], indent=2))
    elif not mixes:
        msg.info(f"No component of {pipeline} mixes layers.")
    else:
        print_table(mixes)
    if plot is not None and mixes:
        draw(mixes, plot)
        if not as_json:
            msg.good(f"Drew the weights into {plot}")


def print_table(mixes: List["MixWeights"]) -> None:
    """One column for each mix, one row for each hidden state."""
    rows: List[List[str]] = []
    for layer in sorted({layer for mix in mixes for layer in mix.layers}):
        shares = [dict(zip(mix.layers, mix.weights)) for mix in mixes]
        rows.append([str(layer), *(f"{share[layer]:.3f}" if layer in share else "-" for share in shares)])
    rows.append(["gamma", *(f"{mix.gamma:.3f}" for mix in mixes)])
    header = ["layer", *(f"{mix.component} ({mix.kind})" for mix in mixes)]
    msg.table(rows, header=header, aligns=["r"] * len(header), divider=True)


def draw(mixes: List["MixWeights"], path: Path) -> None:
    """Draw a row of bars for each mix."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        msg.fail("--plot needs matplotlib", "pip install 'spacy-bertfamily[plot]'", exits=1)
    figure = Figure(figsize=(6.4, 1.2 + 1.8 * len(mixes)), layout="constrained")
    axes = figure.subplots(len(mixes), sharex=True, squeeze=False)[:, 0]
    for axis, mix in zip(axes, mixes):
        axis.bar(mix.layers, mix.weights, color="#09a3d5")
        axis.set_title(f"{mix.component} ({mix.kind}), gamma {mix.gamma:.2f}", loc="left", fontsize=10)
        axis.set_ylabel("weight")
    axes[-1].set_xlabel("hidden state (0: embeddings)")
    axes[-1].set_xticks(sorted({layer for mix in mixes for layer in mix.layers}))
    figure.savefig(path, dpi=150)
