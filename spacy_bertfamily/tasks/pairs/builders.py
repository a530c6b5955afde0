"""Registered builder of the pair classifier's model."""

from spacy.tokens import Doc
from spacy.util import registry
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model
from thinc.types import Floats2d

from ...errors import Errors
from ..base.model import chain_head
from .head import BERT_POOLER, build_pair_head
from .pooling import POOLINGS

REFS = ("pooler", "hidden", "output")


@registry.architectures("spacy-bertfamily.PairClassifier.v1")
def make_pair_classifier_model(
    tok2vec: Model[list[Doc], list[TransformerData]],
    pooling: str = "cls",
    hidden_size: int | None = None,
    dropout: float | None = None,
    mix: Model[list[TransformerData], list[TransformerData]] | None = None,
) -> Model[list[Doc], Floats2d]:
    """Build the pair classifier's model, for pairs and for single texts.

    Its logits for a Doc are the mean of its windows' logits.

    tok2vec (Model[list[Doc], list[TransformerData]]): Usually a
        `spacy-bertfamily.TransformerListener.v1`. The argument's name is the one under which
        `Language.replace_listeners` looks for listeners.
    pooling (str): How a window's pieces become one vector: `cls` (its first piece), `mean`, `max`
        (both with the special pieces), `infersent` (the mean of each text's own pieces, their
        absolute difference and their product: see `pool_windows`; `segments` is its former name),
        or `pooler`: the first piece, through BERT's pooler, a dense layer with tanh. The head gets
        a copy of the backbone's weights of that layer when it is initialized. It trains and stores
        the copy, even if the backbone is frozen.
    hidden_size (int | None): Units of a hidden layer with tanh; None for no hidden layer.
    dropout (float | None): Dropout of the head in training; None for the rate in [training].
    mix (Model[list[TransformerData], list[TransformerData]] | None): Mixes the hidden states; None
        takes the last.
    RETURNS (Model[list[Doc], Floats2d]): The model; its output is as wide as there are labels.
    RAISES (BertFamilyError): If a setting is not allowed.
    """
    if pooling not in POOLINGS and pooling != BERT_POOLER:
        allowed = f"one of {', '.join(POOLINGS)}, {BERT_POOLER}"
        raise Errors.B004(setting="pooling", value=pooling, allowed=allowed)
    if hidden_size is not None and hidden_size <= 0:
        allowed = "a number of units, or null for none"
        raise Errors.B004(setting="hidden_size", value=hidden_size, allowed=allowed)
    if dropout is not None and not 0 <= dropout < 1:
        allowed = "from 0 up to, but not including, 1, or null"
        raise Errors.B004(setting="dropout", value=dropout, allowed=allowed)
    head = build_pair_head(pooling, hidden_size, dropout or 0.0)
    refs = {name: head.maybe_get_ref(name) for name in REFS}
    model = chain_head(tok2vec, head, mix, refs)
    model.attrs.update(dropout=dropout, pooling=pooling)
    return model
