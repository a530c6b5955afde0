"""Compare what came before context with what reads it: characters, static vectors, ELMo, MiniLM.

    python benchmarks/quality/words_to_context.py --data DATA [--glove FILE [--glove-words 100000]]
        [--elmo FOLDER] [--ways characters word2vec ...] [--tasks tagger ner textcat]
        [--seeds 3] [--updates 600] [--epochs 5] [--threads 1] [--work FOLDER] [--out OUT]
        [--write docs/from_words_to_context.md] [--picture docs/words_to_context.png]
    python benchmarks/quality/words_to_context.py --table   # of what has been run

DATA holds `wikitext2/wiki.train.raw.gz`, `ud_english_ewt/en_ewt-ud-{train,test}.conllu.gz`,
`wnut17/{train,test}.jsonl.gz` and `trec/{train,test}.jsonl.gz`. word2vec and floret are trained on
all of WikiText-2, once, into the folder of `--work`; GloVe's vectors are read from a file, such as
`glove.6B.50d.txt`, and ELMo is what `bertfamily new-elmo` made of the same WikiText-2 (without
them, these two are left out). spaCy's tagger, ner and textcat then learn tags, entities and kinds
of questions: on characters alone (`spacy.CharacterEmbed.v2`), on `spacy.MultiHashEmbed.v2` with
each kind of vectors, on ELMo with a learned mix of its states, on MiniLM, frozen, with a learned
mix, and on MiniLM with adapters. All learn from the same examples in the same order, for the same
number of updates of 32. MB is what a pipeline stores and the files that it refers to; words per CPU
second are those of the prediction of the test texts. Finished runs are kept in OUT and not run
again.
"""

import argparse
import gzip
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import numpy as np
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.initialize import load_vectors_into_model
from spacy.util import fix_random_seed
from thinc.api import Adam, warmup_linear

from benchmarks import options
from benchmarks.corpora import (
    make_examples,
    read_bio_entities,
    read_labels,
    read_ud_tags,
    require_file,
)
from benchmarks.defaults import BACKBONE, LISTENER, RESULTS
from benchmarks.pretraining_runs import format_scores, keep_run, load_runs, measured_on
from benchmarks.report import publish
from spacy_bertfamily import locate, nearest_words
from spacy_bertfamily.embeddings.static.new_vectors import new_vectors
from spacy_bertfamily.embeddings.static.train import VectorsTraining

RUNS = "words_to_context.jsonl"
BATCH = 32
WIDTH, DEPTH = 96, 4  # of spaCy's own network on what is embedded
COMMON = ("king", "river", "music", "war", "city", "game", "water", "doctor", "red", "Monday")
UNSEEN = ("unrivered", "musicology", "gamedeveloper")
BANKS = (
    "The boat drifted to the bank of the river.",
    "Willows grow on the bank of the river.",
    "He paid the money into the bank.",
    "She took out a loan from the bank.",
)


@dataclass(frozen=True)
class Task:
    """What is learned.

    component (str): The factory of the component.
    score (str): Its score.
    title (str): The column of the table.
    files (str): The data files, with `{split}` for train and test.
    model (dict[str, Any]): The component's model, without its tok2vec.
    """

    component: str
    score: str
    title: str
    files: str
    model: dict[str, Any]


PARSER = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "ner",
    "extra_state_tokens": False,
    "hidden_width": 64,
    "maxout_pieces": 2,
    "use_upper": True,
}
TEXTCAT = {
    "@architectures": "spacy.TextCatReduce.v1",
    "exclusive_classes": True,
    "use_reduce_first": False,
    "use_reduce_last": False,
    "use_reduce_max": False,
    "use_reduce_mean": True,
}
TASKS = {
    "tagger": Task(
        "tagger",
        "tag_acc",
        "tags",
        "ud_english_ewt/en_ewt-ud-{split}.conllu.gz",
        {"@architectures": "spacy.Tagger.v2"},
    ),
    "ner": Task("ner", "ents_f", "entities", "wnut17/{split}.jsonl.gz", PARSER),
    "textcat": Task("textcat", "cats_macro_f", "questions", "trec/{split}.jsonl.gz", TEXTCAT),
}
MIX = {"@layers": "spacy-bertfamily.LayerMix.v1"}
# By way: the learning rate. That of MiniLM is init-config's; that of the others spaCy's.
RATES = {
    "characters": 1e-3,
    "word2vec": 1e-3,
    "floret": 1e-3,
    "glove": 1e-3,
    "elmo": 2e-3,
    "minilm mix": 3e-3,
    "minilm adapters": 1e-3,
}
TITLES = {
    "characters": "characters alone",
    "word2vec": "word2vec",
    "floret": "floret",
    "glove": "GloVe",
    "elmo": "ELMo, small, mix",
    "minilm mix": "MiniLM, frozen, mix",
    "minilm adapters": "MiniLM, adapters",
}


