"""The group of commands in spaCy's own command line."""

import typer
from spacy.cli._util import app

from .. import __version__
from .adapters import adapters_cli
from .annotate import annotate_command
from .ask import ask_command
from .compare import compare_command
from .completion import completion_command
from .compress import compress_cli
from .convert import convert_command
from .demo import demo_command
from .evaluate import evaluate_command
from .fill_mask import fill_mask_command
from .index import index_command
from .info import info_command
from .init_config import init_config_command
from .layers import layers_command
from .list_pipelines import list_command
from .neighbours import neighbours_command
from .new_backbone import new_backbone_command
from .new_elmo import new_elmo_command
from .new_vectors import new_vectors_command
from .plot_log import plot_log_command
from .save_backbone import save_backbone_command
from .train import train_command

# Any further options are settings of the config, as in `spacy train`.
WITH_OVERRIDES = {"allow_extra_args": True, "ignore_unknown_options": True}

bertfamily_cli = typer.Typer(name="bertfamily", no_args_is_help=True)
app.add_typer(bertfamily_cli)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        print(__version__)
        raise typer.Exit()


@bertfamily_cli.callback()
def accept_version(
    version: bool = typer.Option(
        False, "--version", help="Print the version", is_eager=True, callback=_print_version
    ),
) -> None:
    """Adapters, pairs and question answering: tools for pipelines made with spacy-bertfamily."""


bertfamily_cli.command("list")(list_command)
bertfamily_cli.command("init-config")(init_config_command)
bertfamily_cli.command("convert")(convert_command)
bertfamily_cli.command("ask")(ask_command)
bertfamily_cli.command("index")(index_command)
bertfamily_cli.command("annotate")(annotate_command)
bertfamily_cli.command("info")(info_command)
bertfamily_cli.command("layers")(layers_command)
bertfamily_cli.command("neighbours")(neighbours_command)
bertfamily_cli.command("compare", context_settings=WITH_OVERRIDES)(compare_command)
bertfamily_cli.command("train", context_settings=WITH_OVERRIDES)(train_command)
bertfamily_cli.command("evaluate")(evaluate_command)
bertfamily_cli.command("plot-log")(plot_log_command)
bertfamily_cli.command("new-backbone")(new_backbone_command)
bertfamily_cli.command("new-elmo")(new_elmo_command)
bertfamily_cli.command("new-vectors")(new_vectors_command)
bertfamily_cli.command("save-backbone")(save_backbone_command)
bertfamily_cli.command("fill-mask")(fill_mask_command)
bertfamily_cli.command("demo")(demo_command)
bertfamily_cli.command("completion")(completion_command)
bertfamily_cli.add_typer(adapters_cli)
bertfamily_cli.add_typer(compress_cli)
