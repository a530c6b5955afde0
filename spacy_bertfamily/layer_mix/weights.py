"""Read what the layer mixes of a pipeline have learned."""

from dataclasses import dataclass

from spacy.language import Language
from thinc.api import Model, to_numpy

from .mix import Mix, find_mixes, mix_weights


@dataclass(frozen=True)
class MixWeights:
    """What a mix makes of the hidden states: gamma * sum_j weights_j h_j.

    component (str): The component that the mix belongs to.
    kind (str): `weighted` for a learned mix, else the fixed choice, such as `mean_last_4`.
    layers (tuple[int, ...]): The numbers of the mixed hidden states; 0 is the embeddings' output.
    weights (tuple[float, ...]): The weight of each, after the softmax. A concatenation has 1 for
        each.
    gamma (float): What the sum is multiplied with.
    """

    component: str
    kind: str
    layers: tuple[int, ...]
    weights: tuple[float, ...]
    gamma: float

    def __str__(self) -> str:
        pairs = zip(self.layers, self.weights)
        weights = "  ".join(f"{layer}: {weight:.3f}" for layer, weight in pairs)
        return f"{self.component} ({self.kind})  {weights}  gamma: {self.gamma:.3f}"


def layer_weights(nlp: Language) -> list[MixWeights]:
    """Read the layer mixes of all components, the disabled ones too.

    nlp (Language): A pipeline that was initialized or loaded.
    RETURNS (list[MixWeights]): One for each mix, in the pipeline's order. A mix that is not
        connected to a backbone yet is left out, because it has no weights.
    """
    found = []
    for name, component in nlp.components:
        model = getattr(component, "model", None)
        if isinstance(model, Model):
            found += [_read_mix(name, mix) for mix in find_mixes(model) if mix.has_dim("nL")]
    return found


def _read_mix(component: str, mix: Mix) -> MixWeights:
    layers = tuple(mix.attrs["numbers"])
    if mix.has_param("w"):
        weights, gamma = mix_weights(mix)
        values = tuple(float(weight) for weight in to_numpy(weights))
        return MixWeights(component, "weighted", layers, values, gamma)
    share = mix.attrs["width_factor"] / len(layers)
    return MixWeights(component, mix.attrs["choice"], layers, (share,) * len(layers), 1.0)
