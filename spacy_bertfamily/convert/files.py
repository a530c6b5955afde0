"""Text out of files, gzipped or not: complete, valid, and never much more than the file itself
holds.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from ..errors import Errors

# gzip makes text 3 to 20 times smaller, and what was made to fill a memory 1,000 times.
MAX_RATIO = 100
ALWAYS_ALLOWED = 16 * 2**20
CHUNK = 2**16


class _Unpacked(io.RawIOBase):
    """The bytes of a gzipped file. Reading raises a ValueError where there are too many, or where
    they are damaged.
    """

    def __init__(self, path: Path):
        self.path = path
        self.limit = max(ALWAYS_ALLOWED, MAX_RATIO * path.stat().st_size)
        self.left = self.limit
        self.file = gzip.open(path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            content = self.file.read(min(len(buffer), CHUNK))
        except (OSError, EOFError, zlib.error) as e:
            raise Errors.B321(file=str(self.path), reason=e) from e
        self.left -= len(content)
        if self.left < 0:
            raise Errors.B320(file=str(self.path), limit=self.limit >> 20)
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self.file.close()
        super().close()


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a file as UTF-8, with or without a byte order mark, and unpack it if it ends in `.gz`.

    path (Path): The file.
    YIELDS (TextIO): Its text; line ends are as in the file.
    RAISES (ValueError): While it is read, if it is damaged or not UTF-8, or unpacks to far more
        than text would.
    """
    binary = io.BufferedReader(_Unpacked(path)) if path.suffix == ".gz" else path.open("rb")
    with io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as file:
        try:
            yield file
        except UnicodeDecodeError as e:
            raise Errors.B321(file=str(path), reason=e) from e


def is_text(text: str) -> bool:
    """RETURNS (bool): Whether it can be stored. JSON can spell half of a character, which is no
    text.
    """
    try:
        text.encode("utf8")
    except UnicodeEncodeError:
        return False
    return True


def printable(value: Any) -> str:
    """RETURNS (str): A value from a file as it can stand in a report or an error."""
    return str(value).encode("utf8", "replace").decode("utf8")
