"""Train every component on real backbones, with adapters, to see whether each learns.

    python benchmarks/quality/backbones.py --data DATA --backbone NAME [NAME ...] [--steps 60]
    python benchmarks/quality/backbones.py --data DATA --backbone NAME --lang zh
        [--segmenter pkuseg --pkuseg-model FOLDER]

A backbone is a folder, package:folder or a hub id. DATA holds UD English EWT, STS-B and SQuAD, for
`--lang zh` UD Chinese GSD, STS-B in Chinese and CMRC 2018. Each run is short on purpose: 16 texts a
step, no search for a learning rate. So the numbers say that a backbone works, and not how good it
is. Scores before training stand beside them. Runs are added to results/backbones.jsonl, which
`python scripts/make_backbones_page.py` puts on the page about backbones.

The words of Chinese texts are those of --segmenter. Without it each character is a word, but tags
are trained on the treebank's own words.
"""

import argparse
import importlib.util
import json
import random
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import spacy
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import Adam

from benchmarks import options
from benchmarks.corpora import read_pairs, read_ud_tags
from benchmarks.defaults import BACKBONE, RESULTS, TAGGER_MODEL
from spacy_bertfamily.backbone.locate import locate
from spacy_bertfamily.convert.squad import SquadReport, convert_squad

BATCH = 16
RATE = 2e-3
# A random part of this many first texts of a file is used
READ = 4000
# by task: the component, its settings, and the score
TASKS: dict[str, tuple[str, dict[str, Any], str]] = {
    "tags": ("tagger", {"model": TAGGER_MODEL}, "tag_acc"),
    "pairs": ("pair_classifier", {"mode": "regression"}, "cats_spearman"),
    "qa": ("span_qa", {}, "qa_f1"),
}
# by task and language: training data and dev data
FILES = {
    ("tags", "en"): (
        "ud_english_ewt/en_ewt-ud-train.conllu.gz",
        "ud_english_ewt/en_ewt-ud-dev.conllu.gz",
    ),
    ("tags", "zh"): (
        "ud_chinese_gsd/ud1.3/zh-ud-train.conllu.gz",
        "ud_chinese_gsd/ud1.3/zh-ud-dev.conllu.gz",
    ),
    ("pairs", "en"): ("stsb/train.jsonl.gz", "stsb/dev.jsonl.gz"),
    ("pairs", "zh"): ("chinese_stsb/train.jsonl.gz", "chinese_stsb/dev.jsonl.gz"),
    ("qa", "en"): ("squad/train-v1.1-44articles.json.gz", "squad/dev-v1.1.json.gz"),
    ("qa", "zh"): ("cmrc2018/train.json.gz", "cmrc2018/dev.json.gz"),
}
# by name: the package that a segmenter needs
SEGMENTERS = {"char": None, "jieba": "jieba", "pkuseg": "spacy_pkuseg"}


def find_missing(args: argparse.Namespace) -> list[str]:
    """RETURNS (list[str]): Lines that say what the runs need and is missing, and how to get it."""
    lines = []
    for task in args.tasks:
        for file in FILES[task, args.lang]:
            path = args.data / file
            if not path.is_file():
                hint = "Give the folder that holds the corpora with --data."
                lines.append(f"data for {task!r}: {path}. {hint}")
    for backbone in args.backbone:
        try:
            locate(backbone)
        except ValueError as e:
            lines.append(f"backbone {backbone!r}: {e}")
    package = SEGMENTERS[args.segmenter or "char"]
    if package and importlib.util.find_spec(package) is None:
        lines.append(f"segmenter {args.segmenter!r}: pip install {package}")
    if args.segmenter == "pkuseg":
        folder = args.pkuseg_model
        if folder is None or not (folder / "weights.npz").is_file():
            hint = "Give a folder with its weights.npz with --pkuseg-model."
            lines.append(f"the model of pkuseg: {folder}. {hint}")
    return lines


def make_pipeline(backbone: str, task: str, args: argparse.Namespace) -> spacy.Language:
    """RETURNS (Language): A transformer with the default adapters, and the task's component."""
    config: dict[str, Any] = {}
    if args.segmenter:
        config = {"nlp": {"tokenizer": {"segmenter": args.segmenter}}}
        if args.pkuseg_model:
            config["initialize"] = {"tokenizer": {"pkuseg_model": str(args.pkuseg_model)}}
    nlp = spacy.blank(args.lang, config=config)
    if config:
        nlp.tokenizer.initialize(**nlp.config["initialize"]["tokenizer"])
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": {"name": backbone}})
    component, settings, _ = TASKS[task]
    nlp.add_pipe(component, config=settings)
    return nlp


