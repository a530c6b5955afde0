"""Imports lead one way, also inside functions and behind TYPE_CHECKING."""

import ast
from graphlib import CycleError, TopologicalSorter

import pytest

from spacy_bertfamily import _MODULES, _PUBLIC

from ..util.files import ROOT

NAME = "spacy_bertfamily"
PACKAGE = ROOT / NAME
# Each room may import from those before it. Rooms in one set do not import each other.
ORDER = [
    {"__main__", "catalogues", "errors", "moved"},
    {"files", "annotation", "shards"},
    {"patching"},
    {"model_types"},
    {"windows"},
    {"backbone", "adapters"},
    {"encoder"},
    {"layer_mix"},
    {"storage"},
    {"exchange", "runtime"},
    {"transformer"},
    {"embeddings", "pooler", "pretraining"},
    {"tasks.base"},
    {"tasks.pairs", "tasks.qa", "tasks.generation"},
    {"training"},
    {"released"},
    {"convert", "init_config"},
    {"experiments"},
    {"scale"},
    {"index"},
    {"compress", "demo"},
    {"cli"},
]
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
# Rooms that do not import spaCy, except in the files that register something with it.
TORCH_ONLY = ("adapters", "patching", "model_types")
REGISTRIES = ("registry.py", "builders.py", "combined_builders.py")


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported_modules(module):
    """YIELDS (str): The modules of the package that a file imports, anywhere in the file."""
    path = FILES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in FILES)
        if isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            source = ".".join([*base, node.module] if node.module else base)
            source = source if node.level else node.module
            for alias in node.names:
                inside = f"{source}.{alias.name}"
                if inside in FILES or source in FILES:
                    yield inside if inside in FILES else source


def room_of(module):
    parts = module.split(".")[1:]
    room = ".".join(parts[:2]) if parts[:1] == ["tasks"] else ".".join(parts[:1])
    return room or None


@pytest.mark.parametrize("module", FILES)
def test_rooms_import_only_from_rooms_before_them(module):
    room = room_of(module)
    if module == NAME:
        # Imported behind TYPE_CHECKING; at run time, on first use.
        public = {f"{NAME}.{name}" for name in [*_PUBLIC.values(), *_MODULES]}
        at_once = {f"{NAME}.moved", f"{NAME}.patching.batch_encoding"}
        assert set(imported_modules(module)) <= {*at_once, *public}
        return
    if room == "tasks":  # contains other rooms and imports nothing
        assert not list(imported_modules(module))
        return
    for imported in imported_modules(module):
        other = room_of(imported)
        if other is None:  # the version
            continue
        assert other == room or RANK[other] < RANK[room], f"{module} imports {imported}"


def test_imports_have_no_cycle():
    graph = {module: set(imported_modules(module)) - {module, NAME} for module in FILES}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as e:
        pytest.fail(f"a circle of imports: {' -> '.join(e.args[1])}")


def test_every_room_is_in_the_order():
    assert {room_of(module) for module in FILES} - {None, "tasks"} == set(RANK)


@pytest.mark.parametrize("room", TORCH_ONLY)
def test_torch_rooms_do_not_import_spacy(room):
    for path in (PACKAGE / room).glob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf8")))
        names = {
            name.split(".")[0]
            for node in nodes
            if isinstance(node, (ast.Import, ast.ImportFrom)) and not getattr(node, "level", 0)
            for name in [getattr(node, "module", None) or node.names[0].name]
        }
        assert path.name in REGISTRIES or not names & {"spacy", "thinc", "spacy_transformers"}
