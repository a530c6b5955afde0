"""Methods of the transformer for its adapters: add, switch, delete, merge, read and write."""

import warnings
from pathlib import Path
from typing import Any

from ..adapters import DEFAULT, Adapter
from ..adapters.registry import resolve_adapter
from ..errors import Warnings
from ..exchange import read_adapter, write_adapter
from .shim import EncoderShim


class HasAdapters:
    """A component whose transformer holds adapters by name.

    At most one of them is active. The one that the config describes is named `default`.
    """

    name: str

    @property
    def shim(self) -> EncoderShim:
        """RETURNS (EncoderShim): Holds the encoder."""
        raise NotImplementedError

    def _finish_pending(self) -> None:
        raise NotImplementedError

    @property
    def adapters(self) -> list[str]:
        """RETURNS (list[str]): The names of the adapters."""
        return self.shim.encoder.adapters

    @property
    def active_adapter(self) -> str | None:
        """RETURNS (str | None): The name of the active adapter, None for none."""
        return self.shim.encoder.active

    def add_adapter(self, name: str, adapter: Adapter | dict[str, Any]) -> None:
        """Add an adapter. It is stored with the pipeline, and inactive until `set_adapter`.

        name (str): Its name: letters, digits, `_` and `-`.
        adapter (Adapter | dict[str, Any]): An `@adapters` block, as in a config, or what it is
            resolved to. Other adapters that it names are copied.
        RAISES (BertFamilyError): If the name is taken or not allowed, or the adapter does not fit
            the backbone.
        """
        encoder = self.shim.encoder
        encoder.check_new_name(name)
        settings = adapter if isinstance(adapter, Adapter) else resolve_adapter(adapter)
        settings.config()  # fails now if the adapter could not be stored later
        encoder.new_adapter(name, settings, encoder.known_spec)
        self._warn_of_shared_weights()

    def set_adapter(self, name: str | None) -> None:
        """Activate one adapter; it is trained if `trainable` names adapters.

        name (str | None): Its name; None for none, which gives the bare backbone.
        RAISES (BertFamilyError): If there is none of that name.
        """
        self._finish_pending()
        self.shim.encoder.set_adapter(name)

    def delete_adapter(self, name: str) -> None:
        """Remove an adapter.

        name (str): Its name.
        RAISES (BertFamilyError): If there is none of that name, or it is the active one.
        """
        self.shim.encoder.delete_adapter(name)

    def merge_adapter(self) -> None:
        """Merge the active adapter into this transformer's weights, and remove it.

        The outputs stay the same, at the backbone's own speed. The changed weights are stored with
        the pipeline; the backbone that others share is not changed.

        RAISES (BertFamilyError): If none is active, it is of a kind that cannot be merged, or there
            are others.
        """
        self._finish_pending()
        self.shim.encoder.merge_adapter()

    def save_adapter(
        self, folder: str | Path, *, name: str | None = None, format: str = "native"
    ) -> None:
        """Write one adapter, for other pipelines or other libraries.

        folder (str | Path): Made if it is not there.
        name (str | None): The adapter; None for the active one.
        format (str): `native`; `adapterhub`: as the library adapters reads it; `peft`: as the
            library peft does.
        RAISES (BertFamilyError): If there is none of that name, or the format cannot express it.
        """
        name = name or self.active_adapter or DEFAULT
        write_adapter(self.shim.encoder, name, Path(folder), format, self.shim.reference())

    def load_adapter(
        self,
        source: str | Path,
        *,
        name: str | None = None,
        format: str | None = None,
        force: bool = False,
    ) -> str:
        """Read an adapter and add it. It is inactive until `set_adapter`.

        A head beside it is set aside, with a warning: see `PairClassifier.load_head`. On any error
        nothing is changed.

        source (str | Path): A folder, or a hub id.
        name (str | None): Its name here; None for the name that the file gives, or else the
            folder's.
        format (str | None): `native`, `adapterhub` or `peft`; None to find out by the names of the
            files.
        force (bool): Accept an adapter for another backbone, if its tensors fit.
        RETURNS (str): Its name.
        RAISES (BertFamilyError): If it is incomplete, not plain data, does not fit, or is for
            another backbone.
        """
        encoder = self.shim.encoder
        found = read_adapter(encoder, source, format, self.shim.reference(), force)
        name = name or found.name
        encoder.add_adapter(name, found.settings, found.modules)
        self._warn_of_shared_weights()
        return name

    def _initialize_adapters(self, sources: dict[str, str]) -> None:
        """Load missing adapters, and make the one of the config if it is made of them."""
        encoder = self.shim.encoder
        for name, source in sources.items():
            if name not in self.adapters:
                self.load_adapter(source, name=name)
        encoder.configure_adapter()
        encoder.check_complete()

    def _warn_of_shared_weights(self) -> None:
        others = [entry for entry in self.shim.settings.trainable if entry != "adapter"]
        if len(self.adapters) > 1 and others:
            message = Warnings.W061.format(name=self.name, others=", ".join(others))
            warnings.warn(message, stacklevel=3)
