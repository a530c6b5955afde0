"""What the commands share: errors without tracebacks, and reading pipelines and options."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from wasabi import msg

if TYPE_CHECKING:  # every spaCy command imports this file, so it must not import torch
    from spacy.language import Language

    from ..transformer.component import AdapterTransformer

Number = TypeVar("Number", int, float)
# The errors that a user can do something about. spaCy asserts that examples have labels.
USER_ERRORS = (OSError, EOFError, ValueError, ImportError, AssertionError)


@contextmanager
def exit_on_error(title: str) -> Iterator[None]:
    """Turn an error that the user can do something about into a message and the exit code 1.

    title (str): What could not be done.
    """
    try:
        yield
    except USER_ERRORS as e:
        msg.fail(title, str(e), exits=1)


def load_pipeline(pipeline: str) -> "Language":
    """Load a trained pipeline of a user or of this package. Exit if there is none.

    pipeline (str): Folder, package or released name.
    RETURNS (Language): The pipeline.
    """
    from ..scale import pipelines

    with exit_on_error(f"Cannot load {Path(pipeline)}"):
        return pipelines.load_pipeline(pipeline)


def find_transformers(nlp: "Language") -> list["AdapterTransformer"]:
    """RETURNS (list[AdapterTransformer]): The transformers of a pipeline, the disabled ones too."""
    from ..transformer import component

    return component.find_transformers(nlp)


def read_overrides(args: list[str]) -> dict[str, Any]:
    """Read settings of a config from the command line. Exit on anything else.

    args (list[str]): The remaining arguments.
    RETURNS (dict[str, Any]): The values by their dotted names.
    """
    from spacy.cli._util import NoSuchOption, parse_config_overrides

    try:
        return parse_config_overrides(list(args))  # which it empties
    except NoSuchOption as e:
        hint = "Settings of the config have a dot in their names: --training.max_steps 100."
        msg.fail(e.message, hint)
        raise typer.Exit(2) from e


def split_numbers(text: str, option: str, kind: Callable[[str], Number]) -> list[Number]:
    """Read numbers above 0 with commas between them. Exit on anything else.

    text (str): The numbers.
    option (str): The option that they were given to, for the message.
    kind (Callable[[str], Number]): Makes a number of a string: `int` or `float`.
    RETURNS (list[Number]): The numbers.
    """
    try:
        numbers = [kind(part) for part in text.split(",") if part.strip()]
    except ValueError:
        numbers = []
    is_malformed = text.strip() and not numbers
    if is_malformed or not all(number > 0 for number in numbers):
        hint = "It takes numbers above 0 with commas: 2,4,8."
        msg.fail(f"Cannot read {option} {text!r}", hint, exits=1)
    return numbers
