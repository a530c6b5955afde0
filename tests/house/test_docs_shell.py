"""The shell commands of the documentation: commands, options, configs and extras exist."""

import re
import shlex
import subprocess
import sys
from importlib.metadata import metadata

import pytest
from spacy.cli._util import app, parse_config_overrides
from spacy.util import load_config
from typer.main import get_command

import spacy_bertfamily.cli  # noqa: F401 (adds our commands to spaCy's)
from spacy_bertfamily.init_config.make import make_config

from ..util.docs import PAGES, blocks
from ..util.files import ROOT

# What other pages make, or a user has.
GIVEN = {"ner.cfg": ("ner", "adapter")}
LINES = {
    f"{page}-{n}-{m}": line
    for page in PAGES
    for n, block in enumerate(blocks(page, "bash"))
    for m, line in enumerate(block.splitlines())
}
COMMANDS = get_command(app)
SPACY = {name: line for name, line in LINES.items() if "-m spacy " in line}


def split(line):
    """RETURNS (list[str]): The words after `-m spacy`."""
    words = shlex.split(re.sub(r'^eval "\$\((.*)\)"$', r"\1", line), comments=True)
    return words[words.index("spacy") + 1 :]


@pytest.mark.parametrize("line", SPACY.values(), ids=SPACY.keys())
def test_commands_and_options_exist(line):
    command, words = COMMANDS, split(line)
    while hasattr(command, "commands"):
        assert words[0] in command.commands, line
        command, words = command.commands[words[0]], words[1:]
    known = {o for p in command.params for o in [*p.opts, *p.secondary_opts]}
    given = {word for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word)}
    assert given <= known, line


def trainings():
    """RETURNS (dict[str, list[str]]): The words of each command that trains with a config."""
    found = {}
    for name, line in SPACY.items():
        words = [word for word in split(line) if word not in ("bertfamily", "...")]
        if words[0] in ("train", "pretrain") and "torchrun" not in line:
            found[name] = words
    return found


@pytest.mark.parametrize("name", trainings())
def test_configs_exist_and_take_the_settings(name, tmp_path):
    _, path, *rest = trainings()[name]
    overrides = [
        f"--{word}" for word in " ".join(rest).split("--")[1:] if "." in word.split(" ")[0]
    ]
    values = parse_config_overrides(shlex.split(" ".join(overrides)))
    if path.startswith("configs/"):
        config = load_config(ROOT / path)
    else:
        task, mode = GIVEN[path] if path in GIVEN else made_before(name, path)
        (tmp_path / path).write_text(make_config(task, mode), encoding="utf8")
        config = load_config(tmp_path / path)
    for key in values:
        section = config
        for part in key.split(".")[:-1]:
            assert part in section, key
            section = section[part]


def made_before(name, path):
    """RETURNS (tuple[str, str]): The task and mode of the `init-config` that makes a config."""
    block = name.rpartition("-")[0]
    (line,) = [
        line
        for other, line in SPACY.items()
        if other.startswith(f"{block}-") and f"init-config {path} " in line
    ]
    return re.search(r"--task (\S+)", line)[1], re.search(r"--mode (\S+)", line)[1]


def test_extras_exist():
    extras = {
        extra for text in PAGES.values() for extra in re.findall(r"bertfamily\[([\w,-]+)\]", text)
    }
    extras |= {extra for text in PAGES.values() for extra in re.findall(r'"\.\[([\w,-]+)\]"', text)}
    names = {name for extra in extras for name in extra.split(",")}
    assert len(names) > 5
    assert names <= set(metadata("spacy-bertfamily").get_all("Provides-Extra"))


def test_targets_of_make_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    found = {t for text in PAGES.values() for t in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.M)}
    assert len(found) > 2
    for target in found:
        assert re.search(rf"^{target}:", makefile, re.M), target


@pytest.mark.slow
@pytest.mark.parametrize(
    "block", [block for block in blocks("first_hour", "bash") if "convert messages.csv" in block]
)
def test_a_table_and_a_config_are_made(block, tmp_path):
    (tmp_path / "messages.csv").write_text("text,label\nWhere is it?,delivery\nIt broke.,returns\n")
    for line in block.splitlines():
        command = [sys.executable, *shlex.split(line)[1:]]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr + result.stdout
    config = load_config(tmp_path / "textcat.cfg")
    assert "textcat" in config["nlp"]["pipeline"]
    assert (tmp_path / "train.spacy").exists()
