"""Pretrain a small ModernBERT from scratch, and see what tags and pairs gain from it.

    python benchmarks/quality/from_scratch.py --data DATA [--minutes 60] [--type modernbert]
        [--ways words spans electra] [--sentences 500 2000] [--pairs 4000] [--seeds 3]
        [--threads 1] [--out OUT] [--write docs/pretraining.md]
    python benchmarks/quality/from_scratch.py --table   # of what has been run

DATA holds `wikitext2/wiki.{train,valid}.raw.gz`, `ud_english_ewt/en_ewt-ud-{train,test}.conllu.gz`
and `snli/{train,test}.jsonl.gz`. A tokenizer of 8,000 pieces and a backbone of 4 layers of 256 are
made of WikiText-2 (`--type`), and pretrained for the same CPU minutes in each way: with masked
words; with entities (found by `en_minilm_pos_ner`) masked as a whole; with replaced tokens. The
learning rate is warmed up in the first twentieth of the time and then lowered linearly. Held-out
figures are those of each way's own task on 300 validation texts, in which no entities are marked:
masked words there too. Then all of each network learns
tags from the first sentences of EWT, and pairs of SNLI, beside the same network with random
weights. Weights are saved every five minutes, and finished runs are kept in OUT and not run again.
"""

import argparse
import gzip
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import numpy as np
import spacy
import torch
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.training.pretrain import make_update
from spacy.util import fix_random_seed
from thinc.api import Adam, warmup_linear

from benchmarks import options
from benchmarks.corpora import make_examples, read_pairs, read_ud_tags, require_file
from benchmarks.defaults import RESULTS
from benchmarks.pretraining_runs import (
    format_scores,
    held_out,
    keep_run,
    load_runs,
    measured_on,
)
from benchmarks.report import publish
from spacy_bertfamily import load
from spacy_bertfamily.pretraining.builders import (
    make_pretrain_masked_lm,
    make_pretrain_replaced_tokens,
)
from spacy_bertfamily.pretraining.maskers import SpanMasker, WholeWordMasker
from spacy_bertfamily.pretraining.new_backbone import new_backbone

MAKERS: dict[str, Callable[[], Any]] = {
    "words": lambda: make_pretrain_masked_lm(WholeWordMasker()),
    "spans": lambda: make_pretrain_masked_lm(SpanMasker(["ents"])),
    "electra": lambda: make_pretrain_replaced_tokens(WholeWordMasker()),
}
RANDOM = "random weights"
RATE, WARMUP, WORDS = 1e-3, 0.05, 1000
SAVE_SECONDS = 300
UPDATES = {"tagger": 400, "pairs": 600}
FINE_RATE = 3e-4
MIN_WORDS = 8


def read_lines(data: Path, part: str) -> list[str]:
    """RETURNS (list[str]): Lines of WikiText-2 without headings and empty ones."""
    path = require_file(data / "wikitext2" / f"wiki.{part}.raw.gz")
    lines = gzip.decompress(path.read_bytes()).decode("utf8").splitlines()
    return [line.strip() for line in lines if len(line.split()) >= MIN_WORDS]


def read_docs(args: argparse.Namespace, way: str) -> list[Doc]:
    """RETURNS (list[Doc]): The training texts, with entities for `spans`."""
    if way != "spans":
        nlp = spacy.blank("en")
        return [nlp.make_doc(line) for line in read_lines(args.data, "train")]
    path = args.out / "from_scratch_entities.spacy"
    if not path.is_file():
        nlp = load("en_minilm_pos_ner")
        binary = DocBin(attrs=["ENT_IOB", "ENT_TYPE"])
        for doc in nlp.pipe(read_lines(args.data, "train"), batch_size=64):
            binary.add(doc)
        binary.to_disk(path)
    return list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))


def make_pipeline(backbone: Path) -> Any:
    nlp = spacy.blank("en")
    settings = {
        "name": str(backbone),
        "trainable": ["all"],
        "adapter": None,
        "max_pieces": 256,
        "stride": 32,
    }
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": settings})
    return nlp


