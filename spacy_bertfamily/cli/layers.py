"""The command `layers`: what the layer mixes of a pipeline have learned."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from wasabi import msg

from .shared import exit_on_error, load_pipeline

if TYPE_CHECKING:  # every spaCy command imports this file, so it must not import torch
    from ..layer_mix.weights import MixWeights


def layers_command(
    pipeline: str = typer.Argument(
        ..., help="Folder, package or released name of a trained pipeline"
    ),
    plot: Path | None = typer.Option(
        None, "--plot", help="Draw the weights into this file (.png, .svg, .pdf)"
    ),
    as_json: bool = typer.Option(False, "--json", "-j", help="Print JSON instead of a table"),
) -> None:
    """Show how much weight each component gives to each layer of the transformer.

    EXAMPLE: python -m spacy bertfamily layers training/model-best --plot layers.png
    """
    from ..layer_mix.weights import layer_weights

    mixes = layer_weights(load_pipeline(pipeline))
    if as_json:
        print(json.dumps([asdict(mix) for mix in mixes], indent=2))
    elif not mixes:
        msg.info(f"No component of {pipeline} mixes layers.")
    else:
        print_table(mixes)
    if plot is not None and mixes:
        from .plots import draw_layers

        with exit_on_error("Cannot draw"):
            draw_layers(mixes, f"weights of the layers in {pipeline}", plot)
        if not as_json:
            msg.good(f"Drew the weights into {plot}")


def print_table(mixes: list["MixWeights"]) -> None:
    """Print a table with one column for each mix and one row for each hidden state."""
    weights_by_layer = [dict(zip(mix.layers, mix.weights)) for mix in mixes]
    rows: list[list[str]] = []
    for layer in sorted({layer for mix in mixes for layer in mix.layers}):
        row = [str(layer)]
        for weights in weights_by_layer:
            row.append(f"{weights[layer]:.3f}" if layer in weights else "-")
        rows.append(row)
    rows.append(["gamma", *(f"{mix.gamma:.3f}" for mix in mixes)])
    header = ["layer", *(f"{mix.component} ({mix.kind})" for mix in mixes)]
    msg.table(rows, header=header, aligns=["r"] * len(header), divider=True)
