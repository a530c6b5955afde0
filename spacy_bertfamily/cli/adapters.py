"""The commands `adapters list`, `adapters export` and `adapters import`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from wasabi import msg

from .shared import exit_on_error, find_transformers, load_pipeline

if TYPE_CHECKING:  # every spaCy command imports this file, so it must not import torch
    from spacy.language import Language

    from ..transformer.component import AdapterTransformer

PIPELINE = typer.Argument(..., help="Folder, package or released name of a trained pipeline")
TRANSFORMER = typer.Option(
    None, "--transformer", "-t", help="The component, if there are several transformers"
)

adapters_cli = typer.Typer(
    name="adapters",
    help="List, export and import the adapters of a pipeline.",
    no_args_is_help=True,
)


@adapters_cli.command("list")
def list_command(
    pipeline: str = PIPELINE,
    as_json: bool = typer.Option(False, "--json", "-j", help="Print JSON instead of a table"),
) -> None:
    """List the adapters of a pipeline's transformers.

    EXAMPLE: python -m spacy bertfamily adapters list training/model-best
    """
    rows = []
    for transformer in find_transformers(load_pipeline(pipeline)):
        for name in transformer.adapters:
            rows.append(_adapter_row(transformer, name))
    if as_json:
        print(json.dumps(rows, indent=2))
    elif not rows:
        msg.info(f"{pipeline} has no adapters.")
    else:
        _print_table(rows)


def _adapter_row(transformer: "AdapterTransformer", name: str) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): What the list says of an adapter, as JSON types."""
    encoder = transformer.shim.encoder
    parameters = sum(parameter.numel() for parameter in encoder.modules_of(name).parameters())
    return {
        "transformer": transformer.name,
        "adapter": name,
        "active": name == transformer.active_adapter,
        "kind": encoder.adapter_settings[name].registered,
        "parameters": parameters,
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    cells = []
    for row in rows:
        active = "yes" if row["active"] else ""
        parameters = f"{row['parameters']:,}"
        cells.append((row["transformer"], row["adapter"], active, row["kind"], parameters))
    header = ("transformer", "adapter", "active", "kind", "parameters")
    msg.table(cells, header=header, aligns=("l", "l", "l", "l", "r"), divider=True)


@adapters_cli.command("export")
def export_command(
    pipeline: str = PIPELINE,
    folder: Path = typer.Argument(..., help="Where to write the adapter", file_okay=False),
    name: str | None = typer.Option(
        None, "--name", "-n", help="The adapter; by default the active one"
    ),
    format: str = typer.Option("native", "--format", "-f", help="native, adapterhub or peft"),
    transformer: str | None = TRANSFORMER,
) -> None:
    """Write one adapter of a pipeline, for other pipelines or other libraries.

    EXAMPLE: python -m spacy bertfamily adapters export training/model-best legal_adapter --format
    adapterhub
    """
    component = find_transformer(load_pipeline(pipeline), transformer)
    with exit_on_error(f"Cannot write {folder}"):
        component.save_adapter(folder, name=name, format=format)
    msg.good(f"Wrote {folder}")


@adapters_cli.command("import")
def import_command(
    pipeline: str = PIPELINE,
    source: str = typer.Argument(..., help="Folder or hub id of an adapter"),
    output: Path = typer.Argument(
        ..., help="Where to write the pipeline with the adapter", file_okay=False
    ),
    name: str | None = typer.Option(None, "--name", "-n", help="Its name here; by default its own"),
    format: str | None = typer.Option(
        None, "--format", "-f", help="native, adapterhub or peft; by default it is detected"
    ),
    activate: bool = typer.Option(False, "--activate", "-a", help="Make it the active adapter"),
    force: bool = typer.Option(
        False, "--force", "-F", help="Accept an adapter for another backbone"
    ),
    transformer: str | None = TRANSFORMER,
) -> None:
    """Add an adapter to a pipeline, and write the pipeline.

    EXAMPLE: python -m spacy bertfamily adapters import training/model-best legal_adapter with_legal
    --activate
    """
    nlp = load_pipeline(pipeline)
    component = find_transformer(nlp, transformer)
    with exit_on_error(f"Cannot import {source}"):
        name = component.load_adapter(source, name=name, format=format, force=force)
        if activate:
            component.set_adapter(name)
        nlp.to_disk(output)
    active = ", active" if activate else ""
    msg.good(f"Wrote {output} with the adapter {name!r}{active}")


def find_transformer(nlp: "Language", name: str | None) -> "AdapterTransformer":
    """Find a transformer of a pipeline. Exit if there is none.

    nlp (Language): The pipeline.
    name (str | None): The component's name; None for the only transformer.
    RETURNS (AdapterTransformer): The component.
    """
    found = find_transformers(nlp)
    names: list[str] = [component.name for component in found]
    if name is None and len(found) == 1:
        return found[0]
    if name not in names:
        title = "There is no such adapter_transformer"
        if found and name is None:
            title = "Which transformer?"
        known = ", ".join(names) or "there is none"
        msg.fail(title, f"Name one with --transformer: {known}", exits=1)
    return found[names.index(str(name))]
