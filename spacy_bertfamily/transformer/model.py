"""The transformer as a thinc model: Docs in, spacy-transformers' batches out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from spacy.tokens import Doc
from spacy_transformers.data_classes import FullTransformerBatch, TransformerData
from thinc.api import Model, chain
from thinc.types import Floats3d

from ..encoder.encode import States, encode
from ..encoder.settings import EncoderSettings
from ..errors import BertFamilyError
from ..layer_mix.states import HiddenStates, kept_layers
from .listener import LayerListener
from .shim import EncoderShim

TransformerModel = Model[list[Doc], FullTransformerBatch]


@dataclass(frozen=True)
class EncodeRequest:
    """What a transformer's model is asked for.

    docs (list[Doc]): The Docs.
    layers (Sequence[int]): The hidden states to keep besides the last.
    """

    docs: list[Doc]
    layers: Sequence[int]


class DocBatch(FullTransformerBatch):
    """A batch that was made Doc by Doc: each has padded arrays of its own.

    doc_data (list[TransformerData]): One for each Doc, or, on the way back, its gradients.
    """

    def __init__(self, doc_data: list[TransformerData]):
        nothing = TransformerData.empty()
        super().__init__(
            spans=[],
            wordpieces=nothing.wordpieces,
            model_output=nothing.model_output,
            align=nothing.align,
            cached_doc_data=doc_data,
        )

    def unsplit_by_doc(self, arrays: list[list[Floats3d]]) -> "DocBatch":
        """Wrap gradients of the last hidden state, as spacy-transformers' layers pass them.

        arrays (list[list[Floats3d]]): One entry for each Doc with tokens, in order.
        RETURNS (DocBatch): The gradients.
        """
        entries = iter(arrays)
        gradients: list[States] = []
        for data in self.doc_data:
            gradients.append({LAST: next(entries)[0]} if has_states(data) else {})
        return gradients_batch(gradients, LAST)


# Stands for the last layer where the depth is not known.
LAST = -1


def has_states(data: TransformerData) -> bool:
    """RETURNS (bool): Whether there are hidden states. A Doc without tokens has none."""
    return "last_hidden_state" in data.model_output


def gradients_batch(gradients: list[States], depth: int) -> DocBatch:
    """Put gradients into the form of the output that they belong to.

    gradients (list[States]): For each Doc, gradients by layer.
    depth (int): The number of the last hidden state.
    RETURNS (DocBatch): The gradients.
    """
    return DocBatch([_gradient_data(states, depth) for states in gradients])


def _gradient_data(states: States, depth: int) -> TransformerData:
    data = TransformerData.empty()
    if depth in states:
        data.model_output["last_hidden_state"] = states[depth]
    inner = {layer: state for layer, state in states.items() if layer != depth}
    if inner:
        data.model_output["hidden_states"] = [inner.get(layer) for layer in range(max(inner) + 1)]
    return data


def states_of(data: TransformerData, depth: int) -> States:
    """Read hidden states, or their gradients, from a Doc's data.

    data (TransformerData): The data.
    depth (int): The number of the last hidden state.
    RETURNS (dict[int, Floats3d]): The states by layer.
    """
    inner = data.model_output.get("hidden_states") or []
    states = {layer: state for layer, state in enumerate(inner) if state is not None}
    if has_states(data):
        states[depth] = data.model_output["last_hidden_state"]
    return states


def build_transformer_model(settings: EncoderSettings) -> TransformerModel:
    """Build the model; the backbone is loaded when it is initialized or read from disk.

    settings (EncoderSettings): What to load and how to run it.
    RETURNS (Model[list[Doc], FullTransformerBatch]): The model. Of Docs it keeps the hidden states
        that its attribute `layers` names (`all`, or their numbers) besides the last one; of an
        `EncodeRequest` those of the request.
    """
    return Model(
        "adapter-transformer",
        forward,
        init=init,
        dims={"nO": None},
        attrs={
            "layers": [],
            "replace_listener": replace_listener,
            "replace_listener_cfg": replace_listener_cfg,
        },
        shims=[EncoderShim(settings)],
    )


def shim_of(model: Model[Any, Any]) -> EncoderShim:
    """RETURNS (EncoderShim): The shim of a transformer's model."""
    return cast(EncoderShim, model.shims[0])


def init(model: TransformerModel, X: list[Doc] | None = None, Y: Any = None) -> None:
    """Load the backbone, unless it is loaded already.

    `spacy pretrain` replaces any ValueError of this by its own E874, which does not say what is
    wrong. Therefore the objectives of this package load what could not be loaded here.
    """
    shim = shim_of(model)
    if not shim.loaded:
        try:
            shim.load()
        except BertFamilyError:
            if X is not None and shim.is_pretrained:
                return
            raise
    model.set_dim("nO", shim.encoder.width)


