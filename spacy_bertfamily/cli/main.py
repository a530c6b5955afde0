"""The commands, as a group of spaCy's own command line."""

import sys
from pathlib import Path

import typer
from spacy.cli._util import app
from wasabi import msg

from .ask import ask_command
from .convert import convert_command
from .init_config import init_config_command
from .layers import layers_command

bertfamily_cli = typer.Typer(
    name="bertfamily",
    help="Adapters, pairs and question answering: tools for pipelines made with spacy-bertfamily.",
    no_args_is_help=True,
)
app.add_typer(bertfamily_cli)


@bertfamily_cli.callback()
def _group() -> None:
    """Keeps the group a group, however few commands it has."""


bertfamily_cli.command("init-config")(init_config_command)
bertfamily_cli.command("convert")(convert_command)
bertfamily_cli.command("ask")(ask_command)


@bertfamily_cli.command("info")
def info_command(
    pipeline: str = typer.Argument(..., help="Folder or package of a trained pipeline"),
) -> None:
    """Show what the transformers of a pipeline consist of: backbone, fingerprint, and what was trained.

    EXAMPLE: python -m spacy bertfamily info training/model-best
    """
    import spacy

    from ..pipeline.adapter_transformer import AdapterTransformer

    try:
        nlp = spacy.load(pipeline)
    except (OSError, ValueError) as e:
        msg.fail(f"Cannot load {Path(pipeline)}", str(e))
        sys.exit(1)
    for name, component in nlp.pipeline:
        if isinstance(component, AdapterTransformer):
            summary = component.trainable_summary()
            reference = component.shim.reference()
            msg.divider(name)
            msg.table({"backbone": reference.name, "type": reference.model_type, "fingerprint": reference.fingerprint})
            rows = [(part, f"{trained:,}", f"{total:,}") for part, (trained, total) in summary.groups.items()]
            msg.table(
                [*rows, ("in all", f"{summary.trained:,}", f"{summary.total:,}")],
                header=("part", "trained", "parameters"),
                aligns=("l", "r", "r"),
                divider=True,
            )


bertfamily_cli.command("layers")(layers_command)