def read_gold(task: str, path: Path, lang: str) -> Iterator[Doc]:
    """YIELDS (Doc): The annotated Docs of a file."""
    nlp = spacy.blank(lang)
    if task == "tags":
        for doc in read_ud_tags(path, nlp.vocab):
            words = [token.text for token in doc]
            spaces = [bool(token.whitespace_) and lang != "zh" for token in doc]
            tags = [token.tag_ for token in doc]
            yield Doc(nlp.vocab, words=words, spaces=spaces, tags=tags)
    elif task == "pairs":
        yield from read_pairs(path, nlp, "regression")
    else:
        yield from convert_squad(path, nlp, SquadReport(), inside_words=True)


def read_examples(
    task: str, path: Path, nlp: spacy.Language, limit: int, segmenter: str | None
) -> list[Example]:
    """RETURNS (list[Example]): A random part of a file, in the words of the pipeline's tokenizer.

    Tags without a segmenter are in the treebank's own words.
    """
    docs = list(islice(read_gold(task, path, nlp.lang), READ))
    random.Random(0).shuffle(docs)
    examples = []
    for doc in docs[:limit]:
        if task == "tags" and not segmenter:
            words = [token.text for token in doc]
            spaces = [bool(token.whitespace_) for token in doc]
            predicted = Doc(nlp.vocab, words=words, spaces=spaces)
        else:
            predicted = nlp.make_doc(doc.text)
        examples.append(Example(predicted, doc))
    return examples


def train(nlp: spacy.Language, examples: list[Example], steps: int) -> float:
    """Train for some steps; the rate falls to 0.

    RETURNS (float): CPU seconds.
    """
    optimizer = Adam(RATE, grad_clip=1.0, L2=0.01, L2_is_weight_decay=True)
    start = time.process_time()
    for step in range(steps):
        batch = [examples[i % len(examples)] for i in range(step * BATCH, (step + 1) * BATCH)]
        optimizer.learn_rate = RATE * (1 - step / steps)
        nlp.update(batch, sgd=optimizer, drop=0.0)
    return time.process_time() - start


def run(backbone: str, task: str, args: argparse.Namespace) -> dict[str, Any]:
    """Train and score one component on one backbone."""
    fix_random_seed(0)
    nlp, score = make_pipeline(backbone, task, args), TASKS[task][2]
    train_file, dev_file = (args.data / file for file in FILES[task, args.lang])
    examples = read_examples(task, train_file, nlp, BATCH * args.steps, args.segmenter)
    dev = read_examples(task, dev_file, nlp, args.dev, args.segmenter)
    nlp.initialize(lambda: examples)
    before = nlp.evaluate(dev)[score]
    seconds = train(nlp, examples, args.steps)
    transformer: Any = nlp.get_pipe("transformer")
    return {
        "backbone": Path(backbone).name,
        "type": transformer.shim.encoder.shared.config.model_type,
        "task": task,
        "lang": args.lang,
        "segmenter": args.segmenter,
        "score": score,
        "steps": args.steps,
        "seconds": seconds,
        "dev": len(dev),
        "before": before,
        "after": nlp.evaluate(dev)[score],
        "share": transformer.trainable_summary().share,
    }


def parse_args() -> argparse.Namespace:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    parser.add_argument("--backbone", nargs="+", default=[BACKBONE])
    parser.add_argument("--lang", choices=["en", "zh"], default="en")
    segmenter_help = "what finds the words of Chinese texts"
    parser.add_argument("--segmenter", choices=SEGMENTERS, help=segmenter_help)
    parser.add_argument("--pkuseg-model", type=Path, help="folder of a model of pkuseg")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--dev", type=int, default=150, help="how many texts scores are taken from")
    args = parser.parse_args()
    if args.segmenter and args.lang != "zh":
        parser.error("--segmenter is for --lang zh")
    return args


def main() -> None:
    args = parse_args()
    missing = find_missing(args)
    if missing:
        sys.exit("\n".join(["Missing:", *missing]))
    for backbone in args.backbone:
        for task in args.tasks:
            result = run(backbone, task, args)
            print(result, flush=True)
            with (RESULTS / "backbones.jsonl").open("a", encoding="utf8") as file:
                file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
