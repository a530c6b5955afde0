"""The documentation is right: Python runs, configs parse, commands and their options exist."""

import inspect
import re
import subprocess
import sys
from typing import Any

import pytest
import spacy
from spacy.util import registry
from thinc.api import Config
from typer.main import get_command
from weasel.cli.document import project_document
from weasel.util.config import load_project_config

from spacy_bertfamily.cli import bertfamily_cli
from spacy_bertfamily.errors import Errors

from ..util.docs import FILES, PAGES, blocks, pages_with
from ..util.files import ROOT


def commands() -> dict[str, list[str]]:
    """RETURNS (dict[str, list[str]]): The words after `bertfamily` of each command in the pages."""
    found = {}
    for page, text in PAGES.items():
        for number, line in enumerate(
            re.findall(r"python -m spacy bertfamily (.*?)(?:`|\n|\"$)", text)
        ):
            found[f"{page}-{number}"] = line.split()
    return found


def programs() -> dict[str, str]:
    """RETURNS (dict[str, str]): Each Python block of each page.

    Those of scale.md are run by tests/extras, as they need its libraries.
    """
    return {
        f"{page}-{number}": code
        for page in pages_with("python")
        for number, code in enumerate(blocks(page, "python"))
        if page != "scale"
    }


@pytest.mark.slow
@pytest.mark.parametrize("code", programs().values(), ids=programs().keys())
def test_python_runs(code, tmp_path):
    """Run a block of a page alone; a comment below a `print` is its expected output.

    A block that begins with `# pip install NAME` is run where that is installed.
    """
    needed = re.match(r"# pip install ([\w-]+)\n", code)
    if needed:
        pytest.importorskip(needed[1].replace("-", "_"))
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    for expected in re.findall(r"^ *print\(.*\).*\n *# (.*)$", code, re.MULTILINE):
        assert expected in result.stdout


def with_parents(block: str) -> str:
    """RETURNS (str): A block of a config with the parent sections that it leaves out."""
    known, lines = set(), []
    for line in block.splitlines():
        if line.startswith("["):
            parts = line.strip("[]").split(".")
            sections = [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
            lines += [f"[{section}]" for section in sections if section not in known]
            known.update(sections)
        else:
            lines.append(line)
    return "\n".join(lines)


@pytest.mark.parametrize("page", pages_with("ini"))
def test_configs_parse(page):
    for block in blocks(page, "ini"):
        assert Config().from_str(with_parents(block), interpolate=False)


@pytest.mark.parametrize("words", commands().values(), ids=commands().keys())
def test_commands_exist(words):
    command = get_command(bertfamily_cli)
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    assert not hasattr(command, "commands") or not words, f"there is no command {words}"
    known = {
        option
        for parameter in command.params
        for option in [*parameter.opts, *parameter.secondary_opts]
    }
    given = {word for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word)}
    assert given <= known | {"-"}


def test_project_commands_exist():
    """Workflows, commands and variables that pages use are in project.yml."""
    project = load_project_config(ROOT)
    names = {*project["workflows"], *(command["name"] for command in project["commands"])}
    found = [
        line
        for page in PAGES.values()
        for line in re.findall(r"-m spacy project run (.*?)(?:`|\n)", page)
    ]
    assert len(found) > 5
    for line in found:
        name, *rest = line.split()
        assert name in names | {"WORKFLOW"}, line
        assert set(re.findall(r"--vars\.(\w+)", " ".join(rest))) <= set(project["vars"]), line


def settings_of(block: dict[str, Any]) -> set[str]:
    """RETURNS (set[str]): The settings of a component and its model, without those of adapters."""
    found = {name for name in block if not name.startswith("@")} - {"model"}
    if "@architectures" in block:
        found |= set(
            inspect.signature(registry.get("architectures", block["@architectures"])).parameters
        )
    for value in block.values():
        if isinstance(value, dict) and "@adapters" not in value:
            found |= settings_of(value)
    return found


@pytest.mark.parametrize(
    ("factory", "page"),
    [
        ("adapter_transformer", "adapter_transformer"),
        ("span_qa", "span_qa"),
        ("pair_classifier", "pair_classifier"),
        ("text_generator", "generation"),
        ("weighted_layer_pooler", "layer_mix"),
    ],
)
def test_every_setting_is_documented(factory, page):
    settings = settings_of(spacy.blank("en").get_factory_meta(factory).default_config)
    assert len(settings) > 3
    assert [name for name in sorted(settings) if not re.search(rf"\b{name}\b", PAGES[page])] == []


def test_troubleshooting_quotes_real_errors():
    quoted = re.findall(r"\[(B\d+)\] ([^`]*)`", PAGES["troubleshooting"])
    assert len(quoted) > 15
    for code, text in quoted:
        message = re.sub(r"\{.*?\}", "\0", getattr(Errors, code).text)
        parts = [
            part.strip()
            for part in re.split(r"\.\.\.|'[^']*'|\b\d+\b", text)
            if len(part.strip()) > 3
        ]
        plain = re.sub(r"'[^']*'|\b\d+\b", "\0", message)
        for part in parts:
            assert part in message or part in plain, f"{code} does not say {part!r}"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    folder = FILES[page].parent
    for target in re.findall(r"\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)", PAGES[page]):
        # spaCy's part of docs/workflows.md expects to be beside project.yml
        assert not target or (folder / target).exists() or target == "project.yml", target


def test_the_readme_is_short():
    assert len(PAGES["README"].splitlines()) <= 200


def test_the_workflows_page_is_up_to_date(tmp_path):
    """Compare with `python -m spacy project document . --output docs/workflows.md`."""
    (tmp_path / "workflows.md").write_text(PAGES["workflows"], encoding="utf8")
    project_document(ROOT, tmp_path / "workflows.md")
    assert (tmp_path / "workflows.md").read_text(encoding="utf8") == PAGES["workflows"]
