"""Write docs/api.md, config.md and cli.md from the docstrings of everything public.

    python scripts/make_api_page.py [--check]

--check writes nothing and fails if a page is not up to date.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.metadata import EntryPoint, distribution
from pathlib import Path
from types import FunctionType
from typing import Any

import typer
from docstrings import Docstring, defaults_of, parse, show_docstring, show_signature
from spacy.language import Language
from spacy.pipeline import Pipe
from thinc.api import Config
from typer.models import ArgumentInfo, OptionInfo

import spacy_bertfamily
from spacy_bertfamily.cli import bertfamily_cli

DOCS = Path(__file__).parent.parent / "docs"
PACKAGE = "spacy_bertfamily"
MADE = "`scripts/make_api_page.py` makes this page from the code."
API_INTRO = f"""\
# API

This page lists the public Python names. [Config blocks](config.md) and [commands](cli.md) have
pages of their own. Other modules and names may change between versions. Import Python names with
`from spacy_bertfamily import NAME`; names with a dot are in the module before the last dot.
{MADE}
"""
CONFIG_INTRO = f"""\
# Config blocks

Components, and the registered functions that a config names with `@`: their settings and defaults.
`python -m spacy bertfamily init-config` writes a complete config. {MADE}
"""
CLI_INTRO = f"""\
# Command line

