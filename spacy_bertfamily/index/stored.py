"""An index in a folder: what ties it to its backbone, and what is written when it changes."""

from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from spacy.language import Language

from ..errors import Errors
from ..transformer.component import find_transformers
from ..transformer.text_vectors import bare_schedule
from .contents import Contents
from .folder import IndexFolder
from .part import Part
from .passages import PassageSize, choose_size
from .questions import IndexQuestions

Self = TypeVar("Self", bound="StoredIndex")


class StoredIndex(IndexQuestions):
    """Writes and reads an index.

    nlp (Language): The pipeline; see `TextIndex`.
    """

    def __init__(self, nlp: Language):
        transformers = find_transformers(nlp)
        if not transformers:
            raise Errors.B820(pipes=", ".join(nlp.pipe_names) or "none")
        shim = transformers[0].shim
        self.backbone = shim.encoder.shared
        schedule = bare_schedule(self.backbone, shim.settings.precision)
        n_special = sum(map(len, schedule.tokenizer.pair.special))
        super().__init__(nlp, schedule, Contents())
        self.size = choose_size(shim.settings.max_pieces, n_special)
        # the folder that this was read from or written to, and its revision then
        self._stored: tuple[Path, str] | None = None

    def to_disk(self, path: str | PathLike[str]) -> None:
        """Write the index to a folder. Only what has changed is written where it was read from.

        path (str | PathLike): The folder. An index in it is replaced.
        RAISES (BertFamilyError): If it has other files, if another process writes there, or has
            written since this index was read there.
        """
        folder = IndexFolder(Path(path))
        with folder.lock():
            self.write(folder)

    def write(self, folder: IndexFolder) -> None:
        """Write what has changed to a folder that this process has locked.

        folder (IndexFolder): The folder.
        RAISES (BertFamilyError): If another process has written there since it was read.
        """
        path = folder.path.resolve()
        known: dict[str, dict[str, Any]] = {}
        if self._stored is not None and self._stored[0] == path and folder.exists():
            manifest = folder.read_manifest()
            if manifest["revision"] != self._stored[1]:
                raise Errors.B829(folder=str(folder.path))
            known = {entry["name"]: entry for entry in manifest["parts"]}
        parts, entries = [], []
        for part, dead in zip(self.contents.parts, self.contents.dead):
            entry = known.get(part.name or "") or folder.write_part(part)
            entries.append({**entry, "dead": sorted(dead)})
            parts.append(Part(part.documents, part.vectors, entry["name"]))
        about = {"backbone": self._fingerprints(), "size": list(self.size)}
        revision = folder.write_manifest(about, entries)
        self.contents.parts = parts
        self._stored = (path, revision)

    def from_disk(self: Self, path: str | PathLike[str]) -> Self:
        """Read an index. The vectors are mapped, not read.

        path (str | PathLike): The folder.
        RETURNS (TextIndex): This index.
        RAISES (BertFamilyError): If there is no index, if it is damaged, or if it was made with
            another backbone or by a version with another format.
        """
        folder = IndexFolder(Path(path))
        manifest = folder.read_manifest()
        self._check_backbone(folder, manifest["backbone"])
        width = self.schedule.encoder.width
        parts = [folder.read_part(entry, width) for entry in manifest["parts"]]
        dead = [entry["dead"] for entry in manifest["parts"]]
        self.size = PassageSize(*manifest["size"])
        self.use(Contents(parts, dead))
        self._stored = (folder.path.resolve(), manifest["revision"])
        return self

    def _fingerprints(self) -> dict[str, str]:
        return {
            "name": self.backbone.name,
            "weights": self.backbone.fingerprint,
            "tokenizer": self.backbone.tokenizer_fingerprint,
        }

    def _check_backbone(self, folder: IndexFolder, made: dict[str, str]) -> None:
        own = self._fingerprints()
        for what in ("weights", "tokenizer"):
            if made.get(what) != own[what]:
                raise Errors.B825(
                    folder=str(folder.path),
                    made=made.get("name"),
                    what=what,
                    expected=made.get(what),
                    name=own["name"],
                    found=own[what],
                )
