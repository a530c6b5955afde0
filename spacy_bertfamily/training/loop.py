"""spaCy's training, made of its own functions, with a state that it goes on from."""

import shutil
import sys
from collections.abc import Callable, Iterable
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
from .checkpoint import Progress, read_progress, restore, save_state

STATE = "training-state"


class Replay:
    """Stands for a pipeline in spaCy's loop. Up to the step where training was interrupted, the
    loop goes through the batches and the schedules as it did before, but nothing is computed:
    updates do nothing, evaluations give the scores that were written down.

    nlp (Language): The pipeline.
    done (Progress | None): How far training had come; None to begin.
    """

    def __init__(self, nlp: Language, done: Progress | None):
        self.nlp = nlp
        self.active = done is not None
        self.known = done or Progress(-1, [], [])
        self.scores: list[float] = []
        self.orders: list[np.ndarray] = []
        self._examples: list[Example] = []

    # What the loop asks of a pipeline

    @property
    def pipeline(self) -> list[tuple[str, Any]]:
        return [] if self.active else self.nlp.pipeline

    def update(self, *args: Any, **kwargs: Any) -> None:
        if not self.active:
            self.nlp.update(*args, **kwargs)

    def use_params(self, params: dict) -> Any:
        return self.nlp.use_params(params)

    # What the loop is given

    def evaluate(self, callback: Callable[[], tuple[float, dict]]) -> tuple[float, dict]:
        """RETURNS (tuple[float, Dict]): The main score and the others."""
        score, others = (self.known.scores[len(self.scores)], {}) if self.active else callback()
        self.scores.append(score)
        return score, others

    def read(self, corpus: Callable[[Language], Iterable[Example]]) -> list[Example]:
        """RETURNS (list[Example]): The corpus, whose order is remembered."""
        self._examples = list(corpus(self.nlp))
        return list(self._examples)

    def order(self, examples: list[Example]) -> list[Example]:
        """An epoch begins, and spaCy has shuffled. RETURNS (list[Example]): The same list, in the
        order of then if the epoch had begun before.
        """
        epoch = len(self.orders)
        if self.active and epoch < len(self.known.orders):
            examples[:] = [self._examples[i] for i in self.known.orders[epoch]]
        places = {id(example): i for i, example in enumerate(self._examples)}
        self.orders.append(np.array([places[id(example)] for example in examples], dtype="int32"))
        return examples


def train(
    nlp: Language,
    output: Path,
    *,
    resume: bool = False,
    use_gpu: int = -1,
    stdout: IO = sys.stdout,
    stderr: IO = sys.stderr,
) -> None:
    """Train a pipeline as `spacy.training.loop.train` does, and write a state at each evaluation.

    nlp (Language): The pipeline, initialized with its full config.
    output (Path): Gets `model-best`, `model-last` and `training-state`.
    resume (bool): Go on from the state in OUTPUT.
    use_gpu (int): The GPU, which is active already; -1 for the CPU.
    stdout, stderr (IO): For the logger.
    RAISES (ValueError): If there is no state, the config is another one, or it cannot be resumed.
    """
    config = nlp.config.interpolate()
    if config["training"]["max_epochs"] < 0 or config["training"]["seed"] is None:
        raise Errors.B317()
    done = read_progress(output / STATE, nlp) if resume else None
    fix_random_seed(config["training"]["seed"])
    if use_gpu >= 0 and config["training"]["gpu_allocator"]:
        set_gpu_allocator(config["training"]["gpu_allocator"])
    settings = registry.resolve(config["training"], schema=ConfigSchemaTraining)
    if not resume:
        spacy_loop.clean_output_dir(output)
        shutil.rmtree(output / STATE, ignore_errors=True)
    replay = Replay(nlp, done)
    save = make_saver(nlp, output, settings)
    with nlp.select_pipes(disable=settings["frozen_components"]):
        log, finalize = settings["logger"](nlp, stdout, stderr)
    try:
        for _, info, best in steps(replay, config, settings):
            if replay.active:
                if info["step"] == replay.known.step:
                    restore(output / STATE, nlp, settings["optimizer"])
                    replay.active = False
                continue
            if best is not None:
                with nlp.select_pipes(disable=settings["frozen_components"]):
                    spacy_loop.update_meta(settings, nlp, info)
                save(best)
                info["output_path"] = str(output / spacy_loop.DIR_MODEL_LAST)
                progress = Progress(info["step"], replay.scores, replay.orders)
                save_state(output / STATE, nlp, settings["optimizer"], progress)
            log(info if best is not None else None)
    finally:
        finalize()
        if not replay.active:
            save(False)


def steps(replay: Replay, config: Any, settings: dict[str, Any]) -> Any:
    """RETURNS (Iterator): spaCy's loop: batch, info, and whether this is the best checkpoint so
    far.
    """
    corpus, dev_corpus = resolve_dot_names(
        config, [settings["train_corpus"], settings["dev_corpus"]]
    )
    evaluate = spacy_loop.create_evaluation_callback(
        replay.nlp, dev_corpus, settings["score_weights"]
    )
    batcher, before_update = settings["batcher"], settings["before_update"]
    batches = spacy_loop.create_train_batches(
        replay.nlp,
        lambda _: replay.read(corpus),
        lambda examples: batcher(replay.order(cast(list[Example], examples))),
        settings["max_epochs"],
    )
    return spacy_loop.train_while_improving(
        replay,  # type: ignore[arg-type]
        settings["optimizer"],
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
    """RETURNS (Callable[[bool], None]): Writes `model-last`, and `model-best` if it is told that it
    is.
    """
    before_to_disk = spacy_loop.create_before_to_disk_callback(settings["before_to_disk"])

    def save(best: bool) -> None:
        with nlp.use_params(settings["optimizer"].averages or {}):
            before_to_disk(nlp).to_disk(output / spacy_loop.DIR_MODEL_LAST)
        if best:
            shutil.rmtree(output / spacy_loop.DIR_MODEL_BEST, ignore_errors=True)
            shutil.copytree(output / spacy_loop.DIR_MODEL_LAST, output / spacy_loop.DIR_MODEL_BEST)

    return save
