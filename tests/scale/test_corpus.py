"""Files in, numbered files out: nothing lost, nothing twice, whatever stops it."""

import errno
import gzip
import json
import subprocess
import sys
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_bertfamily.cli import bertfamily_cli
from spacy_bertfamily.scale import folder, local
from spacy_bertfamily.scale.corpus import annotate_corpus, count_rows

from ..util import annotating
from ..util.annotating import FAILS, KILLS, capitals, contents, read_rows_of, write_rows
from ..util.files import ROOT

TEXTS = ["Ann likes London", "", FAILS, "Bob", "eat ham", FAILS, "Eve wrote to Bob"]
# the last number of the three shards of two rows, and of the one row that is left
LAST = 3


@pytest.fixture
def source(tmp_path):
    return write_rows(tmp_path / "texts.jsonl", TEXTS)


def annotate_texts(capitals_folder, source, target, size=2, **settings):
    return annotate_corpus(capitals(capitals_folder), source, target, shard_size=size, **settings)


def run_command(capitals_folder, source, target, *args):
    words = ["annotate", capitals_folder, source, target, "--code", annotating.__file__, *args]
    return CliRunner().invoke(bertfamily_cli, [str(word) for word in words])


def test_rows_keep_their_order_and_failures_are_set_aside(capitals_folder, source, tmp_path):
    counts = annotate_texts(capitals_folder, source, tmp_path / "out")
    assert counts == (4, 7, 2, 0)
    rows = read_rows_of(tmp_path / "out")
    assert [row["text"] for row in rows] == [text for text in TEXTS if text != FAILS]
    assert [row["id"] for row in rows] == ["row 0", "row 1", "row 3", "row 4", "row 6"]
    direct = capitals(capitals_folder)([row["text"] for row in rows])
    assert [row["ents"] for row in rows] == [row["ents"] for row in direct]
    reason = "RuntimeError: there is a text that I cannot take"
    assert read_rows_of(tmp_path / "out", "_failed") == [
        {"row": row, "reason": reason, "input": {"id": f"row {row}", "text": FAILS}}
        for row in (2, 5)
    ]
    done = json.loads((tmp_path / "out" / "_manifest.json").read_text())["done"]
    assert done == counts._asdict()


def write_input(kind, folder):
    """Write the texts in a format. RETURNS (Path): The file or folder."""
    texts = ["Ann likes London", "green eggs", "Bob"]
    path = folder / f"texts{kind}"
    if kind == ".jsonl.gz":
        with gzip.open(path, "wt", encoding="utf8") as file:
            file.writelines(json.dumps({"id": i, "text": t}) + "\n" for i, t in enumerate(texts, 1))
    elif kind == ".txt":
        path.write_text("\n".join(texts) + "\n")
    elif kind == ".spacy":
        nlp = spacy.blank("en")
        DocBin(docs=[nlp(text) for text in texts]).to_disk(path)
    else:
        for number, text in enumerate(texts, 1):
            path = folder / "texts" / f"part{number // 3}" / f"{number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (folder / "texts" / "read.me").write_text("no text")
        return folder / "texts"
    return path


@pytest.mark.parametrize("kind", [".jsonl.gz", ".txt", ".spacy", "folder"])
def test_formats_of_input(capitals_folder, tmp_path, kind):
    path = write_input(kind, tmp_path)
    counts = annotate_texts(capitals_folder, path, tmp_path / "out")
    assert counts.texts == 3
    assert count_rows(path) in (3, None)
    rows = read_rows_of(tmp_path / "out")
    assert [row["text"] for row in rows] == ["Ann likes London", "green eggs", "Bob"]
    ids = ["part0/1.txt", "part0/2.txt", "part1/3.txt"] if kind == "folder" else [1, 2, 3]
    assert [row["id"] for row in rows] == ids
    assert [len(row["ents"]) for row in rows] == [2, 0, 1]


