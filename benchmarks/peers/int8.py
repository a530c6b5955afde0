"""The backbone in int8 by onnxruntime and by ctranslate2, as their documentations say."""

import contextlib
import io
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.defaults import BACKBONE
from benchmarks.peers.encoders import Compute

ONNXRUNTIME, CTRANSLATE2 = "onnxruntime, int8", "ctranslate2, int8"
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def missing_peers() -> list[str]:
    """RETURNS (list[str]): Packages that are not installed; their peers are left out."""
    return [name for name in ("onnx", "onnxruntime", "ctranslate2") if find_spec(name) is None]


def make_onnxruntime(threads: int) -> Compute:
    """Export the backbone to ONNX, and quantise its weights, with activations by tensor.

    threads (int): How many threads compute.
    RETURNS (Compute): Computes a padded batch.
    """
    import onnxruntime
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import AutoModel

    from spacy_bertfamily.backbone.locate import locate

    model = AutoModel.from_pretrained(locate(BACKBONE)).eval()
    example = tuple(torch.ones((2, 9), dtype=torch.int64) for _ in INPUTS)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        full, small = Path(folder) / "full.onnx", Path(folder) / "int8.onnx"
        with contextlib.redirect_stdout(io.StringIO()):
            torch.onnx.export(
                model,
                example,
                full,
                dynamo=False,
                input_names=list(INPUTS),
                output_names=["last_hidden_state"],
                dynamic_axes={name: {0: "windows", 1: "pieces"} for name in INPUTS},
            )
        quantize_dynamic(full, small, weight_type=QuantType.QInt8)
        session = onnxruntime.InferenceSession(small.read_bytes(), options)

    def compute(padded: Any) -> Any:
        given = {name: padded[name].numpy() for name in INPUTS}
        return session.run(["last_hidden_state"], given)[0]

    return compute


def make_ctranslate2(threads: int) -> Compute:
    """Convert the backbone for ctranslate2.

    threads (int): How many threads compute.
    RETURNS (Compute): Computes a padded batch, of one segment, as ctranslate2 does by default.
    """
    import ctranslate2
    from ctranslate2.converters import TransformersConverter

    from spacy_bertfamily.backbone.locate import locate

    class Converter(TransformersConverter):
        """Names the dtype as transformers 4.53 does, too, for which ctranslate2 4.6 is too new."""

        def load_model(self, model_class: Any, name: str, **settings: Any) -> Any:
            settings["torch_dtype"] = settings.pop("dtype", None)
            return model_class.from_pretrained(name, **settings)

    with tempfile.TemporaryDirectory() as folder:
        Converter(str(locate(BACKBONE))).convert(folder, quantization="int8", force=True)
        encoder = ctranslate2.Encoder(folder, compute_type="int8", intra_threads=threads)

    def compute(padded: Any) -> Any:
        lengths = padded["attention_mask"].sum(1).tolist()
        rows = zip(padded["input_ids"].tolist(), lengths)
        found = encoder.forward_batch([ids[:length] for ids, length in rows])
        return found.last_hidden_state

    return compute
