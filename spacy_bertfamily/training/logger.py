"""Add speed, memory and layer weights to the training log."""

import sys
import time
from collections.abc import Callable
from typing import IO, Any

import torch
from spacy.language import Language
from spacy.training.loggers import console_logger_v3
from spacy.util import registry

from ..layer_mix.weights import MixWeights, layer_weights
from ..transformer.component import AdapterTransformer

Info = dict[str, Any]
Log = Callable[[Info | None], None]
Setup = Callable[[Language, IO[str], IO[str]], tuple[Log, Callable[[], None]]]


@registry.loggers("spacy-bertfamily.TransformerLogger.v1")
def make_transformer_logger(
    logger: Setup,
    speed: bool = True,
    memory: bool = True,
    weights: bool = True,
    console_output: bool = True,
) -> Setup:
    """Add numbers about the transformers to any logger.

    They are printed under each row. The logger gets them with the other scores, as
    `pieces_per_second`, `peak_memory_mb` and `layer_weights`, so that loggers that send scores to a
    service (spacy-loggers' for W&B, MLflow and others) send them too.

    logger (Callable): A logger, such as `spacy.ConsoleLogger.v3`.
    speed (bool): Pieces that the transformers read per second, in the updates since the last row,
        without evaluation.
    memory (bool): The peak memory so far, in megabytes: of the GPU if there is one, else of the
        process.
    weights (bool): The weights of all learned layer mixes.
    console_output (bool): Whether to print.
    RETURNS (Callable[[Language, IO, IO], tuple[Callable, Callable]]): Sets the logger up for a
        pipeline.
    """

    def setup(
        nlp: Language, stdout: IO[str] = sys.stdout, stderr: IO[str] = sys.stderr
    ) -> tuple[Log, Callable[[], None]]:
        log, finalize = logger(nlp, stdout, stderr)
        meter = SpeedMeter(nlp)

        def log_step(info: Info | None) -> None:
            meter.step(counts=info is None)
            if info is None:
                log(None)
                return
            numbers = meter.read() if speed else {}
            if memory:
                numbers.update(peak_memory())
            mixes = _learned_mixes(nlp) if weights else []
            log(_add_scores(info, numbers, mixes))
            if console_output:
                _print_numbers(numbers, mixes, stdout)

        return log_step, finalize

    return setup


def _learned_mixes(nlp: Language) -> list[MixWeights]:
    return [mix for mix in layer_weights(nlp) if mix.kind == "weighted"]


def _add_scores(info: Info, numbers: dict[str, float], mixes: list[MixWeights]) -> Info:
    """Add scores to the info of an evaluation.

    RETURNS (dict[str, Any]): A copy: spaCy stores the original's scores in the pipeline's meta.
    """
    scores: dict[str, Any] = {**(info["other_scores"] or {}), **numbers}
    if mixes:
        scores["layer_weights"] = _by_layer(mixes)
    return {**info, "other_scores": scores}


def _print_numbers(numbers: dict[str, float], mixes: list[MixWeights], stdout: IO[str]) -> None:
    lines = []
    if numbers:
        shown = [f"{name.replace('_', ' ')}: {value:,.0f}" for name, value in numbers.items()]
        lines.append("  ".join(shown))
    lines += [str(mix) for mix in mixes]
    for line in lines:
        print(f"    {line}", file=stdout, flush=True)


@registry.loggers("spacy-bertfamily.LayerWeightsLogger.v1")
def make_layer_weights_logger(
    progress_bar: str | None = None, console_output: bool = True, output_file: str | None = None
) -> Setup:
    """Add the weights of all learned layer mixes to spaCy's console logger.

    progress_bar (str | None): As in `spacy.ConsoleLogger.v3`: `train`, `eval`, or none.
    console_output (bool): Whether to print at all.
    output_file (str | None): Where spaCy's own logger writes JSON lines.
    RETURNS (Callable[[Language, IO, IO], tuple[Callable, Callable]]): Sets the logger up for a
        pipeline.
    """
    console = console_logger_v3(progress_bar, console_output, output_file)
    setup: Setup = make_transformer_logger(
        console, speed=False, memory=False, console_output=console_output
    )
    return setup


class SpeedMeter:
    """Measures how many pieces transformers read per second in training.

    Only steps that were nothing but an update are counted.

    nlp (Language): The pipeline.
    """

    def __init__(self, nlp: Language):
        self.transformers = [
            component for _, component in nlp.pipeline if isinstance(component, AdapterTransformer)
        ]
        self.pieces = 0
        self.seconds = 0.0
        self._last = self._now()

    def _now(self) -> tuple[int, float]:
        pieces = sum(transformer.pieces_trained for transformer in self.transformers)
        return pieces, time.perf_counter()

    def step(self, counts: bool) -> None:
        """Take note of the end of a step.

        counts (bool): Whether the step is counted.
        """
        pieces, seconds = self._now()
        if counts:
            self.pieces += pieces - self._last[0]
            self.seconds += seconds - self._last[1]
        self._last = (pieces, seconds)

    def read(self) -> dict[str, float]:
        """Read the speed since the last call.

        RETURNS (dict[str, float]): `pieces_per_second`; empty if no step was counted.
        """
        speed = {"pieces_per_second": self.pieces / self.seconds} if self.pieces else {}
        self.pieces, self.seconds = 0, 0.0
        return speed


def peak_memory() -> dict[str, float]:
    """RETURNS (dict[str, float]): `peak_memory_mb`; empty on systems that do not report it."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return {"peak_memory_mb": torch.cuda.max_memory_allocated() / 1e6}
    try:
        import resource
    except ImportError:  # Windows
        return {}
    unit = 1 if sys.platform == "darwin" else 1024
    return {"peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6}


def _by_layer(mixes: list[MixWeights]) -> dict[str, dict[str, float]]:
    """List the weights of each hidden state, and gamma.

    mixes (list[MixWeights]): The mixes.
    RETURNS (dict[str, dict[str, float]]): By component, and by the number of the hidden state.
    """
    found = {}
    for mix in mixes:
        weights = {str(layer): weight for layer, weight in zip(mix.layers, mix.weights)}
        found[mix.component] = {**weights, "gamma": mix.gamma}
    return found
