"""Score a pipeline that comes with the package: quality, calibration, speed, and mistakes.

    python benchmarks/quality/released.py en_minilm_qa corpus/en_minilm_qa/test
        --long corpus/en_minilm_qa/held_out.json

Every corpus in the folder is scored. With --long, questions are also asked of whole articles, all
their paragraphs one text. The result is metrics/NAME/scores.json, which scripts/make_model_card.py
reads. With --pipeline another pipeline of the same components is scored in its place, and --out
says where the result goes; the model card knows the files full.json and plain.json beside
scores.json.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import spacy
import torch
import typer
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.tokens import Doc
from spacy.training import Corpus, Example

from benchmarks.defaults import ROOT
from benchmarks.quality.qa import ask_articles
from spacy_bertfamily import load, split_segments
from spacy_bertfamily.annotation.answers import accepted_texts
from spacy_bertfamily.tasks.qa.metrics import METRICS, score_answer

# mistakes of each corpus that are kept
SHOWN = 10
# Beginnings of the names of scores that say something about these components
KEPT_SCORES = (
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
# ranges of an answer's score
BINS = 5


def read_examples(nlp: Language, corpus: Path) -> list[Example]:
    """RETURNS (list[Example]): A corpus, with the gold words if the pipeline has a tagger."""
    return list(Corpus(corpus, gold_preproc="tagger" in nlp.pipe_names)(nlp))


def predict_and_score(nlp: Language, examples: list[Example]) -> dict[str, Any]:
    """Set the predictions of examples.

    RETURNS (dict[str, Any]): Scores, and seconds.
    """
    start, cpu = time.perf_counter(), time.process_time()
    docs = nlp.pipe([example.predicted for example in examples], batch_size=64)
    for example, doc in zip(examples, docs):
        example.predicted = doc
    scores = Scorer(nlp).score(examples)
    seconds = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    result = {"docs": len(examples), **seconds}
    for key, value in scores.items():
        if key.startswith(KEPT_SCORES) and isinstance(value, float):
            result[key] = round(value, 6)
    return result


def reliability(examples: list[Example]) -> list[dict[str, Any]]:
    """Compare the scores of answers with how many of them are right.

    RETURNS (list[dict[str, Any]]): For each range of scores: the number of answers, their mean
        score, and the share of right ones.
    """
    bins: list[list[tuple[float, float]]] = [[] for _ in range(BINS)]
    for example in examples:
        for answer in example.predicted._.answers[:1]:
            golds = accepted_texts(example.reference)
            exact, _ = score_answer(METRICS["squad"], answer.text, golds)
            place = min(BINS - 1, int(answer.score * BINS))
            bins[place].append((answer.score, exact))
    rows = []
    for i, found in enumerate(bins):
        if found:
            scores, exact_matches = zip(*found)
            rows.append({
                "from": i / BINS,
                "to": (i + 1) / BINS,
                "answers": len(found),
                "score": mean(scores),
                "right": mean(exact_matches),
            })  # fmt: skip
    return rows


Mistake = tuple[str, Any, Any]


def wrong_answer(gold: Doc, predicted: Doc) -> Mistake | None:
    """RETURNS (tuple[str, str, str] | None): Question, gold and answer if its F1 is 0."""
    golds, answers = accepted_texts(gold), predicted._.answers
    text = answers[0].text if answers else ""
    _, f1 = score_answer(METRICS["squad"], text, golds)
    if f1 != 0:
        return None
    question = next(iter(split_segments(predicted))).text
    return question, golds[0] if golds else "no answer", text or "no answer"


def wrong_entities(gold: Doc, predicted: Doc) -> Mistake | None:
    """RETURNS (tuple[str, str, str] | None): Text, gold and entities if they differ."""
    # texts without entity annotation, and with names of accounts, are left out
    if not gold.has_annotation("ENT_IOB") or "@" in gold.text:
        return None
    gold_spans, found = (
        {(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents}
        for doc in (gold, predicted)
    )
    if gold_spans == found:
        return None
    return predicted.text, list_entities(gold), list_entities(predicted)


def list_entities(doc: Doc) -> str:
    return ", ".join(f"{ent.text} ({ent.label_})" for ent in doc.ents) or "none"


def wrong_similarity(gold: Doc, predicted: Doc) -> Mistake | None:
    """RETURNS (tuple[str, float, float] | None): Text, gold and score if they are far apart."""
    gold_score, score = gold.cats["similarity"], predicted.cats["similarity"]
    if abs(score - gold_score) <= 1.5:
        return None
    return predicted.text, gold_score, round(score, 1)


def wrong_label(gold: Doc, predicted: Doc) -> Mistake | None:
    """RETURNS (tuple[str, str, str] | None): Text, gold and label if they differ."""
    gold_label, label = (max(doc.cats, key=doc.cats.__getitem__) for doc in (gold, predicted))
    return None if gold_label == label else (predicted.text, gold_label, label)


FIND_MISTAKE: dict[str, Callable[[Doc, Doc], Mistake | None]] = {
    "en_minilm_qa": wrong_answer,
    "en_minilm_pos_ner": wrong_entities,
    "en_minilm_similarity": wrong_similarity,
}


def find_mistakes(name: str, examples: list[Example]) -> Iterator[dict[str, Any]]:
    """YIELDS (dict[str, Any]): Text, gold and prediction of wrong examples, in corpus order."""
    find = FIND_MISTAKE.get(name, wrong_label)
    for example in examples:
        mistake = find(example.reference, example.predicted)
        if mistake is not None:
            yield dict(zip(("text", "gold", "found"), mistake))


def ask_whole_articles(nlp: Language, path: Path, questions: int) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): Exact match and F1 of questions asked of whole articles.

    nlp (Language): The pipeline.
    path (Path): The articles, in SQuAD's format.
    questions (int): Questions of each article, spread over it.
    """
    articles = []
    for article in json.loads(path.read_text(encoding="utf8"))["data"]:
        text = "\n\n".join(paragraph["context"] for paragraph in article["paragraphs"])
        qas = [qa for paragraph in article["paragraphs"] for qa in paragraph["qas"]]
        chosen = qas[:: max(1, len(qas) // questions)][:questions]
        articles.append({"context": text, "qas": chosen})
    exact, f1, n_questions = ask_articles(nlp, articles)
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
    """Score the pipeline NAME on every corpus of the folder CORPORA."""
    nlp = load(name) if pipeline is None else spacy.load(pipeline)
    scored: dict[str, Any] = {}
    for corpus in sorted(corpora.glob("*.spacy")):
        examples = read_examples(nlp, corpus)[: limit or None]
        scores = predict_and_score(nlp, examples)
        if name == "en_minilm_qa":
            scores["reliability"] = reliability(examples)
        print(corpus.stem, scores, flush=True)
        mistakes = list(find_mistakes(name, examples)) if pipeline is None else []
        scores["mistakes"] = mistakes[:: max(1, len(mistakes) // SHOWN)][:SHOWN]
        scored[corpus.stem] = scores
    if long is not None:
        scored["whole articles"] = ask_whole_articles(nlp, long, long_questions)
    result = {"name": name, "threads": torch.get_num_threads(), "corpora": scored}
    out = out or ROOT / "metrics" / name / "scores.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2, ensure_ascii=False), encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