def tok2vec_of(args: argparse.Namespace, way: str) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The tok2vec of a way."""
    if way == "elmo":
        return {
            "@architectures": "spacy-bertfamily.ELMo.v1",
            "options": str(args.elmo / "options.json"),
            "weights": str(args.elmo / "weights.hdf5"),
            "mix": MIX,
        }
    if way == "minilm mix":
        return {
            "@architectures": "spacy-bertfamily.WeightedLayerListener.v1",
            "mix": MIX,
            "pooling": {"@layers": "reduce_mean.v1"},
        }
    if way == "minilm adapters":
        return LISTENER
    encode = {
        "@architectures": "spacy.MaxoutWindowEncoder.v2",
        "width": WIDTH,
        "depth": DEPTH,
        "window_size": 1,
        "maxout_pieces": 3,
    }
    if way == "characters":
        embed = {
            "@architectures": "spacy.CharacterEmbed.v2",
            "width": WIDTH,
            "rows": 7000,
            "nM": 64,
            "nC": 8,
            "include_static_vectors": False,
        }
    else:
        embed = {
            "@architectures": "spacy.MultiHashEmbed.v2",
            "width": WIDTH,
            "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
            "rows": [5000, 1000, 2500, 2500],
            "include_static_vectors": True,
        }
    return {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}


def add_transformer(nlp: Any, way: str) -> None:
    """Add MiniLM to a pipeline, frozen or with adapters."""
    adapter = {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 64, "placement": "houlsby"}
    is_trained = way == "minilm adapters"
    settings = {
        "name": BACKBONE,
        "trainable": ["adapter", "layer_norm"] if is_trained else [],
        "adapter": adapter if is_trained else None,
    }
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": settings})


def make_pipeline(args: argparse.Namespace, way: str, task: Task) -> Any:
    nlp = spacy.blank("en")
    if way.startswith("minilm"):
        add_transformer(nlp, way)
    elif way in ("word2vec", "floret", "glove"):
        load_vectors_into_model(nlp, args.work / way)
    model = {**task.model, "tok2vec": tok2vec_of(args, way)}
    nlp.add_pipe(task.component, config={"model": model})
    return nlp


def read_task(args: argparse.Namespace, task: Task, nlp: Any, split: str) -> list[Example]:
    path = args.data / task.files.format(split=split)
    readers: dict[str, Callable[[], Iterable[Doc]]] = {
        "tagger": lambda: read_ud_tags(path, nlp.vocab),
        "ner": lambda: read_bio_entities(path, nlp.vocab),
        "textcat": lambda: read_labels(path, nlp),
    }
    return make_examples(readers[task.component]())


def learn(args: argparse.Namespace, way: str, task: Task, seed: int) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): Score, size and speed of a trained pipeline."""
    start = time.process_time()
    fix_random_seed(seed)
    nlp = make_pipeline(args, way, task)
    train = read_task(args, task, nlp, "train")
    test = read_task(args, task, nlp, "test")[: args.test]
    nlp.initialize(lambda: train)
    rates = warmup_linear(RATES[way], args.updates // 10, args.updates)
    optimizer = Adam(rates, L2=0.01, grad_clip=1.0, use_averages=False)
    rng = np.random.default_rng(seed)
    for _ in range(args.updates):
        batch = [train[row] for row in rng.integers(0, len(train), BATCH)]
        nlp.update(batch, sgd=optimizer, drop=0.1)
        optimizer.step_schedules()
    trained = time.process_time() - start
    score = float(nlp.evaluate(test, batch_size=128)[task.score])
    docs = [Doc(nlp.vocab, [t.text for t in eg.reference]) for eg in test]
    begun = time.process_time()
    words = sum(len(doc) for doc in nlp.pipe(docs, batch_size=128))
    speed = words / (time.process_time() - begun)
    result = {"score": score, "words_per_second": speed, "cpu_minutes": trained / 60}
    return {**result, **sizes(args, way, nlp), "updates": args.updates}


def sizes(args: argparse.Namespace, way: str, nlp: Any) -> dict[str, float]:
    """RETURNS (dict[str, float]): MB that a pipeline stores, and with the files it refers to."""
    with tempfile.TemporaryDirectory() as folder:
        nlp.to_disk(folder)
        stored = folder_size(Path(folder))
    more = 0.0
    if way == "elmo":
        more = folder_size(args.elmo)
    elif way.startswith("minilm"):
        more = folder_size(locate(BACKBONE))
    return {"stored_mb": stored, "mb": stored + more}


def folder_size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def read_wiki(data: Path) -> list[str]:
    """RETURNS (list[str]): The lines of WikiText-2's training part."""
    path = require_file(data / "wikitext2" / "wiki.train.raw.gz")
    return gzip.decompress(path.read_bytes()).decode("utf8").splitlines()


def make_vectors(args: argparse.Namespace, way: str) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): What the training or reading of vectors gave."""
    start = time.process_time()
    if way == "glove":
        report = new_vectors(
            args.work / way,
            file=args.glove,
            method=way,
            lowercase=True,
            truncate=args.glove_words,
            force=True,
        )
    else:
        training = VectorsTraining(epochs=args.epochs)
        texts = read_wiki(args.data)
        report = new_vectors(args.work / way, texts, method=way, training=training, force=True)
    nlp = spacy.load(args.work / way)
    among = read_wiki(args.data)[:8000] if way == "floret" else None
    nearest = {word: [near for near, _ in nearest_words(nlp, word, 6, among)] for word in COMMON}
    unseen = {}
    if way == "floret":
        unseen = {word: [w for w, _ in nearest_words(nlp, word, 6, among)] for word in UNSEEN}
    found = {"nearest": nearest, "unseen": unseen, "cpu_minutes": seconds(start) / 60}
    return {**vars(report), **found, "epochs": args.epochs}


def seconds(start: float) -> float:
    return time.process_time() - start


def compare_banks(args: argparse.Namespace) -> str:
    """RETURNS (str): What `bertfamily neighbours` prints of a bank, static and by MiniLM."""
    nlp = spacy.blank("en")
    load_vectors_into_model(nlp, args.work / "word2vec")
    add_transformer(nlp, "minilm mix")
    nlp.initialize()
    with tempfile.TemporaryDirectory() as folder:
        nlp.to_disk(folder)
        command = [sys.executable, "-m", "spacy", "bertfamily", "neighbours", folder, "bank"]
        command += ["--top", "0", *(part for one in BANKS for part in ("--in", one))]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    return "\n".join(line for line in lines if line)


def run_all(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    args.work.mkdir(parents=True, exist_ok=True)
    path = args.out / RUNS
    done = {line["run"] for line in load_runs(path)}
    keep = partial(keep_run, path)
    ways = [way for way in args.ways if can_run(args, way)]
    for way in ("word2vec", "floret", "glove"):
        run = f"vectors, {way}"
        if way in ways and (run not in done or not (args.work / way).is_dir()):
            keep(run, make_vectors(args, way))
    if "word2vec" in ways and "bank" not in done:
        keep("bank", {"printed": compare_banks(args)})
    for seed in range(args.seeds):
        for task in args.tasks:
            for way in ways:
                run = f"{task}, {way}, {seed}"
                if run not in done:
                    keep(run, learn(args, way, TASKS[task], seed))


def can_run(args: argparse.Namespace, way: str) -> bool:
    """RETURNS (bool): Whether what a way reads is given."""
    missing = {"glove": args.glove is None, "elmo": args.elmo is None}
    if missing.get(way):
        print(f"Left out: {way}, without --{way}", flush=True)
    return not missing.get(way)


def collect(lines: list[dict[str, Any]]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """RETURNS (dict[str, dict[str, list[dict[str, Any]]]]): Results of seeds, by way and task."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for way in TITLES:
        for task in TASKS:
            start = f"{task}, {way}, "
            results = [line for line in lines if line["run"].startswith(start)]
            if results:
                found.setdefault(way, {})[task] = results
    return found


