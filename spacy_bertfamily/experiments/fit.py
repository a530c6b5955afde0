"""One run: configure, train, score."""

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import Errors
from .runs import Run


def configure(config: Any, run: Run, steps: int, trainable: Sequence[str]) -> None:
    """Set what a run decides: its seed, its steps, its learning rate, and what is trained of the
    transformer.

    steps (int): Updates; the learning rate rises over a tenth of them, and falls to 0 at the last.
        Nothing is scored on the way, but for a few examples, which spaCy's loop insists on: the
        last model is what counts.
    """
    model = config["components"]["transformer"]["model"]
    model["trainable"] = list(trainable)
    if "adapter" not in trainable:
        model["adapter"] = None
    config["system"]["seed"] = run.seed
    config["corpora"]["dev"]["limit"] = 8
    config["training"].update(max_steps=steps, eval_frequency=steps + 1, patience=0)
    config["training"]["optimizer"]["learn_rate"].update(
        initial_rate=run.rate, warmup_steps=max(1, steps // 10), total_steps=steps
    )


def fit(config: Any) -> tuple[Any, dict[str, float]]:
    """RETURNS (tuple[Language, Dict]): The trained pipeline, stored and loaded again; and its sizes
    and seconds.
    """
    import spacy
    from spacy.training.initialize import init_nlp
    from spacy.training.loop import train

    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as null:
        nlp = init_nlp(config)
        started, cpu_started = time.perf_counter(), time.process_time()
        train(nlp, Path(folder), stdout=null)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
        transformer: Any = nlp.get_pipe("transformer")
        summary = transformer.trainable_summary()
        stored = Path(folder) / "model-last"
        delta = stored / "transformer" / "delta.safetensors"
        nlp = spacy.load(stored)
        size = delta.stat().st_size if delta.exists() else 0
    return nlp, {
        "trained": summary.trained, "total": summary.total, "bytes": size,
        "seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1), "steps": config["training"]["max_steps"],
    }  # fmt: skip


def evaluate(nlp: Any, path: Path, score: str, **corpus: Any) -> float:
    """RETURNS (float): A score on the examples of a file. corpus: More settings for spaCy's corpus
    reader.
    RAISES (ValueError): If there is no such score, or the examples have nothing that it could be
        counted by.
    """
    from spacy.training import Corpus

    scores = nlp.evaluate(list(Corpus(path, **corpus)(nlp)))
    if not isinstance(scores.get(score), float):
        known = ", ".join(name for name, value in scores.items() if isinstance(value, float))
        raise Errors.B323(score=score, file=str(path), known=known)
    return scores[score]
