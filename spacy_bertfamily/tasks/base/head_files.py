"""Components that exchange their heads with the library adapters."""

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
    """A component that reads heads in files of AdapterHub and peft, and writes AdapterHub's."""

    model: Model[Any, Any]
    head_types: ClassVar[tuple[str, ...]]

    def load_head(
        self, source: str | Path, *, force: bool = False, nlp: Language | None = None
    ) -> None:
        """Load a head that the library adapters or peft has written, usually beside an adapter.

        The component need not be initialized; if it is, its head is replaced. On any error nothing
        is changed.

        source (str | Path): A folder, or a hub id.
        force (bool): Accept a head for another backbone, if its tensors fit.
        nlp (Language | None): The pipeline that holds this component. It is needed only if that is
            not the one the component was made for.
        RAISES (BertFamilyError): If the head is incomplete, is not plain data, does not fit, is for
            another backbone, or computes something else than the component is configured for.
        """
        shim = require_shim(self.model, self.require_pipeline("load_head", nlp), self.name)
        head = read_head(self.name, source, self.head_types, shim.encoder, shim.reference(), force)
        wrong = self._wrong_settings(self.settings_for(head))
        if wrong:
            reason = f"it is another computation. Make the component with {wrong}"
            raise Errors.B090(name=self.name, file=str(source), reason=reason)
        self.put_head(head, shim, str(source))

    def save_head(
        self, folder: str | Path, *, name: str | None = None, nlp: Language | None = None
    ) -> None:
        """Write the head for the library adapters.

        The library looks for it beside an adapter of the same name.

        folder (str | Path): The folder, made if it does not exist.
        name (str | None): The head's name. It defaults to that of the transformer's active adapter,
            or else to the component's.
        nlp (Language | None): As in `load_head`.
        RAISES (BertFamilyError): If the library has no such head.
        """
        shim = require_shim(self.model, self.require_pipeline("save_head", nlp), self.name)
        if not all(layer.has_param("W") for layer in self.head_layers()):
            raise Errors.B091(name=self.name, reason="it has no weights yet")
        head = self.get_head(shim)
        wrong = self._wrong_settings(self.settings_for(head))
        if wrong:
            raise Errors.B091(name=self.name, reason=f"it would have to have {wrong}")
        name = name or shim.encoder.active or self.name
        write_head(self.name, Path(folder), name, head, shim.encoder, shim.reference())

    def _wrong_settings(self, needed: dict[str, Any]) -> str:
        """RETURNS (str): The needed settings that differ from the component's; empty if none."""
        given = self.head_settings()
        wrong = [key for key in needed if given[key] != needed[key]]
        return ", ".join(f"{key} = {json.dumps(needed[key])}" for key in wrong)

    def head_layers(self) -> list[Model[Any, Any]]:
        """RETURNS (list[Model]): The layers of the head, the output layer last."""
        raise NotImplementedError

    def head_settings(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The component's settings that say what the head computes."""
        raise NotImplementedError

    def settings_for(self, head: Head) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The settings with which a component computes that head."""
        raise NotImplementedError

    def get_head(self, shim: EncoderShim) -> Head:
        """Read the component's head.

        shim (EncoderShim): The transformer's.
        RETURNS (Head): The head.
        RAISES (BertFamilyError): If no file of a head can hold it.
        """
        raise NotImplementedError

    def put_head(self, head: Head, shim: EncoderShim, source: str) -> None:
        """Replace the component's head by one that fits the settings.

        head (Head): The head.
        shim (EncoderShim): The transformer's.
        source (str): Where the head was read, for errors.
        RAISES (BertFamilyError): If the head does not fit the component in another way.
        """
        raise NotImplementedError


def get_linear(layer: Model[Any, Any]) -> tuple[np.ndarray, np.ndarray]:
    """RETURNS (tuple[np.ndarray, np.ndarray]): Weights and bias of a layer."""
    W: np.ndarray = layer.ops.to_numpy(layer.get_param("W"))
    b: np.ndarray = layer.ops.to_numpy(layer.get_param("b"))
    return W, b


def put_linear(layer: Model[Any, Any], W: Any, b: Any) -> None:
    """Set weights and bias of a layer, whether or not it is initialized.

    layer (Model): The layer.
    W (np.ndarray): The weights, `(nO, nI)`.
    b (np.ndarray): The bias, `(nO,)`.
    """
    for dim, size in zip(("nO", "nI"), W.shape):
        layer.set_dim(dim, size)
    layer.set_param("W", layer.ops.asarray2f(W))
    layer.set_param("b", layer.ops.asarray1f(b))
