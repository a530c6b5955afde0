"""Entities and tags of Chinese: characters alone, with their parts, their pictures, and both.

    python benchmarks/quality/chinese_characters.py --data DATA [--corpora weibo resume ud]
        [--ways characters parts pictures both] [--seeds 5] [--epochs 10] [--fonts wqy-zenhei.ttc]
        [--out OUT] [--write docs/chinese_characters.md] [--picture docs/glyph_neighbours.png]
    python benchmarks/quality/chinese_characters.py --table   # of what has been run

DATA holds `weibo_ner` and `resume_ner` (`{train,test}.jsonl.gz`) and `ud_chinese_gsd/ud1.3`. Tokens
are characters. On Weibo (without the digits of positions) and Resume, spaCy's ner learns entities;
on UD, its tagger learns the word's tag and whether the character begins the word. The pipelines
differ in nothing but the block `embed`. Scores are those of the test texts: F1 of entities or
accuracy of tags; and the accuracy on characters that are rare (fewer than 5 times in the training
texts, or never), of the entity label or tag, over the tokens of all corpora. Finished runs are kept
in OUT and not run again. --picture only draws characters and those whose pictures the network of a
pipeline (UD, seed 0), which it trains, finds most similar.
"""

import argparse
import gzip
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import numpy as np
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed, minibatch
from thinc.api import Adam, warmup_linear

from benchmarks import options
from benchmarks.corpora import require_file
from benchmarks.defaults import RESULTS
from benchmarks.pretraining_runs import format_scores, keep_run, load_runs, measured_on
from benchmarks.report import publish
from spacy_bertfamily.embeddings.components.table import find_parts

CORPORA = {"weibo": "Weibo, F1", "resume": "Resume, F1", "ud": "UD GSD, accuracy"}
WAYS = {
    "characters": (),
    "parts": ("parts",),
    "pictures": ("pictures",),
    "both": ("parts", "pictures"),
}
WIDTH = 96
RARE = 5
BATCH = 16
SHOWN = "湖媽樹鋼語飯雪街"
N_NEIGHBOURS = 9


class Text(NamedTuple):
    """Characters, and the entity label (BIO) or tag of each."""

    characters: list[str]
    labels: list[str]


def read(data: Path, corpus: str, part: str) -> list[Text]:
    if corpus == "ud":
        return list(read_tags(data / "ud_chinese_gsd" / "ud1.3" / f"zh-ud-{part}.conllu.gz"))
    return list(read_entities(data / f"{corpus}_ner" / f"{part}.jsonl.gz", corpus == "weibo"))


def read_text(path: Path) -> str:
    with gzip.open(require_file(path), "rt", encoding="utf8") as file:
        return file.read()


def read_entities(path: Path, has_positions: bool) -> Iterator[Text]:
    """YIELDS (Text): Characters and labels; BMEO labels become BIO."""
    for line in read_text(path).splitlines():
        row = json.loads(line)
        characters = [token[:-1] if has_positions else token for token in row["tokens"]]
        labels = []
        for tag in row["tags"]:
            kind = {"M": "I", "E": "I", "S": "B"}.get(tag[0], tag[0])
            begins = kind == "I" and (not labels or labels[-1][2:] != tag[2:])
            labels.append(f"B{tag[1:]}" if begins else f"{kind}{tag[1:]}")
        yield Text(characters, labels)


def read_tags(path: Path) -> Iterator[Text]:
    """YIELDS (Text): The characters of a sentence, each with its word's tag and its place in it."""
    for sentence in read_text(path).strip().split("\n\n"):
        characters, labels = [], []
        for line in sentence.splitlines():
            fields = line.split("\t")
            if not fields[0].isdigit():
                continue
            for place, character in enumerate(fields[1]):
                characters.append(character)
                labels.append(f"{'I' if place else 'B'}-{fields[3]}")
        yield Text(characters, labels)


