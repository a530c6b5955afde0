"""Texts to measure speed with, cut out of running text."""

import gzip
import random
import re
from collections.abc import Iterator
from pathlib import Path


def read_words(data: Path) -> list[str]:
    """RETURNS (list[str]): The words of WikiText-2's validation part."""
    with gzip.open(data / "wikitext2" / "wiki.valid.raw.gz", "rt", encoding="utf8") as file:
        return re.sub(r"\s+", " ", file.read()).split()


def make_texts(words: list[str], lengths: list[int]) -> list[str]:
    """RETURNS (list[str]): Consecutive texts of so many words each."""
    source: Iterator[str] = iter(words)
    return [" ".join(next(source) for _ in range(length)) for length in lengths]


def workload_lengths(name: str, size: float) -> list[int]:
    """Compute the lengths of a workload's texts.

    name (str): `mixed`: 80 texts, lognormal, 20 to 800 words, median 120; `tiny`: 1,000 of 8;
        `single`: 100 of 20; `long`: one of 20,000.
    size (float): Factor to the number of texts, of `long` to its words.
    RETURNS (list[int]): The number of words of each text.
    """
    if name == "mixed":
        rng = random.Random(0)
        drawn = [rng.lognormvariate(4.8, 0.8) for _ in range(int(80 * size))]
        return [int(min(800, max(20, length))) for length in drawn]
    lengths = {
        "tiny": [8] * int(1000 * size),
        "single": [20] * int(100 * size),
        "long": [int(20_000 * size)],
    }
    return lengths[name]
