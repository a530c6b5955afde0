"""Registered builders for question answering. Assembly only."""

from typing import List, Optional

from spacy.tokens import Doc
from spacy.util import registry
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model, chain

from ..errors import Errors
from ..layers.listener import LayerListener
from ..layers.qa_head import WindowLogits, build_qa_head


@registry.architectures("spacy-bertfamily.SpanQA.v1")
def make_span_qa_model(
    upstream: str = "*", mix: Optional[Model[List[TransformerData], List[TransformerData]]] = None, dropout: float = 0.0
) -> Model[List[Doc], List[WindowLogits]]:
    """Build BERT's question answering on top of a transformer in the same pipeline: two learned vectors, one dotted
    with every piece for 'starts here', one for 'ends here' (Devlin et al. 2019).

    upstream (str): Name of the transformer, `*` for the one that there is.
    mix (Optional[Model[List[TransformerData], List[TransformerData]]]): A block that mixes hidden states; None for the
        last one.
    dropout (float): Of the head's input, in training. The original has none; `[training.dropout]` does not reach it.
    RETURNS (Model[List[Doc], List[WindowLogits]]): The model, with refs `listener` and `head`.
    RAISES (ValueError): If dropout is not a rate.
    """
    if not 0.0 <= dropout < 1.0:
        raise ValueError(Errors.B004.format(setting="dropout", value=dropout, allowed="at least 0 and less than 1"))
    listener = LayerListener(upstream, mix)
    head = build_qa_head(dropout)
    model: Model = chain(listener, head) if mix is None else chain(listener, mix, head)
    model.set_ref("listener", listener)
    model.set_ref("head", head)
    return model
