"""The component `weighted_layer_pooler`, which mixes hidden states once for several others."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from spacy.language import Language
from spacy.pipeline.tok2vec import Tok2Vec, Tok2VecListener
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from thinc.api import Config, Model, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ..errors import Errors
from ..transformer.linking import LinksNearest, describe_upstream, last_upstream
from ..transformer.listener import LayerListener, name_component
from ..transformer.pending import PendingVectors, WaitsForListeners

DEFAULT_CONFIG = """
[weighted_layer_pooler]

[weighted_layer_pooler.model]
@architectures = "spacy-bertfamily.WeightedLayerPooler.v1"

[weighted_layer_pooler.model.tok2vec]
@architectures = "spacy-bertfamily.WeightedLayerListener.v1"
upstream = "*"
grad_factor = 1.0

[weighted_layer_pooler.model.tok2vec.mix]
@layers = "spacy-bertfamily.LayerMix.v1"

[weighted_layer_pooler.model.tok2vec.pooling]
@layers = "reduce_mean.v1"
"""


@Language.factory(
    "weighted_layer_pooler",
    assigns=["doc.tensor"],
    requires=["doc._.trf_data"],
    default_config=Config().from_str(DEFAULT_CONFIG)["weighted_layer_pooler"],
)
def make_weighted_layer_pooler(
    nlp: Language, name: str, model: Model[list[Doc], list[Floats2d]]
) -> "WeightedLayerPooler":
    """Construct a WeightedLayerPooler.

    nlp (Language): The pipeline.
    name (str): The component's name.
    model (Model[list[Doc], list[Floats2d]]): A `spacy-bertfamily.WeightedLayerPooler.v1`.
    RETURNS (WeightedLayerPooler): The component.
    """
    return WeightedLayerPooler(nlp.vocab, model, name=name)


class WeightedLayerPooler(LinksNearest, WaitsForListeners, Tok2Vec):
    """Mix the hidden states of the transformer before it, and pool them to a vector for each token.

    It sets `doc.tensor`, and serves the `spacy.Tok2VecListener.v1` of the components after it.

    vocab (Vocab): The shared vocabulary.
    model (Model[list[Doc], list[Floats2d]]): A `spacy-bertfamily.WeightedLayerPooler.v1`.
    name (str): The component's name.
    """

    listener_type = Tok2VecListener
    upstream_type = Tok2Vec

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], list[Floats2d]],
        name: str = "weighted_layer_pooler",
    ) -> None:
        super().__init__(vocab, model, name)
        self._pending: PendingVectors | None = None
        # initialized, but not trained yet
        self._is_new = False
        name_component(model, name)

    def initialize(
        self, get_examples: Callable[[], Iterable[Example]], *, nlp: Language | None = None
    ) -> None:
        """Initialize the model, and check that the components before and after it fit.

        get_examples (Callable[[], Iterable[Example]]): A sample of the data.
        nlp (Language | None): The pipeline.
        RAISES (BertFamilyError): If there is no transformer before it, or a listener expects
            vectors of another width.
        """
        for node in self._layer_listeners():
            if not node.has_dim("nO"):
                raise Errors.B308(name=self.name, upstream=describe_upstream(node.upstream_name))
        super().initialize(get_examples, nlp=nlp)
        self._is_new = True
        width = self.model.get_dim("nO")
        for component, listeners in self.listener_map.items():
            for listener in listeners:
                given = listener.get_dim("nO")
                if given != width:
                    raise Errors.B307(component=component, name=self.name, given=given, width=width)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Pass token vectors to the listeners.

        The listeners return gradients when they are updated themselves. The gradients are summed
        and passed on to the mix and to the transformer once, whichever listeners are updated.

        examples (Iterable[Example]): Their `predicted` Docs are used.
        drop (float): The dropout rate.
        sgd (Optimizer | None): The optimizer; makes a step once the gradients have come.
        losses (dict[str, float] | None): Gets the squared gradients under the component's name.
        RETURNS (dict[str, float]): The updated losses.
        """
        self._is_new = False
        examples = list(examples)
        validate_examples(examples, "WeightedLayerPooler.update")
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        docs = [example.predicted for example in examples]
        set_dropout_rate(self.model, drop)
        self._finish_pending()
        vectors, backprop = self.model.begin_update(docs)
        listeners = self.listeners
        pending = PendingVectors(self.model, backprop, len(listeners), losses, self.name)
        pending.optimizer = sgd
        self._pending = pending if listeners else None
        for node in self._layer_listeners():
            node.deliver = self.finish_last_update
        batch_id = Tok2VecListener.get_batch_id(docs)
        for listener in listeners:
            listener.receive(batch_id, vectors, pending.receive)
        return losses

    def predict(self, docs: Iterable[Doc]) -> list[Floats2d]:
        """Pool the hidden states without changing the Docs.

        docs (Iterable[Doc]): The Docs.
        RETURNS (list[Floats2d]): Vectors of each Doc, `(tokens, width)`.
        """
        self.finish_last_update()
        vectors: list[Floats2d] = super().predict(docs)
        return vectors

    def matches(self, listener: Any, previous: Any) -> bool | None:
        """Compare the pooler that a listener was connected to last with this one.

        listener (Tok2VecListener): The listener.
        previous (WeightedLayerPooler | None): The pooler that it was connected to last.
        RETURNS (bool | None): Whether they compute the same; None if that is not known, or if
            training is to come.
        """
        if previous is None or previous is self or self._is_new:
            return None
        if not self.model.has_dim("nO") or not previous.model.has_dim("nO"):
            return None
        return bool(previous.function_digest() == self.function_digest())

    def function_digest(self) -> str:
        """RETURNS (str): The SHA-256 of the layer weights and of what the transformer computes."""
        digest = hashlib.sha256()
        for node in self.model.walk():
            for name in node.param_names:
                if node.has_param(name):
                    digest.update(node.ops.to_numpy(node.get_param(name)).tobytes())
        for listener in self._layer_listeners():
            transformer = last_upstream(listener)
            if transformer is not None:
                digest.update(transformer.function_digest().encode())
        return digest.hexdigest()

    def _layer_listeners(self) -> list[LayerListener]:
        return [node for node in self.model.walk() if isinstance(node, LayerListener)]