def test_rows_that_cannot_be_read_are_set_aside(capitals_folder, tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "Ann"}\n{"text": \n\n[3]\n{"id": 4}\n{"text": "Bob"}\n')
    assert annotate_texts(capitals_folder, path, tmp_path / "out")[1:3] == (5, 3)
    failed = read_rows_of(tmp_path / "out", "_failed")
    assert [(row["row"], row["reason"]) for row in failed] == [
        (1, "not JSON"),
        (2, "not a JSON object"),
        (3, "there is no text"),
    ]
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_bytes(b"\xff\xfe\xfa")
    (tmp_path / "texts" / "b.txt").write_text("Ann")
    assert annotate_texts(capitals_folder, tmp_path / "texts", tmp_path / "out2")[1:3] == (2, 1)
    assert "B321" in read_rows_of(tmp_path / "out2", "_failed")[0]["reason"]


def test_lines_that_are_not_utf8_are_set_aside(capitals_folder, tmp_path):
    (tmp_path / "texts.txt").write_bytes(b"Ann\n\xff\xfe\nBob\n")
    lines = b'{"text": "Ann"}\n{"text": "\xff"}\n{"text": "Bob"}\n'
    (tmp_path / "texts.jsonl").write_bytes(lines)
    for name in ("texts.txt", "texts.jsonl"):
        out = tmp_path / f"out_{name}"
        assert annotate_texts(capitals_folder, tmp_path / name, out)[1:3] == (3, 1)
        assert [row["text"] for row in read_rows_of(out)] == ["Ann", "Bob"]
        [failure] = read_rows_of(out, "_failed")
        assert failure["row"] == 1
        assert "UTF-8" in failure["reason"]


def test_hidden_files_and_the_output_are_not_read(capitals_folder, tmp_path):
    for name in (".hidden.txt", ".git/a.txt", "shown.txt"):
        path = tmp_path / "texts" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(name)
    out = tmp_path / "texts" / "out"
    for _ in range(2):
        annotate_texts(capitals_folder, tmp_path / "texts", out)
        assert [row["text"] for row in read_rows_of(out)] == ["shown.txt"]


def test_a_row_with_a_column_called_as_the_annotation_is_set_aside(capitals_folder, tmp_path):
    source = tmp_path / "texts.jsonl"
    source.write_text('{"text": "Ann"}\n{"text": "Bob", "ents": []}\n')
    assert annotate_texts(capitals_folder, source, tmp_path / "out")[1:3] == (2, 1)
    [failure] = read_rows_of(tmp_path / "out", "_failed")
    assert failure["reason"] == "its column(s) ents are called as what is added"


def test_only_the_id_is_kept_if_it_is_named(capitals_folder, source, tmp_path):
    annotate_texts(capitals_folder, source, tmp_path / "out", id_column="id")
    rows = read_rows_of(tmp_path / "out")
    assert {tuple(row) for row in rows} == {("id", "ents", "cats")}
    with pytest.raises(ValueError, match="B503.*'number'.*id, text"):
        annotate_texts(capitals_folder, source, tmp_path / "out2", id_column="number")


def test_docbins_hold_all_docs(capitals_folder, source, tmp_path):
    annotate = capitals(capitals_folder, "docbin")
    counts = annotate_corpus(annotate, source, tmp_path / "out", format="spacy", shard_size=4)
    assert counts[:3] == (2, 7, 2)
    nlp = spacy.blank("en")
    files = sorted((tmp_path / "out").glob("*.spacy"))
    docs = [doc for f in files for doc in DocBin().from_disk(f).get_docs(nlp.vocab)]
    assert [doc.text for doc in docs] == [text for text in TEXTS if text != FAILS]
    assert [ent.text for ent in docs[-1].ents] == ["Eve", "Bob"]
    with pytest.raises(ValueError, match="B514.*ents"):
        annotate_corpus(capitals(capitals_folder, "ents"), source, tmp_path / "o", format="spacy")


@pytest.mark.parametrize("stop", range(LAST + 1))
def test_a_run_goes_on_where_it_stopped(capitals_folder, source, tmp_path, stop, monkeypatch):
    annotate_texts(capitals_folder, source, tmp_path / "whole")
    write = folder.write_atomically

    def fail(path, content):
        if path.name == f"shard-{stop:06d}.jsonl":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    monkeypatch.setattr(folder, "write_atomically", fail)
    with pytest.raises(ValueError, match="B511.*No space left.*goes on from it"):
        annotate_texts(capitals_folder, source, tmp_path / "out")
    monkeypatch.setattr(folder, "write_atomically", write)
    # what a process that is killed while it writes leaves
    (tmp_path / "out" / ".shard-000001.jsonl.0123").write_text("half")
    seen = []
    counts = annotate_texts(
        capitals_folder,
        source,
        tmp_path / "out",
        on_shard=lambda texts, failures: seen.append(texts),
    )
    assert counts == (4, 7, 2, 2 * stop)
    assert sum(seen) == 7 - 2 * stop
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    again = annotate_texts(capitals_folder, source, tmp_path / "out")
    assert again == (4, 7, 2, 7)


def test_the_folder_of_another_run_is_an_error(capitals_folder, source, tmp_path):
    target = tmp_path / "out"
    annotate_texts(capitals_folder, source, target)
    with pytest.raises(ValueError, match="B510.*shard size was 2, and is 3 now"):
        annotate_texts(capitals_folder, source, target, size=3)
    with pytest.raises(ValueError, match="B510.*annotation was"):
        annotate_corpus(capitals(capitals_folder, "ents"), source, target, shard_size=2)
    other = write_rows(tmp_path / "others.jsonl", TEXTS[1:])
    with pytest.raises(ValueError, match="B510.*input was"):
        annotate_texts(capitals_folder, other, target)
    changed = annotating.make_capitals(tmp_path / "changed")
    nlp = spacy.load(changed)
    nlp.meta["version"] = "9.9.9"
    nlp.to_disk(changed)
    with pytest.raises(ValueError, match="B510.*pipeline was"):
        annotate_texts(changed, source, target)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("Do not delete")
    with pytest.raises(ValueError, match="B510.*no manifest"):
        annotate_texts(capitals_folder, source, tmp_path / "mine")
    for content in ("{", '{"settings": []}', "[]"):
        (target / "_manifest.json").write_text(content)
        with pytest.raises(ValueError, match="B510.*cannot be read"):
            annotate_texts(capitals_folder, source, target)


def test_a_text_is_not_in_the_shard_and_among_the_failures(capitals_folder, source, tmp_path):
    annotate_texts(capitals_folder, source, tmp_path / "whole")
    annotate_texts(capitals_folder, source, tmp_path / "out")
    # as if the last text, which is fine, had failed before the run was stopped
    (tmp_path / "out" / "shard-000003.jsonl").unlink()
    (tmp_path / "out" / "_failed-000003.jsonl").write_text("{}\n")
    assert annotate_texts(capitals_folder, source, tmp_path / "out").failures == 2
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine": "slurm"}, "B505.*engine = 'slurm'.*local, ray, spark"),
        ({"format": "xml"}, "B505.*format = 'xml'.*jsonl, parquet, spacy"),
        ({"workers": 0}, "B505.*workers = 0"),
        ({"size": 0}, "B505.*shard_size = 0"),
    ],
)
def test_wrong_settings_are_an_error(capitals_folder, source, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        annotate_texts(capitals_folder, source, tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("engine", "package"), [("ray", "ray"), ("spark", "pyspark.sql")])
def test_a_missing_engine_is_an_error_that_names_the_extra(
    capitals_folder, source, tmp_path, engine, package, monkeypatch
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf"B509.*{engine}.*spacy-bertfamily\[{engine}\]"):
        annotate_texts(capitals_folder, source, tmp_path / "out", engine=engine)


def test_parquet_without_pyarrow_is_an_error_that_names_the_extra(
    capitals_folder, source, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"B509.*Parquet.*spacy-bertfamily\[parquet\]"):
        annotate_texts(capitals_folder, source, tmp_path / "out", format="parquet")


def test_the_command_reports(capitals_folder, source, tmp_path):
    result = run_command(capitals_folder, source, tmp_path / "out", "-a", "ents", "-s", "3")
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "2 of 7 texts failed" in said
    assert "5 texts in" in said
    assert "texts/s" in said
    again = run_command(capitals_folder, source, tmp_path / "out", "-a", "ents", "-s", "3")
    assert "7 were there already" in " ".join(again.output.split())
    all_fail = write_rows(tmp_path / "bad.jsonl", [FAILS, None])
    result = run_command(capitals_folder, all_fail, tmp_path / "out2", "-a", "ents")
    assert result.exit_code == 1
    assert "Nothing could be annotated" in result.output


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["-a", "entities"], "B501"),
        (["-a", ""], "B501"),
        (["-a", "ents", "-t", "body"], "B503"),
        (["-a", "ents", "-f", "spacy"], "B514"),
    ],
)
def test_errors_of_the_command(capitals_folder, source, tmp_path, args, message):
    result = run_command(capitals_folder, source, tmp_path / "out", *args)
    assert result.exit_code == 1
    assert message in result.output


