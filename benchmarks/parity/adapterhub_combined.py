"""Compare combinations of two adapters with those of the library adapters.

The library's Average is the mean over n adapters of each times its weight, so n times smaller than
the weighted average: here it gets n times the weights. It has no stack or fusion of parallel
adapters that could be compared: the first of a stack is lost there, and a fusion adds the
sublayer's input once too often.
"""

import tempfile
from pathlib import Path

import torch
from adapters import composition

from benchmarks.parity.adapterhub_models import (
    CONFIGS,
    MODEL_TYPES,
    REFUSED,
    largest_difference,
    last_states,
    our_encoder,
    randomize,
    reference_of,
    their_model,
)
from spacy_bertfamily.adapters import Average, Fusion, Stack
from spacy_bertfamily.exchange import read_adapter
from tests.util.backbones import make_backbone

MEMBERS, WEIGHTS = ["first", "second"], [0.25, 0.75]
PARTS = {name: name for name in MEMBERS}
THEIR_WEIGHTS = [len(MEMBERS) * weight for weight in WEIGHTS]
# our settings and theirs
COMBINATIONS = {
    "stack": (Stack(PARTS), composition.Stack(*MEMBERS)),
    "average": (
        Average(PARTS, tuple(WEIGHTS)),
        composition.Average(*MEMBERS, weights=THEIR_WEIGHTS, normalize_weights=False),
    ),
    "fusion": (Fusion(PARTS), composition.Fuse(*MEMBERS)),
}


def compare_combinations() -> float:
    """Print a table of all backbones, configs and combinations.

    RETURNS (float): The largest difference.
    """
    worst = 0.0
    print("| backbone | config | combination | difference | effect of the adapters |")
    print("| --- | --- | --- | --- | --- |")
    for model_type in MODEL_TYPES:
        for config in CONFIGS:
            for combination in COMBINATIONS:
                if not is_comparable(model_type, config, combination):
                    continue
                with tempfile.TemporaryDirectory() as name:
                    backbone = make_backbone(model_type, Path(name))
                    torch.manual_seed(1)
                    difference, effect = combine(backbone, config, combination, Path(name))
                cells = f"{model_type} | {config} | {combination} | {difference:.1e} | {effect:.2f}"
                print(f"| {cells} |", flush=True)
                worst = max(worst, difference)
    return worst


def is_comparable(model_type: str, config: str, combination: str) -> bool:
    """RETURNS (bool): The library can combine such adapters, and we read them."""
    if (model_type, config) == REFUSED:
        return False
    return config != "par_bn" or combination == "average"


def combine(folder: Path, config: str, combination: str, place: Path) -> tuple[float, float]:
    """Combine two of the library's adapters, there and here.

    RETURNS (tuple[float, float]): Largest difference of the last hidden states, and the adapters'
        effect on them.
    """
    settings, setup = COMBINATIONS[combination]
    model, encoder = their_model(folder), our_encoder(folder)
    bare = last_states(model)
    for name in MEMBERS:
        model.add_adapter(name, config=config)
    if combination == "fusion":
        model.add_adapter_fusion(setup)
    model.set_active_adapters(setup)
    tensors = [(n, p) for n, p in model.named_parameters() if "adapters." in n or "fusion" in n]
    randomize(tensors)
    for name in MEMBERS:
        model.save_adapter(str(place / name), name)
        found = read_adapter(encoder, str(place / name), None, reference_of(encoder), force=False)
        encoder.add_adapter(name, found.settings, found.modules)
    encoder.new_adapter("all", settings, encoder.known_spec)
    # both list the fusions' attentions in the order of their places in the model
    attentions = [tensor for name, tensor in tensors if "fusion" in name]
    modules = encoder.modules_of("all")
    ours = [p for name, p in modules.named_parameters() if name.startswith("layers.")]
    assert [p.shape for p in ours] == [tensor.shape for tensor in attentions]
    for parameter, tensor in zip(ours, attentions):
        parameter.data.copy_(tensor.data)
    encoder.set_adapter("all")
    combined = last_states(model)
    return largest_difference(combined, last_states(encoder)), largest_difference(combined, bare)
