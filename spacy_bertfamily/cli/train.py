"""The command `train`: training that can be interrupted and resumed."""

from pathlib import Path

import typer
from spacy.cli._util import import_code, setup_gpu, show_validation_error
from wasabi import msg

from .shared import exit_on_error, read_overrides


def train_command(
    ctx: typer.Context,  # holds further settings of the config
    config_path: Path = typer.Argument(..., help="The config", exists=True, dir_okay=False),
    output: Path = typer.Option(
        ..., "--output", "-o", help="Folder for the pipelines and the checkpoint", file_okay=False
    ),
    resume: bool = typer.Option(
        False, "--resume", "-r", help="Resume from the checkpoint in OUTPUT"
    ),
    code: Path = typer.Option(None, "--code", "-c", help="Python file to import first"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
) -> None:
    """Train as `spacy train` does, so that it can be interrupted and resumed.

    At each evaluation it writes a checkpoint: weights, optimizer, step, random numbers and scores.
    The checkpoint takes three times as much disk space as the trained weights.

    EXAMPLE: python -m spacy bertfamily train ner.cfg --output training --paths.train train.spacy
    --paths.dev dev.spacy

    EXAMPLE: python -m spacy bertfamily train ner.cfg --output training --paths.train train.spacy
    --paths.dev dev.spacy --resume
    """
    from spacy.training.initialize import init_nlp
    from spacy.util import load_config

    from ..training.loop import train

    overrides = read_overrides(ctx.args)
    import_code(code)
    with exit_on_error("Cannot train"):
        output.mkdir(parents=True, exist_ok=True)
        setup_gpu(gpu_id)
        with show_validation_error(config_path):
            config = load_config(config_path, overrides=overrides, interpolate=False)
            nlp = init_nlp(config, use_gpu=gpu_id)
        train(nlp, output, resume=resume, use_gpu=gpu_id)
    msg.good(f"Saved the pipeline to {output / 'model-last'}")
