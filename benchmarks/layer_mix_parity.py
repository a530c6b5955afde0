"""Is our layer mix the same as spacy-curated-transformers' scalar weighting? On the same states,
with the same weights.

    python -m venv curated && curated/bin/pip install torch "spacy>=3.8,<3.9"
    spacy-curated-transformers==0.3.1 python benchmarks/layer_mix_parity.py --python
    curated/bin/python

That package lives in an environment of its own: this script writes random states and gradients, has
the other one compute its outputs and gradients from them, and prints the largest differences,
relative to the largest value.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

LAYERS, PIECES, WIDTH = 13, (7, 40, 1), 64
LIMIT = 1e-5

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
Ys, backprop = model([[ragged(layer) for layer in data[f"states{i}"]] for i in range(n_docs)], is_train=True)
dXs = backprop([ragged(data[f"gradient{i}"]) for i in range(n_docs)])
results = {f"output {i}": Y.dataXd for i, Y in enumerate(Ys)}
results.update({f"gradient of states {i}": np.stack([layer.dataXd for layer in dX]) for i, dX in enumerate(dXs)})
results["gradient of w"] = torch2xp(module.layer_weights.grad)
results["gradient of gamma"] = torch2xp(module.scale.grad)
np.savez(sys.argv[2], **results)
"""


def make_data() -> dict:
    random = np.random.default_rng(0)
    data = {"w": random.normal(size=LAYERS), "gamma": np.array([1.3])}
    for i, pieces in enumerate(PIECES):
        data[f"states{i}"] = (
            random.normal(size=(LAYERS, pieces, WIDTH)) * np.arange(1, LAYERS + 1)[:, None, None]
        )
        data[f"gradient{i}"] = random.normal(size=(pieces, WIDTH))
    return {name: array.astype("float32") for name, array in data.items()}


def compute_ours(data: dict) -> dict:
    from spacy_transformers.data_classes import TransformerData
    from transformers.modeling_outputs import ModelOutput

    from spacy_bertfamily.layer_mix.mix import connect_mix, layer_mix
    from spacy_bertfamily.layer_mix.settings import MixSettings

    def doc(**output: object) -> TransformerData:
        empty = TransformerData.empty()
        return TransformerData(empty.wordpieces, ModelOutput(**output), empty.align)

    mix = layer_mix(MixSettings(init=data["w"].tolist(), learn_rate_factor=1.0))
    connect_mix(mix, LAYERS - 1, WIDTH)
    mix.set_param("gamma", data["gamma"])
    states = [[layer[None] for layer in data[f"states{i}"]] for i in range(len(PIECES))]
    Ys, backprop = mix(
        [doc(last_hidden_state=layers[-1], hidden_states=layers) for layers in states],
        is_train=True,
    )
    dXs = backprop([doc(last_hidden_state=data[f"gradient{i}"][None]) for i in range(len(PIECES))])
    results = {f"output {i}": Y.model_output["last_hidden_state"][0] for i, Y in enumerate(Ys)}
    for i, dX in enumerate(dXs):
        results[f"gradient of states {i}"] = np.concatenate(dX.model_output["hidden_states"])
    return {
        **results,
        "gradient of w": mix.get_grad("w"),
        "gradient of gamma": mix.get_grad("gamma"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--python",
        required=True,
        help="interpreter of the environment with spacy-curated-transformers",
    )
    args = parser.parse_args()
    data = make_data()
    with tempfile.TemporaryDirectory() as folder:
        given, computed = Path(folder) / "given.npz", Path(folder) / "computed.npz"
        np.savez(given, **data)
        subprocess.run([args.python, "-c", THEIRS, str(given), str(computed)], check=True)
        theirs = dict(np.load(computed))
    ours = compute_ours(data)
    differences = {
        name: np.abs(ours[name] - theirs[name]).max() / np.abs(theirs[name]).max()
        for name in sorted(theirs)
    }
    for name, difference in differences.items():
        print(f"{name:24} {difference:.1e}")
    if max(differences.values()) > LIMIT:
        sys.exit(f"Differences above {LIMIT}.")
    print(f"The same to {LIMIT}.")


if __name__ == "__main__":
    main()