def batches(docs: list[Doc], rng: np.random.Generator) -> Iterator[list[Doc]]:
    """YIELDS (list[Doc]): Batches of about WORDS words, in a new order in each epoch, for ever."""
    while True:
        batch: list[Doc] = []
        size = 0
        for row in rng.permutation(len(docs)):
            batch.append(docs[row])
            size += len(docs[row])
            if size >= WORDS:
                yield batch
                batch, size = [], 0


def pretrain(args: argparse.Namespace, way: str, path: Path) -> dict[str, Any]:
    """Pretrain for the CPU time that is given, and save the weights.

    args (argparse.Namespace): The options.
    way (str): One of MAKERS.
    path (Path): The file of the weights.
    RETURNS (dict[str, Any]): Held-out loss and accuracy, and how much was read.
    """
    fix_random_seed(0)
    nlp = make_pipeline(args.out / "from_scratch_backbone")
    transformer = nlp.get_pipe("transformer")
    transformer.model.initialize()
    model = MAKERS[way]()(nlp.vocab, transformer.model)
    model.initialize()
    docs = read_docs(args, way)
    dev = [nlp.make_doc(line) for line in read_lines(args.data, "valid")[:300]]
    optimizer = Adam(RATE, L2=0.01, grad_clip=1.0, use_averages=False)
    total, words, updates = args.minutes * 60, 0, 0
    start, saved = time.process_time(), time.perf_counter()
    for batch in batches(docs, np.random.default_rng(0)):
        share = (time.process_time() - start) / total
        if share >= 1:
            break
        optimizer.learn_rate = RATE * min(share / WARMUP, (1 - share) / (1 - WARMUP))
        loss = make_update(model, batch, optimizer, model.attrs["loss"])
        words, updates = words + sum(map(len, batch)), updates + 1
        if time.perf_counter() - saved > SAVE_SECONDS:
            saved = time.perf_counter()
            path.with_suffix(".temp").write_bytes(transformer.model.to_bytes())
            print(f"{way}: {100 * share:.0f} %, {words:,} words, loss {loss:.3f}", flush=True)
    outcome = held_out(model, dev, 32)
    path.write_bytes(transformer.model.to_bytes())
    result = {"words": words, "updates": updates, "minutes": args.minutes}
    return {**result, "loss": outcome.loss, "accuracy": outcome.accuracy}


