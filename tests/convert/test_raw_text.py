"""Raw text is read from every kind of file, and what is broken is refused."""

import gzip
import json

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_bertfamily.convert.raw_text import read_texts
from spacy_bertfamily.errors import BertFamilyError


def test_texts_are_read_from_every_kind_of_file(tmp_path):
    texts = ["Ann laughs.", "Zürich"]
    lines = "\n".join(texts)
    rows = "\n".join(json.dumps({"text": text}) for text in texts)
    (tmp_path / "a.txt").write_text(lines, encoding="utf8")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "c.jsonl").write_text(rows + "\n", encoding="utf8")
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(rows.encode()))
    nlp = spacy.blank("en")
    DocBin(docs=[nlp.make_doc(text) for text in texts]).to_disk(tmp_path / "e.spacy")
    paths = sorted(tmp_path.iterdir())
    assert len(paths) == 5
    for path in paths:
        assert list(read_texts([path])) == texts, path.name
    assert len(list(read_texts(paths))) == 10


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "a"}\n{"words": []}', r"\[B421\] Line 2 of .*has no 'text'"),
        ("a.jsonl", b"nothing", r"\[B421\] Line 1 of .*not JSON"),
        ("a.txt", b"\xff\xfe\xfa", r"\[B321\]"),
        ("a.txt.gz", b"no gzip", r"\[B321\]"),
        ("a.spacy", b"no DocBin", r"\[B321\] .*it is no DocBin"),
    ],
)
def test_files_that_cannot_be_read_are_refused(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BertFamilyError, match=message):
        list(read_texts([tmp_path / name]))
