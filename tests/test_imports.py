"""Imports run one way: over every file of the package, in functions and behind TYPE_CHECKING too."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

NAME = "spacy_bertfamily"
PACKAGE = Path(__file__).parent.parent / NAME
# Each room may import from those before it. Rooms in one set do not import each other.
ORDER = [
    {"errors", "moved"}, {"files", "annotation"}, {"patching"}, {"model_types"}, {"windows"},
    {"backbone", "adapters"}, {"encoder"}, {"layer_mix"}, {"storage"}, {"exchange"}, {"transformer"},
    {"pooler"}, {"tasks.base"}, {"tasks.pairs", "tasks.qa"}, {"training"}, {"released"},
    {"convert", "init_config"}, {"experiments"}, {"cli"},
]  # fmt: skip
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
# Torch only: these know nothing of spaCy, whose registries stand in the files named here.
TORCH_ONLY = ("adapters", "patching", "model_types")
REGISTRIES = ("registry.py", "builders.py", "combined_builders.py")


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported_modules(module):
    """YIELDS (str): Each module of the package that a file imports, wherever in the file."""
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
def test_no_import_leads_upwards(module):
    room = room_of(module)
    if room in (None, "tasks"):  # they import nothing but `moved`
        assert {room_of(imported) for imported in imported_modules(module)} <= {"moved"}
        return
    for imported in imported_modules(module):
        other = room_of(imported)
        if other is None:  # the version
            continue
        assert other == room or RANK[other] < RANK[room], f"{module} imports {imported}"


def test_no_circle():
    graph = {module: set(imported_modules(module)) - {module, NAME} for module in FILES}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as e:
        pytest.fail(f"a circle of imports: {' -> '.join(e.args[1])}")


def test_every_room_has_its_place():
    assert {room_of(module) for module in FILES} - {None, "tasks"} == set(RANK)


@pytest.mark.parametrize("room", TORCH_ONLY)
def test_rooms_of_torch_do_not_know_spacy(room):
    for path in (PACKAGE / room).glob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf8")))
        names = {
            name.split(".")[0]
            for node in nodes
            if isinstance(node, (ast.Import, ast.ImportFrom)) and not getattr(node, "level", 0)
            for name in [getattr(node, "module", None) or node.names[0].name]
        }
        assert path.name in REGISTRIES or not names & {"spacy", "thinc", "spacy_transformers"}