def learn(
    args: argparse.Namespace, task: str, number: int, weights: Path | None, seed: int
) -> float:
    """RETURNS (float): The accuracy of tags or pairs on the test data."""
    fix_random_seed(seed)
    nlp = make_pipeline(args.out / "from_scratch_backbone")
    train, test = read_task(args, task, nlp, number)
    if task == "tagger":
        listener = {
            "@architectures": "spacy-transformers.TransformerListener.v1",
            "grad_factor": 1.0,
            "pooling": {"@layers": "reduce_mean.v1"},
        }
        config = {"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}}
        nlp.add_pipe("tagger", config=config)
    else:
        nlp.add_pipe("pair_classifier", config={"model": {"pooling": "infersent"}})
    nlp.initialize(lambda: train)
    if weights is not None:
        nlp.get_pipe("transformer").model.from_bytes(weights.read_bytes())
    updates = UPDATES[task]
    optimizer = Adam(
        warmup_linear(FINE_RATE, updates // 10, updates), L2=0.01, grad_clip=1.0, use_averages=False
    )
    rng = np.random.default_rng(seed)
    for _ in range(updates):
        nlp.update([train[row] for row in rng.integers(0, len(train), 16)], sgd=optimizer)
        optimizer.step_schedules()
    scores = nlp.evaluate(test, batch_size=64)
    return float(scores["tag_acc" if task == "tagger" else "cats_acc"])


def read_task(
    args: argparse.Namespace, task: str, nlp: Any, number: int
) -> tuple[list[Example], list[Example]]:
    """RETURNS (tuple[list[Example], list[Example]]): Training and test examples."""
    if task == "tagger":
        folder = args.data / "ud_english_ewt"
        read: Callable[[Path], Any] = partial(read_ud_tags, vocab=nlp.vocab)
        files = [folder / f"en_ewt-ud-{part}.conllu.gz" for part in ("train", "test")]
    else:
        read = partial(read_pairs, nlp=nlp)
        files = [args.data / "snli" / f"{part}.jsonl.gz" for part in ("train", "test")]
    found = []
    for path in files:
        found.append(make_examples(read(path)))
    return found[0][:number], found[1][: args.test]


def run_all(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "from_scratch.jsonl"
    done = {line["run"] for line in load_runs(path)}

    keep = partial(keep_run, path)
    if not (args.out / "from_scratch_backbone").is_dir():
        lines = read_lines(args.data, "train")
        new_backbone(
            args.out / "from_scratch_backbone",
            lines,
            model_type=args.type,
            layers=4,
            width=256,
            vocab_size=8000,
        )
    files = {way: args.out / f"from_scratch_{way}.bin" for way in args.ways}
    for way, file in files.items():
        if f"pretrain, {way}" not in done:
            keep(f"pretrain, {way}", pretrain(args, way, file))
    tasks = [("tagger", number) for number in args.sentences]
    if args.pairs:
        tasks.append(("pairs", args.pairs))
    for seed in range(args.seeds):
        for task, number in tasks:
            for way, file in [(RANDOM, None), *files.items()]:
                run = f"{task}, {number}, {way}, {seed}"
                if run not in done:
                    keep(run, {"accuracy": learn(args, task, number, file, seed)})


def table(lines: list[dict[str, Any]]) -> str:
    """RETURNS (str): Both tables, as Markdown."""
    rows = [
        "| pretrained with | CPU minutes | updates | words | held-out loss | accuracy |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    scores: dict[tuple[str, str], list[float]] = {}
    for line in lines:
        if line["run"].startswith("pretrain, "):
            rows.append(
                f"| {line['run'].removeprefix('pretrain, ')} | {line['minutes']} | "
                f"{line['updates']:,} | {line['words']:,} | {line['loss']:.3f} | "
                f"{100 * line['accuracy']:.1f} |"
            )
        else:
            task, number, way, _ = line["run"].split(", ")
            scores.setdefault((f"{task}, {int(number):,}", way), []).append(line["accuracy"])
    columns = list(dict.fromkeys(task for task, _ in scores))
    rows += ["", "| start | " + " | ".join(columns) + " |", "| --- " * (1 + len(columns)) + "|"]
    for way in dict.fromkeys(way for _, way in scores):
        cells = [format_scores(scores.get((task, way), [])) for task in columns]
        rows.append(f"| {way} | " + " | ".join(cells) + " |")
    return "\n".join([*rows, "", measured_on(lines)])


def parse_args() -> argparse.Namespace:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser, required=False)
    options.add_table_option(parser)
    parser.add_argument("--minutes", type=float, default=60, help="CPU minutes of each way")
    parser.add_argument("--type", default="modernbert", help="of the backbone")
    parser.add_argument("--ways", nargs="+", default=list(MAKERS), choices=list(MAKERS))
    parser.add_argument("--sentences", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--pairs", type=int, default=4000, help="0 for none")
    parser.add_argument("--test", type=int, default=2000, help="the most test examples")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS, help="where results are kept")
    options.add_write_option(parser)
    args = parser.parse_args()
    options.check_data_or_table(parser, args)
    return args


def main() -> None:
    args = parse_args()
    torch.set_num_threads(args.threads)
    if not args.table:
        run_all(args)
    publish("from-scratch", table(load_runs(args.out / "from_scratch.jsonl")), args.write)


if __name__ == "__main__":
    main()
