"""The layer of a component that pools mixed hidden states once for several others."""

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
    """Wrap a tok2vec layer so that its width is known, Docs without tokens have it too, and it can
    be copied into a component that listened to it.

    tok2vec (Model[list[Doc], list[Floats2d]]): A layer with a mix in it.
    RETURNS (Model[list[Doc], list[Floats2d]]): From Docs to an array `(tokens, width)` for each.
    RAISES (ValueError): If there is no mix.
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
    model.layers[0].initialize(X=X)
    model.set_dim("nO", find_mixes(model)[0].get_dim("nO"))


def forward(
    model: Tok2VecModel, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable]:
    nothing = model.ops.alloc2f(0, model.get_dim("nO"))
    if not any(len(doc) for doc in docs):
        return [nothing for _ in docs], lambda d_vectors: []
    vectors, backprop = model.layers[0](docs, is_train)
    # a list of its own, since the layer below writes into it
    return [v if len(v) else nothing for v in vectors], lambda d_vectors: backprop(list(d_vectors))


def replace_listener(model: Tok2VecModel, listener: Model, pooler: Any) -> Tok2VecModel:
    """What takes the place of a listener that gets a copy of the pooler: it listens to the
    transformer itself.

    model (Model): A copy of the pooler's model, in which listeners are not listeners any more.
    listener (Model): The `Tok2VecListener` that is replaced.
    pooler (WeightedLayerPooler): The component.
    RETURNS (Model[list[Doc], list[Floats2d]]): The copy with listeners of its own.
    """
    copies = {original.id: copied for original, copied in zip(pooler.model.walk(), model.walk())}
    component = next(
        name for name, listeners in pooler.listener_map.items() if listener in listeners
    )
    for original in [node for node in pooler.model.walk() if isinstance(node, LayerListener)]:
        mix = None if original.mix is None else copies[original.mix.id]
        own = LayerListener(original.upstream_name, mix, original.grad_factor)
        own.set_dim("nO", original.get_dim("nO"))
        replace_model_node(model, copies[original.id], own)
        if original.register is not None:
            original.register(
                own, component
            )  # spaCy connects listeners only when a pipeline is built or loaded
    return model