def test_no_pipeline_and_no_input_are_errors(capitals_folder, source, tmp_path):
    result = run_command("nothing", source, tmp_path / "out", "-a", "ents")
    assert "B506" in result.output
    assert "en_minilm_qa" in result.output
    (tmp_path / "empty").mkdir()
    result = run_command(capitals_folder, tmp_path / "empty", tmp_path / "out", "-a", "ents")
    assert "B508" in result.output


class FlakyPool:
    """Calls in this process; its third call breaks it, as if a process of it had died."""

    made = 0

    def __init__(self, workers, mp_context, initializer):
        FlakyPool.made += 1
        self.calls = 0

    def submit(self, function, *args):
        self.calls += 1
        future = Future()
        if self.calls >= 3:
            future.set_exception(BrokenProcessPool())
        else:
            future.set_result(function(*args))
        return future

    def shutdown(self, wait=True, cancel_futures=False):
        self.calls = 3


def test_shards_of_workers_that_die_are_done_again(capitals_folder, tmp_path, monkeypatch):
    source = write_rows(tmp_path / "texts.jsonl", [f"Text {number}" for number in range(30)])
    monkeypatch.setattr(local, "ProcessPoolExecutor", FlakyPool)
    annotate_texts(capitals_folder, source, tmp_path / "one", size=1)
    seen = []
    counts = annotate_texts(
        capitals_folder,
        source,
        tmp_path / "two",
        size=1,
        workers=2,
        on_shard=lambda texts, failures: seen.append(texts),
    )
    assert FlakyPool.made == 15
    assert counts == (30, 30, 0, 0)
    assert len(seen) == 30
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


