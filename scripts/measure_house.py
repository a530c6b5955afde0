"""Print measures of the package's code, for one or more checkouts side by side.

    python scripts/measure_house.py BEFORE AFTER

Each argument is the root of a checkout. Measured are the Python files of `spacy_bertfamily/`:

- Lines of a function are those from `def` to its end, docstring included. Nested ones count too.
- Complexity is counted as ruff's C901 does: 1, and 1 for each if, elif, loop, `except`, `else` of a
  `try`, case and nested function.
- Conditional expressions and comprehensions (generator expressions too) are counted, and given for
  1,000 lines that are not blank.
- Public are modules, classes, functions and methods whose names do not begin with `_`, and that are
  in nothing private.
- A file touches a feature if its path or the name of a class, function or constant at its top level
  has one of the feature's words (PAIRS, QUESTIONS), or if it imports a module whose path has one.
  The package's `__init__.py`, which lists public names, is left out. The folders of such files are
  counted and named; a word that means something else there counts too.
- Import circles are found in the graph of all imports, also those in functions and for types.
"""

import ast
import re
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

NAME = "spacy_bertfamily"
MAX_COMPLEXITY, MAX_LINE = 10, 100
PAIRS = {"pair", "pairs"}
QUESTIONS = {"qa", "squad", "question", "questions", "answer", "answers"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
LOOPS = (ast.For, ast.AsyncFor, ast.While)


@dataclass(frozen=True)
class Module:
    """A file of the package.

    name (str): Its dotted name.
    path (Path): Its path below the checkout.
    text (str): Its content.
    tree (ast.Module): The same, parsed.
    """

    name: str
    path: Path
    text: str
    tree: ast.Module


def read_modules(checkout: Path) -> list[Module]:
    """RETURNS (list[Module]): All files of the package."""
    modules = []
    for file in sorted((checkout / NAME).rglob("*.py")):
        path = file.relative_to(checkout)
        parts = path.with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        text = file.read_text(encoding="utf8")
        modules.append(Module(name, path, text, ast.parse(text)))
    return modules


def measure(modules: list[Module]) -> dict[str, str]:
    """RETURNS (dict[str, str]): What is printed, by title."""
    lines = [line for module in modules for line in module.text.splitlines()]
    filled = [line for line in lines if line.strip()]
    file_lines = [len(module.text.splitlines()) for module in modules]
    nodes = [node for module in modules for node in ast.walk(module.tree)]
    functions = [node for node in nodes if isinstance(node, FUNCTIONS)]
    function_lines = [(node.end_lineno or 0) - node.lineno + 1 for node in functions]
    complex_ones = [node for node in functions if 1 + decisions(node.body) > MAX_COMPLEXITY]
    conditional = [node for node in nodes if isinstance(node, ast.IfExp)]
    comprehensions = [node for node in nodes if isinstance(node, COMPREHENSIONS)]
    long_lines = [line for line in lines if len(line) > MAX_LINE]
    return {
        "files": f"{len(modules):,}",
        "lines, and those that are not blank": f"{len(lines):,}, {len(filled):,}",
        "lines of a file: median / p90 / max": spread(file_lines),
        "functions": f"{len(functions):,}",
        "lines of a function: median / p90 / max": spread(function_lines),
        f"functions of complexity above {MAX_COMPLEXITY}": str(len(complex_ones)),
        f"lines above {MAX_LINE} characters": rate(long_lines, filled),
        "conditional expressions": rate(conditional, filled),
        "comprehensions": rate(comprehensions, filled),
        "public modules with docstrings": documented(modules, (ast.Module,)),
        "public classes with docstrings": documented(modules, (ast.ClassDef,)),
        "public functions with docstrings": documented(modules, FUNCTIONS),
        "folders that pairs touch": feature_folders(modules, PAIRS),
        "folders that questions touch": feature_folders(modules, QUESTIONS),
        "modules in import circles": str(count_in_circles(modules)),
    }


def spread(values: list[int]) -> str:
    """RETURNS (str): Median, 90th percentile and maximum."""
    p90 = statistics.quantiles(values, n=10, method="inclusive")[-1]
    return f"{statistics.median(values):.0f} / {p90:.0f} / {max(values)}"


def rate(found: Sequence[object], lines: list[str]) -> str:
    """RETURNS (str): A number, and the number in 1,000 lines."""
    return f"{len(found):,} ({1000 * len(found) / len(lines):.1f} in 1,000 lines)"


def decisions(body: list[ast.stmt]) -> int:
    """RETURNS (int): The decisions in a list of statements, those inside them included."""
    return sum(own_decisions(statement) + inner_decisions(statement) for statement in body)


def own_decisions(statement: ast.stmt) -> int:
    if isinstance(statement, (ast.If, *LOOPS, *FUNCTIONS)):
        return 1  # an elif is an `if` in the `orelse` of another
    if isinstance(statement, ast.Try):
        return len(statement.handlers) + bool(statement.orelse)
    if isinstance(statement, ast.Match):
        return len(statement.cases)
    return 0


def inner_decisions(statement: ast.stmt) -> int:
    parts = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
    for name in ("handlers", "cases"):
        parts += [part.body for part in getattr(statement, name, [])]
    return sum(decisions(part) for part in parts)


def documented(modules: list[Module], kinds: tuple[type[ast.AST], ...]) -> str:
    """RETURNS (str): The share of public nodes of some kinds that have a docstring."""
    found = []
    for module in modules:
        for node in public_nodes(module):
            if isinstance(node, kinds):
                found.append(ast.get_docstring(node) is not None)
    return f"{sum(found)} of {len(found)} ({statistics.mean(found):.0%})"


Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public_nodes(module: Module) -> Iterator[Documented]:
    """YIELDS (AST): The module and its public classes, functions and methods."""
    if any(part.startswith("_") for part in module.name.split(".")):
        return
    yield module.tree
    bodies: list[ast.Module | ast.ClassDef] = [module.tree]
    while bodies:
        for node in bodies.pop().body:
            if isinstance(node, (ast.ClassDef, *FUNCTIONS)) and not node.name.startswith("_"):
                yield node
                if isinstance(node, ast.ClassDef):
                    bodies.append(node)


def feature_folders(modules: list[Module], words: set[str]) -> str:
    """RETURNS (str): The folders with files that touch a feature: their number and names."""
    known = {module.name: module for module in modules}
    named = {module.name for module in modules if words & split_words(str(module.path))}
    folders = set()
    for module in modules:
        imports = set(imported_modules(module, known))
        defines = any(words & split_words(name) for name in defined_names(module.tree))
        touches = module.name in named or defines or imports & named
        if touches and module.name != NAME:
            folders.add(module.path.parent.relative_to(NAME).as_posix())
    return f"{len(folders)}: {', '.join(sorted(folders))}"


def split_words(name: str) -> set[str]:
    """RETURNS (set[str]): The words of a snake_case or CamelCase name or a path, in lower case."""
    words = re.findall(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]", name)
    return {word.lower() for word in words}


def defined_names(tree: ast.Module) -> Iterator[str]:
    """YIELDS (str): The classes, functions and constants at a module's top level."""
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, *FUNCTIONS)):
            yield node.name
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def imported_modules(module: Module, known: dict[str, Module]) -> Iterator[str]:
    """YIELDS (str): The modules of the package that a file imports, wherever in the file."""
    package = module.name if module.path.name == "__init__.py" else module.name.rpartition(".")[0]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        if isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                parts = package.split(".")
                base = parts[: len(parts) - node.level + 1]
                source = ".".join([*base, source] if source else base)
            for alias in node.names:
                inside = f"{source}.{alias.name}"
                if inside in known or source in known:
                    yield inside if inside in known else source


def count_in_circles(modules: list[Module]) -> int:
    """RETURNS (int): The modules that can be reached from themselves through imports."""
    known = {module.name: module for module in modules}
    graph = {m.name: set(imported_modules(m, known)) - {m.name, NAME} for m in modules}
    return sum(name in reachable(graph, name) for name in graph)


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """RETURNS (set[str]): The nodes at the ends of all paths from a node."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def main(checkouts: list[str]) -> None:
    columns = [measure(read_modules(Path(checkout))) for checkout in checkouts]
    print(f"| | {' | '.join(checkouts)} |")
    print("| --- " * (len(checkouts) + 1) + "|")
    for title in columns[0]:
        print(f"| {title} | {' | '.join(column[title] for column in columns)} |")


if __name__ == "__main__":
    main(sys.argv[1:] or ["."])
