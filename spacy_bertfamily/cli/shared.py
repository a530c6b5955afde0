"""What the commands share: errors without tracebacks, loading, settings of configs, lists of
numbers.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from wasabi import msg

if TYPE_CHECKING:  # every spaCy command imports this file, so it must not bring torch
    from spacy.language import Language

    from ..transformer.component import AdapterTransformer

Number = TypeVar("Number", int, float)


@contextmanager
def or_fail(title: str) -> Iterator[None]:
    """Turn an error that the user can do something about into a message and the exit code 1.

    title (str): What could not be done.
    """
    try:
        yield
    except (
        OSError,
        EOFError,
        ValueError,
        ImportError,
        AssertionError,
    ) as e:  # spaCy asserts that examples have labels
        msg.fail(title, str(e), exits=1)


def load_pipeline(pipeline: str) -> "Language":
    """RETURNS (Language): A trained pipeline, of a user or of this package. Ends the program if
    there is none.
    """
    import spacy

    from .. import released

    with or_fail(f"Cannot load {Path(pipeline)}"):
        return released.load(pipeline) if pipeline in released.NAMES else spacy.load(pipeline)


def find_transformers(nlp: "Language") -> list["AdapterTransformer"]:
    """RETURNS (list[AdapterTransformer]): The transformers of a pipeline, the disabled ones too."""
    from ..transformer.component import AdapterTransformer

    return [
        component for _, component in nlp.components if isinstance(component, AdapterTransformer)
    ]


def read_overrides(args: list[str]) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): Settings of a config, by their dotted names. Ends the program on
    anything else.
    """
    from spacy.cli._util import NoSuchOption, parse_config_overrides

    try:
        return parse_config_overrides(args)
    except NoSuchOption as e:
        msg.fail(
            e.message, "Settings of the config have a dot in their names: --training.max_steps 100."
        )
        raise typer.Exit(2) from e


def split_numbers(text: str, option: str, kind: Callable[[str], Number]) -> list[Number]:
    """RETURNS (list[Number]): Numbers above 0 with commas between them. Ends the program on
    anything else.
    """
    try:
        numbers = [kind(part) for part in text.split(",") if part.strip()]
    except ValueError:
        numbers = []
    if (text.strip() and not numbers) or not all(number > 0 for number in numbers):
        msg.fail(
            f"Cannot read {option} {text!r}",
            "It takes numbers above 0 with commas: 2,4,8.",
            exits=1,
        )
    return numbers
