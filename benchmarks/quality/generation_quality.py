"""Writing text: what a prefix-LM learns of commands, of pronunciations and of restaurants.

    python benchmarks/quality/generation_quality.py --data DATA [--corpora scan cmudict e2e]
        [--ways adapters full ...] [--minutes 30] [--seeds 1] [--texts 500] [--out OUT]
        [--write docs/generation.md]
    python benchmarks/quality/generation_quality.py --table   # of what has been run

DATA holds `scan`, `cmudict_g2p` and `e2e_nlg`. Each way is trained for the same CPU time
(--minutes), with a learning rate that rises and then falls to 0 at its end, on batches of as many
pieces. Scores are those of the test texts, or of --texts of them: the share of texts that are
written exactly (SCAN, whose actions are written as plain words: `left` for `I_TURN_LEFT`), the
error rate of phonemes (CMUdict), and BLEU against all references of a meaning (E2E; lower-cased, by
sacrebleu).
Finished runs are kept in OUT and not run again.
"""

import argparse
import gzip
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import numpy as np
import spacy
from spacy.language import Language
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import Adam

from benchmarks import options
from benchmarks.corpora import require_file
from benchmarks.defaults import BACKBONE, RESULTS
from benchmarks.pretraining_runs import keep_run, load_runs, measured_on
from benchmarks.report import publish

PREFIX_LM = {
    "@architectures": "spacy-bertfamily.PrefixLM.v1",
    "tok2vec": {"@architectures": "spacy-bertfamily.TransformerListener.v1"},
    "pieces": "seen",
}
ADAPTERS = {"trainable": ["adapter", "layer_norm"]}
FULL = {"trainable": ["all"], "adapter": None}
FROZEN = {"trainable": [], "adapter": None}


class Way(NamedTuple):
    """How a writer is trained: its transformer, its model, and the highest learning rate."""

    transformer: dict[str, Any]
    model: dict[str, Any]
    rate: float


