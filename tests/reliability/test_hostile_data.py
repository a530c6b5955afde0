"""Data files that are cut short, renamed, retyped or made up are read or refused with a reason."""

import gzip
import json
import random
import tracemalloc

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_bertfamily.annotation.answers import accepted_texts, get_answers, set_answers
from spacy_bertfamily.cli.plot_log import read_log
from spacy_bertfamily.cli.plots import draw_log
from spacy_bertfamily.convert.files import ALWAYS_ALLOWED
from spacy_bertfamily.convert.pairs import PairColumns, PairReport, convert_pairs
from spacy_bertfamily.convert.squad import SquadReport, convert_squad
from spacy_bertfamily.convert.tables import read_rows
from spacy_bertfamily.convert.tokens import TokenReport, convert_bio, convert_conllu
from spacy_bertfamily.tasks.qa.scorer import make_span_qa_scorer

from ..util.damage import STRANGE, damage, dump, outcomes, spoil

CASES = 1000
CONTEXT = "Ann wrote the book in 1920. Ben built the bridge in 1931."
QA = {
    "id": "1",
    "question": "Who wrote it?",
    "answers": [{"text": "Ann", "answer_start": 0}],
    "is_impossible": False,
}
SQUAD = {
    "data": [{"title": "t", "paragraphs": [{"context": CONTEXT, "qas": [QA, {**QA, "id": "2"}]}]}]
}
CMRC = [
    {
        "context_text": CONTEXT,
        "qas": [{"query_id": "q", "query_text": "Who?", "answers": ["Ann", "Ben"]}],
    }
]
FLAT = {
    "id": "1",
    "question": "Who?",
    "context": CONTEXT,
    "answers": {"text": ["Ann"], "answer_start": [0]},
}
ROWS = [
    {"sentence1": "a dog", "sentence2": "an animal", "label": "yes"},
    {"sentence1": "b", "sentence2": "c", "label": 3},
]
TABLE = "sentence1{0}sentence2{0}label\na dog{0}an animal{0}yes\nb{0}c{0}no\n"


def write_spoiled(path, content, retyped=None):
    """RETURNS (Callable): Writes damaged data; for .gz files, compressed before or after."""

    def write(rng):
        data = retyped(rng) if retyped and rng.random() < 0.6 else damage(content, rng)
        if path.suffix == ".gz":
            if rng.random() < 0.7:
                data = gzip.compress(data)
            else:
                data = damage(gzip.compress(content), rng)
        path.write_bytes(data)

    return write


