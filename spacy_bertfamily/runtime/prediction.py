"""Compute an encoder with OpenVINO in prediction: compiled when needed, and never out of date."""

import os
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from weakref import WeakValueDictionary

import torch

from ..encoder.module import Encoder
from ..errors import BertFamilyError, Errors, Warnings
from .compiled import CompiledEncoder
from .exports import Export, find_export, make_export, write_copy
from .fingerprint import function_fingerprint

# Compiled encoders that each runtime keeps: of the last adapters and layers.
KEPT = 4


class _Key(NamedTuple):
    """What a compiled encoder is for."""

    process: int
    fingerprint: str
    layers: tuple[int, ...]
    threads: int
    precision: str


# Pipelines that compute the same share what is compiled.
_SHARED: "WeakValueDictionary[_Key, CompiledEncoder]" = WeakValueDictionary()
_LOCK = threading.RLock()


def _renew_lock() -> None:
    """Forget a thread of the parent process that held the lock."""
    global _LOCK
    _LOCK = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class OpenVINORuntime:
    """Computes one encoder with OpenVINO in prediction.

    What is compiled belongs to one fingerprint, that of all weights and adapters: another adapter
    is exported by itself. An encoder that was trained is computed by torch from then on, since its
    next update would make an export useless.

    encoder (Encoder): The encoder.
    name (str): The transformer's name, for messages.
    stored (Path | None): A folder with what was exported of it, beside its pipeline.
    """

    def __init__(self, encoder: Encoder, name: str, stored: Path | None = None):
        self.encoder = encoder
        self.name = name
        self.stored = stored
        # why torch computes instead
        self.reason = ""
        self._first_revision = encoder.revision
        self._fingerprint: tuple[tuple[int, int], str] | None = None
        # the last one first; replaced as a whole, so that threads can read it at any time
        self._kept: tuple[tuple[_Key, CompiledEncoder], ...] = ()
        self._has_warned = False

    @property
    def is_used(self) -> bool:
        """RETURNS (bool): Whether OpenVINO computes the next prediction."""
        return not (self.reason or self.encoder.updates)

    @property
    def fingerprint(self) -> str:
        """RETURNS (str): The SHA-256 of what the encoder computes now, and of how."""
        revision = self.encoder.revision
        known = self._fingerprint
        if known is None or known[0] != revision:
            known = self._fingerprint = (revision, function_fingerprint(self.encoder))
        return known[1]

    def prepare(self, layers: Sequence[int], is_train: bool) -> CompiledEncoder | None:
        """Get what computes in place of torch, compiled for the encoder as it is now.

        layers (Sequence[int]): The hidden states that will be wanted.
        is_train (bool): Whether it is for training, which torch computes.
        RETURNS (CompiledEncoder | None): What computes; None for torch.
        RAISES (BertFamilyError): If the encoder cannot be exported, and the settings do not allow
            torch.
        """
        if is_train or self.encoder.updates:
            if self.encoder.updates or self.encoder.trains:
                self.reason = self.reason or "it was trained"
            self._warn_of_training()
        if is_train or self.reason:
            return None
        key = self._make_key(layers)
        compiled = self._find(key)
        if compiled is None:
            with _LOCK:
                compiled = self._find(key) or self._compile(key)
        return compiled

    def _make_key(self, layers: Sequence[int]) -> _Key:
        precision = self.encoder.settings.precision
        wanted = tuple(sorted({*layers}))
        return _Key(os.getpid(), self.fingerprint, wanted, torch.get_num_threads(), precision)

    def _find(self, key: _Key) -> CompiledEncoder | None:
        """RETURNS (CompiledEncoder | None): One that is kept and has at least the wanted layers."""
        for known, compiled in self._kept:
            if {*key.layers} <= {*known.layers} and known._replace(layers=key.layers) == key:
                return compiled
        return None

    def _warn_of_training(self) -> None:
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(Warnings.W740.format(name=self.name), stacklevel=2)

    def _compile(self, key: _Key) -> CompiledEncoder | None:
        compiled = _SHARED.get(key)
        if compiled is None:
            export = self._export(key.fingerprint)
            if export is None:
                return None
            settings = self.encoder.settings
            compiled = CompiledEncoder(export.model, key.layers, settings, key.threads)
            _SHARED[key] = compiled
        self._kept = ((key, compiled), *self._kept)[:KEPT]
        return compiled

    def _export(self, fingerprint: str) -> Export | None:
        """Find what was exported before, or export the encoder.

        RETURNS (Export | None): The export; None if it fails where torch may compute instead.
        """
        is_first = self.encoder.revision == self._first_revision
        export = find_export(fingerprint, self.stored, self.name, warn_of_other=is_first)
        if export is not None:
            return export
        try:
            return make_export(self.encoder, fingerprint, self.name)
        except BertFamilyError as e:
            if self.encoder.settings.runtime != "auto" or e.code != Errors.B772.code:
                raise
            self.reason = "its backbone does not export"
            warnings.warn(Warnings.W743.format(name=self.name, error=e), stacklevel=2)
            return None

    def export_to(self, folder: Path) -> None:
        """Write what is exported of the encoder to a folder. Export it first if needed.

        folder (Path): Made anew.
        RAISES (BertFamilyError): If the encoder cannot be exported.
        """
        with _LOCK:
            fingerprint = self.fingerprint
            export = find_export(fingerprint, self.stored, self.name, warn_of_other=False)
            write_copy(export or make_export(self.encoder, fingerprint, self.name), folder)

    def store(self, folder: Path) -> bool:
        """Write to a pipeline's folder what was exported of the encoder as it is now.

        folder (Path): The folder of the export.
        RETURNS (bool): Whether anything was exported, and is in the folder.
        """
        if not self.is_used:
            return False
        with _LOCK:
            export = find_export(self.fingerprint, self.stored, self.name, warn_of_other=False)
            if export is not None and export.folder != folder:
                write_copy(export, folder)
        return export is not None
