"""Compare our layer mix with spacy-curated-transformers' scalar weighting.

    python -m venv curated
    curated/bin/pip install torch "spacy>=3.8,<3.9" spacy-curated-transformers==0.3.1
    python benchmarks/parity/layer_mix.py --python curated/bin/python

That package is in an environment of its own: this script writes random states, weights and
gradients, lets the other one compute outputs and gradients from them, and prints the largest
differences, relative to the largest value.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import numpy as np

from benchmarks import options

LAYERS, PIECES, WIDTH = 13, (7, 40, 1), 64
LIMIT = 1e-5

# The program that runs in the other environment: input file, output file
THEIRS = """
import sys
import numpy as np
from spacy_curated_transformers.models.scalar_weight import build_scalar_weight_v1
from thinc.api import torch2xp, xp2torch
from thinc.types import Ragged

data = dict(np.load(sys.argv[1]))
model = build_scalar_weight_v1(num_layers=len(data["w"]) - 1, dropout_prob=0.0)
module = model.shims[0]._model
module.layer_weights.data = xp2torch(data["w"])
module.scale.data = xp2torch(data["gamma"])
n_docs = sum(key.startswith("states") for key in data)
ragged = lambda array: Ragged(array, np.ones(len(array), dtype="int32"))
inputs = [[ragged(layer) for layer in data[f"states{i}"]] for i in range(n_docs)]
Ys, backprop = model(inputs, is_train=True)
dXs = backprop([ragged(data[f"gradient{i}"]) for i in range(n_docs)])
results = {f"output {i}": Y.dataXd for i, Y in enumerate(Ys)}
for i, dX in enumerate(dXs):
    results[f"gradient of states {i}"] = np.stack([layer.dataXd for layer in dX])
results["gradient of w"] = torch2xp(module.layer_weights.grad)
results["gradient of gamma"] = torch2xp(module.scale.grad)
np.savez(sys.argv[2], **results)
"""

Arrays = dict[str, np.ndarray]


def make_data() -> Arrays:
    """RETURNS (dict[str, np.ndarray]): Weights, and states and gradients of each Doc."""
    random = np.random.default_rng(0)
    data = {"w": random.normal(size=LAYERS), "gamma": np.array([1.3])}
    scale = np.arange(1, LAYERS + 1)[:, None, None]
    for i, pieces in enumerate(PIECES):
        data[f"states{i}"] = random.normal(size=(LAYERS, pieces, WIDTH)) * scale
        data[f"gradient{i}"] = random.normal(size=(pieces, WIDTH))
    return {name: array.astype("float32") for name, array in data.items()}


def compute_ours(data: Arrays) -> Arrays:
    """RETURNS (dict[str, np.ndarray]): Outputs and gradients of our mix."""
    from spacy_bertfamily.layer_mix.mix import connect_mix, layer_mix
    from spacy_bertfamily.layer_mix.settings import MixSettings

    mix = layer_mix(MixSettings(init=data["w"].tolist(), learn_rate_factor=1.0))
    connect_mix(mix, LAYERS - 1, WIDTH)
    mix.set_param("gamma", data["gamma"])
    inputs, gradients = [], []
    for i in range(len(PIECES)):
        layers = [layer[None] for layer in data[f"states{i}"]]
        inputs.append(transformer_data(last_hidden_state=layers[-1], hidden_states=layers))
        gradients.append(transformer_data(last_hidden_state=data[f"gradient{i}"][None]))
    Ys, backprop = mix(inputs, is_train=True)
    dXs = backprop(gradients)
    results = {"gradient of w": mix.get_grad("w"), "gradient of gamma": mix.get_grad("gamma")}
    for i, Y in enumerate(Ys):
        results[f"output {i}"] = Y.model_output["last_hidden_state"][0]
    for i, dX in enumerate(dXs):
        results[f"gradient of states {i}"] = np.concatenate(dX.model_output["hidden_states"])
    return results


def transformer_data(**output: Any) -> Any:
    """RETURNS (TransformerData): One Doc's output, without pieces."""
    from spacy_transformers.data_classes import TransformerData
    from transformers.modeling_outputs import ModelOutput

    empty = TransformerData.empty()
    return TransformerData(empty.wordpieces, ModelOutput(**output), empty.align)


def compute_theirs(data: Arrays, python: str) -> Arrays:
    """RETURNS (dict[str, np.ndarray]): Outputs and gradients of the other package."""
    with tempfile.TemporaryDirectory() as folder:
        given, computed = Path(folder) / "given.npz", Path(folder) / "computed.npz"
        np.savez(given, **data)
        subprocess.run([python, "-c", THEIRS, str(given), str(computed)], check=True)
        return dict(np.load(computed))


def main() -> None:
    parser = options.make_parser(__doc__)
    help_text = "interpreter of the environment with spacy-curated-transformers"
    parser.add_argument("--python", required=True, help=help_text)
    args = parser.parse_args()
    data = make_data()
    theirs = compute_theirs(data, args.python)
    ours = compute_ours(data)
    worst = 0.0
    for name in sorted(theirs):
        difference = np.abs(ours[name] - theirs[name]).max() / np.abs(theirs[name]).max()
        print(f"{name:24} {difference:.1e}")
        worst = max(worst, difference)
    if worst > LIMIT:
        sys.exit(f"Differences above {LIMIT}.")
    print(f"The same to {LIMIT}.")


if __name__ == "__main__":
    main()
