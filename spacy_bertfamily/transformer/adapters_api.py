"""What one does with the adapters of a transformer: add, switch, delete, merge, share."""

import warnings
from pathlib import Path
from typing import Any

from ..adapters import DEFAULT, Adapter
from ..adapters.registry import resolve_adapter
from ..errors import Warnings
from ..exchange import read_adapter, write_adapter
from .shim import EncoderShim


class HasAdapters:
    """A component whose transformer holds adapters by name, of which one acts, or none. The one
    that the config describes is named `default`.
    """

    name: str

    @property
    def shim(self) -> EncoderShim:
        raise NotImplementedError

    def _finish_pending(self) -> None:
        raise NotImplementedError

    @property
    def adapters(self) -> list[str]:
        """RETURNS (list[str]): The names of the adapters."""
        return self.shim.encoder.adapters

    @property
    def active_adapter(self) -> str | None:
        """RETURNS (str | None): The name of the adapter that acts, None for none."""
        return self.shim.encoder.active

    def add_adapter(self, name: str, adapter: Adapter | dict[str, Any]) -> None:
        """Add an adapter, which does not act before `set_adapter`. It is stored with the pipeline.

        name (str): Its name: letters, digits, `_` and `-`.
        adapter (Adapter | dict[str, Any]): An `@adapters` block, as in a config, or what it is
            resolved to. Of other adapters that it names, copies are made.
        RAISES (ValueError): If the name is taken or not allowed, or the adapter does not fit the
            backbone.
        """
        encoder = self.shim.encoder
        encoder.check_new_name(name)
        settings = adapter if isinstance(adapter, Adapter) else resolve_adapter(adapter)
        settings.config()  # what cannot be stored is found out now
        encoder.new_adapter(name, settings, encoder.known_spec)
        self._warn_of_shared_weights()

    def set_adapter(self, name: str | None) -> None:
        """Let one adapter act, and be trained if `trainable` names adapters. The others do nothing.

        name (str | None): Its name; None for none, which gives the bare backbone.
        RAISES (ValueError): If there is none of that name.
        """
        self._finish_pending()
        self.shim.encoder.set_adapter(name)

    def delete_adapter(self, name: str) -> None:
        """Forget an adapter.

        name (str): Its name.
        RAISES (ValueError): If there is none of that name, or it is the active one.
        """
        self.shim.encoder.delete_adapter(name)

    def merge_adapter(self) -> None:
        """Put the effect of the active adapter into weights of this transformer, and forget the
        adapter: the same outputs at the backbone's own speed. The changed weights are stored with
        the pipeline; the backbone that others share stays as it is.

        RAISES (ValueError): If none is active, it is of a kind that cannot be merged, or there are
            others.
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
        RAISES (ValueError): If there is none of that name, or the format cannot express it.
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
        """Read an adapter and add it. On any error nothing is changed. It does not act before
        `set_adapter`.

        source (str | Path): A folder, or a hub id.
        name (str | None): Its name here; None for the name that the file gives, or else the
            folder's.
        format (str | None): `native`, `adapterhub` or `peft`; None to find out by the names of the
            files.
        force (bool): Accept an adapter for another backbone, if its tensors fit.
        RETURNS (str): Its name.
        RAISES (ValueError): If it is incomplete, not plain data, does not fit, or is for another
            backbone.
        """
        encoder = self.shim.encoder
        found = read_adapter(encoder, str(source), format, self.shim.reference(), force)
        name = name or found.name
        encoder.add_adapter(name, found.settings, found.modules)
        self._warn_of_shared_weights()
        return name

    def _initialize_adapters(self, sources: dict[str, str]) -> None:
        """Load what is not there yet, and make the adapter of the config if it waits for that."""
        encoder = self.shim.encoder
        for name, source in sources.items():
            if name not in self.adapters:
                self.load_adapter(source, name=name)
        encoder.configure_adapter()
        encoder.check_complete()

    def _warn_of_shared_weights(self) -> None:
        others = [entry for entry in self.shim.settings.trainable if entry != "adapter"]
        if len(self.adapters) > 1 and others:
            warnings.warn(
                Warnings.W061.format(name=self.name, others=", ".join(others)), stacklevel=3
            )
