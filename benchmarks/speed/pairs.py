"""Measure pairs per second, beside CrossEncoder and transformers' text-classification pipeline.

    python benchmarks/speed/pairs.py --data DATA [--pairs 1000] [--batch 64] [--threads 2]
        [--rounds 5] [--write docs/performance.md]

DATA holds `snli/dev.jsonl.gz`. All have the same backbone, the same head and the same pairs, and
must give the same probabilities, to 1e-5 in float32 and 0.02 in bfloat16, or nothing is printed;
ratios are of CPU seconds. Needs sentence-transformers.
"""

import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import numpy as np

from benchmarks import options
from benchmarks.defaults import BACKBONE
from benchmarks.report import publish
from benchmarks.timing import time_in_turn

LABELS = ["contradiction", "entailment", "neutral"]
CROSS_ENCODER = "CrossEncoder"
# from pairs to probabilities `(pairs, labels)`
Predict = Callable[[list[tuple[str, str]]], np.ndarray]


def make_predictors(folder: str, batch: int) -> dict[str, Predict]:
    """RETURNS (dict[str, Predict]): Functions with the same head, by name.

    folder (str): Where the peers' model is stored.
    batch (int): Pairs in a batch.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from spacy_bertfamily.backbone.locate import locate

    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(
        locate(BACKBONE), num_labels=len(LABELS), id2label=dict(enumerate(LABELS))
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(locate(BACKBONE))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    head = model.classifier
    return {
        "pair_classifier, float32": make_ours("float32", head, batch),
        "pair_classifier, bfloat16": make_ours("bfloat16", head, batch),
        CROSS_ENCODER: make_cross_encoder(folder, batch),
        "text-classification": make_text_classification(model, tokenizer, batch),
    }


def make_ours(precision: str, head: Any, batch: int) -> Predict:
    """RETURNS (Predict): `predict_pairs` with the weights of the peers' head."""
    import spacy
    from spacy.training import Example

    nlp = spacy.blank("en")
    model = {"name": BACKBONE, "trainable": [], "adapter": None, "precision": precision}
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": model})
    classifier: Any = nlp.add_pipe("pair_classifier", config={"model": {"pooling": "pooler"}})
    examples = []
    for label in LABELS:
        cats = {other: float(other == label) for other in LABELS}
        examples.append(Example.from_dict(nlp.make_doc("a [SEP] b"), {"cats": cats}))
    nlp.initialize(lambda: examples)
    output = classifier.model.get_ref("output")
    output.set_param("W", head.weight.detach().numpy())
    output.set_param("b", head.bias.detach().numpy())

    def predict(pairs: list[tuple[str, str]]) -> np.ndarray:
        found = classifier.predict_pairs(pairs, batch_size=4 * batch, nlp=nlp)
        return np.array([[cats[label] for label in LABELS] for cats in found])

    return predict


def make_cross_encoder(folder: str, batch: int) -> Predict:
    """RETURNS (Predict): sentence-transformers' CrossEncoder."""
    from sentence_transformers import CrossEncoder

    cross_encoder = CrossEncoder(folder, device="cpu", max_length=384)
    return partial(cross_encoder.predict, batch_size=batch, apply_softmax=True)


def make_text_classification(model: Any, tokenizer: Any, batch: int) -> Predict:
    """RETURNS (Predict): transformers' text-classification pipeline."""
    from transformers import pipeline

    classify: Any = pipeline(
        "text-classification", model=model, tokenizer=tokenizer, device="cpu", top_k=None
    )

    def predict(pairs: list[tuple[str, str]]) -> np.ndarray:
        inputs = [{"text": first, "text_pair": second} for first, second in pairs]
        probabilities = []
        for rows in classify(inputs, batch_size=batch):
            scores = {row["label"]: row["score"] for row in rows}
            probabilities.append([scores[label] for label in LABELS])
        return np.array(probabilities)

    return predict


def check_agreement(predictors: dict[str, Predict], pairs: list[tuple[str, str]]) -> None:
    """Fail if the probabilities differ."""
    expected = predictors[CROSS_ENCODER](pairs)
    for name, predict in predictors.items():
        tolerance = 0.02 if "bfloat16" in name else 1e-5
        np.testing.assert_allclose(predict(pairs), expected, atol=tolerance, err_msg=name)


def main() -> None:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    parser.add_argument("--pairs", type=int, default=1000)
    batch_help = "pairs per batch of the peers; we fill up to batch_pieces"
    parser.add_argument("--batch", type=int, default=64, help=batch_help)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options.add_write_option(parser)
    args = parser.parse_args()
    import torch

    from spacy_bertfamily.convert.tables import read_rows

    torch.set_num_threads(args.threads)
    rows = islice(read_rows(args.data / "snli" / "dev.jsonl.gz"), args.pairs)
    pairs = [(row.values["sentence1"], row.values["sentence2"]) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        predictors = make_predictors(folder, args.batch)
        check_agreement(predictors, pairs)
        calls = {name: partial(predict, pairs) for name, predict in predictors.items()}
        times = time_in_turn(calls, args.rounds)
    lines = [
        "| | pairs per second | per CPU second | times CrossEncoder |",
        "| --- | --- | --- | --- |",
    ]
    base = statistics.median(times[CROSS_ENCODER].cpu)
    for name, seconds in times.items():
        ratio = base / statistics.median(seconds.cpu)
        lines.append(f"| {name} | {seconds.rates(len(pairs))} | {ratio:.2f} |")
    publish("pairs", "\n".join(lines), args.write)


if __name__ == "__main__":
    main()
