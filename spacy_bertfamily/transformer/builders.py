"""Registered builders of models that contain the transformer itself."""

from spacy.tokens import Doc
from spacy.util import registry
from spacy_transformers.data_classes import FullTransformerBatch, TransformerData
from thinc.api import Model, chain
from thinc.types import Floats2d, Ragged

from ..adapters import Adapter
from ..encoder.settings import EncoderSettings
from .model import build_transformer_model, inline_transformer
from .token_pooling import pool_tokens


@registry.architectures("spacy-bertfamily.AdapterTransformer.v1")
def make_adapter_transformer_model(
    name: str,
    trainable: list[str],
    max_pieces: int,
    stride: int,
    batch_pieces: int,
    precision: str,
    separator: str | None,
    adapter: Adapter | None,
    cache_mb: int = 1024,
    gradient_checkpointing: bool = False,
    runtime: str = "torch",
    weights: str = "float",
    separate_layers: int = 0,
) -> Model[list[Doc], FullTransformerBatch]:
    """Build a transformer of which only a named part is trained.

    name (str): The backbone: a local folder, `package:folder` inside an installed package, or a hub
        id.
    trainable (list[str]): What is trained, out of `all`, `embeddings`, `top:N` (the N upper
        layers), `layer_norm`, `bias` and `adapter`. What is not named is frozen: no gradient, no
        decay, no dropout. [] freezes everything.
    max_pieces (int): Length of a window in pieces, special ones included.
    stride (int): Overlap between the windows of a long Doc, in pieces.
    batch_pieces (int): Padded pieces per forward pass; this bounds the memory, however long a Doc
        is.
    precision (str): Type of the frozen weights and of the computation: `float32`, `bfloat16`, or
        `float16` (GPU). Trained weights stay in float32.
    separator (str | None): Set off by whitespace, it splits the text of a Doc in two segments; None
        for never.
    adapter (Adapter | None): An `@adapters` block, or None.
    cache_mb (int): Megabytes of main memory for the hidden states beneath all that is trained, so
        that training computes the layers below them in the first epoch only. 0 for none, and no
        sharing of them with other transformers on the same backbone.
    gradient_checkpointing (bool): Keep only the input of each layer in training and compute the
        layer again on the way back: less memory for one more forward pass, the same gradients.
    runtime (str): What computes in prediction: `torch`; `openvino`, which is faster on CPUs; or
        `auto`, which is OpenVINO where it is installed and can compute the backbone. Training
        always uses torch.
    weights (str): How OpenVINO holds the weights of dense layers and embeddings: `float`, or `int8`
        in a quarter of the memory.
    separate_layers (int): The number of lowest layers in which each of two texts is read by itself,
        so that what they compute of a text is kept for all that is read with it. 0 for none.
    RETURNS (Model[list[Doc], FullTransformerBatch]): The model.
    RAISES (BertFamilyError): On settings that are not allowed or do not fit together, before
        anything is loaded.
    """
    settings = EncoderSettings(
        name=name,
        trainable=tuple(trainable),
        max_pieces=max_pieces,
        stride=stride,
        batch_pieces=batch_pieces,
        precision=precision,
        separator=separator,
        adapter=adapter,
        cache_mb=cache_mb,
        gradient_checkpointing=gradient_checkpointing,
        runtime=runtime,
        weights=weights,
        separate_layers=separate_layers,
    )
    return build_transformer_model(settings)


@registry.architectures("spacy-bertfamily.AdapterTok2Vec.v1")
def make_adapter_tok2vec(
    transformer: Model[list[Doc], FullTransformerBatch],
    pooling: Model[Ragged, Floats2d],
    grad_factor: float = 1.0,
    mix: Model[list[TransformerData], list[TransformerData]] | None = None,
) -> Model[list[Doc], list[Floats2d]]:
    """Build a tok2vec layer with a transformer of its own, for one component.

    A listener is replaced by this layer in `Language.replace_listeners`.

    transformer (Model[list[Doc], FullTransformerBatch]): A transformer's model.
    pooling (Model[Ragged, Floats2d]): Makes one vector of a token's pieces; `reduce_mean.v1` as a
        rule.
    grad_factor (float): Weight of the gradient that is passed to the transformer.
    mix (Model[list[TransformerData], list[TransformerData]] | None): Mixes hidden states; None
        takes the last.
    RETURNS (Model[list[Doc], list[Floats2d]]): The model.
    """
    # a chain in a chain, as after replace_listeners, so that both can read each other's files
    source = inline_transformer(transformer, mix, grad_factor)
    if mix is None:
        return chain(source, pool_tokens(pooling, grad_factor))
    model: Model[list[Doc], list[Floats2d]] = chain(source, mix, pool_tokens(pooling, 1.0))
    model.set_ref("listener", mix)  # where spaCy looks for the width
    return model