def table(lines: list[dict[str, Any]]) -> str:
    """RETURNS (str): Scores, sizes and speed, as Markdown."""
    titles = [task.title for task in TASKS.values()]
    rows = [
        f"| read by | {' | '.join(titles)} | MB | of these stored | words per CPU second |",
        "| --- " + "| --- " * (len(titles) + 3) + "|",
    ]
    runs = [line for line in lines if "score" in line]
    for way, tasks in collect(runs).items():
        cells = [format_scores([r["score"] for r in tasks.get(task, [])]) for task in TASKS]
        results = next(iter(tasks.values()))  # sizes and speed of the first task
        sizes_of = [f"{mean(r[key] for r in results):.1f}" for key in ("mb", "stored_mb")]
        speed = mean(r["words_per_second"] for r in results)
        cells += [*sizes_of, f"{speed:,.0f}"]
        rows.append(f"| {TITLES[way]} | {' | '.join(cells)} |")
    return "\n".join([*rows, "", measured_on(runs)]) if runs else "Nothing has been run."


def vectors_table(lines: list[dict[str, Any]]) -> str:
    """RETURNS (str): The nearest words of ten words, and of unseen ones, as Markdown."""
    made = {line["run"].removeprefix("vectors, "): line for line in lines if "nearest" in line}
    rows = []
    for way, line in made.items():
        words = f"{line['words']:,} words" if line["words"] else "any word"
        rows.append(
            f"{TITLES[way]}: {words}, {line['rows']:,} rows of {line['width']}, mean cosine of "
            f"frequent words {line['mean_cosine']:.2f}, {line['cpu_minutes']:.1f} CPU minutes."
        )
        rows += ["", "| word | nearest |", "| --- | --- |"]
        for word, near in [*line["nearest"].items(), *line["unseen"].items()]:
            rows.append(f"| {word} | {', '.join(near).replace('|', '&#124;')} |")
        rows.append("")
    return "\n".join(rows).rstrip()