def encoder_decoder(**settings: Any) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The block of an encoder-decoder with three layers."""
    decoder = {"@misc": "spacy-bertfamily.TransformerDecoder.v1", "layers": 3}
    decoder |= {"pieces": "seen", **settings}
    return {
        "@architectures": "spacy-bertfamily.EncoderDecoder.v1",
        "tok2vec": {"@architectures": "spacy-bertfamily.TransformerListener.v1"},
        "decoder": decoder,
    }


WAYS = {
    "v2 adapters, sampled": Way(ADAPTERS, {**PREFIX_LM, "predict": "sampled"}, 1e-3),
    "v2 adapters, all": Way(ADAPTERS, {**PREFIX_LM, "predict": "all"}, 1e-3),
    "v2 full, sampled": Way(FULL, {**PREFIX_LM, "predict": "sampled"}, 2e-4),
    "v2 full, all": Way(FULL, {**PREFIX_LM, "predict": "all"}, 2e-4),
    "v1 frozen": Way(FROZEN, encoder_decoder(), 1e-3),
    "v1 frozen, copy": Way(FROZEN, encoder_decoder(copy_source=True), 1e-3),
    "v1 joint": Way(FULL, encoder_decoder(), 3e-4),
    "v1 joint, copy": Way(FULL, encoder_decoder(copy_source=True), 3e-4),
}


class Corpus(NamedTuple):
    """A corpus: its files, its score, and the most pieces of a target."""

    train: str
    test: str
    score: str
    is_error: bool
    max_length: int


CORPORA = {
    "scan": Corpus("scan/simple_train", "scan/simple_test", "exact", False, 52),
    "scan-length": Corpus("scan/length_train", "scan/length_test", "exact", False, 52),
    "cmudict": Corpus("cmudict_g2p/train", "cmudict_g2p/test", "wer", True, 44),
    "e2e": Corpus("e2e_nlg/train", "e2e_nlg/test", "bleu", False, 80),
}
HEADS = {
    "scan": "SCAN simple, exact",
    "scan-length": "SCAN length, exact",
    "cmudict": "CMUdict, phoneme error rate",
    "e2e": "E2E, BLEU",
}
ACTIONS = {"I_TURN_LEFT": "left", "I_TURN_RIGHT": "right"}
BATCH_PIECES = 2048
LONGEST_SOURCE = 60
WARM_UP = 0.05


class Text(NamedTuple):
    """A source, and the texts that may be written for it."""

    source: str
    targets: list[str]


def read(data: Path, file: str) -> list[Text]:
    """RETURNS (list[Text]): The sources of a file in order, each once, with all their targets."""
    found: dict[str, list[str]] = {}
    with gzip.open(require_file(data / f"{file}.jsonl.gz"), "rt", encoding="utf8") as lines:
        for line in lines:
            row = json.loads(line)
            target = row["target"]
            if file.startswith("scan"):
                target = " ".join(ACTIONS.get(w, w[2:].lower()) for w in target.split())
            found.setdefault(row["source"], []).append(target)
    return [Text(source, targets) for source, targets in found.items()]


def make_pipeline(args: argparse.Namespace, corpus: Corpus, way: Way) -> Language:
    """RETURNS (Language): A pipeline that writes, not initialized."""
    nlp = spacy.blank("en")
    transformer = {
        "name": args.backbone,
        "max_pieces": LONGEST_SOURCE + corpus.max_length,
        "stride": 8,
        "precision": args.precision,
        **way.transformer,
    }
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": transformer})
    scorer = {
        "@scorers": "spacy-bertfamily.text_generator_scorer.v1",
        "metrics": [corpus.score],
    }
    writer = {"max_length": corpus.max_length, "model": way.model, "scorer": scorer}
    nlp.add_pipe("text_generator", config=writer)
    return nlp


def make_example(nlp: Language, source: str, targets: Sequence[str]) -> Example:
    reference = nlp.make_doc(source)
    reference.user_data["generated"] = list(targets)
    return Example(nlp.make_doc(source), reference)


def batches(texts: Sequence[Text], rng: random.Random) -> Iterator[list[tuple[str, str]]]:
    """YIELDS (list[tuple[str, str]]): Pairs of about equal length, for ever, in random order."""
    pairs = [(text.source, target) for text in texts for target in text.targets]
    while True:
        rng.shuffle(pairs)
        for start in range(0, len(pairs), 2048):
            part = sorted(pairs[start : start + 2048], key=lambda pair: len(pair[0] + pair[1]))
            packed: list[list[tuple[str, str]]] = [[]]
            for pair in part:
                # about four characters a piece, in words more, and the special ones
                size = 8 + 1.4 * len(" ".join(pair).split())
                if size * (len(packed[-1]) + 1) > BATCH_PIECES:
                    packed.append([])
                packed[-1].append(pair)
            rng.shuffle(packed)
            yield from packed


def train(
    args: argparse.Namespace, nlp: Language, texts: Sequence[Text], rate: float, seed: int
) -> dict[str, Any]:
    """Train a pipeline for some minutes of CPU time.

    RETURNS (dict[str, Any]): How much was trained.
    """
    rng = random.Random(seed)
    some = [make_example(nlp, text.source, text.targets) for text in texts[:200]]
    nlp.initialize(lambda: some)
    optimizer = Adam(rate, L2=0.01, grad_clip=1.0, use_averages=False)
    start, share, steps, n_seen, losses = time.process_time(), 0.0, 0, 0, []
    for batch in batches(texts, rng):
        share = (time.process_time() - start) / (60 * args.minutes)
        if share >= 1:
            break
        optimizer.learn_rate = rate * min(share / WARM_UP, (1 - share) / (1 - WARM_UP))
        examples = [make_example(nlp, source, [target]) for source, target in batch]
        losses.append(nlp.update(examples, sgd=optimizer)["text_generator"])
        steps, n_seen = steps + 1, n_seen + len(batch)
        if steps % 50 == 0:
            print(f"{share:.0%} {steps} steps, loss {np.mean(losses[-50:]):.4f}", flush=True)
    return {"steps": steps, "examples": n_seen, "loss": float(np.mean(losses[-50:]))}


def run(args: argparse.Namespace, name: str, way: Way, seed: int) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The score on the test texts, and what the training cost."""
    fix_random_seed(seed)
    corpus = CORPORA[name]
    nlp = make_pipeline(args, corpus, way)
    trained = train(args, nlp, read(args.data, corpus.train), way.rate, seed)
    texts = read(args.data, corpus.test)
    random.Random(0).shuffle(texts)
    texts = texts[: args.texts]
    examples = [make_example(nlp, text.source, text.targets) for text in texts]
    writer = nlp.get_pipe("text_generator")
    start = time.process_time()
    written = writer.generate([text.source for text in texts], num_beams=args.beams)
    seconds = time.process_time() - start
    writer.set_annotations([example.predicted for example in examples], written)
    words = sum(len(of_text[0].text.split()) for of_text in written)
    transformer = nlp.get_pipe("transformer")
    stored = len(writer.writer_shim.to_bytes()) + len(transformer.shim.delta_bytes())
    return {
        "minutes": args.minutes,
        "beams": args.beams,
        "texts": len(texts),
        "score": writer.score(examples)[f"generated_{corpus.score}"],
        "speed": words / seconds,
        "trained": transformer.trainable_summary().trained,
        "bytes": stored,
        "precision": args.precision,
        "shown": [[text.source, of[0].text] for text, of in zip(texts[:3], written)],
        **trained,
    }


