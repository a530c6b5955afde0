"""An exported encoder, compiled for this machine's processor."""

from collections.abc import Sequence
from typing import Any

import torch

from ..encoder.settings import EncoderSettings
from ..patching.openvino_tools import import_openvino
from ..windows.padding import PaddedWindows

DEVICE = "CPU"
# With int8 weights in float32, activations are held in int8 too, with a scale for each group of so
# many numbers. In bfloat16 they are not, which is as fast and more exact.
GROUP_SIZE = 32


class CompiledEncoder:
    """Computes hidden states with OpenVINO. Threads may share it.

    model (openvino.Model): From `export_encoder`, whose outputs are named after the hidden states.
    layers (Sequence[int]): The hidden states that it gives.
    settings (EncoderSettings): Precision, and the kind of weights.
    threads (int): How many threads compute a batch.
    """

    def __init__(
        self, model: Any, layers: Sequence[int], settings: EncoderSettings, threads: int
    ) -> None:
        openvino = import_openvino()
        core = openvino.Core()
        outputs = [model.output(output_name(layer)).get_node().input_value(0) for layer in layers]
        chosen = openvino.Model(outputs, model.get_parameters())
        self.layers = tuple(layers)
        self._inputs = {name for port in model.inputs for name in port.get_names()}
        self._compiled = core.compile_model(chosen, DEVICE, _properties(core, settings, threads))
        # requests that no thread uses; each holds the memory of one batch
        self._idle: list[Any] = []

    def __call__(self, padded: PaddedWindows, layers: Sequence[int]) -> dict[int, torch.Tensor]:
        """Compute the hidden states of a batch.

        padded (PaddedWindows): The windows of the batch.
        layers (Sequence[int]): The hidden states that are wanted.
        RETURNS (dict[int, torch.Tensor]): The states by layer, `(windows, pieces, width)`.
        """
        arrays = {
            "ids": padded.ids,
            "mask": padded.mask,
            "types": padded.types,
            "global_mask": padded.global_attention_mask,
        }
        inputs = {name: array for name, array in arrays.items() if name in self._inputs}
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        request.infer(inputs, share_inputs=True)
        states = {}
        for layer in layers:
            # copied, since the next batch overwrites it
            array = request.get_output_tensor(self.layers.index(layer)).data.copy()
            states[layer] = torch.from_numpy(array)
        self._idle.append(request)
        return states


def output_name(layer: int) -> str:
    """RETURNS (str): The name of the output that is a hidden state."""
    return f"state_{layer}"


def _properties(core: Any, settings: EncoderSettings, threads: int) -> dict[str, Any]:
    """Choose how a model is compiled.

    core (openvino.Core): Knows the processor.
    settings (EncoderSettings): Precision, and the kind of weights.
    threads (int): How many threads compute a batch.
    RETURNS (dict[str, Any]): OpenVINO's properties.
    """
    has_bfloat16 = "BF16" in core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
    is_bfloat16 = settings.precision == "bfloat16" and has_bfloat16
    is_grouped = settings.weights == "int8" and not is_bfloat16
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "bf16" if is_bfloat16 else "f32",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": GROUP_SIZE if is_grouped else 0,
    }
