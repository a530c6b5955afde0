"""The public names exist, type checkers see them, and the documentation uses no others."""

import ast
import re
import subprocess
import sys
from importlib import import_module

import pytest

import spacy_bertfamily

from ..util.files import ROOT

NAME = "spacy_bertfamily"
INIT = ROOT / NAME / "__init__.py"
PAGES = {path.stem: path for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]}
PUBLIC = {name for name in spacy_bertfamily.__all__ if name != "__version__"}
MODULES = [f"{NAME}.{name}" for name in spacy_bertfamily._MODULES]


def python_blocks(page):
    text = PAGES[page].read_text(encoding="utf8")
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def used_names(code):
    """YIELDS (str): What a block of code takes from the package, as `NAME.part.part`."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield ast.unparse(node)


def is_public(dotted):
    """RETURNS (bool): Whether a name is public, or is an attribute of something public."""
    if dotted in (NAME, *MODULES):
        return True
    module_name = max((name for name in (NAME, *MODULES) if dotted.startswith(f"{name}.")), key=len)
    name = dotted.removeprefix(f"{module_name}.").partition(".")[0]
    return name in import_module(module_name).__all__


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_names_resolve(name):
    assert getattr(spacy_bertfamily, name) is not None
    assert name in dir(spacy_bertfamily)


def test_every_list_of_public_names_is_complete():
    attributes = {name for name in spacy_bertfamily._MODULES if "." not in name}
    assert {*spacy_bertfamily._PUBLIC, *attributes} == PUBLIC
    imported = set()
    for node in ast.walk(ast.parse(INIT.read_text(encoding="utf8"))):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            imports = [child for child in node.body if isinstance(child, ast.ImportFrom)]
            imported |= {alias.name for child in imports for alias in child.names}
            modules = {alias.name: child.module for child in imports for alias in child.names}
    assert imported == PUBLIC
    assert {name: modules[name] for name in spacy_bertfamily._PUBLIC} == spacy_bertfamily._PUBLIC


def test_public_modules_need_no_import():
    code = f"import {NAME}; print({NAME}.released.list_released())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "en_minilm_qa" in result.stdout, result.stderr


def test_unknown_names_are_errors():
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        spacy_bertfamily.no_such_name  # noqa: B018


@pytest.mark.parametrize("page", sorted(page for page in PAGES if python_blocks(page)))
def test_documentation_uses_public_names_only(page):
    used = {name for code in python_blocks(page) for name in used_names(code)}
    ours = {name for name in used if name.split(".")[0] == NAME}
    assert {name for name in ours if not is_public(name)} == set()
