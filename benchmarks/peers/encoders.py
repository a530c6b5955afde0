"""Pipelines with nothing but a transformer in them: ours and spaCy's two; and a plain loop over
batches.
"""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

from . import NAME

OURS, HALF = "ours, float32", "ours, bfloat16"
THEIRS, CURATED, PLAIN = (
    "spacy-transformers",
    "spacy-curated-transformers",
    "transformers, sorted batches",
)
STRIDED = {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 128, "stride": 96}
WINDOW, STRIDE = 384, 128  # our defaults, in pieces
BATCH = 32


def make_blank() -> Any:
    import spacy

    nlp = spacy.blank("en")
    nlp.max_length = 10**9
    return nlp


def make_ours(precision: str = "float32") -> Any:
    nlp = make_blank()
    model = {"name": NAME, "trainable": [], "adapter": None, "precision": precision}
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": model})
    nlp.initialize()
    return nlp


def make_spacy_transformers(get_spans: Any = STRIDED) -> Any:
    from spacy_bertfamily.backbone.locate import locate

    nlp = make_blank()
    model = {
        "@architectures": "spacy-transformers.TransformerModel.v3",
        "name": str(locate(NAME)),
        "get_spans": get_spans,
        "tokenizer_config": {"use_fast": True},
    }
    nlp.add_pipe("transformer", config={"model": model})
    nlp.initialize()
    return nlp


def make_curated() -> Any:
    """RETURNS (Language): spacy-curated-transformers with its own windows, loaded from the same
    files.
    """
    from transformers import AutoConfig

    from spacy_bertfamily.backbone.locate import locate

    nlp, prefix, folder = make_blank(), "spacy-curated-transformers", str(locate(NAME))
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


def make_plain() -> Callable[[list[str]], list[Any]]:
    """RETURNS (Callable): The last hidden states of all windows of texts, in batches of 32, by
    length.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    from spacy_bertfamily.backbone.locate import locate

    model, tokenizer = (
        AutoModel.from_pretrained(locate(NAME)).eval(),
        AutoTokenizer.from_pretrained(locate(NAME)),
    )

    def run(texts: list[str]) -> list[Any]:
        rows = tokenizer(
            texts, truncation=True, max_length=WINDOW, stride=STRIDE, return_overflowing_tokens=True
        )
        order = sorted(range(len(rows["input_ids"])), key=lambda i: -len(rows["input_ids"][i]))
        outputs = []
        for start in range(0, len(order), BATCH):
            batch = [
                {key: rows[key][i] for key in tokenizer.model_input_names}
                for i in order[start : start + BATCH]
            ]
            with torch.inference_mode():
                outputs.append(model(**tokenizer.pad(batch, return_tensors="pt")).last_hidden_state)
        return outputs

    return run


def makers() -> dict[str, Callable[[], Any]]:
    """RETURNS (dict[str, Callable[[], Any]]): What makes a pipeline, by name, at the defaults of
    each; without spacy-curated-transformers where it is not installed.
    """
    found: dict[str, Callable[[], Any]] = {
        OURS: make_ours,
        HALF: partial(make_ours, "bfloat16"),
        THEIRS: make_spacy_transformers,
    }
    return {**found, CURATED: make_curated} if find_spec("spacy_curated_transformers") else found
