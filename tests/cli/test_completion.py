"""The script of `bertfamily completion` completes commands, options, names and files."""

import shutil
import subprocess

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from spacy_bertfamily import released
from spacy_bertfamily.cli import bertfamily_cli
from spacy_bertfamily.cli.completion import Shell, make_script

COMMANDS = get_command(bertfamily_cli).commands


def complete(line, folder, shell="bash"):
    """RETURNS (set[str]): What the shell offers for the last word of a line."""
    script = make_script(Shell(shell), get_command(bertfamily_cli), list(released.NAMES))
    words = line.split(" ")
    call = (
        f"COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; "
        "_spacy_bertfamily; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    if shell == "zsh":
        call = f"setopt ksharrays; {call}"
    result = subprocess.run(
        [shell, "-c", f"{script}\n{call}"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    found = set(result.stdout.split())
    # zsh itself leaves out what does not begin like the word
    return {word for word in found if word.startswith(words[-1])} if shell == "zsh" else found


@pytest.fixture(params=["bash", "zsh"])
def shell(request):
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return request.param


@pytest.mark.parametrize("start", ["spacy bertfamily", "python -m spacy bertfamily"])
def test_commands_are_completed(start, shell, tmp_path):
    assert complete(f"{start} an", tmp_path, shell) == {"annotate"}
    assert complete(f"{start} ", tmp_path, shell) >= set(COMMANDS)


def test_options_and_subcommands_are_completed(shell, tmp_path):
    options = {o for p in COMMANDS["ask"].params for o in p.opts if o.startswith("--")}
    assert complete("spacy bertfamily ask --", tmp_path, shell) == options | {"--help"}
    found = complete("spacy bertfamily adapters ", tmp_path, shell)
    assert found >= {"list", "export", "import"}
    assert "--format" in complete("spacy bertfamily adapters export x --f", tmp_path, shell)


def test_released_names_and_files_are_completed(shell, tmp_path):
    (tmp_path / "en_mine").mkdir()
    found = complete("spacy bertfamily ask en_m", tmp_path, shell)
    assert found == {"en_mine", *(name for name in released.NAMES)}


def test_other_commands_of_python_are_left_alone(shell, tmp_path):
    assert complete("python -m spacy tr", tmp_path, shell) == set()
    assert complete("python scr", tmp_path, shell) == set()


def test_the_command_prints_the_script():
    result = CliRunner().invoke(bertfamily_cli, ["completion", "bash"])
    assert result.exit_code == 0
    assert "complete -o bashdefault" in result.output
    assert CliRunner().invoke(bertfamily_cli, ["completion", "tcsh"]).exit_code == 2
