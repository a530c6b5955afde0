"""Registered builders of the model of an encoder-decoder, and of its decoders."""

from spacy.tokens import Doc
from spacy.util import registry
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model

from ...adapters import Adapter
from .decoder import Decoder
from .encoder_decoder import EncoderDecoder
from .model import build_writer_model
from .pretrained_decoder import PretrainedDecoder
from .transformer_decoder import TransformerDecoder


@registry.architectures("spacy-bertfamily.EncoderDecoder.v1")
def make_encoder_decoder_model(
    tok2vec: Model[list[Doc], list[TransformerData]],
    decoder: Decoder | None = None,
    label_smoothing: float = 0.0,
    max_windows: int = 4,
) -> Model[list[Doc], list[TransformerData]]:
    """Build an encoder-decoder: a transformer's encoder reads a source, and a decoder writes.

    The encoder is frozen, or trained with its adapters or as a whole, as `trainable` of the
    transformer says. The decoder is trained with teacher forcing.

    tok2vec (Model[list[Doc], list[TransformerData]]): Usually a
        `spacy-bertfamily.TransformerListener.v1`. It says which transformer is used. The argument's
        name is the one under which `Language.replace_listeners` looks for listeners.
    decoder (Decoder | None): A `spacy-bertfamily.TransformerDecoder.v1` or a
        `spacy-bertfamily.PretrainedDecoder.v1`; None for the first with its default settings.
    label_smoothing (float): The share of the probability that all pieces have in common.
    max_windows (int): The most windows of a source that are read. The decoder sees the states of
        all of them.
    RETURNS (Model[list[Doc], list[TransformerData]]): The model.
    RAISES (BertFamilyError): If a setting is not allowed.
    """
    decoder = TransformerDecoder() if decoder is None else decoder
    return build_writer_model(tok2vec, EncoderDecoder(decoder, label_smoothing, max_windows))


@registry.misc("spacy-bertfamily.TransformerDecoder.v1")
def make_transformer_decoder(
    layers: int = 2,
    heads: int | None = None,
    ffn: int | None = None,
    embeddings: str = "shared",
    copy_source: bool = False,
    dropout: float = 0.1,
    max_positions: int = 512,
    pieces: str = "all",
) -> Decoder:
    """Make the settings of a new transformer decoder, as wide as the encoder.

    layers (int): The number of layers, each of which attends to the target and to the source.
    heads (int | None): The number of attention heads; None for one for each 64 of the width.
    ffn (int | None): The inner width of the feed-forward layers; None for four times the width.
    embeddings (str): The embeddings of pieces, which also predict pieces: `shared` for those of the
        encoder, which are trained only if the transformer trains them, and are not stored again;
        `copied` for a copy that is trained; `new` for new ones.
    copy_source (bool): Whether pieces of the source can be copied, as in a pointer-generator (See
        et al. 2017).
    dropout (float): The dropout of the decoder in training.
    max_positions (int): The longest target in pieces, with the closing one.
    pieces (str): What is predicted: `all` pieces of the vocabulary, or those `seen` in the gold
        texts, which takes less time. All pieces of a source can be copied.
    RETURNS (Decoder): The settings.
    RAISES (BertFamilyError): If a setting is not allowed.
    """
    return TransformerDecoder(
        layers, heads, ffn, embeddings, copy_source, dropout, max_positions, pieces
    )


@registry.misc("spacy-bertfamily.PretrainedDecoder.v1")
def make_pretrained_decoder(
    name: str, adapter: Adapter | None = None, reads: str = "states"
) -> Decoder:
    """Make the settings of a decoder that is a pretrained causal model, such as GPT-2 or Llama.

    The model is frozen and is not stored with the pipeline; it is found by its name, and checked by
    its fingerprint. It computes in float32, and has a vocabulary of its own.

    name (str): A backbone of one of the causal types (gemma, gpt2, llama, mistral, qwen2), in which
        the weights of a language model are: a local folder, `package:folder`, or a hub id.
    adapter (Adapter | None): What is trained in it, such as a `spacy-bertfamily.LoRA.v1`; None for
        nothing.
    reads (str): What the model reads before a target: `states` for the encoder's states, projected
        to its embeddings; `text` for the source in its own pieces, without the encoder; `both`.
    RETURNS (Decoder): The settings.
    RAISES (BertFamilyError): If a setting is not allowed.
    """
    return PretrainedDecoder(name, adapter, reads)
