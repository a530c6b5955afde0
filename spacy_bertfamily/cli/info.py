"""`python -m spacy bertfamily info`: what the transformers of a pipeline consist of."""

import json
from typing import TYPE_CHECKING, Any

import typer
from wasabi import msg

from .shared import find_transformers, load_pipeline

if TYPE_CHECKING:  # every spaCy command imports this file, so it must not bring torch
    from ..transformer.component import AdapterTransformer


def info_command(
    pipeline: str = typer.Argument(
        ..., help="Folder, package or released name of a trained pipeline"
    ),
    as_json: bool = typer.Option(False, "--json", "-j", help="Print JSON instead of tables"),
) -> None:
    """Show what the transformers of a pipeline consist of.

    That is the backbone and its fingerprint, the adapters, and what was trained.

    EXAMPLE: python -m spacy bertfamily info training/model-best
    """
    transformers = find_transformers(load_pipeline(pipeline))
    if as_json:
        print(
            json.dumps(
                {transformer.name: describe(transformer) for transformer in transformers}, indent=2
            )
        )
    elif not transformers:
        msg.info(f"{pipeline} has no adapter_transformer.")
    else:
        for transformer in transformers:
            print_tables(transformer.name, describe(transformer))


def describe(transformer: "AdapterTransformer") -> dict[str, Any]:
    """RETURNS (dict[str, Any]): What a transformer consists of, as JSON types."""
    summary, reference = transformer.trainable_summary(), transformer.shim.reference()
    parts = {
        part: {"trained": trained, "total": total}
        for part, (trained, total) in summary.groups.items()
    }
    return {
        "backbone": reference.name,
        "type": reference.model_type,
        "fingerprint": reference.fingerprint,
        "package": reference.package,
        "trainable": list(transformer.shim.settings.trainable),
        "adapters": transformer.adapters,
        "active_adapter": transformer.active_adapter,
        "stored_bytes": len(transformer.shim.delta_bytes()),
        "trained": summary.trained,
        "total": summary.total,
        "parts": parts,
    }


def print_tables(name: str, about: dict[str, Any]) -> None:
    """What it is, and its parts."""
    msg.divider(name)
    adapters = [
        f"{name} (active)" if name == about["active_adapter"] else name
        for name in about["adapters"]
    ]
    shown = {
        key: about[key] for key in ("backbone", "type", "fingerprint", "package") if about[key]
    }
    shown["trainable"] = ", ".join(about["trainable"]) or "nothing"
    shown["adapters"] = ", ".join(adapters) or "none"
    shown["stored"] = f"{about['stored_bytes'] / 1e6:.1f} MB"
    msg.table(shown)
    rows = [(part, f"{n['trained']:,}", f"{n['total']:,}") for part, n in about["parts"].items()]
    rows.append(("in all", f"{about['trained']:,}", f"{about['total']:,}"))
    msg.table(rows, header=("part", "trained", "parameters"), aligns=("l", "r", "r"), divider=True)