Every command has `--help`, and prints JSON with `--json` where a script may want to read its
output. The exit code is 0, or 1 with a message if something cannot be done, 2 for wrong arguments,
130 after Ctrl-C in `train`. `--version` prints the version. {MADE}
"""
# Groups of entry points, in the order of the page; any other group follows.
GROUPS = (
    "factories", "architectures", "layers", "adapters", "scorers", "readers", "batchers", "loggers",
)  # fmt: skip
# Groups that register nothing for configs: commands, and what torch calls.
HIDDEN = {"cli", "torch.backends"}
# Arguments of a factory that spaCy passes.
PASSED_BY_SPACY = ("nlp", "name")


def parameters_of(obj: Any) -> dict[str, inspect.Parameter]:
    """RETURNS (dict[str, inspect.Parameter]): The parameters of a function or class, by name."""
    parameters = dict(inspect.signature(obj).parameters)
    parameters.pop("self", None)
    return parameters


def docstring_of(obj: Any, definitions: Iterable[Any] = ()) -> Docstring:
    """Parse the docstring of a function, class or property.

    obj (Any): The object.
    definitions (Iterable[Any]): Where to look if it has none: what it overrides.
    RETURNS (Docstring): The docstring, empty if there is none.
    """
    texts = [definition.__doc__ for definition in (obj, *definitions) if definition.__doc__]
    parameters = {} if isinstance(obj, property) else parameters_of(obj)
    return parse(texts[0] if texts else "", parameters)


# Python names


def public_objects() -> dict[str, Any]:
    """Collect the public names of the package, and the functions and classes of public modules.

    RETURNS (dict[str, Any]): The objects by name, sorted.
    """
    found = {name: getattr(spacy_bertfamily, name) for name in spacy_bertfamily._PUBLIC}
    for module_name in spacy_bertfamily._MODULES:
        module = import_module(f"{PACKAGE}.{module_name}")
        for name in module.__all__:
            obj = getattr(module, name)
            if isinstance(obj, (FunctionType, type)) and obj not in found.values():
                found[f"{module_name}.{name}"] = obj
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def is_hook(member: Any) -> bool:
    """RETURNS (bool): Whether subclasses define a method, for the methods that users call."""
    function = member.fget if isinstance(member, property) else member
    return "NotImplementedError" in function.__code__.co_names


def members(cls: type) -> Iterator[tuple[str, list[Any]]]:
    """Find the public methods and properties that this package defines.

    cls (type): The class. Base classes of this package count, those of other packages do not.
    YIELDS (tuple[str, list[Any]]): The name, and the definitions in the class and its bases. Hooks
        for subclasses and methods that are documented as internals are left out.
    """
    found: dict[str, list[Any]] = {}
    for base in cls.__mro__:
        if not base.__module__.startswith(PACKAGE):
            continue
        for name, member in vars(base).items():
            if not name.startswith("_") and isinstance(member, (FunctionType, property)):
                found.setdefault(name, []).append(member)
    for name, definitions in found.items():
        internal = "nternals." in "".join(member.__doc__ or "" for member in definitions)
        if not internal and not any(map(is_hook, definitions)):
            yield name, definitions


def show_callable(level: int, name: str, obj: Any, definitions: Iterable[Any] = ()) -> list[str]:
    """RETURNS (list[str]): A function or class: heading, signature and docstring."""
    parameters = parameters_of(obj)
    heading = [f"{'#' * level} `{name}`", "", *show_signature(name, parameters)]
    return heading + show_docstring(docstring_of(obj, definitions), defaults_of(parameters))


def show_class(name: str, cls: type) -> list[str]:
    """RETURNS (list[str]): A class with its methods and properties."""
    lines = show_callable(3, name, cls)
    for member_name, definitions in members(cls):
        member = definitions[0]
        title = f"{name}.{member_name}"
        if isinstance(member, property):
            lines += [f"#### `{title}`", "", "A property.", ""]
            lines += show_docstring(docstring_of(member, definitions), {})
        else:
            lines += show_callable(4, title, member, definitions)
    return lines


def show_public(name: str, obj: Any) -> list[str]:
    """Show a public name.

    name (str): The name.
    obj (Any): The object. One of another package is described by the module that passes it on.
    RETURNS (list[str]): Lines of Markdown.
    """
    if obj.__module__.startswith(PACKAGE):
        return show_class(name, obj) if isinstance(obj, type) else show_callable(3, name, obj)
    module = sys.modules[f"{PACKAGE}.{spacy_bertfamily._PUBLIC[name]}"]
    return [f"### `{name}`", "", *show_docstring(parse(module.__doc__ or ""), {})]


# Registered functions


def registered() -> dict[str, dict[Any, list[str]]]:
    """RETURNS (dict[str, dict[Any, list[str]]]): Functions and their names, by group."""
    entries: dict[str, list[EntryPoint]] = {}
    for entry in distribution("spacy-bertfamily").entry_points:
        entries.setdefault(re.sub("^(spacy|thinc)_", "", entry.group), []).append(entry)
    found: dict[str, dict[Any, list[str]]] = {}
    for group in [*GROUPS, *sorted(set(entries) - {*GROUPS} - HIDDEN)]:
        found[group] = {}
        for entry in sorted(entries.get(group, []), key=lambda entry: entry.name):
            found[group].setdefault(entry.load(), []).append(entry.name)
    return found


def show_registered(function: Callable[..., Any], names: list[str]) -> list[str]:
    """RETURNS (list[str]): A registered function: names, docstring and defaults."""
    title = ", ".join(f"`{name}`" for name in names)
    defaults = defaults_of(parameters_of(function))
    return [f"### {title}", "", *show_docstring(docstring_of(function), defaults)]


def show_factory(function: Callable[..., Any], names: list[str]) -> list[str]:
    """RETURNS (list[str]): A factory: docstring, what it sets and needs, default config."""
    (name,) = names
    meta = Language.get_factory_meta(name)
    doc = docstring_of(function)
    doc.arguments = [item for item in doc.arguments if item[0] not in PASSED_BY_SPACY]
    lines = [f"### `{name}`", "", *show_docstring(doc, {})]
    facts = {"Sets": meta.assigns, "Needs": meta.requires, "Scores": meta.default_score_weights}
    for fact, values in facts.items():
        if values:
            lines += [f"{fact} {', '.join(f'`{value}`' for value in values)}.", ""]
    config = Config({"components": {name: {"factory": name, **meta.default_config}}})
    block = config.to_str().partition("[components]\n\n")[2].strip()
    return [*lines, "```ini", *block.splitlines(), "```", ""]


# Commands


def commands(group: typer.Typer, prefix: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    """YIELDS (tuple[str, Callable]): Each command and its function, those of subgroups too."""
    for command in group.registered_commands:
        if command.callback is not None:
            yield f"{prefix}{command.name}", command.callback
    for subgroup in group.registered_groups:
        if subgroup.typer_instance is not None:
            name = subgroup.typer_instance.info.name
            yield from commands(subgroup.typer_instance, f"{prefix}{name} ")


def show_row(names: Iterable[str], info: ArgumentInfo | OptionInfo) -> str:
    """RETURNS (str): An argument or option as a row of a table."""
    default = f"`{info.default}`"
    if info.default is ...:
        default = "required"
    elif info.default is None or info.default is False or info.default == "":
        default = ""
    cells = [", ".join(f"`{name}`" for name in names), default, info.help or ""]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def show_command(name: str, function: Callable[..., Any]) -> list[str]:
    """RETURNS (list[str]): A command: help, usage, arguments and options, examples."""
    usage = f"python -m spacy bertfamily {name}"
    arguments, options = [], []
    for parameter in parameters_of(function).values():
        info = parameter.default
        if isinstance(info, ArgumentInfo):
            several = "..." if "list[" in str(parameter.annotation) else ""
            usage += f" {parameter.name.upper()}{several}"
            arguments.append(show_row([parameter.name.upper()], info))
        elif isinstance(info, OptionInfo):
            option = f"--{parameter.name.replace('_', '-')}"
            options.append(show_row(info.param_decls or [option], info))
    if options:
        usage += " [OPTIONS]"
    paragraphs = docstring_of(function).paragraphs
    examples = [text for text in paragraphs if text.startswith("EXAMPLE: ")]
    lines = [f"## `{name}`", ""]
    for text in paragraphs:
        if text not in examples:
            lines += [text, ""]
    lines += ["```", usage, "```", "", "| | default | |", "| --- | --- | --- |"]
    lines += [*arguments, *options, ""]
    if examples:
        examples = [text.removeprefix("EXAMPLE: ") for text in examples]
        lines += ["```bash", *examples, "```", ""]
    return lines


# The page


def index(names: Iterable[str]) -> list[str]:
    """RETURNS (list[str]): Links to headings."""
    links = [
        f"[`{name}`](#{re.sub(r'[^a-z0-9_-]', '', name.lower().replace(' ', '-'))})"
        for name in names
    ]
    return [" · ".join(links), ""]


def make_api() -> str:
    """RETURNS (str): The page of Python names, as Markdown."""
    parts: dict[str, dict[str, Any]] = {"Functions": {}, "Components": {}, "Classes": {}}
    for name, obj in public_objects().items():
        if not isinstance(obj, type):
            parts["Functions"][name] = obj
        elif issubclass(obj, Pipe):
            parts["Components"][name] = obj
        else:
            parts["Classes"][name] = obj
    lines = [API_INTRO]
    for title, objects in parts.items():
        lines += [f"## {title}", "", *index(objects)]
        for name, obj in objects.items():
            lines += show_public(name, obj)
    return join(lines)


def make_config() -> str:
    """RETURNS (str): The page of registered functions, as Markdown."""
    lines = [CONFIG_INTRO]
    for group, found in registered().items():
        lines += [f"## {group.capitalize()}", ""]
        show = show_factory if group == "factories" else show_registered
        for function, names in found.items():
            lines += show(function, names)
    return join(lines)


def make_cli() -> str:
    """RETURNS (str): The page of commands, as Markdown."""
    found = dict(commands(bertfamily_cli))
    lines = [CLI_INTRO, *index(found)]
    for name, function in found.items():
        lines += show_command(name, function)
    return join(lines)


def join(lines: list[str]) -> str:
    """RETURNS (str): The lines of a page as one text."""
    return "\n".join(lines).rstrip() + "\n"


PAGES = {"api": make_api, "config": make_config, "cli": make_cli}


def main() -> None:
    for name, make in PAGES.items():
        path, new = DOCS / f"{name}.md", make()
        if "--check" not in sys.argv[1:]:
            path.write_text(new, encoding="utf8")
        elif not path.exists() or path.read_text(encoding="utf8") != new:
            sys.exit(f"{path} is not up to date. Run python scripts/make_api_page.py.")


if __name__ == "__main__":
    main()
