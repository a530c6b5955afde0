"""Compare pipelines that have an adapter and a head with models of the library adapters."""

import tempfile
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import adapters
import spacy
import torch

from benchmarks.parity.adapterhub_models import (
    MODEL_TYPES,
    largest_difference,
    load_into_theirs,
    randomize,
)
from spacy_bertfamily.tasks.base.head_files import put_linear
from tests.util.backbones import make_backbone


@dataclass(frozen=True)
class Head:
    """A head, there and here.

    config (dict[str, Any]): The library's config.
    factory (str): Our component.
    settings (dict[str, Any]): The component's settings.
    """

    config: dict[str, Any]
    factory: str
    settings: dict[str, Any] = field(default_factory=dict)


WIDE = {"hidden_size": 32}
HEADS = {
    "1 layer": Head(
        {"head_type": "classification", "num_labels": 3, "layers": 1}, "pair_classifier"
    ),
    "2 layers": Head(
        {"head_type": "classification", "num_labels": 3}, "pair_classifier", {"model": WIDE}
    ),
    "regression": Head(
        {"head_type": "classification", "num_labels": 1, "layers": 1, "bias": False},
        "pair_classifier",
        {"mode": "regression"},
    ),
    "multilabel": Head(
        {"head_type": "multilabel_classification", "num_labels": 3},
        "pair_classifier",
        {"mode": "multilabel", "model": WIDE},
    ),
    "question answering": Head({"head_type": "question_answering", "num_labels": 2}, "span_qa"),
}
LABELS = ["entailed", "neutral", "contradicted"]
TEXT = "I like green eggs and the small blue dog"


def compare_heads() -> float:
    """Print a table of all backbones and heads.

    RETURNS (float): The largest difference.
    """
    worst = 0.0
    print("| backbone | head | theirs, loaded here | ours, loaded there |")
    print("| --- | --- | --- | --- |")
    for model_type in MODEL_TYPES:
        for title, head in HEADS.items():
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                backbone = make_backbone(model_type, folder)
                torch.manual_seed(1)
                here = load_theirs_here(backbone, head, folder / "theirs")
                there = load_ours_there(backbone, head, folder / "ours")
            print(f"| {model_type} | {title} | {here:.1e} | {there:.1e} |", flush=True)
            worst = max(worst, here, there)
    return worst


def load_theirs_here(folder: Path, head: Head, place: Path) -> float:
    """RETURNS (float): Largest difference of logits with their adapter and head loaded here."""
    model = adapters.AutoAdapterModel.from_pretrained(folder)
    model.add_adapter("task", config="seq_bn")
    config = dict(head.config)
    if head.factory == "pair_classifier":
        config["id2label"] = dict(enumerate(LABELS[: config["num_labels"]]))
    model.add_prediction_head_from_config("task", config)
    model.set_active_adapters("task")
    randomize((name, p) for name, p in model.named_parameters() if ".task." in name)
    model.save_adapter(str(place), "task", with_head=True)
    nlp, transformer, component = make_pipeline(folder, head, None)
    transformer.load_adapter(place)
    transformer.set_adapter("task")
    component.load_head(place)
    return largest_difference(*compute_logits(nlp, component, model))


def load_ours_there(folder: Path, head: Head, place: Path) -> float:
    """RETURNS (float): Largest difference of logits with our adapter and head loaded there."""
    adapter = {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 5, "placement": "pfeiffer"}
    nlp, transformer, component = make_pipeline(folder, head, adapter)
    randomize(transformer.shim.encoder.adapter.named_parameters())
    labels = LABELS[: head.config["num_labels"]]
    layers = component.head_layers()
    if head.factory == "pair_classifier":
        for label in labels:
            component.add_label(label)
        if head.settings.get("mode") == "regression":
            component.cfg.update(mean=2.5, scale=3.0)
    width = transformer.shim.encoder.width
    sizes = [width] * (len(layers) - 1) + [head.config["num_labels"]]
    for layer, size in zip(layers, sizes):
        put_linear(layer, torch.randn(size, width).numpy() * 0.3, torch.randn(size).numpy())
    transformer.save_adapter(place, format="adapterhub")
    component.save_head(place)
    model = adapters.AutoAdapterModel.from_pretrained(folder)
    load_into_theirs(model, place)
    here, there = compute_logits(nlp, component, model)
    if head.factory == "pair_classifier":
        here = here * component.cfg["scale"] + component.cfg["mean"]
        assert model.get_labels_dict() == dict(enumerate(labels))
    return largest_difference(here, there)


def make_pipeline(folder: Path, head: Head, adapter: dict[str, Any] | None) -> tuple[Any, Any, Any]:
    """RETURNS (tuple[Language, AdapterTransformer, Pipe]): A pipeline, and its two components."""
    nlp = spacy.blank("en")
    model = {
        "name": str(folder),
        "trainable": ["adapter"] if adapter else [],
        "adapter": adapter,
        "max_pieces": 32,
        "stride": 8,
    }
    transformer = nlp.add_pipe("adapter_transformer", config={"model": model})
    with redirect_stdout(StringIO()):  # the transformer prints what is trained
        nlp.initialize()
    return nlp, transformer, nlp.add_pipe(head.factory, config=head.settings)


@torch.no_grad()
def compute_logits(nlp: Any, component: Any, model: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """RETURNS (tuple[torch.Tensor, torch.Tensor]): The logits of a text, here and there."""
    doc = nlp.get_pipe("adapter_transformer")(nlp.make_doc(TEXT))
    here = component.model.predict([doc])
    pieces = doc._.trf_data.wordpieces
    ids, mask = torch.as_tensor(pieces.input_ids), torch.as_tensor(pieces.attention_mask)
    output = model.eval()(input_ids=ids.long(), attention_mask=mask.long())
    if component.name == "span_qa":
        there = torch.stack([output.start_logits, output.end_logits], dim=-1)
        return torch.tensor(here[0].logits), there
    return torch.tensor(here), output.logits
