"""Pipelines with nothing but a transformer, ours and spaCy's two, and a plain loop over batches."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

from benchmarks.defaults import BACKBONE

# The names of the ways in the tables
FLOAT32, BFLOAT16 = "ours, float32", "ours, bfloat16"
SPACY_TRANSFORMERS = "spacy-transformers"
CURATED_TRANSFORMERS = "spacy-curated-transformers"
PLAIN_LOOP = "transformers, sorted batches"
# spacy-transformers' default windows, in tokens
STRIDED = {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 128, "stride": 96}
# our default windows, in pieces
WINDOW, STRIDE = 384, 128
BATCH = 32
# From a padded batch, by the tokenizer's names of the inputs, to last hidden states.
Compute = Callable[[Any], Any]


def make_blank() -> Any:
    """RETURNS (Language): A blank pipeline that takes texts of any length."""
    import spacy

    nlp = spacy.blank("en")
    nlp.max_length = 10**9
    return nlp


def make_ours(precision: str = "float32", **settings: Any) -> Any:
    """RETURNS (Language): Our frozen transformer."""
    nlp = make_blank()
    frozen = {"name": BACKBONE, "trainable": [], "adapter": None}
    model = {**frozen, "precision": precision, **settings}
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": model})
    nlp.initialize()
    return nlp


def make_spacy_transformers(get_spans: Any = STRIDED) -> Any:
    """RETURNS (Language): spacy-transformers' transformer.

    get_spans (Any): The config of its span getter, which makes the windows.
    """
    from spacy_bertfamily.backbone.locate import locate

    nlp = make_blank()
    model = {
        "@architectures": "spacy-transformers.TransformerModel.v3",
        "name": str(locate(BACKBONE)),
        "get_spans": get_spans,
        "tokenizer_config": {"use_fast": True},
    }
    nlp.add_pipe("transformer", config={"model": model})
    nlp.initialize()
    return nlp


def make_curated_transformers() -> Any:
    """RETURNS (Language): spacy-curated-transformers with its default windows."""
    from transformers import AutoConfig

    from spacy_bertfamily.backbone.locate import locate

    nlp = make_blank()
    prefix = "spacy-curated-transformers"
    folder = str(locate(BACKBONE))
    backbone = AutoConfig.from_pretrained(folder)
    model = {
        "@architectures": f"{prefix}.BertTransformer.v1",
        "vocab_size": backbone.vocab_size,
        "hidden_width": backbone.hidden_size,
        "intermediate_width": backbone.intermediate_size,
        "num_hidden_layers": backbone.num_hidden_layers,
        "num_attention_heads": backbone.num_attention_heads,
        "piece_encoder": {"@architectures": f"{prefix}.BertWordpieceEncoder.v1"},
        "with_spans": {"@architectures": f"{prefix}.WithStridedSpans.v1"},
    }
    nlp.add_pipe("curated_transformer", name="transformer", config={"model": model})
    nlp.config["initialize"]["components"]["transformer"] = {
        "encoder_loader": {
            "@model_loaders": f"{prefix}.HFTransformerEncoderLoader.v1",
            "name": folder,
        },
        "piecer_loader": {"@model_loaders": f"{prefix}.HFPieceEncoderLoader.v1", "name": folder},
    }
    nlp.initialize()
    return nlp


def make_torch_compute() -> Compute:
    """RETURNS (Compute): Computes a padded batch with transformers' model."""
    import torch
    from transformers import AutoModel

    from spacy_bertfamily.backbone.locate import locate

    model = AutoModel.from_pretrained(locate(BACKBONE)).eval()

    def compute(padded: Any) -> Any:
        with torch.inference_mode():
            return model(**padded).last_hidden_state

    return compute


def make_plain_loop(
    make_compute: Callable[[], Compute] = make_torch_compute,
) -> Callable[[list[str]], list[Any]]:
    """Make a loop over batches, without spaCy.

    Windows are sorted by length and run in batches of 32.

    make_compute (Callable[[], Compute]): Makes what computes a batch.
    RETURNS (Callable[[list[str]], list[Any]]): From texts to last hidden states.
    """
    from transformers import AutoTokenizer

    from spacy_bertfamily.backbone.locate import locate

    tokenizer = AutoTokenizer.from_pretrained(locate(BACKBONE))
    compute = make_compute()

    def run(texts: list[str]) -> list[Any]:
        windows = tokenizer(
            texts, truncation=True, max_length=WINDOW, stride=STRIDE, return_overflowing_tokens=True
        )
        lengths = [len(ids) for ids in windows["input_ids"]]
        order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
        outputs = []
        for start in range(0, len(order), BATCH):
            batch = [
                {key: windows[key][i] for key in tokenizer.model_input_names}
                for i in order[start : start + BATCH]
            ]
            outputs.append(compute(tokenizer.pad(batch, return_tensors="pt")))
        return outputs

    return run


def pipeline_makers() -> dict[str, Callable[[], Any]]:
    """RETURNS (dict[str, Callable[[], Language]]): Makers of pipelines at their defaults, by name.

    spacy-curated-transformers is among them where it is installed.
    """
    makers: dict[str, Callable[[], Any]] = {
        FLOAT32: make_ours,
        BFLOAT16: partial(make_ours, "bfloat16"),
        SPACY_TRANSFORMERS: make_spacy_transformers,
    }
    if find_spec("spacy_curated_transformers"):
        makers[CURATED_TRANSFORMERS] = make_curated_transformers
    return makers
