"""What a transformer adds to the training log: how fast it is, how much memory it takes, and what
its mixes learn.
"""

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

Log = Callable[[dict[str, Any] | None], None]
Setup = Callable[[Language, IO, IO], tuple[Log, Callable[[], None]]]


@registry.loggers("spacy-bertfamily.TransformerLogger.v1")
def make_transformer_logger(
    logger: Setup,
    speed: bool = True,
    memory: bool = True,
    weights: bool = True,
    console_output: bool = True,
) -> Setup:
    """Any logger, with numbers about the transformers. They are printed under each row, and are
    given to the logger with the other scores: `pieces_per_second`, `peak_memory_mb` and
    `layer_weights`, which those that send scores elsewhere (spacy-loggers' for W&B, MLflow and
    others) send too.

    logger (Callable): A logger, such as `spacy.ConsoleLogger.v3`.
    speed (bool): Pieces that the transformers read a second, in the updates since the last row,
        without evaluation.
    memory (bool): The most memory that was taken so far, in megabytes: of the GPU if there is one,
        else of the process.
    weights (bool): The weights of all learned layer mixes.
    console_output (bool): Whether to print.
    RETURNS (Callable[[Language, IO, IO], tuple[Callable, Callable]]): Sets the logger up for a
        pipeline.
    """

    def setup(
        nlp: Language, stdout: IO = sys.stdout, stderr: IO = sys.stderr
    ) -> tuple[Log, Callable[[], None]]:
        log, finalize = logger(nlp, stdout, stderr)
        meter = Speed(nlp)

        def log_step(info: dict[str, Any] | None) -> None:
            meter.step(counts=info is None)
            if info is None:
                log(None)
                return
            numbers = {**(meter.read() if speed else {}), **(peak_memory() if memory else {})}
            mixes = [mix for mix in layer_weights(nlp) if mix.kind == "weighted"] if weights else []
            # a copy: what a pipeline's meta says of its scores is taken from the original
            scores = {**(info["other_scores"] or {}), **numbers}
            log(
                {
                    **info,
                    "other_scores": {**scores, "layer_weights": _by_layer(mixes)}
                    if mixes
                    else scores,
                }
            )
            if console_output:
                line = "  ".join(
                    f"{name.replace('_', ' ')}: {value:,.0f}" for name, value in numbers.items()
                )
                for text in [line] * bool(line) + [str(mix) for mix in mixes]:
                    print(f"    {text}", file=stdout, flush=True)

        return log_step, finalize

    return setup


@registry.loggers("spacy-bertfamily.LayerWeightsLogger.v1")
def make_layer_weights_logger(
    progress_bar: str | None = None, console_output: bool = True, output_file: str | None = None
) -> Setup:
    """spaCy's console logger, with the weights of all learned layer mixes under each row.

    progress_bar (str | None): As in `spacy.ConsoleLogger.v3`: `train`, `eval`, or none.
    console_output (bool): Whether to print at all.
    output_file (str | None): Where spaCy's own logger writes JSON lines.
    RETURNS (Callable[[Language, IO, IO], tuple[Callable, Callable]]): Sets the logger up for a
        pipeline.
    """
    console = console_logger_v3(progress_bar, console_output, output_file)
    return make_transformer_logger(
        console, speed=False, memory=False, console_output=console_output
    )


class Speed:
    """Counts the pieces that transformers read in training, and the seconds of those steps that
    were nothing but an update.

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
        return sum(
            transformer.pieces_trained for transformer in self.transformers
        ), time.perf_counter()

    def step(self, counts: bool) -> None:
        """A step has ended. counts (bool): Whether it counts."""
        pieces, seconds = self._now()
        if counts:
            self.pieces += pieces - self._last[0]
            self.seconds += seconds - self._last[1]
        self._last = (pieces, seconds)

    def read(self) -> dict[str, float]:
        """RETURNS (dict[str, float]): The speed since it was read before; nothing if no step
        counted.
        """
        speed = {"pieces_per_second": self.pieces / self.seconds} if self.pieces else {}
        self.pieces, self.seconds = 0, 0.0
        return speed


def peak_memory() -> dict[str, float]:
    """RETURNS (dict[str, float]): Megabytes; nothing where they cannot be known."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return {"peak_memory_mb": torch.cuda.max_memory_allocated() / 1e6}
    try:
        import resource
    except ImportError:  # Windows
        return {}
    unit = 1 if sys.platform == "darwin" else 1024
    return {"peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6}


def _by_layer(mixes: list[MixWeights]) -> dict[str, dict[str, float]]:
    """RETURNS (dict[str, dict[str, float]]): By component: the weight of each hidden state, and
    gamma.
    """
    return {
        mix.component: {
            **{str(layer): weight for layer, weight in zip(mix.layers, mix.weights)},
            "gamma": mix.gamma,
        }
        for mix in mixes
    }
