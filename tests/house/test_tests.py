"""The tests mirror the package, share helpers through tests/util, and are what docs refer to."""

import ast
import re

import pytest

from ..util.files import ROOT

PACKAGE = ROOT / "spacy_bertfamily"
TESTS = ROOT / "tests"
FILES = {str(path.relative_to(ROOT)): path for path in sorted(TESTS.rglob("*.py"))}
DOCS = {path.stem: path.read_text(encoding="utf8") for path in (ROOT / "docs").rglob("*.md")}


def parse(file):
    return ast.parse(FILES[file].read_text(encoding="utf8"))


def imported_names(file):
    """YIELDS (str): Each name that a file imports, with all parts of its module."""
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and (node.level or node.module.startswith("tests")):
            yield from (f"{node.module or ''}.{alias.name}" for alias in node.names)


def functions(file):
    """RETURNS (list[str]): The names of the functions and classes at the top level of a file."""
    return [node.name for node in parse(file).body if hasattr(node, "name")]


def rooms():
    """RETURNS (list[str]): The folders of the package that have modules, by their path."""
    folders = {path.parent for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}
    return sorted(str(folder.relative_to(PACKAGE)) for folder in folders - {PACKAGE})


@pytest.mark.parametrize("room", rooms())
def test_every_room_of_the_package_has_tests(room):
    assert list((TESTS / room).glob("test_*.py"))


@pytest.mark.parametrize("file", FILES)
def test_no_file_imports_from_a_test_module_or_a_conftest(file):
    for name in imported_names(file):
        parts = name.split(".")
        assert "conftest" not in parts, name
        assert not any(part.startswith("test_") for part in parts), name


def test_every_folder_is_a_package():
    folders = {path.parent for path in FILES.values()}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_helpers_are_defined_once():
    helpers = [name for file in FILES if "/util/" in file for name in functions(file)]
    assert len(helpers) == len(set(helpers))
    for file in FILES:
        if "/util/" not in file:
            assert not set(functions(file)) & set(helpers), file


@pytest.mark.parametrize("page", DOCS)
def test_tests_in_docs_exist(page):
    for file in re.findall(r"`(?:pytest (?:-s )?)?(tests/[\w/]+\.py)", DOCS[page]):
        assert file in FILES
    for file, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)", DOCS[page]):
        assert name in functions(file), file
    for file, part in re.findall(r"pytest (?:-s )?(tests/[\w/]+\.py) -k (\w+)", DOCS[page]):
        assert any(part in name for name in functions(file)), f"{file} -k {part}"
