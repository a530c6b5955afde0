"""Components whose heads are exchanged with the library adapters."""

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from spacy.language import Language
from thinc.api import Model

from ...errors import Errors
from ...exchange import Head, read_head, write_head
from ...transformer.shim import EncoderShim
from ...transformer.upstream import require_shim
from .pipeline_aware import PipelineAware


class HeadFiles(PipelineAware):
    """A component that can take over the head beside an adapter of AdapterHub, and write its own
    for others.
    """

    model: Model
    head_types: ClassVar[tuple[str, ...]]

    def load_head(
        self, source: str | Path, *, force: bool = False, nlp: Language | None = None
    ) -> None:
        """Take over a head that the library adapters has written, as a rule beside an adapter. The
        component need not be initialized; if it is, its head is replaced. On any error nothing is
        changed.

        source (str | Path): A folder, or a hub id.
        force (bool): Accept a head for another backbone, if its tensors fit.
        nlp (Language | None): The pipeline that holds this component, needed only where that is not
            the one it was made for.
        RAISES (ValueError): If it is incomplete, not plain data, does not fit, is for another
            backbone, or something that the component as it is configured does not compute.
        """
        shim = require_shim(self.model, self.bound("load_head", nlp), self.name)
        head = read_head(
            self.name, str(source), self.head_types, shim.encoder, shim.reference(), force
        )
        wrong = self._wrong_settings(self.settings_for(head))
        if wrong:
            reason = f"it is another computation. Make the component with {wrong}"
            raise Errors.B090(name=self.name, file=str(source), reason=reason)
        self.put_head(head, shim, str(source))

    def save_head(
        self, folder: str | Path, *, name: str | None = None, nlp: Language | None = None
    ) -> None:
        """Write the head for the library adapters, which looks for it beside an adapter of the same
        name.

        folder (str | Path): Made if it is not there.
        name (str | None): Its name; None for that of the transformer's active adapter, or else the
            component's.
        nlp (Language | None): As in `load_head`.
        RAISES (ValueError): If the library has no such head.
        """
        shim = require_shim(self.model, self.bound("save_head", nlp), self.name)
        if not all(layer.has_param("W") for layer in self.head_layers()):
            raise Errors.B091(name=self.name, reason="it has no weights yet")
        head = self.get_head(shim)
        wrong = self._wrong_settings(self.settings_for(head))
        if wrong:
            raise Errors.B091(name=self.name, reason=f"it would have to have {wrong}")
        name = name or shim.encoder.active or self.name
        write_head(self.name, Path(folder), name, head, shim.encoder, shim.reference())

    def _wrong_settings(self, needed: dict[str, Any]) -> str:
        given = self.head_settings()
        return ", ".join(
            f"{key} = {json.dumps(needed[key])}" for key in needed if given[key] != needed[key]
        )

    def head_layers(self) -> list[Model]:
        """RETURNS (list[Model]): The layers of the head, the output's last."""
        raise NotImplementedError

    def head_settings(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The settings that say what the head computes, as they are."""
        raise NotImplementedError

    def settings_for(self, head: Head) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): What they have to be to compute a head of the library."""
        raise NotImplementedError

    def get_head(self, shim: EncoderShim) -> Head:
        """RETURNS (Head): The head of the component. RAISES (ValueError): If it is more than a file
        of heads holds.
        """
        raise NotImplementedError

    def put_head(self, head: Head, shim: EncoderShim, source: str) -> None:
        """Use a head that fits the settings. RAISES (ValueError): If it does not fit the component
        otherwise.
        """
        raise NotImplementedError


def get_linear(layer: Model) -> tuple[np.ndarray, np.ndarray]:
    """RETURNS (tuple[np.ndarray, np.ndarray]): Weights and bias of a layer."""
    W, b = (layer.ops.to_numpy(layer.get_param(param)) for param in ("W", "b"))
    return W, b


def put_linear(layer: Model, W: Any, b: Any) -> None:
    """Set weights and bias of a layer, whether or not it is initialized."""
    for dim, size in zip(("nO", "nI"), W.shape):
        layer.set_dim(dim, size)
    layer.set_param("W", layer.ops.asarray2f(W))
    layer.set_param("b", layer.ops.asarray1f(b))
