"""The command `train`: training that can be interrupted and resumed."""

import shlex
from pathlib import Path

import typer
from spacy.cli._util import import_code, setup_gpu, show_validation_error
from wasabi import msg

from .shared import exit_on_error, read_overrides

# The exit code of a process that Ctrl-C ended
INTERRUPTED = 130


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
    try:
        with exit_on_error("Cannot train"):
            output.mkdir(parents=True, exist_ok=True)
            setup_gpu(gpu_id)
            with show_validation_error(config_path):
                config = load_config(config_path, overrides=overrides, interpolate=False)
                nlp = init_nlp(config, use_gpu=gpu_id)
            is_new = train(nlp, output, resume=resume, use_gpu=gpu_id)
    except KeyboardInterrupt:
        print_kept(output, command_to_resume(ctx))
        raise typer.Exit(INTERRUPTED) from None
    if not is_new:
        print_finished(output)
    msg.good(f"Saved the pipeline to {output / 'model-last'}")


def command_to_resume(ctx: typer.Context) -> str:
    """RETURNS (str): The command line that resumes the training of this one."""
    given = ctx.params
    command = ["python", "-m", "spacy", "bertfamily", "train", str(given["config_path"])]
    command += ["--output", str(given["output"])]
    if given["code"] is not None:
        command += ["--code", str(given["code"])]
    if given["gpu_id"] >= 0:
        command += ["--gpu-id", str(given["gpu_id"])]
    return shlex.join([*command, *ctx.args, "--resume"])


def print_kept(output: Path, command: str) -> None:
    """Print what an interrupted training has left, and how to go on.

    output (Path): The output folder.
    command (str): The command line that resumes the training.
    """
    from ..training.checkpoint import read_step
    from ..training.loop import CHECKPOINT

    step = read_step(output / CHECKPOINT)
    kept = {
        "model-best": "the pipeline with the best score so far",
        "model-last": "the pipeline as it was last",
        CHECKPOINT: f"the checkpoint of step {step}; updates after it are made again",
    }
    found = {name: text for name, text in kept.items() if (output / name).is_dir()}
    msg.warn("Training was interrupted.")
    if step is None:
        found.pop(CHECKPOINT, None)
        msg.text("There is no checkpoint yet: the first is written at the first evaluation.")
    if found:
        msg.table({str(output / name): text for name, text in found.items()})
    if step is not None:
        print(f"Go on with:\n{command}")


def print_finished(output: Path) -> None:
    """Say that a training had ended already, and how it can be continued.

    output (Path): The output folder.
    """
    hint = (
        "To train on, raise the setting that ended it: --training.max_steps, --training.max_epochs "
        "or --training.patience. A learn rate that falls to 0 does not rise again, though."
    )
    msg.info(f"The training in {output} had finished already; nothing was added to it.", hint)
