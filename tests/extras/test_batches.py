"""Batches of pandas and Arrow; files of Parquet."""

import json

import pytest

from spacy_bertfamily import Annotate
from spacy_bertfamily.scale.corpus import annotate_corpus, count_rows
from spacy_bertfamily.scale.fields import FIELDS

from ..util.annotating import FAILS, capitals, read_rows_of
from ..util.every_component import TEXTS as PAIRS
from ..util.every_component import make_every_component
from ..util.extras import require

pa = require("pyarrow")
pq = require("pyarrow.parquet")
pd = require("pandas")

TEXTS = ["Ann likes London", "", FAILS, "green eggs"]


def add_rows(annotate):
    """RETURNS (list[dict]): What is added to the texts, as rows."""
    return [{k: v for k, v in row.items() if k != "text"} for row in annotate(TEXTS)]


def without_missing(value):
    """RETURNS (Any): A value with None for what pandas has as NaN."""
    return None if isinstance(value, float) and value != value else value


def rows_of(frame):
    rows = frame.to_dict("records")
    return [{key: without_missing(value) for key, value in row.items()} for row in rows]


def test_frames_and_series(capitals_folder):
    annotate = capitals(capitals_folder)
    frame = pd.DataFrame({"id": [1, 2, 3, 4], "text": TEXTS}, index=[7, 5, 7, 2])
    found = annotate(frame)
    assert list(found.columns) == ["id", "text", "ents", "cats", "error"]
    assert list(found.index) == [7, 5, 7, 2]
    assert rows_of(found[["ents", "cats", "error"]]) == add_rows(annotate)
    assert list(frame.columns) == ["id", "text"]
    series = annotate(frame["text"])
    assert list(series.columns) == ["ents", "cats", "error"]
    assert rows_of(series) == add_rows(annotate)
    batches = list(annotate(iter([frame[:2], frame[2:]])))
    assert rows_of(pd.concat(batches)) == rows_of(found)
    missing = annotate(pd.DataFrame({"text": ["Ann", None, float("nan"), pd.NA]}))
    assert [error is None for error in missing["error"]] == [True, False, False, False]
    with pytest.raises(ValueError, match="B504.*ents"):
        annotate(found)
    with pytest.raises(ValueError, match="B503.*'text'.*id"):
        annotate(frame[["id"]])


@pytest.mark.parametrize("kind", [pa.Table, pa.RecordBatch])
def test_tables_and_record_batches(capitals_folder, kind):
    annotate = capitals(capitals_folder)
    given = kind.from_pydict({"id": [1, 2, 3, 4], "text": TEXTS})
    found = annotate(given)
    assert type(found) is kind
    assert found.schema == annotate.arrow_schema(given.schema)
    expected = [
        {**row, "cats": None if row["cats"] is None else list(row["cats"].items())}
        for row in add_rows(annotate)
    ]
    assert found.select(["ents", "cats", "error"]).to_pylist() == expected
    empty = annotate(given.slice(0, 0))
    assert empty.schema == found.schema
    assert annotate(kind.from_pydict({"text": [None, None]})).num_rows == 2


def test_every_field_has_its_type(tiny, tmp_path):
    make_every_component(tiny)[0].to_disk(tmp_path)
    annotate = Annotate(tmp_path, list(FIELDS))
    table = annotate(pa.table({"text": PAIRS}))
    rows = annotate(PAIRS)
    for name in FIELDS:
        values = table.column(name).to_pylist()
        is_map = pa.types.is_map(table.schema.field(name).type)
        if name == "docbin":  # the order of its strings is not defined
            assert all(isinstance(value, bytes) for value in values)
        else:
            expected = [list(r[name].items()) if is_map else r[name] for r in rows]
            assert values == expected


