"""How often training has seen tokens."""

from typing import Any, cast

import numpy as np
import srsly
from thinc.model import deserialize_attr, serialize_attr


class SeenTokens:
    """Count tokens by the hash of their text."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def count(self, orths: Any) -> Any:
        """Look up how often tokens were seen.

        orths (Any): The hash of the text of each token, `(tokens,)`.
        RETURNS (Any): The numbers, `(tokens,)`.
        """
        found = [self._counts.get(orth, 0) for orth in orths.tolist()]
        return np.asarray(found, dtype="int64")

    def add(self, orths: Any) -> None:
        """Count tokens once more.

        orths (Any): The hash of the text of each token, `(tokens,)`.
        """
        for orth in orths.tolist():
            self._counts[orth] = self._counts.get(orth, 0) + 1

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): The hashes and their numbers."""
        orths = np.fromiter(self._counts.keys(), dtype="<u8", count=len(self._counts))
        counts = np.fromiter(self._counts.values(), dtype="<u4", count=len(self._counts))
        packed: bytes = srsly.msgpack_dumps([orths.tobytes(), counts.tobytes()])
        return packed

    def from_bytes(self, data: bytes) -> "SeenTokens":
        """Take hashes and numbers.

        data (bytes): Made by `to_bytes`.
        RETURNS (SeenTokens): These numbers.
        """
        orths, counts = srsly.msgpack_loads(data)
        orths = np.frombuffer(orths, dtype="<u8").tolist()
        self._counts = dict(zip(orths, np.frombuffer(counts, dtype="<u4").tolist()))
        return self


@serialize_attr.register(SeenTokens)
def _serialize(_: Any, value: SeenTokens, name: str, model: Any) -> bytes:
    return value.to_bytes()


@deserialize_attr.register(SeenTokens)
def _deserialize(_: Any, value: bytes, name: str, model: Any) -> SeenTokens:
    return cast(SeenTokens, model.attrs[name]).from_bytes(value)