def forward(
    model: TransformerModel, request: "list[Doc] | EncodeRequest", is_train: bool
) -> tuple[FullTransformerBatch, Callable[[DocBatch], list[Doc]]]:
    """Run the encoder. Backprop takes gradients in the form of the output."""
    shim = shim_of(model)
    depth = shim.encoder.depth
    if not isinstance(request, EncodeRequest):
        request = EncodeRequest(request, kept_layers(model.attrs["layers"], depth))
    docs = request.docs
    data, backward = encode(shim.schedule, docs, request.layers, is_train)
    shim.finite_check(
        model.ops,
        docs,
        data,
        is_train,
        name=shim.component,
        precision=shim.settings.precision,
    )

    def backprop(d_batch: DocBatch) -> list[Doc]:
        gradients = [states_of(d_data, depth) for d_data in d_batch.doc_data]
        backward(shim.scale(gradients))
        return docs

    return DocBatch(data), backprop


def split_batch(grad_factor: float) -> Model[FullTransformerBatch, list[TransformerData]]:
    """Take a batch apart, as spacy-transformers' `split_trf_batch` does.

    It also passes on gradients of inner hidden states.

    grad_factor (float): Weight of the gradient that a mix behind this layer passes on.
    RETURNS (Model[FullTransformerBatch, list[TransformerData]]): The layer.
    """
    return Model("split-trf-batch", split_forward, attrs={"grad_factor": grad_factor})


def split_forward(
    model: Model[FullTransformerBatch, list[TransformerData]], batch: DocBatch, is_train: bool
) -> tuple[list[TransformerData], Callable[[list[TransformerData]], DocBatch]]:
    """Give the data of each Doc. Backprop takes gradients of each, or of each with tokens."""

    def backprop(gradients: list[TransformerData]) -> DocBatch:
        if len(gradients) == len(batch.doc_data):
            return DocBatch(gradients)
        entries = iter(gradients)
        of_docs = []
        for data in batch.doc_data:
            of_docs.append(next(entries) if has_states(data) else TransformerData.empty())
        return DocBatch(of_docs)

    return HiddenStates(batch.doc_data, model.attrs["grad_factor"]), backprop


def replace_listener(
    model: Model[Any, Any], listener: Model[Any, Any], transformer: Any
) -> Model[Any, Any]:
    """Make what replaces a listener that gets a transformer of its own.

    model (Model[list[Doc], DocBatch]): A copy of the transformer's model.
    listener (TransformerListener): What is replaced.
    transformer (AdapterTransformer): The component.
    RETURNS (Model[list[Doc], list[TransformerData]]): The replacement.
    """
    mix = getattr(listener, "mix", None)
    return inline_transformer(model, mix, getattr(listener, "grad_factor", 1.0))


def inline_transformer(
    model: Model[Any, Any], mix: Model[Any, Any] | None, grad_factor: float
) -> Model[Any, Any]:
    """Make a transformer a layer in another component's model.

    model (Model[list[Doc], FullTransformerBatch]): The transformer.
    mix (Model | None): The mix that stands behind it, whose hidden states are kept.
    grad_factor (float): Weight of the gradient that the mix passes to the transformer.
    RETURNS (Model[list[Doc], list[TransformerData]]): The layer.
    """
    model.attrs["layers"] = []
    is_trained = bool(shim_of(model).settings.trainable)
    layer: Model[Any, Any] = chain(model, split_batch(grad_factor if is_trained else 0.0))
    if mix is not None:
        attach_mix(layer, mix)
    return layer


def attach_mix(source: Model[Any, Any], mix: Model[Any, Any]) -> None:
    """Tell a source of hidden states which ones the mix behind it reads.

    source (Model[list[Doc], list[TransformerData]]): A `LayerListener`, or a transformer as
        `inline_transformer` makes it.
    mix (Model): The mix.
    """
    for node in source.walk():
        if isinstance(node, LayerListener):
            node.mix = mix
        elif any(isinstance(shim, EncoderShim) for shim in node.shims):
            node.attrs["layers"] = mix.attrs["layers"]


def replace_listener_cfg(
    transformer_cfg: dict[str, Any], listener_cfg: dict[str, Any]
) -> dict[str, Any]:
    """Make the config of what replaces a listener in `Language.replace_listeners`.

    spaCy passes the config of a component's `model.tok2vec`; the copy of a pooler has its listener
    one level deeper.

    transformer_cfg (dict[str, Any]): The config of the transformer's model.
    listener_cfg (dict[str, Any]): The config of the listening layer.
    RETURNS (dict[str, Any]): The config of its replacement.
    """
    while "pooling" not in listener_cfg and "tok2vec" in listener_cfg:
        listener_cfg = listener_cfg["tok2vec"]
    if "pooling" not in listener_cfg:
        # the listener passes on whole windows
        return {
            "@architectures": "spacy-bertfamily.InlineTransformer.v1",
            "transformer": transformer_cfg,
        }
    config = {
        "@architectures": "spacy-bertfamily.AdapterTok2Vec.v1",
        "transformer": transformer_cfg,
        "pooling": listener_cfg["pooling"],
        "grad_factor": listener_cfg.get("grad_factor", 1.0),
    }
    return {**config, "mix": listener_cfg["mix"]} if "mix" in listener_cfg else config
