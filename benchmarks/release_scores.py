"""How good a pipeline is that comes with the package: scores, how sure it is, how fast, and what it
gets wrong.

python benchmarks/release_scores.py en_minilm_qa corpus/en_minilm_qa/test --long
corpus/en_minilm_qa/held_out.json

Every corpus in the folder is scored. With --long, questions are also asked of whole articles, all
their paragraphs one text. The result is metrics/NAME/scores.json, which benchmarks/model_card.py
reads. With --pipeline another one of the same components is scored in its place, and --out says
where to; the model card knows the files full.json and plain.json beside scores.json.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import spacy
import torch
import typer
from qa_quality import ask_about
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.training import Corpus, Example

from spacy_bertfamily import load, split_segments
from spacy_bertfamily.annotation.answers import accepted_texts
from spacy_bertfamily.tasks.qa.metrics import METRICS, score_answer

ROOT = Path(__file__).parents[1]
SHOWN = 10
# Scores that say something about a pipeline of these components
KEEP = (
    "qa_",
    "cats_acc",
    "cats_macro_f",
    "cats_pearson",
    "cats_spearman",
    "tag_acc",
    "pos_acc",
    "morph_acc",
    "ents_",
)
BINS = 5


def read(nlp: Language, corpus: Path) -> list[Example]:
    """RETURNS (list[Example]): A corpus; its words are given where it is one of words."""
    return list(Corpus(corpus, gold_preproc="tagger" in nlp.pipe_names)(nlp))


def score(nlp: Language, examples: list[Example]) -> dict[str, Any]:
    """Predict. RETURNS (dict[str, Any]): Scores, and speed."""
    start, cpu = time.perf_counter(), time.process_time()
    for example, doc in zip(
        examples, nlp.pipe([example.predicted for example in examples], batch_size=64)
    ):
        example.predicted = doc
    scores = Scorer(nlp).score(examples)
    kept = {
        key: value
        for key, value in scores.items()
        if key.startswith(KEEP) and isinstance(value, float)
    }
    seconds = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    return {
        "docs": len(examples),
        **seconds,
        **{key: round(value, 6) for key, value in kept.items()},
    }


def reliability(examples: list[Example]) -> list[dict[str, Any]]:
    """RETURNS (list[dict[str, Any]]): For answers of each range of scores: how many they are, their
    mean score, and how many of them are right.
    """
    found: list[list[tuple[float, float]]] = [[] for _ in range(BINS)]
    for example in examples:
        for answer in example.predicted._.answers[:1]:
            exact, _ = score_answer(
                METRICS["squad"], answer.text, accepted_texts(example.reference)
            )
            found[min(BINS - 1, int(answer.score * BINS))].append((answer.score, exact))
    return [
        {"from": i / BINS, "to": (i + 1) / BINS, "answers": len(rows), "score": mean(r[0] for r in rows),
         "right": mean(r[1] for r in rows)}
        for i, rows in enumerate(found) if rows
    ]  # fmt: skip


def mistakes(name: str, examples: list[Example]) -> Iterator[dict[str, Any]]:
    """YIELDS (dict[str, Any]): Text, gold and prediction of examples that are wrong, in the corpus'
    order.
    """
    for example in examples:
        gold, made = example.reference, example.predicted
        if name == "en_minilm_qa":
            golds, answers = accepted_texts(gold), made._.answers
            text = answers[0].text if answers else ""
            if score_answer(METRICS["squad"], text, golds)[1] == 0:
                question = next(iter(split_segments(made))).text
                yield {
                    "text": question,
                    "gold": golds[0] if golds else "no answer",
                    "found": text or "no answer",
                }
        elif name == "en_minilm_pos_ner":
            # not the ones of words alone, and nobody's account
            if not gold.has_annotation("ENT_IOB") or "@" in gold.text:
                continue
            golds, found = (
                {(e.start_char, e.end_char, e.label_) for e in doc.ents} for doc in (gold, made)
            )
            if golds != found:
                shown = [
                    ", ".join(f"{e.text} ({e.label_})" for e in doc.ents) or "none"
                    for doc in (gold, made)
                ]
                yield {"text": made.text, "gold": shown[0], "found": shown[1]}
        elif name == "en_minilm_similarity":
            if abs(made.cats["similarity"] - gold.cats["similarity"]) > 1.5:
                yield {
                    "text": made.text,
                    "gold": gold.cats["similarity"],
                    "found": round(made.cats["similarity"], 1),
                }
        else:
            labels = [max(doc.cats, key=doc.cats.__getitem__) for doc in (gold, made)]
            if labels[0] != labels[1]:
                yield {"text": made.text, "gold": labels[0], "found": labels[1]}


def ask_articles(nlp: Language, path: Path, questions: int) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): Exact match and F1 of questions to whole articles."""
    articles = []
    for article in json.loads(path.read_text(encoding="utf8"))["data"]:
        text = "\n\n".join(paragraph["context"] for paragraph in article["paragraphs"])
        qas = [qa for paragraph in article["paragraphs"] for qa in paragraph["qas"]]
        articles.append({"context": text, "qas": qas[:: max(1, len(qas) // questions)][:questions]})
    exact, f1, n_questions = ask_about(nlp, articles)
    characters = sum(len(article["context"]) for article in articles)
    return {"docs": n_questions, "characters": characters, "qa_em": exact, "qa_f1": f1}


def main(
    name: str,
    corpora: Path,
    long: Path | None = None,
    long_questions: int = 10,
    limit: int = 0,
    pipeline: Path | None = None,
    out: Path | None = None,
) -> None:
    nlp = load(name) if pipeline is None else spacy.load(pipeline)
    result: dict[str, Any] = {"name": name, "threads": torch.get_num_threads(), "corpora": {}}
    for corpus in sorted(corpora.glob("*.spacy")):
        examples = read(nlp, corpus)[: limit or None]
        result["corpora"][corpus.stem] = score(nlp, examples)
        if name == "en_minilm_qa":
            result["corpora"][corpus.stem]["reliability"] = reliability(examples)
        wrong = list(mistakes(name, examples)) if pipeline is None else []
        result["corpora"][corpus.stem]["mistakes"] = wrong[:: max(1, len(wrong) // SHOWN)][:SHOWN]
        print(
            corpus.stem,
            {k: v for k, v in result["corpora"][corpus.stem].items() if k != "mistakes"},
            flush=True,
        )
    if long is not None:
        result["corpora"]["whole articles"] = ask_articles(nlp, long, long_questions)
    out = out or ROOT / "metrics" / name / "scores.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2, ensure_ascii=False), encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
