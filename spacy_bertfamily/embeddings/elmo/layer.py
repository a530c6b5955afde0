"""The layer that gives the states of an ELMo to a layer mix."""

from collections.abc import Callable, Iterator
from typing import Any, cast

from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model, torch2xp
from thinc.types import Floats2d
from transformers.modeling_outputs import ModelOutput

from ...layer_mix.states import HiddenStates
from .shim import ElmoShim

ElmoStates = Model[list[Doc], list[TransformerData]]
Backprop = Callable[[list[TransformerData]], list[Doc]]


def elmo_states(shim: ElmoShim, max_words: int) -> ElmoStates:
    """Build a layer that computes the states of each token.

    shim (ElmoShim): The network.
    max_words (int): The length of what is read at once; longer sentences are cut.
    RETURNS (Model[list[Doc], list[TransformerData]]): The model. No gradient goes back.
    """
    return Model("elmo", forward, init=init, shims=[shim], attrs={"max_words": max_words})


def init(model: ElmoStates, X: list[Doc] | None = None, Y: object = None) -> None:
    """Read the weights, so that what is wrong with them is known before the training."""
    cast(ElmoShim, model.shims[0]).load()


def forward(
    model: ElmoStates, docs: list[Doc], is_train: bool
) -> tuple[list[TransformerData], Backprop]:
    """Compute the states of Docs.

    *Shape:* each of a Doc's states is `(1, tokens, width)`.
    """
    shim = cast(ElmoShim, model.shims[0])
    parts = [list(split_doc(doc, model.attrs["max_words"], shim.stateful)) for doc in docs]
    states = iter(shim.read([sentence for part in parts for sentence in part]))
    outputs = []
    for doc, part in zip(docs, parts):
        found = [torch2xp(next(states), ops=model.ops) for _ in part]
        layers = list(model.ops.xp.concatenate(found, axis=1)) if found else []
        outputs.append(make_data(doc, layers) if len(doc) else TransformerData.empty())

    def backprop(d_outputs: list[TransformerData]) -> list[Doc]:
        return []

    return HiddenStates(outputs, grad_factor=0.0), backprop


def split_doc(doc: Doc, max_words: int, whole: bool) -> Iterator[list[str]]:
    """Split a Doc into its sentences, if it has any; long ones are cut.

    doc (Doc): The Doc.
    max_words (int): The length of the longest part.
    whole (bool): Whether the Doc is one part, however long.
    YIELDS (list[str]): The words of a part. A Doc without tokens has no parts, or if it is read as
        a whole one without words.
    """
    words = [token.text for token in doc]
    if whole:
        yield words
        return
    spans = [(0, len(doc))]
    if doc.has_annotation("SENT_START"):
        spans = [(sentence.start, sentence.end) for sentence in doc.sents]
    for start, end in spans:
        for cut in range(start, end, max_words):
            yield words[cut : min(cut + max_words, end)]


def make_data(doc: Doc, layers: list[Floats2d]) -> TransformerData:
    """Put states of tokens in the form that a layer mix reads, with one piece for each token.

    doc (Doc): The Doc.
    layers (list[Floats2d]): The states, from the lowest up, each `(tokens, width)`.
    RETURNS (TransformerData): The data.
    """
    data = TransformerData.zeros(len(doc), 1)
    states: Any = [layer.reshape((1, *layer.shape)) for layer in layers]
    output: Any = ModelOutput(last_hidden_state=states[-1], hidden_states=tuple(states))
    return TransformerData(wordpieces=data.wordpieces, model_output=output, align=data.align)
