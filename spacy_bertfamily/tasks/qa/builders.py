"""Registered builder of the model for question answering."""

from spacy.tokens import Doc
from spacy.util import registry
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model

from ...errors import Errors
from ..base.model import chain_head
from .head import WindowLogits, build_qa_head


@registry.architectures("spacy-bertfamily.SpanQA.v1")
def make_span_qa_model(
    tok2vec: Model[list[Doc], list[TransformerData]],
    dropout: float = 0.0,
    mix: Model[list[TransformerData], list[TransformerData]] | None = None,
) -> Model[list[Doc], list[WindowLogits]]:
    """Build BERT's question answering on top of a transformer in the same pipeline.

    Two learned vectors are dotted with every piece, one for 'starts here', one for 'ends here'
    (Devlin et al. 2019).

    tok2vec (Model[list[Doc], list[TransformerData]]): Usually a
        `spacy-bertfamily.TransformerListener.v1`. The argument's name is the one under which
        `Language.replace_listeners` looks for listeners.
    dropout (float): Dropout of the head's input in training. The original has none;
        `[training.dropout]` does not change it.
    mix (Model[list[TransformerData], list[TransformerData]] | None): Mixes the hidden states; None
        takes the last.
    RETURNS (Model[list[Doc], list[WindowLogits]]): The model, with refs `head` and `mix`.
    RAISES (BertFamilyError): If dropout is not a rate.
    """
    if not 0.0 <= dropout < 1.0:
        raise Errors.B004(setting="dropout", value=dropout, allowed="at least 0 and less than 1")
    head = build_qa_head(dropout)
    return chain_head(tok2vec, head, mix, {"head": head})
