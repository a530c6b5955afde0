"""The command `train`: training that can be interrupted and resumed."""

import os
import shlex
import sys
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from spacy.cli._util import import_code, setup_gpu, show_validation_error
from wasabi import msg

from ..errors import Errors
from .shared import exit_on_error, read_overrides

if TYPE_CHECKING:  # every spaCy command imports this file, so it must not import torch
    from ..training.workers.group import WorkerGroup

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
    workers: int = typer.Option(
        1, "--workers", "-w", min=1, help="Processes that divide each batch among them"
    ),
) -> None:
    """Train as `spacy train` does, so that it can be interrupted and resumed.

    At each evaluation it writes a checkpoint: weights, optimizer, step, random numbers and scores.
    The checkpoint takes three times as much disk space as the trained weights. Several workers
    divide each batch and add up their gradients; on several machines, start this with torchrun.
    With --gpu-id, worker 0 uses that GPU, and the others those after it.

    EXAMPLE: python -m spacy bertfamily train ner.cfg --output training --paths.train train.spacy
    --paths.dev dev.spacy

    EXAMPLE: python -m spacy bertfamily train ner.cfg --output training --paths.train train.spacy
    --paths.dev dev.spacy --resume

    EXAMPLE: python -m spacy bertfamily train ner.cfg --output training --paths.train train.spacy
    --paths.dev dev.spacy --workers 4
    """
    overrides = read_overrides(ctx.args)
    job = TrainingJob(config_path, output, resume, code, gpu_id, overrides)
    try:
        with exit_on_error("Cannot train"):
            output.mkdir(parents=True, exist_ok=True)
            is_new = run_job(job, workers)
    except KeyboardInterrupt:
        print_kept(output, command_to_resume(ctx))
        raise typer.Exit(INTERRUPTED) from None
    if is_new is None:  # another worker says the rest
        return
    if not is_new:
        print_finished(output)
    msg.good(f"Saved the pipeline to {output / 'model-last'}")


@dataclass(frozen=True)
class TrainingJob:
    """The arguments of a training, for each of its processes."""

    config_path: Path
    output: Path
    resume: bool
    code: Path | None
    gpu_id: int
    overrides: dict[str, Any]


def run_job(job: TrainingJob, workers: int) -> bool | None:
    """Train in this process, in several new ones, or as one of those that torchrun has started.

    job (TrainingJob): What is trained.
    workers (int): The number of processes.
    RETURNS (bool | None): As `spacy_bertfamily.training.loop.train`; None if another process writes
        the pipelines.
    RAISES (BertFamilyError): If a worker fails, or both torchrun and `workers` say how many.
    """
    from ..training.workers.group import open_group, torchrun_worker
    from ..training.workers.launch import launch

    started = torchrun_worker()
    if started is None:
        if workers == 1:
            return _train(job, job.gpu_id)
        result: bool = launch(_work, (job,), workers, gpu_id=job.gpu_id)
        return result
    rank, size, local_rank = started
    if workers not in (1, size):
        raise Errors.B529(given=workers, size=size)
    gpu_id = job.gpu_id + local_rank if job.gpu_id >= 0 else -1
    with open_group(rank, size, gpu_id=gpu_id) as group:
        is_new = _work(group, job)
    return is_new if group.is_first else None


def _work(group: "WorkerGroup", job: TrainingJob) -> bool:
    """RETURNS (bool): As `train`. Only worker 0 prints."""
    if group.is_first:
        return _train(job, group.gpu_id, group)
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        return _train(job, group.gpu_id, group)


def _train(job: TrainingJob, gpu_id: int, group: "WorkerGroup | None" = None) -> bool:
    from spacy.training.initialize import init_nlp
    from spacy.util import load_config

    from ..training.loop import train

    import_code(job.code)
    setup_gpu(gpu_id)
    # a worker raises its error, so that the process that started it can print it
    with show_validation_error(job.config_path) if group is None else nullcontext():
        config = load_config(job.config_path, overrides=job.overrides, interpolate=False)
        nlp = init_nlp(config, use_gpu=gpu_id)
    return train(nlp, job.output, resume=job.resume, use_gpu=gpu_id, stdout=sys.stdout, group=group)


def command_to_resume(ctx: typer.Context) -> str:
    """RETURNS (str): The command line that resumes the training of this one."""
    given = ctx.params
    command = ["python", "-m", "spacy", "bertfamily", "train", str(given["config_path"])]
    command += ["--output", str(given["output"])]
    if given["code"] is not None:
        command += ["--code", str(given["code"])]
    if given["gpu_id"] >= 0:
        command += ["--gpu-id", str(given["gpu_id"])]
    if given["workers"] > 1:
        command += ["--workers", str(given["workers"])]
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
