"""The thinc shim of an ELMo: finds its files, and stores what identifies them."""

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import srsly
import torch
from thinc.api import get_torch_default_device
from thinc.shims import Shim

from ...backbone.locate import locate_file
from ...errors import Errors
from ...patching.forked_threads import use_one_thread_if_forked
from .options import read_options
from .reader import ElmoReader
from .weights import fingerprint_files, read_network

FINGERPRINT = "fingerprint"


class ElmoShim(Shim):
    """Hold an ELMo, of which nothing is trained. Its weights are read when they are first needed.

    options (str): The path of the `options.json`.
    weights (str): The path of the HDF5 file.
    stateful (bool): Whether the sentences of a batch go on where those of the last batch ended.
    RAISES (BertFamilyError): If the options cannot be read.
    """

    def __init__(self, options: str, weights: str, stateful: bool):
        super().__init__(None)
        self.options_path = options
        self.weights_path = weights
        self.stateful = stateful
        self.options = read_options(locate_file(options))
        # of the files that a pipeline was trained with; None before the training
        self.fingerprint: str | None = None
        self._reader: ElmoReader | None = None
        self._lock = threading.Lock()

    def read(self, sentences: Sequence[Sequence[str]]) -> list[torch.Tensor]:
        """Compute all layers of sentences.

        sentences (Sequence[Sequence[str]]): Words.
        RETURNS (list[torch.Tensor]): `(layers + 1, words, width)` for each.
        RAISES (BertFamilyError): If the weights cannot be read, or are not those of the training.
        """
        use_one_thread_if_forked()
        with self._lock:
            reader = self.load()
            return reader.read_on(sentences) if self.stateful else reader.read(sentences)

    def load(self) -> ElmoReader:
        """Read the weights, if that has not happened.

        RETURNS (ElmoReader): What reads sentences with them.
        RAISES (BertFamilyError): If they cannot be read, or are not those of the training.
        """
        if self._reader is None:
            paths = locate_file(self.options_path), locate_file(self.weights_path)
            stamps = tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in paths)
            network, found = _load_shared(*paths, stamps)
            if self.fingerprint not in (None, found):
                raise Errors.B604(
                    files=[str(path) for path in paths], found=found, expected=self.fingerprint
                )
            self.fingerprint = found
            self._reader = ElmoReader(network.to(get_torch_default_device()))
        return self._reader

    def copy(self) -> "ElmoShim":
        """RETURNS (ElmoShim): A copy that shares the weights, with no states of rows."""
        copied = ElmoShim(self.options_path, self.weights_path, self.stateful)
        copied.fingerprint = self.fingerprint
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> "ElmoShim":
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        arguments = self.options_path, self.weights_path, self.stateful
        return ElmoShim, arguments, {FINGERPRINT: self.fingerprint}

    def finish_update(self, optimizer: Any) -> None:
        """Do nothing: nothing is trained."""

    def to_device(self, device_type: str, device_id: int) -> None:
        """Let the weights be placed anew when they are next needed."""
        self._reader = None

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): What identifies the weights; they stay in their own files."""
        content: bytes = srsly.msgpack_dumps({FINGERPRINT: self.fingerprint})
        return content

    def from_bytes(self, data: bytes) -> "ElmoShim":
        """Take what identifies the weights.

        data (bytes): Made by `to_bytes`.
        RETURNS (ElmoShim): This shim.
        """
        self.fingerprint = srsly.msgpack_loads(data)[FINGERPRINT]
        self._reader = None
        return self


@lru_cache(maxsize=2)
def _load_shared(options: Path, weights: Path, stamps: tuple[Any, ...]) -> tuple[Any, str]:
    """Read files once for all pipelines of the process, as long as the files stay the same."""
    network = read_network(read_options(options), weights)
    return network, fingerprint_files(options, weights)