def make_embed(way: str, fonts: Sequence[str]) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The config of the embedding layer."""
    embed: dict[str, Any] = {
        "@architectures": "spacy.MultiHashEmbed.v2",
        "width": WIDTH,
        "attrs": ["NORM"],
        "rows": [5000],
        "include_static_vectors": False,
    }
    if "parts" in WAYS[way]:
        block = "spacy-bertfamily.ComponentEmbed.v1"
        embed = {"@architectures": block, "width": WIDTH, "embed": embed}
    if "pictures" in WAYS[way]:
        block = "spacy-bertfamily.GlyphEmbed.v1"
        embed = {"@architectures": block, "width": WIDTH, "embed": embed, "fonts": [*fonts]}
    if way == "both":  # parts already are in the place of the own vectors of unseen characters
        embed["own_dropout"] = 0.0
    return embed


def make_pipeline(corpus: str, way: str, fonts: Sequence[str]) -> Language:
    """RETURNS (Language): A pipeline with a tagger or ner, not initialized."""
    encode = {
        "@architectures": "spacy.MaxoutWindowEncoder.v2",
        "width": WIDTH,
        "depth": 4,
        "window_size": 1,
        "maxout_pieces": 3,
    }
    embed = make_embed(way, fonts)
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
    nlp = spacy.blank("zh")
    component = "tagger" if corpus == "ud" else "ner"
    nlp.add_pipe(component, config={"model": {"tok2vec": tok2vec}})
    return nlp


def make_example(nlp: Language, corpus: str, text: Text) -> Example:
    spaces = [False] * len(text.characters)
    annotation = {"tags" if corpus == "ud" else "ents": text.labels}
    predicted = Doc(nlp.vocab, words=text.characters, spaces=spaces)
    reference = Doc(nlp.vocab, words=text.characters, spaces=spaces, **annotation)
    return Example(predicted, reference)


def train(args: argparse.Namespace, corpus: str, way: str, seed: int) -> Language:
    """RETURNS (Language): A pipeline that was trained on all training texts of a corpus."""
    fix_random_seed(seed)
    nlp = make_pipeline(corpus, way, args.fonts)
    examples = [make_example(nlp, corpus, text) for text in read(args.data, corpus, "train")]
    nlp.initialize(lambda: examples)
    steps = args.epochs * -(-len(examples) // BATCH)
    optimizer = Adam(warmup_linear(0.001, steps // 10, steps), L2=0.01, grad_clip=1.0)
    rng = random.Random(seed)
    for _ in range(args.epochs):
        rng.shuffle(examples)
        for batch in minibatch(examples, BATCH):
            nlp.update(batch, sgd=optimizer, drop=0.1)
            optimizer.step_schedules()
    return nlp


def run(args: argparse.Namespace, corpus: str, way: str, seed: int) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): Scores on the test texts, and speed in characters a CPU second."""
    start = time.process_time()
    nlp = train(args, corpus, way, seed)
    trained = time.process_time()
    texts = read(args.data, corpus, "test")
    examples = [make_example(nlp, corpus, text) for text in texts]
    start_predicting = time.process_time()
    docs = list(nlp.pipe([example.predicted for example in examples], batch_size=128))
    seconds = time.process_time() - start_predicting
    scored = [Example(doc, example.reference) for doc, example in zip(docs, examples)]
    scores = nlp.evaluate(scored)
    frequency = Counter(c for text in read(args.data, corpus, "train") for c in text.characters)
    return {
        "epochs": args.epochs,
        "score": scores["tag_acc" if corpus == "ud" else "ents_f"],
        "rare": count_right(docs, texts, lambda c: frequency[c] < RARE),
        "unseen": count_right(docs, texts, lambda c: frequency[c] == 0),
        "speed": sum(len(doc) for doc in docs) / seconds,
        "train_seconds": trained - start,
    }


def count_right(docs: Sequence[Doc], texts: Sequence[Text], wanted: Any) -> list[int]:
    """RETURNS (list[int]): How many Chinese characters are labelled right, and how many there are.

    wanted (Callable[[str], bool]): Which characters are counted.
    """
    right = total = 0
    for doc, text in zip(docs, texts):
        for token, label in zip(doc, text.labels):
            if find_parts(token.text) and wanted(token.text):
                entity = f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else "O"
                right += label == (token.tag_ or entity)
                total += 1
    return [right, total]


def run_all(args: argparse.Namespace) -> None:
    path = args.out / "chinese_characters.jsonl"
    args.out.mkdir(parents=True, exist_ok=True)
    done = {line["run"] for line in load_runs(path)}
    for seed in range(args.seeds):
        for corpus in args.corpora:
            for way in args.ways:
                name = f"{corpus}, {way}, {seed}"
                if name not in done:
                    keep_run(path, name, run(args, corpus, way, seed))


