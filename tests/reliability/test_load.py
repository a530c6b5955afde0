"""Load, on a small scale: benchmarks/load.py does the same with 100,000 Docs and 10 MB."""

import multiprocessing
import resource

import pytest
import spacy
import torch

WORDS = "the small dog likes green eggs".split()


def most_held():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(folder, queue):
    """In a process of its own, since the most that a process ever held does not fall again."""
    torch.set_num_threads(1)
    nlp = spacy.load(folder)
    nlp.max_length = 10**9
    list(nlp.pipe(["green eggs"] * 500))
    start = most_held()
    n_docs = sum(1 for _ in nlp.pipe(" ".join(WORDS[: 1 + i % 6]) for i in range(5000)))
    after_docs = most_held()
    (doc,) = nlp.pipe([" ".join(WORDS * 8000)])  # 240 KB
    queue.put((n_docs, after_docs - start, len(doc), most_held() - after_docs))


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
    assert for_docs < 60  # MB; 5,000 Docs that stay would take several hundred
    vectors = 48_000 * 32 * 4 / 2**20 * 32 / 24  # 32 wide; of a window of 32 pieces, 24 are new
    assert for_one < 40 * vectors
