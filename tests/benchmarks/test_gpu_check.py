"""scripts/gpu_check.py on the CPU: checks run apart, a failure is a row and the exit status."""

import sys

import pytest

from scripts import gpu_bundle, gpu_check

N_CELLS = 5


def run(monkeypatch, capsys, *options):
    """RETURNS (tuple[list[list[str]], int]): The cells of the rows, and the exit status."""
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", "--device", "cpu", *options])
    with pytest.raises(SystemExit) as ended:
        gpu_check.main()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert all(len(row) == N_CELLS for row in rows)
    return rows, ended.value.code


def test_what_a_cpu_cannot_check_is_skipped(tiny, monkeypatch, capsys):
    only = ("--only", "several pipelines", "gradient scaling", "moves")
    rows, status = run(monkeypatch, capsys, "--backbone", tiny, *only)
    assert status == 0
    results = {(check, precision): result for check, _, precision, result, _ in rows}
    assert len(results) == len(rows) == 9
    assert "of its tensors' bytes" in results["several pipelines", "bfloat16"]
    assert results["several pipelines", "float16"] == "skipped: float16 needs a GPU"
    assert results["moves", "float32"] == "skipped: needs a GPU"


def test_a_check_that_fails_is_a_row_and_the_others_go_on(tiny, monkeypatch, capsys):
    def fail(setup):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(gpu_check, "CHECKS", {"broken": fail, "fine": lambda setup: "as it was"})
    rows, status = run(monkeypatch, capsys, "--backbone", tiny)
    assert status == 1
    assert [row[3] for row in rows[:2]] == ["**FAILED** RuntimeError: no such kernel", "as it was"]


def test_checks_that_come_too_late_have_failed(tiny, monkeypatch, capsys):
    monkeypatch.setattr(gpu_check, "CHECKS", {"fine": lambda setup: "as it was"})
    rows, status = run(monkeypatch, capsys, "--backbone", tiny, "--limit", "0")
    assert status == 1
    assert {row[3] for row in rows} == {"**FAILED** not run within 0 s"}


def test_without_a_gpu_the_script_says_so(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit, match="There is no GPU"):
        gpu_check.describe_device("gpu")


@pytest.mark.slow
def test_every_check_holds_on_a_cpu(monkeypatch, capsys):
    monkeypatch.setattr(gpu_check, "MINILM", "not_installed:model")
    rows, status = run(monkeypatch, capsys)
    assert status == 0, rows
    assert {row[1] for row in rows} == {"tiny bert", "tiny llama"}


def test_a_bundle_leaves_out_what_the_other_machine_has():
    found = gpu_bundle.find_requirements(["tokenizers"], "3.12")
    names = {line.split("==")[0] for line in found}
    assert {"spacy", "thinc", "spacy-transformers", "transformers"} <= names
    assert not any(name.startswith(("torch", "nvidia", "tokenizers", "cupy")) for name in names)


def test_a_bundle_is_joined_only_if_it_is_complete(monkeypatch, tmp_path):
    tree, parts = tmp_path / "tree", tmp_path / "parts"
    monkeypatch.setattr(gpu_bundle, "PART", 50)

    def fake_pip(command, check):
        target = gpu_bundle.Path(command[command.index("--target") + 1])
        (target / "package" / "tests").mkdir(parents=True, exist_ok=True)
        (target / "package" / "code.py").write_text("x = 1")
        (target / "package" / "code.pyx").write_text("x = 1")

    monkeypatch.setattr(gpu_bundle.subprocess, "run", fake_pip)
    gpu_bundle.make(parts, "3.12", [])
    assert len(list(parts.glob("part*"))) > 1
    assert all(path.stat().st_size <= 50 for path in parts.glob("part*"))
    gpu_bundle.install(parts, tree)
    assert [path.name for path in (tree / "package").iterdir()] == ["code.py"]
    (parts / "part000").unlink()
    with pytest.raises(SystemExit, match="not complete"):
        gpu_bundle.install(parts, tree)