@pytest.mark.slow
def test_workers_give_the_same_files_as_one_process(capitals_folder, source, tmp_path):
    """There are more workers than shards, and one of them dies twice."""
    deaths = tmp_path / "deaths"
    deaths.write_text("0")
    texts = write_rows(tmp_path / "deadly.jsonl", [*TEXTS, f"{KILLS}{deaths}"])
    annotate_texts(capitals_folder, texts, tmp_path / "one", size=6)
    deaths.write_text("1")
    counts = annotate_texts(capitals_folder, texts, tmp_path / "three", size=6, workers=3)
    assert deaths.read_text() == "0"
    assert counts == (2, 8, 2, 0)
    assert contents(tmp_path / "three") == contents(tmp_path / "one")


@pytest.mark.slow
def test_a_text_that_kills_every_worker_is_set_aside(capitals_folder, tmp_path):
    deaths = tmp_path / "deaths"
    deaths.write_text("99")
    texts = ["Ann", "Bob", f"{KILLS}{deaths}"]
    source = write_rows(tmp_path / "deadly.jsonl", texts)
    counts = annotate_texts(capitals_folder, source, tmp_path / "out", size=2, workers=2)
    assert counts == (2, 3, 1, 0)
    assert [row["text"] for row in read_rows_of(tmp_path / "out")] == texts[:2]
    [failure] = read_rows_of(tmp_path / "out", "_failed")
    assert failure["row"] == 2
    assert "the worker process died" in failure["reason"]


class DeadPool(FlakyPool):
    """Has no process that lives long enough to finish anything."""

    def submit(self, function, *args):
        future = Future()
        future.set_exception(BrokenProcessPool())
        return future


def test_workers_that_die_of_every_text_are_an_error(capitals_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(local, "ProcessPoolExecutor", DeadPool)
    source = write_rows(tmp_path / "texts.jsonl", [f"Text {number}" for number in range(30)])
    with pytest.raises(ValueError, match=r"B512.*shard 0 \(rows 0 to 9\).*smaller batch_size"):
        annotate_texts(capitals_folder, source, tmp_path / "out", size=10, workers=2)


@pytest.mark.slow
def test_a_driver_that_is_killed_loses_and_doubles_nothing(capitals_folder, tmp_path):
    source = write_rows(tmp_path / "texts.jsonl", [f"Text {number}" for number in range(40)])
    annotate_texts(capitals_folder, source, tmp_path / "whole", size=1)
    words = [
        "annotate",
        str(capitals_folder),
        str(source),
        str(tmp_path / "out"),
        "-a",
        "ents,cats",
    ]
    words += ["--code", annotating.__file__, "-s", "1", "-w", "2"]
    command = [sys.executable, "-m", "spacy", "bertfamily", *words]
    for shards in (1, 15):
        driver = subprocess.Popen(command, cwd=ROOT)
        for _ in range(1200):
            if len(list((tmp_path / "out").glob("shard-*"))) >= shards:
                break
            time.sleep(0.05)
        driver.kill()
        driver.wait()
    assert subprocess.run(command, cwd=ROOT, check=True).returncode == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
