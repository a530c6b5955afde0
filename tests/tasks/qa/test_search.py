"""Answers beyond the `n_best` spans: as many as were asked for, if there are that many."""

import itertools

import numpy as np
import pytest

from spacy_bertfamily.tasks.qa.choose import choose
from spacy_bertfamily.tasks.qa.decode import WindowRef, count_visible, decode
from spacy_bertfamily.tasks.qa.search import SpanSearch

from ...util.qa import CONTEXT, LONG, PARTS, make_layout_of

QUESTION = "who wrote the book ?"
MAX_LENGTH = 6


class Scored:
    """A text with random scores of its windows.

    text (str): The question and the context.
    """

    def __init__(self, folder, context, seed):
        self.text = f"{QUESTION} [SEP] {context}"
        self.layout = make_layout_of(folder, self.text)
        visible = count_visible(self.text)
        rng = np.random.default_rng(seed)
        self.logits = rng.normal(size=(*self.layout.index.shape, 2)).astype("float32")
        n_windows = len(self.layout.lengths)
        self.windows = [WindowRef(0, self.layout, row, visible) for row in range(n_windows)]

    def spans(self):
        """YIELDS (tuple[tuple[int, int], float]): Each span that may be an answer, one by one."""
        pieces = self.layout.pieces
        for row, length in enumerate(self.layout.lengths):
            for first, last in itertools.product(range(length), repeat=2):
                a, b = self.layout.index[row, [first, last]]
                is_span = first <= last < first + MAX_LENGTH and min(a, b) >= pieces.n_first
                if is_span and self.layout.is_max_context[row, first]:
                    score = self.logits[row, first, 0] + self.logits[row, last, 1]
                    yield (int(pieces.starts[a]), int(pieces.ends[b])), float(score)

    def choose(self, n_best, top_k, further=True, allow_overlap=False):
        """RETURNS (Prediction): The answers, with or without the search for further ones."""
        (found,) = decode(self.logits, self.windows, 1, n_best, MAX_LENGTH)
        logits = [self.logits[i, :n] for i, n in enumerate(self.layout.lengths)]
        return choose(
            found,
            self.text,
            temperature=1.0,
            null_threshold=None,
            top_k=top_k,
            allow_overlap=allow_overlap,
            search=SpanSearch(self.windows, logits, MAX_LENGTH) if further else None,
        )


@pytest.fixture
def scored(tiny_qa_backbone):
    """Make texts with random scores."""
    return lambda context, seed=0: Scored(tiny_qa_backbone, context, seed)


def greedy(spans, chosen, top_k):
    """RETURNS (set): The chosen spans, and others by score that overlap with none before."""
    chosen = list(chosen)
    for span, _ in sorted(spans, key=lambda item: -item[1]):
        if len(chosen) < top_k and all(span[1] <= a or b <= span[0] for a, b in chosen):
            chosen.append(span)
    return set(chosen)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("context", [CONTEXT, LONG], ids=["one window", "several windows"])
@pytest.mark.parametrize("top_k", [3, 10, 1000])
def test_further_answers_are_the_best_of_all_spans(scored, context, top_k, seed):
    text = scored(context, seed)
    first = text.choose(5, top_k, further=False)
    found = text.choose(5, top_k)
    assert set(found.chars) == greedy(text.spans(), first.chars, top_k)
    assert found.scores == sorted(found.scores, reverse=True)
    assert max(found.scores) < 1


@pytest.mark.parametrize("top_k", [1, 3, 10])
def test_answers_of_the_best_spans_stay_what_they_are(scored, top_k):
    text = scored(LONG)
    first = text.choose(20, top_k, further=False)
    found = text.choose(20, top_k)
    scores = dict(zip(found.chars, found.scores))
    assert {span: scores[span] for span in first.chars} == dict(zip(first.chars, first.scores))
    assert found[2:] == first[2:]


def test_overlapping_answers_are_as_many_as_asked_for(scored):
    text = scored("ann wrote the book .")
    found = text.choose(6, 100, allow_overlap=True)
    assert len(text.choose(6, 100, further=False, allow_overlap=True).chars) < len(found.chars)
    assert set(found.chars) == {span for span, _ in text.spans()}


def test_nothing_is_left_when_all_pieces_are_taken(trained):
    nlp, _, _ = trained(steps=20, null_threshold=None)
    qa = nlp.get_pipe("span_qa")
    for question, _, _ in PARTS:
        answers = qa.ask(CONTEXT, question, top_k=1000)
        covered = {char for a in answers for char in range(a.start_char, a.end_char)}
        assert all(i in covered for i, char in enumerate(CONTEXT) if not char.isspace())
