"""Write files so that a killed process leaves the old content or the new; digest large ones."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import Errors

CHUNK = 2**20  # bytes of a file that are read at a time


def write_atomically(path: Path, content: bytes) -> None:
    """Write a temporary file in the same folder, flush it to the disk, and rename it.

    path (Path): The file; its folder exists.
    content (bytes): The new content.
    """
    temporary = temporary_path(path)
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_folder(folder: Path, force: bool) -> None:
    """Check that a folder can be written to.

    folder (Path): The folder.
    force (bool): Whether it may hold files, which will be replaced.
    RAISES (BertFamilyError): If it holds files, or is one.
    """
    is_file = folder.exists() and not folder.is_dir()
    if is_file or (folder.is_dir() and not force and os.listdir(folder)):
        raise Errors.B414(folder=str(folder))


@contextmanager
def write_folder(folder: Path) -> Iterator[Path]:
    """Write a folder so that an interruption leaves the old one or the new one, complete.

    If the process is killed between the two renames, the old one is beside its place under the
    hidden name that `temporary_path` makes.

    folder (Path): Made anew; an older one is replaced once the new one is complete.
    YIELDS (Path): The folder to write to.
    """
    folder = folder.resolve()  # where it is a link, what it leads to is replaced
    temporary, old = temporary_path(folder), temporary_path(folder)
    try:
        temporary.mkdir()
        yield temporary
        if folder.exists():
            os.replace(folder, old)
        os.replace(temporary, folder)
    except BaseException:
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)


def digest_content(digest: Any, path: Path) -> None:
    """Add the content of a file to a digest, whatever its size.

    digest (hashlib._Hash): Made by `hashlib`.
    path (Path): The file.
    """
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)


def temporary_path(path: Path) -> Path:
    """Choose a name for something that is written beside its place and then moved there.

    Unlike what `tempfile` makes, what is written under this name can be read by others as the
    process's umask says.

    path (Path): The place.
    RETURNS (Path): A hidden name in the same folder that nothing has yet.
    """
    return path.parent / f".{path.name}.{uuid.uuid4().hex}"
