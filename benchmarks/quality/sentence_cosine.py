"""Score the cosine of untrained sentence vectors, where en_minilm_similarity is tested.

    python benchmarks/quality/sentence_cosine.py corpus/en_minilm_similarity/test

A text's vector is the mean of its hidden states, each text read by itself, as sentence-transformers
uses the same backbone. The result is metrics/en_minilm_similarity/cosine.json, which
scripts/make_model_card.py reads.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import spacy
import torch
import typer
from spacy.training import Corpus
from torch.nn.functional import cosine_similarity
from transformers import AutoModel, AutoTokenizer

from benchmarks.defaults import BACKBONE, ROOT
from spacy_bertfamily import split_segments
from spacy_bertfamily.backbone.locate import locate
from spacy_bertfamily.tasks.pairs.scorer import pair_classifier_score

LABEL = "similarity"
BATCH = 64


def embed(texts: list[str], tokenizer: Any, model: Any) -> torch.Tensor:
    """RETURNS (torch.Tensor): A vector of each text. *Shape:* `(texts, width)`."""
    vectors = []
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        inputs = tokenizer(batch, padding=True, truncation=True, return_tensors="pt")
        mask = inputs["attention_mask"][..., None]
        with torch.inference_mode():
            states = model(**inputs).last_hidden_state
        vectors.append((states * mask).sum(1) / mask.sum(1))
    return torch.cat(vectors)


def score_corpus(path: Path, tokenizer: Any, model: Any) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): Correlations with the gold scores, and seconds."""
    examples = list(Corpus(path)(spacy.blank("en")))
    firsts, seconds = [], []
    for example in examples:
        first, second = split_segments(example.reference)
        firsts.append(first.text)
        seconds.append(second.text)
    start, cpu = time.perf_counter(), time.process_time()
    cosines = cosine_similarity(embed(firsts, tokenizer, model), embed(seconds, tokenizer, model))
    took = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    for example, cosine in zip(examples, cosines.tolist()):
        example.predicted.cats = {LABEL: cosine}
    scores = pair_classifier_score(examples, labels=[LABEL], mode="regression")
    kept = {key: scores[key] for key in ("cats_pearson", "cats_spearman")}
    return {"docs": len(examples), **took, **kept}


def main(corpora: Path) -> None:
    """Score every corpus of the folder CORPORA."""
    folder = locate(BACKBONE)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    scored: dict[str, Any] = {}
    for path in sorted(corpora.glob("*.spacy")):
        scored[path.stem] = score_corpus(path, tokenizer, model)
        print(path.stem, scored[path.stem])
    result = {"name": "cosine", "threads": torch.get_num_threads(), "corpora": scored}
    out = ROOT / "metrics" / "en_minilm_similarity" / "cosine.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2), encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
