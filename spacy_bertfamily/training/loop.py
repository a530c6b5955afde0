"""Train as spaCy does, with its own functions, and write checkpoints to resume from."""

import shutil
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.training import loop as spacy_loop
from spacy.util import registry, resolve_dot_names
from thinc.api import fix_random_seed, set_gpu_allocator

from ..errors import Errors
from ..shards import use_shard
from .checkpoint import (
    Progress,
    mark_finished,
    read_progress,
    restore_checkpoint,
    save_checkpoint,
)
from .data_digests import Reader, digest_data, keep_random_state
from .workers.group import WorkerGroup
from .workers.shared import SharedTraining

# The folder of the checkpoint, inside the output folder.
CHECKPOINT = "training-state"
Scores = tuple[float, dict[str, Any]]


class Replay:
    """A proxy for the pipeline in spaCy's loop, which repeats the steps before the checkpoint.

    The loop goes through the same batches and schedules again. Until the step of the checkpoint
    nothing is computed: updates do nothing, and evaluations return the recorded scores.

    nlp (Language): The pipeline.
    recorded (Progress | None): How far the interrupted training had come; None for a new training.
    shared (SharedTraining | None): What this process shares with other workers; None if it trains
        alone.
    """

    def __init__(
        self, nlp: Language, recorded: Progress | None, shared: SharedTraining | None = None
    ):
        self.nlp = nlp
        self.shared = shared
        self.is_active = recorded is not None
        self.recorded = recorded or Progress(-1, [], [])
        self.scores: list[float] = []
        self.orders: list[np.ndarray[Any, Any]] = []
        self.digests: dict[str, str] = {}
        self.step = -1
        self._examples: list[Example] = []

    @property
    def is_writer(self) -> bool:
        """RETURNS (bool): Whether this process evaluates, logs and writes."""
        return self.shared is None or self.shared.group.is_first

    # What spaCy's loop uses of a pipeline

    @property
    def pipeline(self) -> list[tuple[str, Any]]:
        """RETURNS (list[tuple[str, Any]]): The components to be updated."""
        return [] if self.is_active else self.nlp.pipeline

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Update the pipeline, unless the step is repeated."""
        if self.is_active:
            return
        if self.shared is None:
            self.nlp.update(*args, **kwargs)
        else:
            self.shared.updates.update(*args, **kwargs)

    def use_params(self, params: dict[Any, Any]) -> Any:
        """RETURNS (ContextManager): Use other weights, as `Language.use_params` does."""
        return self.nlp.use_params(params)

    # What spaCy's loop calls back

    def evaluate(self, callback: Callable[[], Scores]) -> Scores:
        """Evaluate the pipeline, or look up the recorded score.

        callback (Callable[[], tuple[float, dict[str, Any]]]): Evaluates.
        RETURNS (tuple[float, dict[str, Any]]): The main score and the others.
        """
        if self.is_active:
            result: Scores = (self.recorded.scores[len(self.scores)], {})
        elif self.shared is not None:
            result = self.shared.evaluate(callback)
        else:
            result = callback()
        self.scores.append(result[0])
        return result

    def read(self, corpus: Reader, dev_corpus: Reader) -> list[Example]:
        """Read the training examples, and digest the data.

        corpus (Callable[[Language], Iterable[Example]]): The reader of the training examples.
        dev_corpus (Callable[[Language], Iterable[Example]]): The reader of the evaluation examples.
        RETURNS (list[Example]): The training examples, in the order of the corpus.
        RAISES (BertFamilyError): If a corpus is not the one of the interrupted training, or not
            that of the other workers.
        """
        self._examples = list(corpus(self.nlp))
        self.digests = digest_data(self.nlp, self._examples, dev_corpus)
        changed = self.recorded.changed_data(self.digests, len(self._examples))
        if changed:
            raise Errors.B327(names=" and ".join(changed), step=self.recorded.step)
        if self.shared is not None:
            self.shared.check(self.digests, len(self._examples), self.recorded.step)
        return list(self._examples)

    def order(self, examples: list[Example]) -> list[Example]:
        """Record the order of an epoch's examples, or restore the recorded one.

        examples (list[Example]): The examples, which spaCy has shuffled; reordered in place.
        RETURNS (list[Example]): The same list.
        """
        epoch = len(self.orders)
        if self.is_active and epoch < len(self.recorded.orders):
            examples[:] = [self._examples[i] for i in self.recorded.orders[epoch]]
        places = {id(example): i for i, example in enumerate(self._examples)}
        self.orders.append(np.array([places[id(example)] for example in examples], dtype="int32"))
        return examples


def train(
    nlp: Language,
    output: Path,
    *,
    resume: bool = False,
    use_gpu: int = -1,
    stdout: IO[str] = sys.stdout,
    stderr: IO[str] = sys.stderr,
    group: WorkerGroup | None = None,
) -> bool:
    """Train a pipeline as `spacy.training.loop.train` does, with a checkpoint at each evaluation.

    nlp (Language): The pipeline, initialized with its full config.
    output (Path): Gets `model-best`, `model-last` and `training-state`.
    resume (bool): Resume from the checkpoint in `output`.
    use_gpu (int): The GPU, which is active already; -1 for the CPU.
    stdout, stderr (IO[str]): For the logger.
    group (WorkerGroup | None): The workers that train together, this process among them; all call
        this with the same arguments. None to train alone.
    RETURNS (bool): False if the resumed training had already ended at the step where it ends now.
    RAISES (BertFamilyError): If there is no checkpoint, its config or corpora are others, or a
        training with this config cannot be resumed.
    """
    config = nlp.config.interpolate()
    if config["training"]["max_epochs"] < 0 or config["training"]["seed"] is None:
        raise Errors.B317()
    recorded = read_progress(output / CHECKPOINT, nlp) if resume else None
    fix_random_seed(config["training"]["seed"])
    if use_gpu >= 0 and config["training"]["gpu_allocator"]:
        set_gpu_allocator(config["training"]["gpu_allocator"])
    settings = registry.resolve(config["training"], schema=ConfigSchemaTraining)
    shared = None if group is None else SharedTraining(group, nlp, settings)
    replay = Replay(nlp, recorded, shared)
    if replay.is_writer and not resume:
        spacy_loop.clean_output_dir(output)
        shutil.rmtree(output / CHECKPOINT, ignore_errors=True)
    with nullcontext() if shared is None else use_shard(shared.updates):
        if replay.is_writer:
            _run_and_write(replay, output, config, settings, stdout, stderr)
        else:
            run_steps(replay, output, config, settings, _do_nothing, _do_nothing)
    if replay.is_active:
        raise Errors.B328(step=replay.recorded.step, last_step=replay.step)
    if replay.is_writer and replay.step >= 0:  # there was at least one batch
        mark_finished(output / CHECKPOINT, replay.step)
    return replay.step > replay.recorded.end


def _do_nothing(_: Any) -> None:
    pass


def _run_and_write(
    replay: Replay,
    output: Path,
    config: Any,
    settings: dict[str, Any],
    stdout: IO[str],
    stderr: IO[str],
) -> None:
    """Run all steps on the worker that writes, or on the only one. Save the pipeline at the end."""
    save = make_saver(replay.nlp, output, settings)
    with replay.nlp.select_pipes(disable=settings["frozen_components"]):
        log, finalize = settings["logger"](replay.nlp, stdout, stderr)
    try:
        run_steps(replay, output, config, settings, save, log)
    finally:
        finalize()
        # without the other workers, only what was evaluated is worth keeping
        is_lost = replay.shared is not None and replay.shared.group.is_broken
        if not replay.is_active and not is_lost:
            save(False)
    if replay.shared is not None:
        print(replay.shared.report(), file=stdout)


def run_steps(
    replay: Replay,
    output: Path,
    config: Any,
    settings: dict[str, Any],
    save: Callable[[bool], None],
    log: Callable[[dict[str, Any] | None], None],
) -> None:
    """Run spaCy's loop; at each evaluation save the pipeline and a checkpoint.

    replay (Replay): The proxy for the pipeline.
    output (Path): The output folder.
    config (Config): The config, interpolated.
    settings (dict[str, Any]): The section [training], resolved.
    save (Callable[[bool], None]): As `make_saver` makes it.
    log (Callable[[dict[str, Any] | None], None]): Logs the info of an evaluation, None for another
        step.
    """
    nlp, optimizer = replay.nlp, settings["optimizer"]
    for _, info, is_best in iterate_steps(replay, config, settings):
        replay.step = info["step"]
        if replay.is_active:
            if info["step"] == replay.recorded.step:
                restore_checkpoint(output / CHECKPOINT, nlp, optimizer)
                replay.is_active = False
            continue
        if is_best is None:  # no evaluation at this step
            log(None)
            continue
        if replay.shared is not None:
            info["losses"] = replay.shared.total_losses(info["losses"])
        if not replay.is_writer:
            continue
        with nlp.select_pipes(disable=settings["frozen_components"]):
            spacy_loop.update_meta(settings, nlp, info)
        # the other workers do not draw the random numbers that are drawn here
        with nullcontext() if replay.shared is None else keep_random_state():
            save(is_best)
            info["output_path"] = str(output / spacy_loop.DIR_MODEL_LAST)
            progress = Progress(info["step"], replay.scores, replay.orders, replay.digests)
            save_checkpoint(output / CHECKPOINT, nlp, optimizer, progress)
            log(info)


def iterate_steps(replay: Replay, config: Any, settings: dict[str, Any]) -> Any:
    """Set up spaCy's loop.

    replay (Replay): The proxy for the pipeline.
    config (Config): The config, interpolated.
    settings (dict[str, Any]): The section [training], resolved.
    RETURNS (Iterator): For each step the batch, the info, and whether its score is the best so far;
        None where there was no evaluation.
    """
    names = [settings["train_corpus"], settings["dev_corpus"]]
    corpus, dev_corpus = resolve_dot_names(config, names)
    evaluate = spacy_loop.create_evaluation_callback(
        replay.nlp, dev_corpus, settings["score_weights"]
    )
    batcher, before_update = settings["batcher"], settings["before_update"]
    batches = spacy_loop.create_train_batches(
        replay.nlp,
        lambda _: replay.read(corpus, dev_corpus),
        lambda examples: batcher(replay.order(cast(list[Example], examples))),
        settings["max_epochs"],
    )
    optimizer: Any = settings["optimizer"]
    if replay.shared is not None:
        optimizer = replay.shared.optimizer
    return spacy_loop.train_while_improving(
        replay,  # type: ignore[arg-type]
        optimizer,
        batches,
        lambda: replay.evaluate(evaluate),
        dropout=settings["dropout"],
        accumulate_gradient=settings["accumulate_gradient"],
        patience=settings["patience"],
        max_steps=settings["max_steps"],
        eval_frequency=settings["eval_frequency"],
        exclude=settings["frozen_components"],
        annotating_components=settings["annotating_components"],
        before_update=before_update and (lambda _, args: before_update(replay.nlp, args)),
    )


def make_saver(nlp: Language, output: Path, settings: dict[str, Any]) -> Callable[[bool], None]:
    """Make the function that saves the pipeline.

    nlp (Language): The pipeline.
    output (Path): The output folder.
    settings (dict[str, Any]): The section [training], resolved.
    RETURNS (Callable[[bool], None]): Writes `model-last`, and `model-best` if its argument is true.
    """
    before_to_disk = spacy_loop.create_before_to_disk_callback(settings["before_to_disk"])

    def save(is_best: bool) -> None:
        last, best = output / spacy_loop.DIR_MODEL_LAST, output / spacy_loop.DIR_MODEL_BEST
        with nlp.use_params(settings["optimizer"].averages or {}):
            before_to_disk(nlp).to_disk(last)
        if is_best:
            shutil.rmtree(best, ignore_errors=True)
            shutil.copytree(last, best)

    return save
