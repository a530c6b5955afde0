"""Notice text that a backbone's vocabulary does not have: in another language or script."""

import warnings
from collections.abc import Iterable

from ..errors import Warnings
from ..windows.layout import Layout

# Fewer pieces than these are judged together with those of the next texts.
MIN_PIECES = 10
# The most that may be unknown.
MAX_SHARE = 0.5


class UnknownPieces:
    """Warn, once, if most of what a transformer reads is unknown to its backbone.

    name (str): The transformer's name, for the warning.
    backbone (str): The backbone's name, for the warning.
    """

    def __init__(self, name: str, backbone: str):
        self.name = name
        self.backbone = backbone
        self._has_warned = False
        self._total = 0
        self._unknown = 0

    def check(self, layouts: Iterable[Layout | None]) -> None:
        """Count the pieces of some texts.

        layouts (Iterable[Layout | None]): The layouts; None for a text that is not read.
        """
        if self._has_warned:
            return
        for layout in layouts:
            if layout is not None:
                self._total += len(layout.known)
                self._unknown += len(layout.known) - int(layout.known.sum())
        total, unknown = self._total, self._unknown
        if total < MIN_PIECES:
            return
        self._total = self._unknown = 0
        if unknown > MAX_SHARE * total:
            self._has_warned = True
            values = {"name": self.name, "backbone": self.backbone}
            message = Warnings.W055.format(unknown=unknown, total=total, **values)
            warnings.warn(message, stacklevel=2)
