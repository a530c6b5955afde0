"""The contrasts of scripts/make_contrasts.py: what is alike in all labels, and what is new."""

import json
import math
import re
import subprocess
import sys
from collections import Counter, defaultdict

import pytest

from ..util.files import ROOT

LABELS = ["contradiction", "entailment", "neutral"]


def make(path, part, triples, seed=0):
    command = [sys.executable, str(ROOT / "scripts" / "make_contrasts.py"), str(path)]
    options = ["--part", part, "--triples", str(triples), "--seed", str(seed)]
    subprocess.run([*command, *options], check=True, capture_output=True)
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contrasts")
    return {
        "train": make(folder / "train.jsonl", "train", 60),
        "other": make(folder / "other.jsonl", "train", 20, seed=1),
        "test": make(folder / "test.jsonl", "test", 16),
    }


def words(text):
    return re.findall(r"\w+", text.lower())


def accuracy_of(features, train, test):
    """RETURNS (float): The accuracy of naive Bayes that sees some features of a pair only."""
    counts, labels = defaultdict(Counter), Counter(row["label"] for row in train)
    for row in train:
        counts[row["label"]].update(set(features(row)))
    hits = 0
    for row in test:
        scores = {
            label: sum(
                math.log((counts[label][name] + 1) / (labels[label] + 2)) for name in features(row)
            )
            for label in LABELS
        }
        hits += max(scores, key=scores.get) == row["label"]
    return hits / len(test)


def overlap(row):
    first, second = set(words(row["sentence1"])), set(words(row["sentence2"]))
    return [round(10 * len(first & second) / len(first | second))]


@pytest.mark.parametrize("part", ["train", "test"])
def test_there_are_pairs_of_all_kinds_and_labels(rows, part):
    found = rows[part]
    assert len(found) > 500
    assert len({(row["sentence1"], row["sentence2"]) for row in found}) == len(found)
    for kind in {row["kind"] for row in found}:
        assert {row["label"] for row in found if row["kind"] == kind} == set(LABELS)
    counts = Counter(row["label"] for row in found)
    assert max(counts.values()) < 1.3 * min(counts.values())


@pytest.mark.parametrize(
    "features",
    [
        lambda row: words(row["sentence1"]),
        lambda row: words(row["sentence2"]),
        overlap,
    ],
    ids=["premise", "hypothesis", "overlap"],
)
def test_a_part_of_a_pair_does_not_tell_its_label(rows, features):
    assert accuracy_of(features, rows["train"], rows["other"]) < 0.55


def test_words_and_sentences_for_testing_are_new(rows):
    seen = {row["sentence1"] for row in rows["train"]}
    assert not seen & {row["sentence1"] for row in rows["test"]}
    train = {word for row in rows["train"] for word in words(row["sentence2"])}
    test = {word for row in rows["test"] for word in words(row["sentence2"])}
    new = {"orange", "italian", "copper", "dentist", "faster", "pears", "innocent", "carl"}
    assert new <= test - train


def test_the_same_seed_gives_the_same_pairs(rows, tmp_path):
    assert make(tmp_path / "again.jsonl", "test", 16) == rows["test"]
