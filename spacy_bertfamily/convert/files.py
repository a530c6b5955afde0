"""Read text files, gzipped or not: complete, valid UTF-8, and safe against decompression bombs."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from ..errors import Errors

# Gzip compresses text 3 to 20 times; a decompression bomb is compressed about 1,000 times.
MAX_RATIO = 100
# Every file may unpack to so many bytes, whatever its ratio.
ALWAYS_ALLOWED = 16 * 2**20
CHUNK = 2**16


class _GzipReader(io.RawIOBase):
    """The unpacked bytes of a gzipped file.

    Reading raises a `BertFamilyError` if there are too many bytes or if they are damaged.

    path (Path): The file.
    """

    def __init__(self, path: Path):
        self.path = path
        self.limit = max(ALWAYS_ALLOWED, MAX_RATIO * path.stat().st_size)
        self.left = self.limit
        self.file = gzip.open(path)  # noqa: SIM115  closed by close()

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
def open_text(path: Path, errors: str = "strict") -> Iterator[TextIO]:
    """Open a file as UTF-8, with or without a byte order mark, and unpack it if it ends in `.gz`.

    path (Path): The file.
    errors (str): What becomes of bytes that are not UTF-8, as in `open`.
    YIELDS (TextIO): Its text. Line ends are kept as they are in the file.
    RAISES (BertFamilyError): While the file is read, if it is damaged, not UTF-8, or unpacks to far
        more than text would.
    """
    if path.suffix == ".gz":
        binary: io.BufferedReader = io.BufferedReader(_GzipReader(path))
    else:
        binary = path.open("rb")
    with io.TextIOWrapper(binary, encoding="utf-8-sig", errors=errors, newline="") as file:
        try:
            yield file
        except UnicodeDecodeError as e:
            raise Errors.B321(file=str(path), reason=e) from e


def is_encodable(text: str) -> bool:
    """RETURNS (bool): Whether a text can be stored as UTF-8. JSON can contain lone surrogates."""
    try:
        text.encode("utf8")
    except UnicodeEncodeError:
        return False
    return True


def printable(value: Any) -> str:
    """RETURNS (str): A value from a file in a form that a report or an error can contain."""
    return str(value).encode("utf8", "replace").decode("utf8")
