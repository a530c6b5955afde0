"""What untrained sentence vectors get where en_minilm_similarity is tested: the cosine of the mean
hidden states of both texts, each read by itself, as sentence-transformers uses the same backbone.

python benchmarks/sentence_cosine.py corpus/en_minilm_similarity/test

The result is metrics/en_minilm_similarity/cosine.json, which benchmarks/model_card.py reads.
"""

import json
import time
from pathlib import Path
from typing import Any

import spacy
import torch
import typer
from peers import NAME
from spacy.training import Corpus
from torch.nn.functional import cosine_similarity
from transformers import AutoModel, AutoTokenizer

from spacy_bertfamily import split_segments
from spacy_bertfamily.backbone.locate import locate
from spacy_bertfamily.tasks.pairs.scorer import pair_classifier_score

ROOT = Path(__file__).parents[1]
LABEL = "similarity"
BATCH = 64


def embed(texts: list[str], tokenizer: Any, model: Any) -> torch.Tensor:
    """RETURNS (torch.Tensor): A vector of each text. *Shape:* `(texts, width)`."""
    vectors = []
    for start in range(0, len(texts), BATCH):
        inputs = tokenizer(
            texts[start : start + BATCH], padding=True, truncation=True, return_tensors="pt"
        )
        mask = inputs["attention_mask"][..., None]
        with torch.inference_mode():
            states = model(**inputs).last_hidden_state
        vectors.append((states * mask).sum(1) / mask.sum(1))
    return torch.cat(vectors)


def main(corpora: Path) -> None:
    folder = locate(NAME)
    tokenizer, model = (
        AutoTokenizer.from_pretrained(folder),
        AutoModel.from_pretrained(folder).eval(),
    )
    nlp = spacy.blank("en")
    result: dict[str, Any] = {"name": "cosine", "threads": torch.get_num_threads(), "corpora": {}}
    for path in sorted(corpora.glob("*.spacy")):
        examples = list(Corpus(path)(nlp))
        first, second = zip(
            *([span.text for span in split_segments(example.reference)] for example in examples)
        )
        start, cpu = time.perf_counter(), time.process_time()
        found = cosine_similarity(
            *(embed(list(texts), tokenizer, model) for texts in (first, second))
        )
        seconds = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
        for example, cosine in zip(examples, found.tolist()):
            example.predicted.cats = {LABEL: cosine}
        scores = pair_classifier_score(examples, labels=[LABEL], mode="regression")
        kept = {key: scores[key] for key in ("cats_pearson", "cats_spearman")}
        result["corpora"][path.stem] = {"docs": len(examples), **seconds, **kept}
        print(path.stem, result["corpora"][path.stem])
    out = ROOT / "metrics" / "en_minilm_similarity" / "cosine.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2), encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
