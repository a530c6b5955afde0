"""The folder of an index: a manifest that names parts, each in two files that never change."""

import hashlib
import io
import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from ..errors import BertFamilyError, Errors
from ..files import write_atomically
from .part import VECTOR_TYPE, Document, Part

MANIFEST, LOCK, FORMAT = "index.json", ".lock", 1
TEXTS, VECTORS = ".jsonl", ".npy"


class IndexFolder:
    """Reads and writes an index. A killed writer leaves the index as it was, or as it is now.

    Parts get new names. The manifest, which is replaced at once, says which of them count; files
    that it does not name are removed by the next writer.

    path (Path): The folder.
    """

    def __init__(self, path: Path):
        self.path = path

    def exists(self) -> bool:
        """RETURNS (bool): Whether there is an index in the folder."""
        return (self.path / MANIFEST).is_file()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other writers out. The lock ends with the process, however that ends.

        RAISES (BertFamilyError): If another writer holds it, or the folder has other files.
        """
        if self.path.exists() and not self.path.is_dir():
            raise Errors.B830(folder=str(self.path))
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.exists() and self._has_other_files():
            raise Errors.B830(folder=str(self.path))
        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout as e:
            raise Errors.B828(folder=str(self.path)) from e
        try:
            yield
        finally:
            lock.release()

    def _has_other_files(self) -> bool:
        """RETURNS (bool): Whether there are files that a first, killed writer does not leave."""
        own = (LOCK, f".{MANIFEST}", ".part-", "part-")
        return any(not file.name.startswith(own) for file in self.path.iterdir())

    def read_manifest(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The manifest.

        RAISES (BertFamilyError): If it is missing, damaged, or of another format.
        """
        file = self.path / MANIFEST
        if not file.is_file():
            raise self.damaged(f"it has no {MANIFEST}")
        try:
            manifest = dict(json.loads(file.read_bytes()))
        except (ValueError, TypeError) as e:
            raise self.damaged(f"{MANIFEST} is damaged ({e})") from e
        found = manifest.get("format")
        if found != FORMAT:
            raise Errors.B834(folder=str(self.path), found=found, known=FORMAT)
        kinds = {"revision": str, "backbone": dict, "size": list, "parts": list}
        wrong = [name for name, kind in kinds.items() if not isinstance(manifest.get(name), kind)]
        if wrong or len(manifest["size"]) != 2 or not all(map(_is_entry, manifest["parts"])):
            reason = ", ".join(wrong) or "size or parts"
            raise self.damaged(f"in {MANIFEST} something is missing or wrong: {reason}")
        return manifest

    def write_manifest(self, content: dict[str, Any], parts: Iterable[dict[str, Any]]) -> str:
        """Replace the manifest, and remove the files that it does not name.

        content (dict[str, Any]): What the index was made with.
        parts (Iterable[dict[str, Any]]): From `write_part`.
        RETURNS (str): The new revision.
        """
        revision = uuid.uuid4().hex
        manifest = {"format": FORMAT, "revision": revision, **content, "parts": list(parts)}
        write_atomically(self.path / MANIFEST, json.dumps(manifest, indent=1).encode("utf8"))
        named = {part["name"] for part in manifest["parts"]}
        for file in self.path.iterdir():
            is_part = file.name.startswith("part-") and file.stem not in named
            if is_part or file.name.startswith((".part-", f".{MANIFEST}.")):
                file.unlink(missing_ok=True)
        return revision

    def write_part(self, part: Part) -> dict[str, Any]:
        """Write a part, which counts once the manifest names it.

        part (Part): The part. It gets the name of its files.
        RETURNS (dict[str, Any]): Its entry in the manifest.
        """
        name = f"part-{uuid.uuid4().hex}"
        lines = [json.dumps(document, ensure_ascii=False) for document in part.documents]
        texts = "".join(f"{line}\n" for line in lines).encode("utf8")
        buffer = io.BytesIO()
        np.save(buffer, part.vectors)
        write_atomically(self.path / f"{name}{TEXTS}", texts)
        write_atomically(self.path / f"{name}{VECTORS}", buffer.getvalue())
        return {
            "name": name,
            "sha256": hashlib.sha256(texts).hexdigest(),
            "bytes": len(buffer.getvalue()),
        }

    def read_part(self, entry: dict[str, Any], width: int) -> Part:
        """Read the texts of a part, and map its vectors.

        entry (dict[str, Any]): From the manifest.
        width (int): The width of the vectors.
        RETURNS (Part): The part.
        RAISES (BertFamilyError): If a file is missing, truncated or changed.
        """
        try:
            name = str(entry["name"])
            texts = (self.path / f"{name}{TEXTS}").read_bytes()
            if hashlib.sha256(texts).hexdigest() != entry["sha256"]:
                raise self.damaged(f"{name}{TEXTS} is truncated or changed")
            file = self.path / f"{name}{VECTORS}"
            if file.stat().st_size != entry["bytes"]:
                raise self.damaged(f"{name}{VECTORS} is truncated or changed")
            documents = _read_documents(texts.decode("utf8").split("\n"))
            # an empty array cannot be mapped
            has_passages = any(document.passages for document in documents)
            vectors = np.load(file, mmap_mode="r" if has_passages else None, allow_pickle=False)
            part = Part(documents, vectors, name)
        except BertFamilyError:
            raise
        except (OSError, KeyError, TypeError, ValueError) as e:
            raise self.damaged(repr(e)) from e
        if any(not 0 <= number < len(documents) for number in entry["dead"]):
            raise self.damaged(f"{MANIFEST} names texts that {name}{TEXTS} does not have")
        if vectors.shape != (part.rows[-1], width) or vectors.dtype != VECTOR_TYPE:
            raise self.damaged(f"{name}{VECTORS} does not fit its texts")
        return part

    def damaged(self, reason: str) -> Exception:
        """RETURNS (Exception): The error that says why the folder cannot be read."""
        return Errors.B827(folder=str(self.path), reason=reason)


def _is_entry(entry: Any) -> bool:
    """RETURNS (bool): Whether a part's entry in the manifest has all that it needs."""
    if not isinstance(entry, dict) or not isinstance(entry.get("dead"), list):
        return False
    return all(type(number) is int for number in entry["dead"]) and isinstance(
        entry.get("name"), str
    )


def _read_documents(lines: Sequence[str]) -> list[Document]:
    documents = []
    for line in lines:
        if line:
            name, text, passages = json.loads(line)
            documents.append(Document(name, text, [(start, end) for start, end in passages]))
    return documents
