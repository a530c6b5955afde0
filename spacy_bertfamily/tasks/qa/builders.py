"""Registered builders for question answering. Assembly only."""

from spacy.tokens import Doc
from spacy.util import registry
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model, chain

from ...errors import Errors
from ...transformer.model import attach_mix
from .head import WindowLogits, build_qa_head


@registry.architectures("spacy-bertfamily.SpanQA.v1")
def make_span_qa_model(
    tok2vec: Model[list[Doc], list[TransformerData]],
    dropout: float = 0.0,
    mix: Model[list[TransformerData], list[TransformerData]] | None = None,
) -> Model[list[Doc], list[WindowLogits]]:
    """Build BERT's question answering on top of a transformer in the same pipeline: two learned
    vectors, one dotted with every piece for 'starts here', one for 'ends here' (Devlin et al.
    2019).

    tok2vec (Model[list[Doc], list[TransformerData]]): A `spacy-bertfamily.TransformerListener.v1`
        as a rule. It bears the name by which `Language.replace_listeners` looks for listeners.
    dropout (float): Of the head's input, in training. The original has none; `[training.dropout]`
        does not reach it.
    mix (Model[list[TransformerData], list[TransformerData]] | None): Mixes the hidden states; None
        takes the last.
    RETURNS (Model[list[Doc], list[WindowLogits]]): The model, with refs `head` and `mix`.
    RAISES (ValueError): If dropout is not a rate.
    """
    if not 0.0 <= dropout < 1.0:
        raise Errors.B004(setting="dropout", value=dropout, allowed="at least 0 and less than 1")
    head = build_qa_head(dropout)
    if mix is not None:
        attach_mix(tok2vec, mix)
    model: Model[list[Doc], list[WindowLogits]] = (
        chain(tok2vec, head) if mix is None else chain(tok2vec, mix, head)
    )
    model.set_ref("head", head)
    model.set_ref("mix", mix)
    return model
