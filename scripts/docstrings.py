"""Read docstrings in spaCy's form and write them as Markdown."""

import inspect
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

KEYWORDS = {"RETURNS": "Returns", "YIELDS": "Yields", "RAISES": "Raises"}
NAMES = r"\*{0,2}\w+(?:, \*{0,2}\w+)*"
# `name (type): text`, `first, second (type): text`, `name: text`, `RETURNS (type): text`
ITEM = re.compile(rf"({NAMES})(?: \((.*?)\))?: (.*)")
# Lines that do not continue the line before them.
LINE_START = re.compile(rf"(?:{NAMES}) \(|{NAMES}: |EXAMPLE: |\*Shape|- ")
PARAGRAPH_START = ("EXAMPLE: ", "*Shape", "- ")
# Where a result follows another sentence on the same line.
INLINE_RESULT = re.compile(r" (?=(?:RETURNS|YIELDS|RAISES) \()")


@dataclass
class Docstring:
    """A docstring in spaCy's form.

    paragraphs (list[str]): The description.
    arguments (list[tuple[str, str, str]]): Names, type and text of each argument.
    results (list[tuple[str, str, str]]): RETURNS, YIELDS or RAISES, type and text.
    """

    paragraphs: list[str] = field(default_factory=list)
    arguments: list[tuple[str, str, str]] = field(default_factory=list)
    results: list[tuple[str, str, str]] = field(default_factory=list)


def logical_lines(text: str) -> list[str]:
    """Join the wrapped lines of a docstring.

    text (str): The docstring.
    RETURNS (list[str]): A line for each paragraph, argument and result, and empty lines.
    """
    lines: list[str] = []
    for line in inspect.cleandoc(text).splitlines():
        is_new = not lines or not lines[-1] or LINE_START.match(line) is not None
        # Arguments continue with indentation. Only where the docstring begins with RETURNS do its
        # next lines have none.
        is_after_item = len(lines) > 1 and ITEM.fullmatch(lines[-1]) and not line.startswith(" ")
        if is_new or is_after_item or not line:
            lines.append(line.strip())
        else:
            lines[-1] += f" {line.strip()}"
    return [part for line in lines for part in INLINE_RESULT.split(line)]


def parse(text: str, parameters: Iterable[str] = ()) -> Docstring:
    """Parse a docstring.

    text (str): The docstring.
    parameters (Iterable[str]): Names that are arguments even where no type is given.
    RETURNS (Docstring): Its parts.
    """
    known = set(parameters)
    found = Docstring()
    in_paragraph = False
    for line in logical_lines(text):
        item = ITEM.fullmatch(line)
        names, kind, rest = item.groups() if item else ("", None, "")
        continues = in_paragraph and not line.startswith(PARAGRAPH_START)
        in_paragraph = False
        if names in KEYWORDS:
            found.results.append((names, kind or "", rest))
        elif names and (kind or set(names.split(", ")) <= known):
            found.arguments.append((names, kind or "", rest))
        elif line and continues:
            found.paragraphs[-1] += f" {line}"
            in_paragraph = True
        elif line:
            found.paragraphs.append(line)
            in_paragraph = True
    return found


def show_default(value: Any) -> str | None:
    """RETURNS (str | None): A default as Python code, None if it has no short form."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, (bool, int, float, list, tuple, dict)):
        return repr(value).replace("'", '"')
    if isinstance(value, FunctionType) and "." not in value.__qualname__:
        return value.__name__
    return None


def defaults_of(parameters: Mapping[str, inspect.Parameter]) -> dict[str, str]:
    """RETURNS (dict[str, str]): Defaults as Python code, by the parameters that have one."""
    defaults = {}
    for name, parameter in parameters.items():
        shown = show_default(parameter.default)
        if shown is not None and parameter.default is not parameter.empty:
            defaults[name] = shown
    return defaults


def show_signature(name: str, parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    """RETURNS (list[str]): A call with all defaults, as a block of code."""
    defaults = defaults_of(parameters)
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    parts = []
    for parameter in parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        part = stars.get(parameter.kind, "") + parameter.name
        if parameter.default is not parameter.empty:
            part += f"={defaults.get(parameter.name, '...')}"
        parts.append(part)
    call = f"{name}({', '.join(parts)})"
    if len(call) > 100:
        call = f"{name}(\n    " + ",\n    ".join(parts) + ",\n)"
    return ["```", *call.splitlines(), "```", ""]


def show_docstring(doc: Docstring, defaults: Mapping[str, str]) -> list[str]:
    """Render a docstring as Markdown.

    doc (Docstring): The docstring.
    defaults (Mapping[str, str]): Defaults by argument.
    RETURNS (list[str]): Lines of Markdown.
    """
    lines = [line for paragraph in doc.paragraphs for line in (paragraph, "")]
    for joined, kind, text in doc.arguments:
        names = joined.split(", ")
        values = {defaults.get(name) for name in names}
        about = [f"`{kind}`"] if kind else []
        if len(values) == 1 and None not in values:
            about.append(f"default `{values.pop()}`")
        shown = ", ".join(f"`{name}`" for name in names)
        lines.append(f"- {shown} ({', '.join(about)}): {text}" if about else f"- {shown}: {text}")
    for keyword, kind, text in doc.results:
        lines.append(f"- **{KEYWORDS[keyword]}** `{kind}`: {text}")
    if doc.arguments or doc.results:
        lines.append("")
    return lines
