"""Measure masked-language-model training on raw text, beside a plain loop with transformers.

    python benchmarks/speed/pretraining.py --data DATA [--texts 256] [--batch 32] [--rounds 3]
        [--threads 1] [--write docs/pretraining.md]

DATA holds `wikitext2/wiki.train.raw.gz`. The peer is the loop that transformers documents: its
collator for masked language modelling, its model with a head, padded to the longest text of a
batch, AdamW. Both train all of the same backbone on the same lines of text in the same order, with
the same number of texts in an update, no text longer than 512 pieces. Ours masks whole words by
spaCy's tokens, for which the time counts too. The head is new in both. Each round runs both in
turn; an update before the first one is not counted. Ratios are of words per CPU second.
"""

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import numpy as np
import spacy
import torch
from spacy.training.pretrain import make_update
from spacy.util import fix_random_seed, minibatch
from thinc.api import Adam
from transformers import AutoModelForMaskedLM, AutoTokenizer, DataCollatorForLanguageModeling

from benchmarks import options
from benchmarks.corpora import read_wikitext
from benchmarks.defaults import BACKBONE
from benchmarks.report import processor_name, publish
from spacy_bertfamily.backbone import read_config
from spacy_bertfamily.pretraining.builders import make_pretrain_masked_lm
from spacy_bertfamily.pretraining.maskers import WholeWordMasker

OURS, PEER = "ours", "transformers, plain loop"
RATE = 1e-4
MAX_PIECES = 512
Step = Callable[[list[str]], None]


def make_ours() -> Step:
    """RETURNS (Callable[[list[str]], None]): Trains on a batch of texts."""
    nlp = spacy.blank("en")
    settings = {
        "name": BACKBONE,
        "trainable": ["all"],
        "adapter": None,
        "max_pieces": MAX_PIECES,
        "batch_pieces": 4096,
        "cache_mb": 0,
    }
    transformer = nlp.add_pipe("adapter_transformer", config={"model": settings})
    transformer.model.initialize()
    model = make_pretrain_masked_lm(WholeWordMasker())(nlp.vocab, transformer.model)
    model.initialize()
    optimizer = Adam(RATE, L2=0.01, grad_clip=1.0, use_averages=False)

    def step(texts: list[str]) -> None:
        make_update(model, [nlp.make_doc(text) for text in texts], optimizer, model.attrs["loss"])

    return step


def make_peer() -> Step:
    """RETURNS (Callable[[list[str]], None]): Trains on a batch of texts."""
    folder = read_config(BACKBONE)[0]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder).train()
    collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    optimizer = torch.optim.AdamW(model.parameters(), RATE)

    def step(texts: list[str]) -> None:
        encoded = tokenizer(texts, truncation=True, max_length=MAX_PIECES)
        batch = collate([{"input_ids": ids} for ids in encoded["input_ids"]])
        model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


MAKERS: dict[str, Callable[[], Step]] = {OURS: make_ours, PEER: make_peer}


def run(step: Step, texts: list[str], batch: int) -> tuple[float, float]:
    """RETURNS (tuple[float, float]): CPU and wall seconds for all texts."""
    wall, cpu = time.perf_counter(), time.process_time()
    for texts_of_batch in minibatch(texts, batch):
        step(list(texts_of_batch))
    return time.process_time() - cpu, time.perf_counter() - wall


def table(seconds: dict[str, list[tuple[float, float]]], words: int) -> str:
    """RETURNS (str): Medians with the spread, and ratios, as Markdown."""
    lines = ["| | words per CPU second | words per second | ratio |", "| --- | --- | --- | --- |"]
    base = statistics.median(words / cpu for cpu, _ in seconds[PEER])
    for way, rounds in seconds.items():
        by_cpu = [words / cpu for cpu, _ in rounds]
        by_wall = [words / wall for _, wall in rounds]
        middle = statistics.median(by_cpu)
        spread = f"{middle:,.0f} ({min(by_cpu):,.0f} to {max(by_cpu):,.0f})"
        wall = f"{statistics.median(by_wall):,.0f}"
        lines.append(f"| {way} | {spread} | {wall} | {middle / base:.2f} |")
    return "\n".join(lines)


def parse_args() -> argparse.Namespace:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--batch", type=int, default=32, help="texts of an update")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options.add_write_option(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    torch.set_num_threads(args.threads)
    warnings.filterwarnings("ignore", message=".*W403")
    fix_random_seed(0)
    texts = read_wikitext(args.data, "train")[: args.texts]
    words = int(np.sum([len(text.split()) for text in texts]))
    steps: dict[str, Any] = {way: make() for way, make in MAKERS.items()}
    for step in steps.values():
        step(texts[: args.batch])
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in steps}
    for _ in range(args.rounds):
        for way, step in steps.items():
            seconds[way].append(run(step, texts, args.batch))
    head = f"{len(texts):,} lines of WikiText-2, {words:,} words; {processor_name()}, "
    head += f"{args.threads} thread(s)"
    publish("pretraining-speed", f"{head}\n\n{table(seconds, words)}", args.write)


if __name__ == "__main__":
    main()