@pytest.mark.parametrize("value", [SQUAD, CMRC, FLAT], ids=["squad", "cmrc", "flat"])
@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_damaged_question_files_are_read_or_refused(tmp_path, value, suffix):
    nlp, path = spacy.blank("en"), tmp_path / f"data{suffix}"

    def read():
        docs = list(convert_squad(path, nlp, SquadReport(), negatives=0.5, swaps=0.5))
        DocBin(docs=docs).to_bytes()
        return f"{len(docs)} docs"

    write = write_spoiled(path, json.dumps(value).encode(), lambda rng: dump(spoil(value, rng)))
    found = outcomes(CASES // 2, write, read, "[B206]")
    assert found["B206"] > 50
    assert found[f"{2 if value is SQUAD else 1} docs"] > 5


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".csv", ".tsv"])
@pytest.mark.parametrize("mode", ["exclusive", "multilabel", "regression"])
def test_damaged_pair_files_are_read_or_refused(tmp_path, mode, suffix):
    nlp, columns = spacy.blank("en"), PairColumns("sentence1", "sentence2", "label", mode)
    path = tmp_path / f"rows{suffix}"
    as_json = "json" in suffix
    content = TABLE.format("," if suffix == ".csv" else "\t").encode()
    if as_json:
        content = b"\n".join(map(dump, ROWS))

    def read():
        report = PairReport()
        docs = list(convert_pairs(read_rows(path), str(path), columns, nlp, report))
        DocBin(docs=docs).to_bytes()
        assert "\n".join(report.lines()).encode("utf8")
        assert len(docs) + sum(map(len, report.skipped.values())) == report.read
        return f"{len(docs)} docs"

    retyped = (lambda rng: b"\n".join(dump(spoil(row, rng)) for row in ROWS)) if as_json else None
    found = outcomes(CASES // 4, write_spoiled(path, content, retyped), read, "[B")
    assert found.keys() & {"B120", "B321"}
    assert found["0 docs"] + found["1 docs"] + found["2 docs"] > 5


WORD = "{0}\tdog\tdog\tNOUN\tNN\tNumber=Sing|Case=Nom\t0\troot\t_\tSpaceAfter=No\n"
SENTENCES = ("# text = dog\n" + WORD.format(1) + WORD.format(2) + "\n" + WORD.format(1)).encode(
    "utf8"
)
TAGGED = {"tokens": ["Ann", "met", "Ben", "Lee"], "tags": ["B-PER", "O", "B-PER", "I-PER"]}


@pytest.mark.parametrize("suffix", [".conllu", ".conllu.gz", ".jsonl", ".jsonl.gz"])
def test_damaged_files_of_tagged_words_are_read_or_refused(tmp_path, suffix):
    vocab, path = spacy.blank("en").vocab, tmp_path / f"words{suffix}"
    conllu = "conllu" in suffix

    def read():
        report = TokenReport()
        bio = convert_bio(path, vocab, report)
        docs = list(convert_conllu(path, vocab, report, xpos=True) if conllu else bio)
        DocBin(docs=docs).to_bytes()
        assert (len(docs), sum(map(len, docs))) == (report.written, report.words)
        return f"{len(docs)} docs"

    def retyped(rng):
        if conllu:
            columns = SENTENCES.split(b"\t")
            columns[rng.randrange(len(columns))] = dump(rng.choice(STRANGE))
            return b"\t".join(columns)
        return b"\n".join([dump(TAGGED), dump(spoil(TAGGED, rng))])

    content = SENTENCES if conllu else b"\n".join([dump(TAGGED)] * 2)
    found = outcomes(CASES // 4, write_spoiled(path, content, retyped), read, "[B")
    assert found["B326" if conllu else "B314"] > 20
    path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    assert read() == "2 docs"


def test_damaged_training_logs_are_read_or_refused(tmp_path):
    path = tmp_path / "log.jsonl"
    rows = [
        {"step": step, "score": 0.5, "losses": {"tagger": 1.5}, "epoch": 0} for step in (0, 100)
    ]

    def read():
        log = read_log(path)
        draw_log({"log": log}, "", tmp_path / "log.png") if rng.random() < 0.1 else None
        return f"{len(log)} rows"

    rng = random.Random(1)
    retyped = lambda rng: b"\n".join(dump(spoil(row, rng)) for row in rows)  # noqa: E731
    found = outcomes(
        CASES, write_spoiled(path, b"\n".join(map(dump, rows)), retyped), read, "[B313]"
    )
    assert found["B313"] > 50
    assert found["2 rows"] > 20


@pytest.mark.parametrize("value", ["9" * 400, "1e999", "nan"])
def test_rows_with_non_finite_numbers_are_skipped(tmp_path, value):
    path, report = tmp_path / "rows.jsonl", PairReport()
    path.write_text(f'{{"a": "x", "label": {value}}}\n'.replace("nan", "NaN"))
    rows, columns = read_rows(path), PairColumns("a", None, "label", "regression")
    assert list(convert_pairs(rows, str(path), columns, spacy.blank("en"), report)) == []
    assert report.skipped == {"'label' is not a finite number": [1]}


def test_only_a_line_feed_ends_a_line(tmp_path):
    """Other line ends inside JSON strings are text."""
    path = tmp_path / "data.jsonl"
    path.write_text(
        json.dumps({**FLAT, "context": f"{CONTEXT}\u2028\x85\u2029."}, ensure_ascii=False),
        encoding="utf8",
    )
    (doc,) = convert_squad(path, spacy.blank("en"), SquadReport())
    assert [answer.text for answer in get_answers(doc)] == ["Ann"]


@pytest.mark.parametrize("name", ["bomb.json.gz", "bomb.jsonl.gz", "bomb.csv.gz"])
@pytest.mark.parametrize("filler", [b"[", b" ", b'"'])
def test_gzip_bombs_are_refused(tmp_path, name, filler):
    """A file of 200 KB that unpacks to 200 MB is refused with little memory."""
    path = tmp_path / name
    path.write_bytes(gzip.compress(filler * 2_000_000, 1) * 100)
    nlp, columns = spacy.blank("en"), PairColumns("a", None, "label")
    if ".json." in name:
        docs = convert_squad(path, nlp, SquadReport())
    else:
        docs = convert_pairs(read_rows(path), str(path), columns, nlp, PairReport())
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"B320.*bomb"):
        next(docs)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * ALWAYS_ALLOWED


def test_answers_in_docbins_with_strange_attributes_are_read_and_scored():
    nlp, rng = spacy.blank("en"), random.Random(0)
    doc = nlp.make_doc(f"Who wrote it? [SEP] {CONTEXT}")
    set_answers(
        doc,
        [(20, 23), (48, 51)],
        [0.7, 0.2],
        {"unplaced": ["Anne"], "best": [20, 23], "null_diff": 0.1},
    )
    attrs, clean = dict(doc.spans["answers"].attrs), doc.copy()
    score, changed = make_span_qa_scorer(), 0
    for _ in range(CASES // 2):
        spoiled = spoil(attrs, rng)
        if r"\ud800" in str(spoiled) or str(10**30) in str(spoiled):
            continue  # a DocBin cannot hold them
        doc.spans["answers"].attrs.clear()
        doc.spans["answers"].attrs.update(spoiled)
        (again,) = DocBin().from_bytes(DocBin(docs=[doc]).to_bytes()).get_docs(nlp.vocab)
        answers = get_answers(again)
        assert all(answer.text in again.text and answer.span.text for answer in answers)
        assert all(isinstance(text, str) for text in accepted_texts(again))
        changed += dict(again.spans["answers"].attrs) != attrs
        assert 0 <= score([spacy.training.Example(clean, again)])["qa_f1"] <= 1
    assert changed > 100
