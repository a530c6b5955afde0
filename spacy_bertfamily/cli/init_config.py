"""The command `init-config`: write a config to start from."""

from pathlib import Path

import typer
from wasabi import msg

from .shared import exit_on_error


def init_config_command(
    target: Path = typer.Argument(
        ..., help="The config to write, - for standard output", allow_dash=True
    ),
    task: str = typer.Option(
        ...,
        "--task",
        "-t",
        help="tagger, morphologizer, parser, ner, spancat, textcat, textcat_multilabel, pair, "
        "pair_regression or qa",
    ),
    mode: str = typer.Option(
        "adapter",
        "--mode",
        "-m",
        help="adapter, adapter:SIZE, full, top:N, frozen, or mix (of layers)",
    ),
    lang: str = typer.Option("en", "--lang", "-l", help="Code of the language"),
    backbone: str | None = typer.Option(
        None,
        "--backbone",
        "-b",
        help="Hub id, local folder, or package:folder; by default a small English BERT",
    ),
    steps: int = typer.Option(
        2000, "--steps", "-s", help="Number of updates; the schedules depend on it", min=1
    ),
    transformer_name: str = typer.Option(
        "transformer",
        "--transformer-name",
        "-n",
        help="Name of the transformer; with different ones, pipelines can be put together",
    ),
    separate_layers: int = typer.Option(
        0,
        "--separate-layers",
        "-p",
        help="Number of lowest layers that read each of two texts by itself, so that it is read "
        "once; with the mode top:N, full, frozen or mix",
        min=0,
    ),
    force: bool = typer.Option(False, "--force", "-F", help="Overwrite an existing file"),
) -> None:
    """Write a complete, commented config for a task and a training mode.

    EXAMPLE: python -m spacy bertfamily init-config ner.cfg --task ner

    EXAMPLE: python -m spacy bertfamily init-config qa.cfg --task qa --mode top:2

    EXAMPLE: python -m spacy bertfamily init-config - --task pair --lang de --backbone
    ./my-german-bert
    """
    from ..init_config.make import make_config

    path = "config.cfg" if str(target) == "-" else target.as_posix()
    with exit_on_error("Cannot make a config"):
        config = make_config(
            task, mode, lang, backbone, path, steps, transformer_name, separate_layers
        )
    if str(target) == "-":
        print(config, end="")
        return
    if target.exists() and not force:
        hint = "Give another name, or --force to write over it."
        msg.fail(f"{target} exists already", hint, exits=1)
    with exit_on_error(f"Cannot write {target}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(config, encoding="utf8")
    msg.good(f"Wrote {target}")
    corpora = "--paths.train train.spacy --paths.dev dev.spacy"
    print(f"python -m spacy train {target} --output training {corpora}")
