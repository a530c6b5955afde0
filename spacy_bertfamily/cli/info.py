"""The command `info`: what the transformers of a pipeline consist of."""

import json
from typing import TYPE_CHECKING, Any

import typer
from wasabi import msg

from .shared import find_transformers, load_pipeline

if TYPE_CHECKING:  # every spaCy command imports this file, so it must not import torch
    from ..encoder.module import Encoder
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
        infos = {transformer.name: collect_info(transformer) for transformer in transformers}
        print(json.dumps(infos, indent=2))
    elif not transformers:
        msg.info(f"{pipeline} has no adapter_transformer.")
    else:
        for transformer in transformers:
            print_tables(transformer.name, collect_info(transformer))


def collect_info(transformer: "AdapterTransformer") -> dict[str, Any]:
    """RETURNS (dict[str, Any]): What a transformer consists of, as JSON types."""
    summary, reference = transformer.trainable_summary(), transformer.shim.reference()
    parts = {}
    for part, (trained, total) in summary.groups.items():
        parts[part] = {"trained": trained, "total": total}
    return {
        "backbone": reference.name,
        "type": reference.model_type,
        "fingerprint": reference.fingerprint,
        "package": reference.package,
        "trainable": list(transformer.shim.settings.trainable),
        "adapters": transformer.adapters,
        "active_adapter": transformer.active_adapter,
        "runtime": describe_runtime(transformer),
        "float32_products": describe_products(transformer.shim.encoder),
        "stored_bytes": len(transformer.shim.delta_bytes()),
        "trained": summary.trained,
        "total": summary.total,
        "parts": parts,
    }


def describe_products(encoder: "Encoder") -> str:
    """RETURNS (str): What multiplies the dense layers' float32 matrices on this machine."""
    from ..patching.onednn import OneDNNLinear

    is_onednn = any(isinstance(module, OneDNNLinear) for module in encoder.modules())
    return "oneDNN" if is_onednn else "torch"


def describe_runtime(transformer: "AdapterTransformer") -> str:
    """RETURNS (str): What computes a transformer in prediction on this machine."""
    from ..runtime.choice import describe_runtime
    from ..runtime.prediction import OpenVINORuntime

    schedule = transformer.shim.schedule
    runtime = schedule.runtime
    own = runtime if isinstance(runtime, OpenVINORuntime) else None
    return describe_runtime(transformer.shim.settings, own, schedule.encoder)


def print_tables(name: str, info: dict[str, Any]) -> None:
    """Print what a transformer consists of, and its parts.

    name (str): The component's name.
    info (dict[str, Any]): As `collect_info` returns it.
    """
    msg.divider(name)
    adapters = []
    for adapter in info["adapters"]:
        is_active = adapter == info["active_adapter"]
        adapters.append(f"{adapter} (active)" if is_active else adapter)
    keys = ("backbone", "type", "fingerprint", "package")
    shown = {key: info[key] for key in keys if info[key]}
    shown["trainable"] = ", ".join(info["trainable"]) or "nothing"
    shown["adapters"] = ", ".join(adapters) or "none"
    shown["runtime"] = info["runtime"]
    shown["products"] = info["float32_products"]
    shown["stored"] = f"{info['stored_bytes'] / 1e6:.1f} MB"
    msg.table(shown)
    rows = []
    for part, counts in info["parts"].items():
        rows.append((part, f"{counts['trained']:,}", f"{counts['total']:,}"))
    rows.append(("in all", f"{info['trained']:,}", f"{info['total']:,}"))
    msg.table(rows, header=("part", "trained", "parameters"), aligns=("l", "r", "r"), divider=True)
