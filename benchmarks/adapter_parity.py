"""Do our bottlenecks, combinations of them, and heads, compute what the library adapters computes,
and does each read the other's files?

    python -m venv adapterhub && adapterhub/bin/pip install -e . && adapterhub/bin/pip install
    --no-deps adapters==1.2.0 adapterhub/bin/pip install transformers==4.51.3  # the one that its
    models with heads work with adapterhub/bin/python benchmarks/adapter_parity.py

On small random backbones: an adapter that they wrote is loaded here, and one that we wrote is
loaded there; and two that they wrote are combined here and there. The tables have the largest
difference between the last hidden states, and how much the adapters change them at all. With a head
beside the adapter, it is the largest difference between the logits, in pipelines of transformer and
`pair_classifier` or `span_qa`.

The library's Average is the mean over n adapters of each times its weight, so n times smaller than
the weighted average: here it gets n times the weights. It has no stack or fusion of parallel
adapters that one could compare with: the first of a stack is lost there, and a fusion adds the
sublayer's input once too often.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
import tempfile
import warnings
from contextlib import redirect_stdout
from io import StringIO
from logging import ERROR, getLogger
from pathlib import Path

import adapters
import spacy
import torch
from adapters import composition
from transformers import AutoModel
from transformers.utils import logging

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from spacy_bertfamily.adapters import Average, Bottleneck, Fusion, Stack
from spacy_bertfamily.backbone import load_backbone  # noqa: E402
from spacy_bertfamily.encoder.module import Encoder  # noqa: E402
from spacy_bertfamily.encoder.settings import EncoderSettings  # noqa: E402
from spacy_bertfamily.exchange import read_adapter, write_adapter  # noqa: E402
from spacy_bertfamily.model_types.table import known_spec  # noqa: E402
from spacy_bertfamily.storage.delta import Reference  # noqa: E402
from spacy_bertfamily.tasks.base.head_files import put_linear  # noqa: E402
from tests.util import make_backbone  # noqa: E402

MODEL_TYPES = ("bert", "roberta", "distilbert", "electra", "albert", "deberta-v2")
CONFIGS = {"double_seq_bn": "houlsby", "seq_bn": "pfeiffer", "par_bn": "parallel"}
# There the library reads the layer's input instead of the attention's output, so such files are
# refused here.
REFUSED = ("albert", "double_seq_bn")
MEMBERS, WEIGHTS = ["first", "second"], [0.25, 0.75]
COMBINATIONS = {
    "stack": (Stack(dict(zip(MEMBERS, MEMBERS))), composition.Stack(*MEMBERS)),
    "average": (
        Average(dict(zip(MEMBERS, MEMBERS)), tuple(WEIGHTS)),
        composition.Average(
            *MEMBERS, weights=[len(MEMBERS) * w for w in WEIGHTS], normalize_weights=False
        ),
    ),
    "fusion": (Fusion(dict(zip(MEMBERS, MEMBERS))), composition.Fuse(*MEMBERS)),
}
# Its config there, and the component with its settings here.
WIDE = {"hidden_size": 32}
HEADS = {
    "1 layer": (
        {"head_type": "classification", "num_labels": 3, "layers": 1},
        "pair_classifier",
        {},
    ),
    "2 layers": (
        {"head_type": "classification", "num_labels": 3},
        "pair_classifier",
        {"model": WIDE},
    ),
    "regression": (
        {"head_type": "classification", "num_labels": 1, "layers": 1, "bias": False},
        "pair_classifier",
        {"mode": "regression"},
    ),
    "multilabel": (
        {"head_type": "multilabel_classification", "num_labels": 3},
        "pair_classifier",
        {"mode": "multilabel", "model": WIDE},
    ),
    "question answering": ({"head_type": "question_answering", "num_labels": 2}, "span_qa", {}),
}
LABELS = ["entailed", "neutral", "contradicted"]
TEXT = "I like green eggs and the small blue dog"
LIMIT = 1e-5
IDS = torch.arange(5, 29).reshape(2, 12)
MASK = torch.ones_like(IDS)
MASK[1, 9:] = 0
REAL = MASK.bool()


def theirs(folder):
    """RETURNS (nn.Module): The backbone, as the library adapters wants it."""
    model = AutoModel.from_pretrained(folder).eval()
    adapters.init(model)
    return model


def ours(folder):
    """RETURNS (Encoder): The backbone without adapters, as a transformer component has it."""
    settings = EncoderSettings(str(folder), (), 32, 8, 256, "float32", "[SEP]", None)
    return Encoder(load_backbone(str(folder)), settings)


def reference_of(encoder):
    """RETURNS (Reference): What the component says of its backbone."""
    return Reference(
        encoder.settings.name, encoder.shared.config.model_type, encoder.shared.fingerprint
    )


@torch.no_grad()
def run(model):
    """RETURNS (torch.Tensor): The last hidden states of pieces that are no padding."""
    if isinstance(model, Encoder):
        return model(IDS, MASK, torch.zeros_like(IDS), [model.depth])[model.depth][REAL]
    model.eval()  # what was added to some models is not
    return model(input_ids=IDS, attention_mask=MASK).last_hidden_state[REAL]


def shake(parameters):
    """Values that matter; adapters begin near the identity."""
    for _, parameter in sorted(parameters):
        parameter.data = torch.randn(parameter.shape) * 0.3


def from_theirs(folder, config, place):
    """RETURNS (tuple[float, float]): Largest difference with their file loaded here, and the
    adapter's effect.
    """
    model, encoder = theirs(folder), ours(folder)
    bare = run(model)
    model.add_adapter("task", config=config)
    model.set_active_adapters("task")
    shake((name, p) for name, p in model.named_parameters() if ".task." in name)
    model.save_adapter(str(place), "task")
    found = read_adapter(encoder, str(place), None, reference_of(encoder), force=False)
    encoder.add_adapter(found.name, found.settings, found.modules)
    encoder.set_adapter("task")
    assert found.settings.placement == CONFIGS[config]
    return float((run(model) - run(encoder)).abs().max()), float((run(model) - bare).abs().max())


def from_ours(folder, config, place):
    """RETURNS (float): Largest difference with our file loaded there."""
    model, encoder = theirs(folder), ours(folder)
    settings = Bottleneck(size=5, placement=CONFIGS[config], scaling=2.0, activation="gelu")
    modules = settings.attach(encoder.backbone, known_spec(reference_of(encoder).model_type))
    shake(modules.named_parameters())
    encoder.add_adapter("task", settings, modules)
    encoder.active = "task"
    write_adapter(encoder, "task", place, "adapterhub", reference_of(encoder))
    info = {}
    model.load_adapter(str(place), set_active=True, use_safetensors=True, loading_info=info)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    return float((run(model) - run(encoder)).abs().max())


def combined(folder, config, combination, place):
    """RETURNS (tuple[float, float]): Largest difference with two of their adapters combined, and
    the effect of that.
    """
    settings, setup = COMBINATIONS[combination]
    model, encoder = theirs(folder), ours(folder)
    bare = run(model)
    for name in MEMBERS:
        model.add_adapter(name, config=config)
    if combination == "fusion":
        model.add_adapter_fusion(setup)
    model.set_active_adapters(setup)
    tensors = [(n, p) for n, p in model.named_parameters() if "adapters." in n or "fusion" in n]
    shake(tensors)
    for name in MEMBERS:
        model.save_adapter(str(place / name), name)
        found = read_adapter(encoder, str(place / name), None, reference_of(encoder), force=False)
        encoder.add_adapter(name, found.settings, found.modules)
    encoder.new_adapter("all", settings, encoder.known_spec)
    # the order is that of the places in the model, in both
    attentions = [t for n, t in tensors if "fusion" in n]
    own = [p for n, p in encoder.modules_of("all").named_parameters() if n.startswith("layers.")]
    assert [p.shape for p in own] == [t.shape for t in attentions]
    for parameter, tensor in zip(own, attentions):
        parameter.data.copy_(tensor.data)
    encoder.set_adapter("all")
    return float((run(model) - run(encoder)).abs().max()), float((run(model) - bare).abs().max())


def compare_combined():
    """RETURNS (float): The largest difference."""
    worst = 0.0
    print("| backbone | config | combination | difference | effect of the adapters |")
    print("| --- | --- | --- | --- | --- |")
    for model_type in MODEL_TYPES:
        for config in CONFIGS:
            for combination in COMBINATIONS:
                if (model_type, config) == REFUSED or (
                    config == "par_bn" and combination != "average"
                ):
                    continue
                with tempfile.TemporaryDirectory() as name:
                    backbone = make_backbone(model_type, Path(name))
                    torch.manual_seed(1)
                    difference, effect = combined(backbone, config, combination, Path(name))
                print(
                    f"| {model_type} | {config} | {combination} | {difference:.1e} | {effect:.2f} |",
                    flush=True,
                )
                worst = max(worst, difference)
    return worst


def pipeline(folder, factory, config, adapter):
    """RETURNS (tuple[Language, AdapterTransformer, Pipe]): A pipeline whose last component has a
    head.
    """
    nlp = spacy.blank("en")
    model = {
        "name": str(folder),
        "trainable": ["adapter"] if adapter else [],
        "adapter": adapter,
        "max_pieces": 32,
    }
    transformer = nlp.add_pipe("adapter_transformer", config={"model": {**model, "stride": 8}})
    with redirect_stdout(StringIO()):  # what is trained
        nlp.initialize()
    return nlp, transformer, nlp.add_pipe(factory, config=config)


@torch.no_grad()
def logits(nlp, component, model):
    """RETURNS (tuple[torch.Tensor, torch.Tensor]): Of a text, here and there."""
    doc = nlp.get_pipe("adapter_transformer")(nlp.make_doc(TEXT))
    here = component.model.predict([doc])
    pieces = doc._.trf_data.wordpieces
    ids, mask = torch.as_tensor(pieces.input_ids), torch.as_tensor(pieces.attention_mask)
    output = model.eval()(input_ids=ids.long(), attention_mask=mask.long())
    if component.name == "span_qa":
        return torch.tensor(here[0].logits), torch.stack(
            [output.start_logits, output.end_logits], dim=-1
        )
    return torch.tensor(here), output.logits


def head_from_theirs(folder, head, place):
    """RETURNS (float): Largest difference with their adapter and head loaded here."""
    theirs, factory, config = HEADS[head]
    model = adapters.AutoAdapterModel.from_pretrained(folder)
    model.add_adapter("task", config="seq_bn")
    labels = (
        {"id2label": dict(enumerate(LABELS[: theirs["num_labels"]]))}
        if factory == "pair_classifier"
        else {}
    )
    model.add_prediction_head_from_config("task", {**theirs, **labels})
    model.set_active_adapters("task")
    shake((name, p) for name, p in model.named_parameters() if ".task." in name)
    model.save_adapter(str(place), "task", with_head=True)
    nlp, transformer, component = pipeline(folder, factory, config, None)
    transformer.load_adapter(place)
    transformer.set_adapter("task")
    component.load_head(place)
    here, there = logits(nlp, component, model)
    return float((here - there).abs().max())


def head_from_ours(folder, head, place):
    """RETURNS (float): Largest difference with our adapter and head loaded there."""
    theirs, factory, config = HEADS[head]
    adapter = {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 5, "placement": "pfeiffer"}
    nlp, transformer, component = pipeline(folder, factory, config, adapter)
    shake(transformer.shim.encoder.adapter.named_parameters())
    n_labels, layers = theirs["num_labels"], component.head_layers()
    if factory == "pair_classifier":
        for label in LABELS[:n_labels]:
            component.add_label(label)
        if head == "regression":
            component.cfg.update(mean=2.5, scale=3.0)
    width = transformer.shim.encoder.width
    for layer, size in zip(layers, [width] * (len(layers) - 1) + [n_labels]):
        put_linear(layer, torch.randn(size, width).numpy() * 0.3, torch.randn(size).numpy())
    transformer.save_adapter(place, format="adapterhub")
    component.save_head(place)
    model = adapters.AutoAdapterModel.from_pretrained(folder)
    info = {}
    model.load_adapter(str(place), set_active=True, use_safetensors=True, loading_info=info)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    here, there = logits(nlp, component, model)
    if factory == "pair_classifier":
        here = here * component.cfg["scale"] + component.cfg["mean"]
        assert model.get_labels_dict() == dict(enumerate(LABELS[:n_labels]))
    return float((here - there).abs().max())


def compare_heads():
    """RETURNS (float): The largest difference."""
    worst = 0.0
    print("| backbone | head | theirs, loaded here | ours, loaded there |")
    print("| --- | --- | --- | --- |")
    for model_type in MODEL_TYPES:
        for head in HEADS:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                backbone = make_backbone(model_type, folder)
                torch.manual_seed(1)
                here = head_from_theirs(backbone, head, folder / "theirs")
                there = head_from_ours(backbone, head, folder / "ours")
            print(f"| {model_type} | {head} | {here:.1e} | {there:.1e} |", flush=True)
            worst = max(worst, here, there)
    return worst


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    getLogger("adapters").setLevel(ERROR)
    worst = 0.0
    print(
        "| backbone | config | theirs, loaded here | ours, loaded there | effect of the adapter |"
    )
    print("| --- | --- | --- | --- | --- |")
    for model_type in MODEL_TYPES:
        for config in CONFIGS:
            if (model_type, config) == REFUSED:
                print(f"| {model_type} | {config} | refused | refused | |")
                continue
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                backbone = make_backbone(model_type, folder)
                torch.manual_seed(1)
                here, effect = from_theirs(backbone, config, folder / "theirs")
                there = from_ours(backbone, config, folder / "ours")
            print(
                f"| {model_type} | {config} | {here:.1e} | {there:.1e} | {effect:.2f} |", flush=True
            )
            worst = max(worst, here, there)
    worst = max(worst, compare_combined(), compare_heads())
    print(f"largest difference {worst:.1e}, allowed {LIMIT:.0e}")
    sys.exit(worst > LIMIT)


if __name__ == "__main__":
    main()
