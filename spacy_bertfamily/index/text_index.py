"""`TextIndex`: texts that are read once and asked often."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from spacy.language import Language
from tqdm import tqdm

from ..errors import Errors
from ..windows.batching import take_chunks
from .part import Part, compute_part
from .sources import TextWithId, read_source
from .stored import StoredIndex

# Characters of the texts that are read together, at least, and the most such groups. A killed
# `bertfamily index` loses one of them.
CHUNK_CHARACTERS, MOST_CHUNKS = 100_000, 200


class TextIndex(StoredIndex):
    """Texts that are read once and asked often.

    Each text is kept with its passages, and with one vector for each passage: the mean of the
    backbone's last hidden states, without the adapters of any component. So all pipelines on the
    same backbone can use an index.

    nlp (Language): The pipeline. The backbone of its first `adapter_transformer` makes the vectors;
        its `span_qa` answers, its `pair_classifier` ranks.
    RAISES (BertFamilyError): If it has no loaded `adapter_transformer`.
    """

    @classmethod
    def build(cls, nlp: Language, source: Any, *, progress: bool = False) -> "TextIndex":
        """Make an index in memory.

        nlp (Language): The pipeline.
        source (Any): Texts or Docs by id, as in `{"a.txt": "Ann wrote it."}`; Docs, or pairs of ids
            and texts, in an iterable; a DocBin; the path of a folder or file as in `bertfamily
            annotate`. A Doc without an id in `doc.user_data["id"]` has its number, from 0.
        progress (bool): Whether to show a progress bar.
        RETURNS (TextIndex): The index.
        RAISES (BertFamilyError): If the source cannot be read, or an id occurs twice.
        """
        index = cls(nlp)
        index.add(source, progress=progress)
        return index

    def __len__(self) -> int:
        return len(self.contents)

    def __contains__(self, name: object) -> bool:
        return name in self.contents

    def __iter__(self) -> Iterator[str]:
        """YIELDS (str): The ids of the texts."""
        return iter(self.contents)

    def __getitem__(self, name: str) -> str:
        """RETURNS (str): The text with an id.

        RAISES (BertFamilyError): If there is none.
        """
        document = self.contents.get(name)
        if document is None:
            some = ", ".join(map(repr, list(self.contents)[:3])) or "none"
            raise Errors.B824(id=name, count=len(self), some=some)
        return document.text

    @property
    def n_passages(self) -> int:
        """RETURNS (int): The number of passages."""
        return int(self.contents.alive.sum())

    # Changes

    def add(self, source: Any, *, progress: bool = False) -> None:
        """Add texts. If one cannot be added, none is.

        source (Any): As in `build`.
        progress (bool): Whether to show a progress bar.
        RAISES (BertFamilyError): If an id is in the index already, or as in `build`.
        """
        texts = list(read_source(self.nlp, source))
        for name, _ in texts:
            if name in self.contents:
                raise Errors.B822(id=name)
        self._put(texts, progress)

    def replace(self, source: Any, *, progress: bool = False) -> int:
        """Add texts, or put them in the place of those with the same ids.

        source (Any): As in `build`.
        progress (bool): Whether to show a progress bar.
        RETURNS (int): How many were read, because they are new or have changed.
        RAISES (BertFamilyError): As in `build`.
        """
        texts = self.changed(read_source(self.nlp, source))
        self._put(texts, progress)
        return len(texts)

    def delete(self, names: str | Iterable[str]) -> None:
        """Delete texts.

        names (str | Iterable[str]): The id of one, or several.
        RAISES (BertFamilyError): If one is not in the index; then none is deleted.
        """
        self.use(self.contents.without([names] if isinstance(names, str) else names))

    def changed(self, texts: Iterable[TextWithId]) -> list[TextWithId]:
        """RETURNS (list[tuple[str, str]]): Those of some texts that are new or differ."""
        changed = []
        for name, text in texts:
            known = self.contents.get(name)
            if known is None or known.text != text:
                changed.append((name, text))
        return changed

    def _put(self, texts: Sequence[TextWithId], progress: bool) -> None:
        contents = self.contents
        for part in self.compute(texts, progress):
            contents = contents.with_part(part)
        self.use(contents.compacted(self.schedule.encoder.width))

    def compute(self, texts: Sequence[TextWithId], progress: bool) -> Iterator[Part]:
        """Read texts.

        texts (Sequence[tuple[str, str]]): Ids and texts.
        progress (bool): Whether to show a progress bar.
        YIELDS (Part): The texts with their vectors, some at a time.
        """
        total = sum(len(text) for _, text in texts)
        least = max(CHUNK_CHARACTERS, total // MOST_CHUNKS)
        with tqdm(
            total=total, unit=" chars", unit_scale=True, desc="index", disable=not progress
        ) as bar:
            for chunk in take_chunks(texts, lambda item: len(item[1]), least):
                yield compute_part(self.schedule, chunk, self.size)
                bar.update(sum(len(text) for _, text in chunk))
