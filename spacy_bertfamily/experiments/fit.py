"""One run: configure, train, score."""

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import Errors
from .results import Run

# spaCy's loop requires evaluations; scores on the way are not used, so few examples will do.
DEV_EXAMPLES = 8


def configure(config: Any, run: Run, steps: int, trainable: Sequence[str]) -> None:
    """Set the seed, the steps, the learning rate, and what is trained of the transformer.

    The learning rate rises over a tenth of the steps, and falls to 0 at the last. The last model
    counts: nothing is scored on the way, except for a few examples.

    config (Config): The config, changed in place.
    run (Run): The run.
    steps (int): Updates.
    trainable (Sequence[str]): The transformer's setting of this name.
    """
    model = config["components"]["transformer"]["model"]
    model["trainable"] = list(trainable)
    if "adapter" not in trainable:
        model["adapter"] = None
    config["system"]["seed"] = run.seed
    config["corpora"]["dev"]["limit"] = DEV_EXAMPLES
    config["training"].update(max_steps=steps, eval_frequency=steps + 1, patience=0)
    config["training"]["optimizer"]["learn_rate"].update(
        initial_rate=run.rate, warmup_steps=max(1, steps // 10), total_steps=steps
    )


def fit(config: Any) -> tuple[Any, dict[str, float]]:
    """Train, store and load a pipeline.

    config (Config): The config.
    RETURNS (tuple[Language, dict[str, float]]): The loaded pipeline; and its sizes and seconds.
    """
    import spacy
    from spacy.training.initialize import init_nlp
    from spacy.training.loop import train

    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as null:
        nlp = init_nlp(config)
        started, cpu_started = time.perf_counter(), time.process_time()
        train(nlp, Path(folder), stdout=null)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
        transformer: Any = nlp.get_pipe("transformer")
        summary = transformer.trainable_summary()
        stored = Path(folder) / "model-last"
        delta = stored / "transformer" / "delta.safetensors"
        nlp = spacy.load(stored)
        size = delta.stat().st_size if delta.exists() else 0
    return nlp, {
        "trained": summary.trained,
        "total": summary.total,
        "bytes": size,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "steps": config["training"]["max_steps"],
    }


def evaluate(nlp: Any, path: Path, score: str, **corpus: Any) -> float:
    """Score a pipeline on the examples of a file.

    nlp (Language): The pipeline.
    path (Path): The file.
    score (str): The name of the score.
    corpus (Any): Further settings of spaCy's corpus reader.
    RETURNS (float): The score.
    RAISES (BertFamilyError): If there is no such score, or the examples are not annotated for it.
    """
    from spacy.training import Corpus

    scores = nlp.evaluate(list(Corpus(path, **corpus)(nlp)))
    value = scores.get(score)
    if not isinstance(value, float):
        known = ", ".join(name for name, number in scores.items() if isinstance(number, float))
        raise Errors.B323(score=score, file=str(path), known=known)
    return value
