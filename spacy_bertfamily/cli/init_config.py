"""`python -m spacy bertfamily init-config`: a config to start from."""

import sys
from pathlib import Path
from typing import Optional

import typer
from wasabi import msg


def init_config_command(
    target: Path = typer.Argument(..., help="The config to write, - for standard output", allow_dash=True),
    task: str = typer.Option(
        ...,
        "--task",
        "-t",
        help="tagger, morphologizer, parser, ner, spancat, textcat, textcat_multilabel, pair, pair_regression or qa",
    ),
    mode: str = typer.Option("adapter", "--mode", "-m", help="adapter, full, top:N, frozen, or mix (layer weights)"),
    lang: str = typer.Option("en", "--lang", "-l", help="Code of the language"),
    backbone: Optional[str] = typer.Option(
        None, "--backbone", "-b", help="Hub id, local folder, or package:folder; by default a small English BERT"
    ),
    force: bool = typer.Option(False, "--force", "-F", help="Write over an existing file"),
) -> None:
    """Write a complete, commented config for a task and a way to train.

    EXAMPLE: python -m spacy bertfamily init-config ner.cfg --task ner
    EXAMPLE: python -m spacy bertfamily init-config qa.cfg --task qa --mode top:2
    EXAMPLE: python -m spacy bertfamily init-config - --task pair --lang de --backbone ./my-german-bert
    """
    from ..init_config.make import make_config

    try:
        config = make_config(task, mode, lang, backbone, path="config.cfg" if str(target) == "-" else target.as_posix())
    except ValueError as e:
        msg.fail("Cannot make a config", str(e))
        sys.exit(1)
    if str(target) == "-":
        print(config, end="")
        return
    if target.exists() and not force:
        msg.fail(f"{target} exists already", "Give another name, or --force to write over it.")
        sys.exit(1)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(config, encoding="utf8")
    msg.good(f"Wrote {target}")
    print(f"python -m spacy train {target} --output training --paths.train train.spacy --paths.dev dev.spacy")
