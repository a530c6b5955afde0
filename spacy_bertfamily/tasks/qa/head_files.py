"""The head of `span_qa` in files of the library adapters."""

from typing import Any

from thinc.api import Model

from ...exchange import Head
from ...exchange.head import QUESTION_ANSWERING
from ...transformer.shim import EncoderShim
from ..base.head_files import HeadFiles, get_linear, put_linear


class QAHeadFiles(HeadFiles):
    """Reads and writes heads for question answering."""

    head_types = (QUESTION_ANSWERING,)

    def head_layers(self) -> list[Model[Any, Any]]:
        """RETURNS (list[Model]): The head, which is one layer."""
        return [self.model.get_ref("head")]

    def head_settings(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The component's `mix`."""
        return {"mix": self.model.maybe_get_ref("mix")}

    def settings_for(self, head: Head) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The settings with which a component computes that head."""
        return {"mix": None}

    def get_head(self, shim: EncoderShim) -> Head:
        """RETURNS (Head): The component's head."""
        return Head(QUESTION_ANSWERING, [get_linear(layer) for layer in self.head_layers()])

    def put_head(self, head: Head, shim: EncoderShim, source: str) -> None:
        """Replace the component's head.

        head (Head): A head that fits the component's settings.
        shim (EncoderShim): The transformer's.
        source (str): Where the head was read.
        """
        put_linear(self.model.get_ref("head"), *head.layers[0])
