"""Registered builder of the model of a prefix-LM."""

from spacy.tokens import Doc
from spacy.util import registry
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model

from .model import build_writer_model
from .prefix_lm import PrefixLM


@registry.architectures("spacy-bertfamily.PrefixLM.v1")
def make_prefix_lm_model(
    tok2vec: Model[list[Doc], list[TransformerData]],
    predict: str = "sampled",
    mask_rate: float = 0.7,
    head: str = "auto",
    label_smoothing: float = 0.0,
    pieces: str = "all",
) -> Model[list[Doc], list[TransformerData]]:
    """Build a prefix-LM: one network reads a source and writes behind it (Dong et al. 2019).

    It is the encoder of a transformer in the same pipeline, with its adapters, and a masked-LM
    head that predicts pieces with the encoder's embeddings. Source pieces see the source; target
    pieces see the source and the target up to themselves.

    tok2vec (Model[list[Doc], list[TransformerData]]): Usually a
        `spacy-bertfamily.TransformerListener.v1`. It says which transformer is used. The argument's
        name is the one under which `Language.replace_listeners` looks for listeners.
    predict (str): What is predicted in training: `sampled` masks a share of the target's pieces,
        as UniLM does; `all` predicts each piece after all pieces before it, as in decoding (Bao et
        al. 2020), in a window that is longer by the target.
    mask_rate (float): That share.
    head (str): `own` for the masked-LM head of the backbone's files, `new` for a new one, `auto`
        for that of the files if they have one.
    label_smoothing (float): The share of the probability that all pieces have in common.
    pieces (str): What may be written: `all` pieces of the vocabulary, or those `seen` in the gold
        texts of the training data, which takes less time: a vocabulary costs as much as a small
        encoder.
    RETURNS (Model[list[Doc], list[TransformerData]]): The model.
    RAISES (BertFamilyError): If a setting is not allowed.
    """
    writer = PrefixLM(predict, mask_rate, head, label_smoothing, pieces)
    return build_writer_model(tok2vec, writer)
