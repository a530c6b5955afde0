"""`python -m spacy bertfamily adapters`: the adapters of a trained pipeline, and files of them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from wasabi import msg

from .shared import find_transformers, load_pipeline, or_fail

if TYPE_CHECKING:  # every spaCy command imports this file, so it must not bring torch
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
    rows = [
        {
            "transformer": t.name,
            "adapter": name,
            "active": name == t.active_adapter,
            **_about(t, name),
        }
        for t in find_transformers(load_pipeline(pipeline))
        for name in t.adapters
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
    elif not rows:
        msg.info(f"{pipeline} has no adapters.")
    else:
        cells = [
            (
                r["transformer"],
                r["adapter"],
                "yes" if r["active"] else "",
                r["kind"],
                f"{r['parameters']:,}",
            )
            for r in rows
        ]
        header = ("transformer", "adapter", "active", "kind", "parameters")
        msg.table(cells, header=header, aligns=("l", "l", "l", "l", "r"), divider=True)


def _about(transformer: "AdapterTransformer", name: str) -> dict:
    encoder = transformer.shim.encoder
    parameters = sum(parameter.numel() for parameter in encoder.modules_of(name).parameters())
    return {"kind": encoder.adapter_settings[name].registered, "parameters": parameters}


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
    with or_fail(f"Cannot write {folder}"):
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
        None, "--format", "-f", help="native, adapterhub or peft; by default found out"
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
    with or_fail(f"Cannot import {source}"):
        name = component.load_adapter(source, name=name, format=format, force=force)
        if activate:
            component.set_adapter(name)
        nlp.to_disk(output)
    msg.good(f"Wrote {output} with the adapter {name!r}{', active' if activate else ''}")


def find_transformer(nlp: "Language", name: str | None) -> "AdapterTransformer":
    """RETURNS (AdapterTransformer): The one of a name, or the only one. Ends the program if there
    is none.
    """
    found = find_transformers(nlp)
    names: list[str] = [component.name for component in found]
    if name is None and len(found) == 1:
        return found[0]
    if name not in names:
        title = (
            "Which transformer?"
            if found and name is None
            else "There is no such adapter_transformer"
        )
        msg.fail(
            title, f"Name one with --transformer: {', '.join(names) or 'there is none'}", exits=1
        )
    return found[names.index(str(name))]