def run_all(args: argparse.Namespace) -> None:
    path = args.out / "generation_quality.jsonl"
    args.out.mkdir(parents=True, exist_ok=True)
    for seed in range(args.seeds):
        for corpus in args.corpora:
            for way in args.ways:
                name = f"{corpus}; {way}; {args.minutes:g} min; {seed}"
                if name not in {line["run"] for line in load_runs(path)}:
                    keep_run(path, name, run(args, corpus, WAYS[way], seed))


def table(lines: Sequence[dict[str, Any]]) -> str:
    """RETURNS (str): A row for each way and training time, as Markdown."""
    found: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = {}
    for line in lines:
        corpus, way, minutes, _ = line["run"].split("; ")
        found.setdefault((way, minutes), {}).setdefault(corpus, []).append(line)
    corpora = [corpus for corpus in CORPORA if any(corpus in runs for runs in found.values())]
    heads = ["trained for", *(HEADS[corpus] for corpus in corpora), "stored", "words / CPU s"]
    rows = [f"| | {' | '.join(heads)} |", "| --- " * (1 + len(heads)) + "|"]
    for way, minutes in sorted(found, key=lambda key: (list(WAYS).index(key[0]), key[1])):
        runs = found[way, minutes]
        cells = [
            f"{100 * np.mean([line['score'] for line in runs[corpus]]):.1f}"
            if corpus in runs
            else ""
            for corpus in corpora
        ]
        all_runs = [line for of_corpus in runs.values() for line in of_corpus]
        stored = f"{np.median([line['bytes'] for line in all_runs]) / 1e6:.1f} MB"
        speed = f"{np.median([line['speed'] for line in all_runs]):,.0f}"
        rows.append(f"| {way} | {minutes} | {' | '.join(cells)} | {stored} | {speed} |")
    texts = {line["texts"] for line in lines}
    note = f"CPU minutes; {', '.join(map(str, sorted(texts)))} test texts."
    return "\n".join([*rows, "", f"{note} {measured_on(lines)}"])


def parse_args() -> argparse.Namespace:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser, required=False)
    options.add_table_option(parser)
    main_corpora = [corpus for corpus in CORPORA if corpus != "scan-length"]
    parser.add_argument("--corpora", nargs="+", default=main_corpora, choices=list(CORPORA))
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--minutes", type=float, default=30.0, help="CPU time of each training")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--texts", type=int, default=500, help="test texts at most")
    parser.add_argument("--beams", type=int, default=1)
    parser.add_argument("--backbone", default=BACKBONE)
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--out", type=Path, default=RESULTS, help="where results are kept")
    options.add_write_option(parser)
    args = parser.parse_args()
    options.check_data_or_table(parser, args)
    return args


def main() -> None:
    args = parse_args()
    if not args.table:
        run_all(args)
    text = table(load_runs(args.out / "generation_quality.jsonl"))
    publish("generation-quality", text, args.write)


if __name__ == "__main__":
    main()