def test_parquet_is_read_and_written(capitals_folder, tmp_path):
    schema = pa.schema([("key", pa.int16()), ("text", pa.large_string()), ("none", pa.int32())])
    texts = ["Ann", "eat ham", FAILS, None, "Bob and Eve"]
    given = pa.table({"key": range(5), "text": texts, "none": [None] * 5}, schema)
    pq.write_table(given, tmp_path / "texts.parquet")
    assert count_rows(tmp_path / "texts.parquet") == 5
    annotate = capitals(capitals_folder)
    for name, columns in (("all", ["key", "text", "none"]), ("key", ["key"])):
        counts = annotate_corpus(
            annotate,
            tmp_path / "texts.parquet",
            tmp_path / name,
            format="parquet",
            shard_size=2,
            id_column=None if name == "all" else name,
        )
        assert counts == (3, 5, 2, 0)
        files = sorted((tmp_path / name).glob("*.parquet"))
        tables = [pq.read_table(file) for file in files]
        found = pa.concat_tables(tables)  # all have the same types
        assert found.column_names == [*columns, "ents", "cats"]
        assert found.schema.field("key").type == pa.int16()
        assert found.column("key").to_pylist() == [0, 1, 4]
        assert [len(ents) for ents in found.column("ents").to_pylist()] == [1, 0, 2]
    assert [row["input"]["key"] for row in read_rows_of(tmp_path / "all", "_failed")] == [2, 3]
    # of other input, the types are those of the values
    lines = [json.dumps({"text": "Ann", "n": 1}), json.dumps({"text": "Bob", "m": "x"})]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    annotate_corpus(annotate, tmp_path / "t.jsonl", tmp_path / "lines", format="parquet")
    [file] = (tmp_path / "lines").glob("*.parquet")
    assert pq.read_table(file).column("n").to_pylist() == [1, None]
    # and bytes and dates become strings in JSON
    annotate_corpus(capitals(capitals_folder, "docbin"), tmp_path / "t.jsonl", tmp_path / "docs")
    assert isinstance(read_rows_of(tmp_path / "docs")[0]["docbin"], str)


def test_a_damaged_file_of_parquet_is_an_error(capitals_folder, tmp_path):
    (tmp_path / "texts.parquet").write_bytes(b"PAR1, or not")
    with pytest.raises(ValueError, match="B321.*texts.parquet"):
        annotate_corpus(capitals(capitals_folder), tmp_path / "texts.parquet", tmp_path / "out")


def test_files_of_parquet_with_other_columns_go_together(capitals_folder, tmp_path):
    source = tmp_path / "texts"
    source.mkdir()
    pq.write_table(
        pa.table({"text": ["Ann"], "n": pa.array([1], pa.int16())}), source / "a.parquet"
    )
    pq.write_table(pa.table({"text": ["Bob"], "n": [2], "m": ["x"]}), source / "b.parquet")
    annotate_corpus(
        capitals(capitals_folder), source, tmp_path / "out", format="parquet", shard_size=1
    )
    files = sorted((tmp_path / "out").glob("*.parquet"))
    found = pa.concat_tables([pq.read_table(file) for file in files])
    assert found.column("n").to_pylist() == [1, 2]
    assert found.column("m").to_pylist() == [None, "x"]
    # beside another format the types are those of the values
    (source / "c.jsonl").write_text('{"text": "Eve", "o": 3}\n')
    annotate_corpus(capitals(capitals_folder), source, tmp_path / "mixed", format="parquet")
    [file] = (tmp_path / "mixed").glob("*.parquet")
    assert pq.read_table(file).column("o").to_pylist() == [None, None, 3]


def test_files_of_parquet_with_types_that_exclude_each_other_are_an_error(
    capitals_folder, tmp_path
):
    pq.write_table(pa.table({"text": ["Ann"], "n": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["Bob"], "n": ["x"]}), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match="B515.*b.parquet.* n .*one type"):
        annotate_corpus(capitals(capitals_folder), tmp_path, tmp_path / "out", format="parquet")


def test_rows_that_do_not_fit_into_parquet_are_set_aside(capitals_folder, tmp_path):
    source = tmp_path / "texts.jsonl"
    source.write_text('{"text": "Ann", "n": 1}\n{"text": "Bob", "n": {"a": 2}}\n')
    annotate_corpus(capitals(capitals_folder), source, tmp_path / "out", format="parquet")
    [file] = (tmp_path / "out").glob("*.parquet")
    assert pq.read_table(file).column("text").to_pylist() == ["Ann"]
    [failure] = read_rows_of(tmp_path / "out", "_failed")
    assert failure["row"] == 1
    assert "'n' does not fit into Parquet" in failure["reason"]
