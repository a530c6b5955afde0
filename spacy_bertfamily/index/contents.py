"""The texts of an index by id, in parts that never change: what was replaced is left out."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np

from ..errors import Errors
from .part import Document, Part, merge_parts
from .results import Passage

# So many parts, or this share of rows that do not count, and all are merged into one.
MOST_PARTS, MOST_DEAD = 16, 1 / 3


class Contents:
    """The texts of an index. A change makes new contents: those that are searched stay whole.

    parts (Sequence[Part]): The parts.
    dead (Sequence[Iterable[int]]): The numbers of the documents of each that no longer count.
    """

    def __init__(self, parts: Sequence[Part] = (), dead: Sequence[Iterable[int]] = ()):
        self.parts = list(parts)
        self.dead = [set(numbers) for numbers in dead] or [set() for _ in parts]
        self.places = {
            document.id: (part, number)
            for part in range(len(self.parts))
            for number, document in enumerate(self.parts[part].documents)
            if number not in self.dead[part]
        }

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def get(self, name: str) -> Document | None:
        """RETURNS (Document | None): The text with an id; None if there is none."""
        if name not in self.places:
            return None
        part, number = self.places[name]
        return self.parts[part].documents[number]

    def with_part(self, part: Part) -> "Contents":
        """RETURNS (Contents): These contents and a part, whose texts replace those of their ids."""
        kept = self.without([document.id for document in part.documents if document.id in self])
        return Contents([*kept.parts, part], [*kept.dead, set()])

    def __contains__(self, name: object) -> bool:
        return name in self.places

    def without(self, names: Iterable[str]) -> "Contents":
        """Leave texts out.

        names (Iterable[str]): Their ids.
        RETURNS (Contents): The others.
        RAISES (BertFamilyError): If one is not there.
        """
        dead = [set(numbers) for numbers in self.dead]
        for name in names:
            if name not in self.places:
                some = ", ".join(map(repr, list(self.places)[:3])) or "none"
                raise Errors.B824(id=name, count=len(self), some=some)
            part, number = self.places[name]
            dead[part].add(number)
        return Contents(self.parts, dead)

    def compacted(self, width: int) -> "Contents":
        """RETURNS (Contents): The same texts, in one part if they are in many or hold many dead."""
        n_rows, n_alive = len(self.alive), int(self.alive.sum())
        n_dead_texts = sum(map(len, self.dead))
        is_sparse = n_rows - n_alive > MOST_DEAD * n_rows or n_dead_texts > len(self)
        if len(self.parts) <= MOST_PARTS and not is_sparse:
            return self
        alive = [
            [number for number in range(len(part.documents)) if number not in dead]
            for part, dead in zip(self.parts, self.dead)
        ]
        return Contents([merge_parts(self.parts, alive, width)] if len(self) else [])

    @cached_property
    def alive(self) -> np.ndarray:
        """RETURNS (np.ndarray): Whether each row's text counts, boolean, `(rows,)`."""
        flags = [np.zeros(0, dtype=bool)]
        for part, dead in zip(self.parts, self.dead):
            of_part = np.ones(part.rows[-1], dtype=bool)
            for number in dead:
                of_part[part.rows[number] : part.rows[number + 1]] = False
            flags.append(of_part)
        return np.concatenate(flags)

    @cached_property
    def _first_rows(self) -> np.ndarray:
        return np.concatenate([[0], np.cumsum([part.rows[-1] for part in self.parts])])

    def passage(self, row: int, score: float) -> Passage:
        """RETURNS (Passage): The passage of a row, with a score."""
        index = int(np.searchsorted(self._first_rows, row, side="right")) - 1
        part, within = self.parts[index], row - int(self._first_rows[index])
        number = int(np.searchsorted(part.rows, within, side="right")) - 1
        document = part.documents[number]
        start, end = document.passages[within - int(part.rows[number])]
        return Passage(document.text[start:end], document.id, start, end, score)
