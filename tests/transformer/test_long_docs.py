"""Long Docs and long streams: memory is bounded, and no token is lost."""

import subprocess
import sys

import pytest
from spacy.tokens import Doc

MEASURE = """
import resource, sys, spacy
from spacy.tokens import Doc
nlp = spacy.blank("en")
model = {"name": sys.argv[1], "max_pieces": 64, "stride": 16, "batch_pieces": 2048}
nlp.add_pipe("adapter_transformer", config={"model": model})
nlp.initialize()
nlp("eat ham")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
doc = nlp(Doc(nlp.vocab, words=["green", "eggs", "unable", "😀"] * 50_000))
data = doc._.trf_data
assert (data.align.lengths >= 1).all(), "a token without pieces"
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
print(grown, data.model_output.last_hidden_state.nbytes)
"""


@pytest.mark.slow
def test_a_200_000_word_doc_in_bounded_memory(tiny):
    """Memory grows with the vectors, pieces and strings of the Doc, not with the computation."""
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, tiny], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    grown, vectors = map(int, result.stdout.split()[-2:])
    assert vectors > 20_000_000
    assert grown < 20 * vectors  # the vectors are small, with a width of 32


def test_many_tiny_docs_are_aligned(make_tagger):
    nlp, _ = make_tagger()
    texts = ["eat ham", "", "I like eggs", " "] * 500
    lengths = [len(doc._.trf_data.align.lengths) for doc in nlp.pipe(texts)]
    assert lengths == [len(doc) for doc in nlp.tokenizer.pipe(texts)]


def test_docs_of_any_length_can_be_in_one_stream(make_tagger):
    nlp, _ = make_tagger()
    docs = [Doc(nlp.vocab, words=["eggs"] * n) for n in (0, 1, 2000, 3, 0, 500)]
    for n, doc in zip((0, 1, 2000, 3, 0, 500), nlp.pipe(docs)):
        assert [bool(token.tag_) for token in doc] == [True] * n
