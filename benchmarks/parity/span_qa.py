"""Compare answers with independent restatements of decoding and scoring, on SQuAD.

    python benchmarks/parity/span_qa.py --data DATA [--questions 500]

DATA holds `squad/dev-v2.0.json.gz`. A MiniLM with a random head answers so many questions, in
windows of 128 pieces that overlap by 64, so that many paragraphs have several. Compared are: the
logits with those of transformers' BertForQuestionAnswering for its own tokenizer's windows; n-best
lists, null scores and decisions with the plain loops of `tests/util/qa_reference.py`; EM and F1
with SQuAD's definition, restated below.
"""

import re
import string
import sys
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import numpy as np
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example

from benchmarks import options
from benchmarks.peers.random_qa import RandomQA, make_random_qa
from spacy_bertfamily.annotation.answers import accepted_texts
from spacy_bertfamily.convert.squad import SquadReport, convert_squad
from tests.util.qa_reference import features_of, postprocess

WINDOW, STRIDE = 128, 64
LIMIT = 1e-5


@dataclass
class Agreement:
    """Counts over all questions.

    questions (int): All of them.
    in_several_windows (int): Those whose paragraph has several windows.
    same_lists (int): Those with the same n-best list and null score.
    same_decisions (int): Those with the same answer, or none.
    largest_difference (float): Of a logit.
    """

    questions: int = 0
    in_several_windows: int = 0
    same_lists: int = 0
    same_decisions: int = 0
    largest_difference: float = 0.0

    def holds(self) -> bool:
        """RETURNS (bool): Everything is the same."""
        all_same = self.same_lists == self.same_decisions == self.questions
        return all_same and self.largest_difference <= LIMIT


def compare(models: RandomQA, example: Example, found: Agreement) -> None:
    """Answer a question in both ways, set our answer, and count what is the same."""
    qa: Any = models.nlp.get_pipe("span_qa")
    doc = models.nlp.get_pipe("transformer")(example.predicted)
    (output,) = qa.model.predict([doc])
    lengths = output.layout.lengths
    expected = reference_logits(models, doc.text)
    for row, length in enumerate(lengths):
        difference = float(abs(output.logits[row, :length] - expected[row, :length]).max())
        found.largest_difference = max(found.largest_difference, difference)
    (n_best,) = qa.n_best([doc])
    features = features_of(output.layout, output.logits)
    n, longest = qa.settings.n_best, qa.settings.max_answer_length
    candidates, null, answer = postprocess(features, n, longest, 0.0)
    qa.set_annotations([doc], qa.predict([doc]))
    found.questions += 1
    found.in_several_windows += len(lengths) > 1
    found.same_lists += is_same_list(n_best, candidates, null)
    found.same_decisions += best_answer_chars(doc) == ((answer[1], answer[2]) if answer else None)


def reference_logits(models: RandomQA, text: str) -> np.ndarray:
    """RETURNS (np.ndarray): Logits of transformers' model in its own windows of a text.

    *Shape:* `(windows, pieces, 2)`
    """
    question, _, context = text.partition(" [SEP] ")
    inputs = models.tokenizer(
        question,
        context,
        truncation="only_second",
        max_length=WINDOW,
        stride=STRIDE,
        return_overflowing_tokens=True,
        padding=True,
        return_tensors="pt",
    )
    inputs.pop("overflow_to_sample_mapping")
    with torch.inference_mode():
        output = models.reference(**inputs)
    return np.stack([output.start_logits.numpy(), output.end_logits.numpy()], axis=-1)


def is_same_list(n_best: Any, candidates: list[tuple[float, int, int]], null: float) -> bool:
    """RETURNS (bool): The n-best list has the same characters, and scores to 1e-5."""
    same_chars = n_best.chars.tolist() == [[start, end] for _, start, end in candidates]
    if not same_chars or abs(n_best.null - null) >= LIMIT:
        return False
    return np.allclose(n_best.scores, [score for score, _, _ in candidates], atol=LIMIT)


def best_answer_chars(doc: Doc) -> tuple[int, int] | None:
    """RETURNS (tuple[int, int] | None): The characters of a Doc's best answer."""
    if not doc._.answers:
        return None
    best = doc._.answers[0]
    return best.start_char, best.end_char


def best_answer_text(doc: Doc) -> str:
    return doc._.answers[0].text if doc._.answers else ""


def official_scores(prediction: str, golds: list[str]) -> tuple[float, float]:
    """RETURNS (tuple[float, float]): EM and F1 as SQuAD 2.0's script defines them."""
    words = normalized_words(prediction)
    scores = []
    for gold in [gold for gold in golds if normalized_words(gold)] or [""]:
        gold_words = normalized_words(gold)
        scores.append((float(words == gold_words), word_f1(words, gold_words)))
    return max(em for em, _ in scores), max(f1 for _, f1 in scores)


def normalized_words(text: str) -> list[str]:
    text = "".join(char for char in text.lower() if char not in string.punctuation)
    return re.sub(r"\b(?:a|an|the)\b", " ", text).split()


def word_f1(words: list[str], gold_words: list[str]) -> float:
    if not words or not gold_words:
        return float(words == gold_words)
    same = sum((Counter(words) & Counter(gold_words)).values())
    if not same:
        return 0.0
    precision, recall = same / len(words), same / len(gold_words)
    return 2 * precision * recall / (precision + recall)


def main() -> None:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    parser.add_argument("--questions", type=int, default=500)
    args = parser.parse_args()
    blank = spacy.blank("en")
    dev_file = args.data / "squad" / "dev-v2.0.json.gz"
    golds = convert_squad(dev_file, blank, SquadReport(), inside_words=True)
    examples = [Example(blank.make_doc(doc.text), doc) for doc in islice(golds, args.questions)]
    models = make_random_qa(0.0, max_pieces=WINDOW, stride=STRIDE)
    found = Agreement()
    for example in examples:
        compare(models, example, found)
    scores = models.nlp.get_pipe("span_qa").score(examples)
    ours = [scores["qa_em"], scores["qa_f1"]]
    expected = np.mean(
        [
            official_scores(best_answer_text(eg.predicted), accepted_texts(eg.reference))
            for eg in examples
        ],
        axis=0,
    )
    n = found.questions
    print(f"{n} questions, {found.in_several_windows} of them in several windows")
    print(f"largest difference of a logit: {found.largest_difference:.2e}")
    print(f"same n-best list and null score: {found.same_lists}/{n}")
    print(f"same decision: {found.same_decisions}/{n}")
    print(f"EM and F1: {ours[0]:.6f} {ours[1]:.6f}; by the definition: {expected}")
    if not found.holds() or not np.allclose(expected, ours):
        sys.exit("Not the same")


if __name__ == "__main__":
    main()