def table(lines: Sequence[dict[str, Any]]) -> str:
    """RETURNS (str): A row for each way, as Markdown."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for line in lines:
        corpus, way, _ = line["run"].split(", ")
        found.setdefault(way, {}).setdefault(corpus, []).append(line)
    corpora = [corpus for corpus in CORPORA if any(corpus in runs for runs in found.values())]
    heads = [CORPORA[corpus] for corpus in corpora]
    heads += [f"seen < {RARE} times", "never seen", "characters / CPU s"]
    rows = [f"| | {' | '.join(heads)} |", "| --- " * (1 + len(heads)) + "|"]
    for way in (way for way in WAYS if way in found):
        cells = [
            format_scores([line["score"] for line in found[way].get(corpus, [])])
            for corpus in corpora
        ]
        runs = [line for corpus in corpora for line in found[way].get(corpus, [])]
        cells += [format_scores(pool_seeds(runs, which)) for which in ("rare", "unseen")]
        cells.append(f"{np.median([line['speed'] for line in runs]):,.0f}")
        rows.append(f"| {way} | {' | '.join(cells)} |")
    seeds = {line["run"].split(", ")[2] for line in lines}
    epochs = {line["epochs"] for line in lines}
    note = f"{len(seeds)} seed(s), {', '.join(map(str, sorted(epochs)))} epochs."
    return "\n".join([*rows, "", f"{note} {measured_on(lines)}"])


def pool_seeds(runs: Sequence[dict[str, Any]], which: str) -> list[float]:
    """RETURNS (list[float]): The accuracy over the tokens of all corpora, for each seed."""
    counts: dict[str, list[int]] = {}
    for line in runs:
        right, total = line[which]
        pooled = counts.setdefault(line["run"].split(", ")[2], [0, 0])
        pooled[0] += right
        pooled[1] += total
    return [right / total for right, total in counts.values()]


def draw_neighbours(args: argparse.Namespace) -> None:
    """Draw characters, and beside each those with the most similar vectors of their pictures."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    nlp = train(args, "ud", "pictures", 0)
    gate = nlp.get_pipe("tagger").model.get_ref("tok2vec").get_ref("embed")
    glyphs = gate.layers[1].layers[0]
    pictures = glyphs.layers[0].attrs["pictures"]
    texts = read(args.data, "ud", "train") + read(args.data, "ud", "test")
    known = sorted({c for text in texts for c in text.characters if find_parts(c)} | set(SHOWN))
    known = [character for character in known if pictures.has(character)]
    vectors = glyphs.layers[0].predict(np.asarray([ord(character) for character in known]))
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    size = (1 + N_NEIGHBOURS) / 2, len(SHOWN) / 2
    figure, axes = pyplot.subplots(len(SHOWN), 1 + N_NEIGHBOURS, figsize=size)
    for character, row in zip(SHOWN, axes):
        similarity = vectors @ vectors[known.index(character)]
        nearest = np.argsort(-similarity)[: 1 + N_NEIGHBOURS]
        print(character, "".join(known[number] for number in nearest[1:]))
        for number, cell in zip(nearest, row):
            cell.imshow(255 - pictures.find(known[number])[0], cmap="gray", vmin=0, vmax=255)
            cell.set_axis_off()
    figure.tight_layout(pad=0.3)
    figure.savefig(args.picture, dpi=120)


def parse_args() -> argparse.Namespace:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser, required=False)
    options.add_table_option(parser)
    parser.add_argument("--corpora", nargs="+", default=list(CORPORA), choices=list(CORPORA))
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--fonts", nargs="+", default=["wqy-zenhei.ttc"])
    parser.add_argument("--picture", type=Path, help="a picture to draw, after training for it")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where results are kept")
    options.add_write_option(parser)
    args = parser.parse_args()
    options.check_data_or_table(parser, args)
    return args


def main() -> None:
    args = parse_args()
    if args.picture and not args.table:
        draw_neighbours(args)
        return
    if not args.table:
        run_all(args)
    publish("characters", table(load_runs(args.out / "chinese_characters.jsonl")), args.write)


if __name__ == "__main__":
    main()
