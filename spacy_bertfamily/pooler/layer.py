"""The model of the `weighted_layer_pooler`: a tok2vec layer that can replace its listeners."""

from collections.abc import Callable
from typing import Any

from spacy.tokens import Doc
from spacy.util import replace_model_node
from thinc.api import Model
from thinc.types import Floats2d

from ..errors import Errors
from ..layer_mix.mix import find_mixes
from ..transformer.listener import LayerListener

Tok2VecModel = Model[list[Doc], list[Floats2d]]


def layer_pooler(tok2vec: Tok2VecModel) -> Tok2VecModel:
    """Wrap a tok2vec layer for the pooler.

    The wrapper knows its width, returns arrays of that width for Docs without tokens too, and can
    be copied into a component that listened to it.

    tok2vec (Model[list[Doc], list[Floats2d]]): A layer with a mix in it.
    RETURNS (Model[list[Doc], list[Floats2d]]): From Docs to an array `(tokens, width)` for each.
    RAISES (BertFamilyError): If there is no mix.
    """
    if not find_mixes(tok2vec):
        raise Errors.B309(name=tok2vec.name)
    attrs = {"replace_listener": replace_listener}
    return Model(
        "weighted-layer-pooler",
        forward,
        init=init,
        dims={"nO": None},
        layers=[tok2vec],
        attrs=attrs,
    )


def init(model: Tok2VecModel, X: list[Doc] | None = None, Y: Any = None) -> None:
    """Initialize the tok2vec layer, and set the width."""
    model.layers[0].initialize(X=X)
    model.set_dim("nO", find_mixes(model)[0].get_dim("nO"))


def forward(
    model: Tok2VecModel, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Compute token vectors.

    *Shape:* each output is `(tokens, width)`.
    """
    no_vectors = model.ops.alloc2f(0, model.get_dim("nO"))
    if not any(len(doc) for doc in docs):
        return [no_vectors for _ in docs], lambda d_vectors: []
    vectors, backprop_tok2vec = model.layers[0](docs, is_train)

    def backprop(d_vectors: list[Floats2d]) -> list[Doc]:
        # a copy of the list, since the tok2vec layer writes into it
        d_docs: list[Doc] = backprop_tok2vec(list(d_vectors))
        return d_docs

    return [v if len(v) else no_vectors for v in vectors], backprop


def replace_listener(model: Tok2VecModel, listener: Model[Any, Any], pooler: Any) -> Tok2VecModel:
    """Make what replaces a listener of the pooler: a layer that listens to the transformer itself.

    model (Model[list[Doc], list[Floats2d]]): A copy of the pooler's model, in which listeners are
        plain layers.
    listener (Model[Any, Any]): The `Tok2VecListener` that is replaced.
    pooler (WeightedLayerPooler): The component.
    RETURNS (Model[list[Doc], list[Floats2d]]): The copy with listeners of its own.
    """
    copies = {original.id: copied for original, copied in zip(pooler.model.walk(), model.walk())}
    component = next(
        name for name, listeners in pooler.listener_map.items() if listener in listeners
    )
    for original in list(pooler.model.walk()):
        if isinstance(original, LayerListener):
            mix = None if original.mix is None else copies[original.mix.id]
            own = LayerListener(original.upstream_name, mix, original.grad_factor)
            own.set_dim("nO", original.get_dim("nO"))
            replace_model_node(model, copies[original.id], own)
            if original.transformer is not None:
                # spaCy connects listeners only when a pipeline is built or loaded
                original.transformer.add_listener(own, component)
    return model
