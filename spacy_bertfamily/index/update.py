"""Keep the index in a folder up to date with its texts, so that a killed run goes on."""

from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from spacy.language import Language

from .folder import IndexFolder
from .sources import read_source
from .text_index import TextIndex


class IndexUpdate(NamedTuple):
    """What was done to an index in a folder.

    text_index (TextIndex): The index.
    read (int): The texts that were read, because they are new or have changed.
    deleted (int): The texts that were deleted, because the source no longer has them.
    """

    text_index: TextIndex
    read: int
    deleted: int


def update_folder(
    nlp: Language, source: Any, path: str | PathLike[str], *, progress: bool = False
) -> IndexUpdate:
    """Make the index in a folder hold the texts of a source, and no others.

    The backbone reads new and changed texts only. What is done is stored after 100,000 characters
    or a 200th of all, so that a killed call goes on when it is repeated.

    nlp (Language): The pipeline.
    source (Any): As in `TextIndex.build`.
    path (str | PathLike): The folder of the index, which is made if it is not there.
    progress (bool): Whether to show a progress bar.
    RETURNS (IndexUpdate): The index, and what was done.
    RAISES (BertFamilyError): As `TextIndex.build`, `from_disk` and `to_disk` do.
    """
    index = TextIndex(nlp)
    folder = IndexFolder(Path(path))
    with folder.lock():
        if folder.exists():
            index.from_disk(path)
        texts = list(read_source(nlp, source, folder.path))
        changed = index.changed(texts)
        gone = set(index) - {name for name, _ in texts}
        index.use(index.contents.without(gone))
        for part in index.compute(changed, progress):
            index.use(index.contents.with_part(part))
            index.write(folder)
        index.use(index.contents.compacted(index.schedule.encoder.width))
        index.write(folder)
    return IndexUpdate(index, len(changed), len(gone))