def draw(lines: list[dict[str, Any]], path: Path) -> None:
    """Draw each way's score against its size and against its speed, in a row for each task."""
    from spacy_bertfamily.cli.plots import new_figure

    found = collect([line for line in lines if "score" in line])
    tasks = [task for task in TASKS if any(task in results for results in found.values())]
    figure = new_figure(9, 1 + 2.6 * len(tasks))
    axes = figure.subplots(len(tasks), 2, squeeze=False, sharey="row", sharex="col")
    for row, task in zip(axes, tasks):
        for axis, key in zip(row, ("mb", "words_per_second")):
            for number, (way, results) in enumerate(found.items()):
                of_task = results.get(task, [])
                x = [mean(result[key] for result in of_task)] if of_task else []
                y = [100 * mean(result["score"] for result in of_task)] if of_task else []
                axis.scatter(x, y, color=f"C{number}", label=TITLES[way], s=50)
            axis.set_xscale("log")
            axis.grid(alpha=0.3)
        row[0].set_ylabel(f"{TASKS[task].title}: score")
    axes[-1, 0].set_xlabel("MB, with the files that a pipeline refers to")
    axes[-1, 1].set_xlabel("words per CPU second")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=8)
    figure.savefig(path, dpi=130)


def parse_args() -> argparse.Namespace:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser, required=False)
    options.add_table_option(parser)
    parser.add_argument("--glove", type=Path, help="file of vectors as text, in lower case")
    parser.add_argument(
        "--glove-words", type=int, default=100_000, help="the most words read of it, from the top"
    )
    parser.add_argument("--elmo", type=Path, help="folder that `bertfamily new-elmo` has written")
    parser.add_argument("--ways", nargs="+", default=list(TITLES), choices=list(TITLES))
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=600)
    parser.add_argument("--test", type=int, default=1200, help="the most test texts")
    parser.add_argument("--epochs", type=int, default=5, help="of word2vec and floret")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--work", type=Path, default=Path("training/words_to_context"), help="folder of the vectors"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="where results are kept")
    options.add_write_option(parser)
    parser.add_argument("--picture", type=Path, help="file to draw into")
    args = parser.parse_args()
    options.check_data_or_table(parser, args)
    return args


def main() -> None:
    args = parse_args()
    torch.set_num_threads(args.threads)
    if not args.table:
        run_all(args)
    lines = load_runs(args.out / RUNS)
    banks = [line["printed"] for line in lines if line["run"] == "bank"]
    publish("words-to-context", table(lines), args.write)
    publish("nearest-words", vectors_table(lines), args.write)
    if banks:
        publish("bank", f"```text\n{banks[-1]}\n```", args.write)
    if args.picture is not None:
        draw(lines, args.picture)


if __name__ == "__main__":
    main()
