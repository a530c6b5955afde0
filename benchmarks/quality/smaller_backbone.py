"""Halve a sentence encoder, and see what is left of it: cut alone, and after distillation.

    python benchmarks/quality/smaller_backbone.py --data DATA [--minutes 15] [--seeds 1]
        [--ways WAY ...] [--out OUT] [--write docs/compress.md]
    python benchmarks/quality/smaller_backbone.py --table   # of what has been run

DATA holds `wikitext2/wiki.{train,valid}.raw.gz`, from which students learn for so many CPU minutes,
and `stsb/test.jsonl.gz` and `sick/test.jsonl.gz`: scored is Spearman's correlation of grades with
the cosine of mean hidden states, so that nothing is trained but the backbone itself. Cosine is that
of the mean states of held-out texts with the teacher's. Speed is in texts per CPU second, one
thread, the median of five rounds over SICK in which all ways take turns. Students and finished runs
are kept in OUT, and not made again.
"""

import argparse
import gzip
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import numpy as np
import torch
from scipy.stats import spearmanr
from spacy.lang.en import English
from spacy.util import fix_random_seed, minibatch
from thinc.api import Adam, warmup_linear

from benchmarks import options
from benchmarks.corpora import read_wikitext, require_file
from benchmarks.defaults import BACKBONE, RESULTS
from benchmarks.pretraining_runs import format_scores, keep_run, load_runs, measured_on
from benchmarks.report import publish
from spacy_bertfamily import encode, locate, save_backbone
from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.compress.prune import prune_structure
from spacy_bertfamily.pretraining.builders import make_pretrain_distillation

WHOLE = str(locate(BACKBONE))
RUNS = "smaller_backbone.jsonl"
TINYBERT = {"hidden": 1.0, "attention_scores": 1.0}
MINILM = {"attention": 1.0, "value_relations": 1.0}
# texts in an update, and the rate at its highest
BATCH, RATE, UPDATES = 32, 5e-4, 2_000
ROUNDS = 5


@dataclass(frozen=True)
class Way:
    """How a backbone is made smaller.

    layers (tuple[int, ...] | None), ffn (float | None): See `prune_structure`.
    losses (dict[str, float]): Those of the distillation; none for no distillation.
    """

    layers: tuple[int, ...] | None = None
    ffn: float | None = None
    losses: dict[str, float] = field(default_factory=dict)


EVERY_SECOND = (2, 4, 6)
WAYS = {
    "whole": Way(),
    "lowest 3 layers": Way((1, 2, 3)),
    "layers 2, 4, 6": Way(EVERY_SECOND),
    "layers 2, 4, 6; TinyBERT": Way(EVERY_SECOND, None, TINYBERT),
    "layers 2, 4, 6; hidden": Way(EVERY_SECOND, None, {"hidden": 1.0}),
    "layers 2, 4, 6; cosine": Way(EVERY_SECOND, None, {"cosine": 1.0}),
    "layers 2, 4, 6; MiniLM": Way(EVERY_SECOND, None, MINILM),
    "half feed-forward": Way(None, 0.5),
    "half feed-forward; hidden": Way(None, 0.5, {"hidden": 1.0}),
}


def read_pairs(path: Path, grade: str) -> tuple[list[str], list[str], list[float]]:
    """RETURNS (tuple[list[str], list[str], list[float]]): First and second texts, and grades."""
    with gzip.open(require_file(path), "rt", encoding="utf8") as file:
        rows = [json.loads(line) for line in file]
    firsts, seconds = ([row[name] for row in rows] for name in ("sentence1", "sentence2"))
    return firsts, seconds, [float(row[grade]) for row in rows]


def correlation(backbone: str, pairs: tuple[list[str], list[str], list[float]]) -> float:
    """RETURNS (float): Spearman's correlation of grades and cosines, from -1 to 1."""
    firsts, seconds, grades = pairs
    vectors = [encode(texts, backbone, normalize=True) for texts in (firsts, seconds)]
    cosines = np.sum(vectors[0] * vectors[1], axis=1)
    return float(spearmanr(cosines, grades).statistic)


def texts_forever(texts: Sequence[str], seed: int) -> Iterator[str]:
    """YIELDS (str): The texts, in a new order each time."""
    rng = np.random.default_rng(seed)
    while True:
        yield from (texts[row] for row in rng.permutation(len(texts)))


def distill(
    student: Path,
    target: Path,
    losses: dict[str, float],
    texts: list[str],
    seed: int,
    minutes: float,
) -> dict[str, float]:
    """Let a student learn, and write it. RETURNS (dict[str, float]): Words, updates, last loss."""
    fix_random_seed(seed)
    nlp = English()
    model = {
        "name": str(student),
        "trainable": ["all"],
        "adapter": None,
        "separator": None,
        "max_pieces": 128,
        "stride": 0,
    }
    transformer = nlp.add_pipe("adapter_transformer", name="transformer", config={"model": model})
    transformer.model.initialize()
    objective = make_pretrain_distillation(WHOLE, losses)(nlp.vocab, transformer.model)
    objective.initialize()
    optimizer = Adam(
        warmup_linear(RATE, 100, UPDATES), L2=0.01, L2_is_weight_decay=True, grad_clip=1.0
    )
    start, words, updates = time.process_time(), 0, 0
    recent: list[float] = []
    for batch in minibatch(texts_forever(texts, seed), BATCH):
        docs = [nlp.make_doc(text) for text in batch]
        outcome, _ = objective.begin_update(docs)
        objective.finish_update(optimizer)
        words += sum(map(len, docs))
        updates += 1
        recent = [*recent[-49:], outcome.loss]
        if updates == UPDATES or time.process_time() - start > 60 * minutes:
            break
    save_backbone(nlp, target, force=True)
    return {"words": words, "updates": updates, "loss": float(np.mean(recent))}


