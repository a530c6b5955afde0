"""The output folder of a run: a manifest, and numbered files that are whole or not there."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import Errors
from ..files import write_atomically
from .shards import AnnotatedShard

# What reads folders of Parquet skips names that begin with an underscore.
MANIFEST = "_manifest.json"


class OutputFolder:
    """The folder that a run writes to, and goes on in.

    A shard is done when its file is there: what failed in it is written before. So a run that is
    killed loses the shards in work only, and does those again.

    path (Path): The folder. It is made if it is not there.
    suffix (str): The end of the names of shards.
    settings (Mapping[str, Any]): What determines the content: another run of the same settings goes
        on, one of others is refused. Values that JSON has.
    RAISES (BertFamilyError): If the folder is of another run, or has anything else in it.
    """

    def __init__(self, path: Path, suffix: str, settings: Mapping[str, Any]):
        self.path = path
        self.suffix = suffix
        self.settings = json.loads(json.dumps(settings))
        with _disk_errors(path):
            path.mkdir(parents=True, exist_ok=True)
            self._check()
            for temporary in path.glob(".shard-*"):  # of a process that was killed
                temporary.unlink(missing_ok=True)
            for temporary in path.glob("._failed-*"):
                temporary.unlink(missing_ok=True)
            if not (path / MANIFEST).is_file():
                self._write_manifest(None)

    def _check(self) -> None:
        manifest = self.path / MANIFEST
        if not manifest.is_file():
            if any(not file.name.startswith(f".{MANIFEST}") for file in self.path.iterdir()):
                raise Errors.B510(folder=str(self.path), reason="it has files, but no manifest")
            return
        try:
            written = dict(json.loads(manifest.read_bytes())["settings"].items())
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            reason = f"its {MANIFEST} cannot be read"
            raise Errors.B510(folder=str(self.path), reason=reason) from e
        for name, value in self.settings.items():
            if written.get(name) != value:
                reason = f"{name} was {written.get(name)!r}, and is {value!r} now"
                raise Errors.B510(folder=str(self.path), reason=reason)

    def shard_path(self, number: int) -> Path:
        """RETURNS (Path): The file of a shard."""
        return self.path / f"shard-{number:06d}{self.suffix}"

    def failed_path(self, number: int) -> Path:
        """RETURNS (Path): The file of what failed in a shard."""
        return self.path / f"_failed-{number:06d}.jsonl"

    def is_done(self, number: int) -> bool:
        """RETURNS (bool): Whether a shard is written."""
        return self.shard_path(number).is_file()

    def count_failures(self, number: int) -> int:
        """RETURNS (int): How many texts of a shard that is done have failed."""
        path = self.failed_path(number)
        return path.read_bytes().count(b"\n") if path.is_file() else 0

    def write(self, shard: AnnotatedShard) -> None:
        """Write a shard.

        shard (AnnotatedShard): The shard.
        RAISES (BertFamilyError): If that is not possible, for example because the disk is full.
        """
        with _disk_errors(self.path):
            failed = self.failed_path(shard.number)
            if shard.failures:
                write_atomically(failed, shard.failed)
            else:  # an earlier run may have been stopped between the two files
                failed.unlink(missing_ok=True)
            write_atomically(self.shard_path(shard.number), shard.content)

    def finish(self, counts: Mapping[str, int]) -> None:
        """Write into the manifest that all is done.

        counts (Mapping[str, int]): The number of shards, texts and failures.
        """
        with _disk_errors(self.path):
            self._write_manifest(dict(counts))

    def _write_manifest(self, done: dict[str, int] | None) -> None:
        content = json.dumps({"settings": self.settings, "done": done}, indent=2)
        write_atomically(self.path / MANIFEST, content.encode("utf8"))


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise Errors.B511(folder=str(path), reason=e) from e
