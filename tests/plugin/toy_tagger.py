"""A task in a package of its own: decide for each token whether it is marked.

It uses only public names. A task in spacy_bertfamily/tasks has the same parts.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from spacy.vocab import Vocab
from thinc.api import Linear, Logistic, Model, chain, with_array
from thinc.types import Floats2d

from spacy_bertfamily.tasks.base import chain_head, require_loaded_shim, token_vectors

KEY = "marked"
TokenScores = list[Floats2d]  # (tokens, 1) for each Doc


@registry.architectures("toy.Tagger.v1")
def make_toy_tagger_model(
    tok2vec: Model[list[Doc], list[Any]], mix: Model[list[Any], list[Any]] | None = None
) -> Model[list[Doc], TokenScores]:
    head = chain(token_vectors(), with_array(chain(Linear(1), Logistic())))
    return chain_head(tok2vec, head, mix)


class ToyTagger(TrainablePipe):
    """Sets `doc.spans["marked"]`: a span for each marked token."""

    def __init__(self, vocab: Vocab, model: Model[list[Doc], TokenScores], name: str):
        self.vocab = vocab
        self.model = model
        self.name = name

    def initialize(self, get_examples: Callable[[], Iterable[Example]], *, nlp: Language) -> None:
        require_loaded_shim(self.model, nlp, self.name)
        self.model.initialize(X=[example.predicted for example in islice(get_examples(), 10)])

    def predict(self, docs: Iterable[Doc]) -> TokenScores:
        docs = list(docs)
        if not any(map(len, docs)):
            return [self.model.ops.alloc2f(0, 1) for _ in docs]
        return self.model.predict(docs)

    def set_annotations(self, docs: Iterable[Doc], scores: TokenScores) -> None:
        for doc, doc_scores in zip(docs, scores):
            marked = [i for i in range(len(doc)) if doc_scores[i, 0] > 0.5]
            doc.spans[KEY] = [doc[i : i + 1] for i in marked]

    def get_loss(
        self, examples: Iterable[Example], scores: TokenScores
    ) -> tuple[float, TokenScores]:
        loss, gradients = 0.0, []
        for example, doc_scores in zip(examples, scores):
            gold = self.model.ops.alloc2f(len(example.predicted), 1)
            for span in example.reference.spans.get(KEY, ()):
                gold[span.start : span.end] = 1.0
            difference = doc_scores - gold
            loss += float((difference**2).sum())
            gradients.append(difference)
        return loss, gradients


LISTENER = {"@architectures": "spacy-bertfamily.TransformerListener.v1", "upstream": "*"}


@Language.factory(
    "toy_tagger",
    requires=["doc._.trf_data"],
    assigns=["doc.spans"],
    default_config={"model": {"@architectures": "toy.Tagger.v1", "tok2vec": LISTENER}},
)
def make_toy_tagger(nlp: Language, name: str, model: Model[list[Doc], TokenScores]) -> ToyTagger:
    return ToyTagger(nlp.vocab, model, name)
