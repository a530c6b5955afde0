"""Compare our bottlenecks, their combinations and heads with those of the library adapters.

    python -m venv adapterhub
    adapterhub/bin/pip install -e .
    adapterhub/bin/pip install --no-deps adapters==1.2.0
    adapterhub/bin/pip install transformers==4.51.3    # its models with heads need this one
    adapterhub/bin/python benchmarks/parity/adapterhub.py

On small random backbones: an adapter file that the library wrote is loaded here, one that we wrote
is loaded there, and two that it wrote are combined here and there. The tables have the largest
difference of the last hidden states, and how much the adapters change them. With a head beside the
adapter it is the largest difference of the logits, in pipelines of the transformer and
`pair_classifier` or `span_qa`.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import tempfile
import warnings
from logging import ERROR, getLogger
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import torch
from transformers.utils import logging

from benchmarks import options
from benchmarks.parity.adapterhub_combined import compare_combinations
from benchmarks.parity.adapterhub_heads import compare_heads
from benchmarks.parity.adapterhub_models import (
    CONFIGS,
    MODEL_TYPES,
    REFUSED,
    largest_difference,
    last_states,
    load_into_theirs,
    our_encoder,
    randomize,
    reference_of,
    their_model,
)
from spacy_bertfamily.adapters import Bottleneck
from spacy_bertfamily.exchange import read_adapter, write_adapter
from spacy_bertfamily.model_types.table import known_spec
from tests.util.backbones import make_backbone

LIMIT = 1e-5


def load_theirs_here(folder: Path, config: str, place: Path) -> tuple[float, float]:
    """Load an adapter that the library wrote.

    RETURNS (tuple[float, float]): Largest difference, and the adapter's effect.
    """
    model, encoder = their_model(folder), our_encoder(folder)
    bare = last_states(model)
    model.add_adapter("task", config=config)
    model.set_active_adapters("task")
    randomize((name, p) for name, p in model.named_parameters() if ".task." in name)
    model.save_adapter(str(place), "task")
    found = read_adapter(encoder, str(place), None, reference_of(encoder), force=False)
    encoder.add_adapter(found.name, found.settings, found.modules)
    encoder.set_adapter("task")
    assert found.settings.placement == CONFIGS[config]
    adapted = last_states(model)
    return largest_difference(adapted, last_states(encoder)), largest_difference(adapted, bare)


def load_ours_there(folder: Path, config: str, place: Path) -> float:
    """RETURNS (float): Largest difference with an adapter that we wrote loaded there."""
    model, encoder = their_model(folder), our_encoder(folder)
    settings = Bottleneck(size=5, placement=CONFIGS[config], scaling=2.0, activation="gelu")
    spec = known_spec(reference_of(encoder).model_type)
    modules = settings.attach(encoder.backbone, spec)
    randomize(modules.named_parameters())
    encoder.add_adapter("task", settings, modules)
    encoder.active = "task"
    write_adapter(encoder, "task", place, "adapterhub", reference_of(encoder))
    load_into_theirs(model, place)
    return largest_difference(last_states(model), last_states(encoder))


def compare_adapters() -> float:
    """Print a table of all backbones and configs.

    RETURNS (float): The largest difference.
    """
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
                here, effect = load_theirs_here(backbone, config, folder / "theirs")
                there = load_ours_there(backbone, config, folder / "ours")
            cells = f"{model_type} | {config} | {here:.1e} | {there:.1e} | {effect:.2f}"
            print(f"| {cells} |", flush=True)
            worst = max(worst, here, there)
    return worst


def main() -> None:
    options.make_parser(__doc__).parse_args()
    logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    getLogger("adapters").setLevel(ERROR)
    worst = max(compare_adapters(), compare_combinations(), compare_heads())
    print(f"largest difference {worst:.1e}, allowed {LIMIT:.0e}")
    sys.exit(worst > LIMIT)


if __name__ == "__main__":
    main()
