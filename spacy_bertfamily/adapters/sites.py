"""Where each model type takes adapters: a table, one row per type. Growing it needs no code.

Names are module paths in transformers' implementation. A sublayer of a post-norm transformer computes
`norm(branch(input) + input)`; a site names the three modules at which one can get hold of these values.
"""

from dataclasses import dataclass
from typing import Dict, Tuple

from torch import nn

from ..errors import Errors


@dataclass(frozen=True)
class Site:
    """One residual sublayer, by module paths relative to its layer.

    branch (str): The module whose output is what the residual is added to (after its dropout).
    norm (str): The layer normalisation after the addition.
    input (str): A module whose first argument is the sublayer's input.
    """

    branch: str
    norm: str
    input: str

    def width(self, layer: nn.Module) -> int:
        """RETURNS (int): The width of the sublayer's output."""
        return int(layer.get_submodule(self.norm).get_parameter("weight").shape[0])


@dataclass(frozen=True)
class Family:
    """What a model type looks like to adapters and freezing.

    layers (str): Path of the list of layers.
    attention (Site): The self-attention sublayer.
    ffn (Site): The feed-forward sublayer.
    above (Tuple[str, ...]): Top-level modules that come after the last layer.
    positions_from_pad (bool): Position ids begin after the padding index, so that many are lost.
    """

    layers: str
    attention: Site
    ffn: Site
    above: Tuple[str, ...] = ("pooler",)
    positions_from_pad: bool = False

    def find_layers(self, model: nn.Module) -> Tuple[nn.Module, ...]:
        """RETURNS (Tuple[nn.Module, ...]): The layers that have weights of their own, the lowest first."""
        return tuple(model.get_submodule(self.layers).children())


_BERT_FFN = Site(branch="output.dropout", norm="output.LayerNorm", input="intermediate")
_BERT_ATTENTION = Site(branch="attention.output.dropout", norm="attention.output.LayerNorm", input="attention")
_BERT = Family("encoder.layer", _BERT_ATTENTION, _BERT_FFN)
_ROBERTA = Family("encoder.layer", _BERT_ATTENTION, _BERT_FFN, positions_from_pad=True)
_ALBERT = Family(
    # One module is called once per layer: its adapters are shared by all depths, as its weights are.
    "encoder.albert_layer_groups.0.albert_layers",
    Site(branch="attention.output_dropout", norm="attention.LayerNorm", input="attention"),
    Site(branch="ffn_output", norm="full_layer_layer_norm", input="ffn"),
    above=("pooler", "pooler_activation"),
)
_DISTILBERT = Family(
    "transformer.layer",
    Site(branch="attention.out_lin", norm="sa_layer_norm", input="attention"),
    Site(branch="ffn.dropout", norm="output_layer_norm", input="ffn"),
)
_MPNET = Family(
    "encoder.layer",
    Site(branch="attention.dropout", norm="attention.LayerNorm", input="attention"),
    _BERT_FFN,
    positions_from_pad=True,
)

FAMILIES: Dict[str, Family] = {
    "albert": _ALBERT,
    "bert": _BERT,
    "big_bird": _BERT,
    "camembert": _ROBERTA,
    "data2vec-text": _ROBERTA,
    "deberta-v2": _BERT,
    "distilbert": _DISTILBERT,
    "electra": _BERT,
    "ernie": _BERT,
    "longformer": _ROBERTA,
    "mpnet": _MPNET,
    "rembert": _BERT,
    "roberta": _ROBERTA,
    "roc_bert": _BERT,
    "splinter": _BERT,
    "xlm-roberta": _ROBERTA,
}


def register_family(model_type: str, family: Family) -> None:
    """Describe a model type that the table lacks.

    model_type (str): As in the backbone's config.json.
    family (Family): Its sites.
    """
    FAMILIES[model_type] = family


def find_family(model_type: str) -> Family:
    """RETURNS (Family): The row of the table. RAISES (ValueError): If there is none, naming those there are."""
    if model_type not in FAMILIES:
        raise ValueError(Errors.B008.format(model_type=model_type, known=", ".join(sorted(FAMILIES))))
    return FAMILIES[model_type]
