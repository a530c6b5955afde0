"""Files that were cut short, renamed, retyped or made up: what cannot be read is an error with a reason."""

import copy
import gzip
import json
import random

import numpy as np
import pytest
import spacy

from spacy_bertfamily.convert.pairs import PairColumns, PairReport, convert_pairs
from spacy_bertfamily.convert.squad import Report, convert_squad
from spacy_bertfamily.convert.tables import read_rows

CASES = 400
CONTEXT = "Ann wrote the book in 1920. Ben built the bridge in 1931."
QA = {"id": "1", "question": "Who wrote it?", "answers": [{"text": "Ann", "answer_start": 0}], "is_impossible": False}
SQUAD = {"version": "2.0", "data": [{"title": "t", "paragraphs": [{"context": CONTEXT, "qas": [QA, {**QA, "id": "2"}]}]}]}
STRANGE = [None, True, -1, 10**30, 0.5, float("nan"), "", "x" * 5000, "\ud800", [], {}, [[]], {"text": 3}, [None]]
ROWS = [{"sentence1": "a dog", "sentence2": "an animal", "label": "yes"}, {"sentence1": "b", "sentence2": "c", "label": "no"}]


def places(value, path=()):
    """All places in a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def spoil(value, rng):
    """RETURNS (Any): The value with something removed, renamed, retyped or repeated at a random place."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        place = rng.choice([path for path in places(value) if path] or [()])
        if not place:
            return rng.choice(STRANGE)
        holder = value
        for key in place[:-1]:
            holder = holder[key]
        change = rng.randrange(3)
        if change == 0:
            del holder[place[-1]]
        elif change == 1 and isinstance(holder, dict):
            holder[f"{place[-1]}_"] = holder.pop(place[-1])
        else:
            holder[place[-1]] = rng.choice(STRANGE)
    return value


def damage(content, rng):
    """RETURNS (bytes): Cut short, or with a few other bytes."""
    if rng.random() < 0.5:
        return content[: rng.randrange(len(content))]
    spoiled = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
    return bytes(spoiled)


def try_all(tmp_path, names, content, spoiled, read):
    """Read spoiled files. RETURNS (List[str]): For each case what came of it: docs or the error's first words."""
    rng = random.Random(0)
    outcomes = []
    for case in range(CASES):
        path = tmp_path / rng.choice(names)
        data = spoiled(rng) if case % 2 else damage(content, rng)
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" and case % 3 else data)
        try:
            outcomes.append(f"{len(list(read(path)))} docs")
        except (ValueError, OSError, EOFError) as e:
            assert str(e), repr(e)
            outcomes.append(type(e).__name__)
    return outcomes


def dump(value):
    return json.dumps(value).encode("utf8", "surrogatepass")


def test_question_files(tmp_path):
    nlp = spacy.blank("en")
    outcomes = try_all(
        tmp_path, ["qa.json", "qa.json.gz"], dump(SQUAD), lambda rng: dump(spoil(SQUAD, rng)),
        lambda path: convert_squad(path, nlp, Report()),
    )  # fmt: skip
    assert {"ValueError", "2 docs", "1 docs"} <= set(outcomes)


@pytest.mark.parametrize("mode", ["exclusive", "multilabel", "regression"])
def test_pair_files(tmp_path, mode):
    nlp, columns = spacy.blank("en"), PairColumns("sentence1", "sentence2", "label", mode)
    content = b"\n".join(map(dump, ROWS))
    outcomes = try_all(
        tmp_path, ["rows.jsonl", "rows.jsonl.gz", "rows.csv", "rows.tsv"], content,
        lambda rng: b"\n".join(dump(spoil(row, rng)) for row in ROWS),
        lambda path: convert_pairs(read_rows(path), str(path), columns, nlp, PairReport()),
    )  # fmt: skip
    assert "ValueError" in outcomes
    assert any(outcome.endswith("docs") for outcome in outcomes)


@pytest.mark.parametrize("file", ["transformer/delta.safetensors", "config.cfg", "meta.json", "tagger/model"])
def test_pipelines_with_damaged_files(make_tagger, tmp_path, file):
    """A damaged pipeline does not load, or it is the same pipeline: never another one."""
    nlp, _ = make_tagger()
    text = "the small dog likes green eggs"
    expected = np.asarray(nlp(text)._.trf_data.model_output.last_hidden_state)
    nlp.to_disk(tmp_path)
    path, rng, refused = tmp_path / file, random.Random(0), 0
    content = path.read_bytes()
    for _ in range(15):
        path.write_bytes(damage(content, rng))
        try:
            loaded = spacy.load(tmp_path)
            found = np.asarray(loaded(text)._.trf_data.model_output.last_hidden_state)
        except Exception as e:  # the readers of spaCy's own files raise many kinds
            assert str(e) or repr(e)
            refused += 1
        else:
            if "transformer" in loaded.pipe_names and file != "config.cfg":
                np.testing.assert_array_equal(found, expected)
    assert refused