def make(way: Way, folder: Path, texts: list[str], seed: int, minutes: float) -> dict[str, float]:
    """Make a smaller backbone in a folder. RETURNS (dict[str, float]): How it was trained."""
    cut = folder.with_name(f"{folder.name}-cut")
    prune_structure(WHOLE, cut, texts[:1000], layers=way.layers, ffn=way.ffn, force=True)
    if not way.losses:
        cut.rename(folder)
        return {}
    return distill(cut, folder, way.losses, texts, seed, minutes)


def texts_per_second(backbones: list[str], texts: list[str]) -> list[float]:
    """RETURNS (list[float]): Texts per CPU second of each; all of them take turns."""
    rates: list[list[float]] = [[] for _ in backbones]
    for _ in range(ROUNDS):
        for row, backbone in enumerate(backbones):
            encode(texts[:32], backbone)  # loaded
            start = time.process_time()
            encode(texts, backbone)
            rates[row].append(len(texts) / (time.process_time() - start))
    return [median(rate) for rate in rates]


def score(backbone: str, data: Path, held_out: list[str]) -> dict[str, float]:
    """RETURNS (dict[str, float]): How good a backbone is."""
    teacher, own = (encode(held_out, name, normalize=True) for name in (WHOLE, backbone))
    numbers = load_backbone(backbone).model.num_parameters()
    return {
        "stsb": correlation(backbone, read_pairs(data / "stsb" / "test.jsonl.gz", "label")),
        "sick": correlation(backbone, read_pairs(data / "sick" / "test.jsonl.gz", "relatedness")),
        "cosine": float(np.sum(teacher * own, axis=1).mean()),
        "parameters": numbers,
    }


def run_all(args: argparse.Namespace) -> None:
    """Make and score what has not been, and time all of it."""
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / RUNS
    texts, held_out = (read_wikitext(args.data, part, 10) for part in ("train", "valid"))
    done = {line["run"] for line in load_runs(path)}
    folders = {}
    for seed in range(args.seeds):
        for name in args.ways:
            way = WAYS[name]
            run = f"{name}; {seed}"
            folder = args.out / "smaller_backbone" / run.replace("; ", "_").replace(" ", "_")
            folders[name] = str(folder) if way != WAYS["whole"] else WHOLE
            if run in done or (seed and not way.losses):
                continue
            trained = {}
            if way != WAYS["whole"]:
                folder.parent.mkdir(parents=True, exist_ok=True)
                trained = make(way, folder, texts, seed, args.minutes)
            scores = score(folders[name], args.data, held_out[:500])
            keep_run(path, run, {"way": name, "seed": seed, **trained, **scores})
    sick, _, _ = read_pairs(args.data / "sick" / "test.jsonl.gz", "relatedness")
    rates = texts_per_second(list(folders.values()), sick[:500])
    for name, rate in zip(folders, rates):
        keep_run(path, f"{name}; speed", {"way": name, "rate": rate})


def table(lines: list[dict[str, Any]]) -> str:
    """RETURNS (str): The rows of a table."""
    rates = {line["way"]: line["rate"] for line in lines if "rate" in line}
    scored = [line for line in lines if "stsb" in line]
    rows = ["| backbone | parameters | speed | STS-B | SICK | cosine with the whole |"]
    rows.append("| --- | --- | --- | --- | --- | --- |")
    for way in dict.fromkeys(line["way"] for line in scored):
        of_way = [line for line in scored if line["way"] == way]
        cells = [f"{of_way[0]['parameters'] / 1e6:.1f} million"]
        cells.append(f"{rates[way] / rates['whole']:.2f}x" if way in rates else "")
        scores = [[line[name] for line in of_way] for name in ("stsb", "sick", "cosine")]
        cells += [format_scores(scores[0]), format_scores(scores[1]), f"{mean(scores[2]):.3f}"]
        rows.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join([*rows, "", measured_on(lines)])


def parse_args() -> argparse.Namespace:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser, required=False)
    options.add_table_option(parser)
    parser.add_argument("--minutes", type=float, default=15, help="CPU minutes of each training")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--out", type=Path, default=RESULTS, help="where results are kept")
    options.add_write_option(parser)
    args = parser.parse_args()
    options.check_data_or_table(parser, args)
    return args


def main() -> None:
    args = parse_args()
    torch.set_num_threads(1)
    if not args.table:
        run_all(args)
    publish("smaller-backbone", table(load_runs(args.out / RUNS)), args.write)


if __name__ == "__main__":
    main()
