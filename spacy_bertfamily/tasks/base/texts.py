"""Texts: cut for messages, and checked for characters that cannot be encoded."""

from typing import Any


def shorten(text: str, length: int) -> str:
    """Cut a text for a message.

    text (str): The text.
    length (int): The most characters to return.
    RETURNS (str): The text, or its beginning with three dots.
    """
    if len(text) <= length:
        return text
    return f"{text[: length - 3]}..."


def find_surrogate(text: str) -> int | None:
    """Find a lone surrogate, which no tokenizer can read because it has no encoding in UTF-8.

    text (str): The text.
    RETURNS (int | None): The offset of the first one; None if there is none.
    """
    try:
        text.encode("utf8")
    except UnicodeEncodeError as error:
        return error.start
    return None


def is_iterable(value: Any) -> bool:
    """RETURNS (bool): Whether one can iterate over a value."""
    try:
        iter(value)
    except TypeError:
        return False
    return True
