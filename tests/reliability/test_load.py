"""Memory under load, on a small scale; benchmarks/memory/streams.py runs 100,000 Docs and 10 MB."""

import multiprocessing
import resource

import pytest
import spacy
import torch

WORDS = ["the", "small", "dog", "likes", "green", "eggs"]


def peak_memory():
    """RETURNS (float): The most memory that this process had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(folder, queue):
    """Measure in a separate process, since the peak of a process never falls."""
    torch.set_num_threads(1)
    nlp = spacy.load(folder)
    nlp.max_length = 10**9
    list(nlp.pipe(["green eggs"] * 500))
    start = peak_memory()
    n_docs = sum(1 for _ in nlp.pipe(" ".join(WORDS[: 1 + i % 6]) for i in range(5000)))
    after_docs = peak_memory()
    (doc,) = nlp.pipe([" ".join(WORDS * 8000)])  # 240 KB
    queue.put((n_docs, after_docs - start, len(doc), peak_memory() - after_docs))


@pytest.mark.slow
def test_a_long_doc_and_many_short_ones_in_bounded_memory(make_tagger, tmp_path):
    nlp, _ = make_tagger()
    nlp.to_disk(tmp_path)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=measure, args=(tmp_path, queue))
    process.start()
    n_docs, for_docs, n_tokens, for_one = queue.get(timeout=300)
    process.join()
    assert (n_docs, n_tokens) == (5000, 48_000)
    assert for_docs < 60  # MB; 5,000 Docs in memory would take several hundred
    vectors = 48_000 * 32 * 4 / 2**20 * 32 / 24  # 32 wide; of a window of 32 pieces, 24 are new
    assert for_one < 40 * vectors
