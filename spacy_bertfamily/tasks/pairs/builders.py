"""Registered builders for the pair classifier, and for listening to whole windows. Assembly
only.
"""

from spacy.tokens import Doc
from spacy.util import registry
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model, chain
from thinc.types import Floats2d

from ...errors import Errors
from ...transformer.model import attach_mix
from .head import build_pair_head
from .pooling import POOLINGS


@registry.architectures("spacy-bertfamily.PairClassifier.v1")
def make_pair_classifier_model(
    tok2vec: Model[list[Doc], list[TransformerData]],
    pooling: str = "cls",
    hidden_size: int | None = None,
    dropout: float | None = None,
    mix: Model[list[TransformerData], list[TransformerData]] | None = None,
) -> Model[list[Doc], Floats2d]:
    """Build the pair classifier's model, for pairs and for single texts. Its logits for a Doc are
    the mean of its windows' logits.

    tok2vec (Model[list[Doc], list[TransformerData]]): A `spacy-bertfamily.TransformerListener.v1`
        as a rule. It bears the name by which `Language.replace_listeners` looks for listeners.
    pooling (str): How one vector is made of a window: `cls` (its first piece), `mean`, `max` (both
        with the special pieces), `segments` (the mean of each text's own pieces, their absolute
        difference and their product: see `pool_windows`), or `pooler`: the first piece, through the
        backbone's own pooler, a dense layer with tanh. The head gets a copy of that layer's weights
        when it is initialized; it trains and stores the copy like its own, also with a frozen
        backbone.
    hidden_size (int | None): Units of a hidden layer with tanh; None for no hidden layer.
    dropout (float | None): Dropout in the head, in training; None for the rate in [training].
    mix (Model[list[TransformerData], list[TransformerData]] | None): Mixes the hidden states; None
        takes the last.
    RETURNS (Model[list[Doc], Floats2d]): The model; its output is as wide as there are labels.
    RAISES (ValueError): On settings that are not allowed.
    """
    allowed = {
        "pooling": (
            pooling,
            pooling in POOLINGS or pooling == "pooler",
            f"one of {', '.join(POOLINGS)}, pooler",
        ),
        "hidden_size": (
            hidden_size,
            hidden_size is None or hidden_size > 0,
            "a number of units, or null for none",
        ),
        "dropout": (
            dropout,
            dropout is None or 0 <= dropout < 1,
            "from 0 up to, but not including, 1, or null",
        ),
    }
    for setting, (value, ok, what) in allowed.items():
        if not ok:
            raise Errors.B004(setting=setting, value=value, allowed=what)
    head = build_pair_head(pooling, hidden_size, dropout or 0.0)
    if mix is not None:
        attach_mix(tok2vec, mix)
    model: Model[list[Doc], Floats2d] = (
        chain(tok2vec, head) if mix is None else chain(tok2vec, mix, head)
    )
    for ref in ("pooler", "hidden", "output"):
        model.set_ref(ref, head.maybe_get_ref(ref))
    model.set_ref("mix", mix)
    model.attrs.update(dropout=dropout, pooling=pooling)
    return model
