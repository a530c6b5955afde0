"""The methods of `pair_classifier` that take texts, and the checks of what they are given."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from spacy.language import Language
from spacy_transformers.pipeline_component import Transformer

from ...annotation.segments import join_segments
from ...errors import Errors
from ..base.pipeline_aware import PipelineAware
from ..base.texts import find_surrogate, is_iterable
from .labels import PairLabels


class PairTextMethods(PipelineAware, PairLabels):
    """The methods of the pair classifier that take texts."""

    def predict_pairs(
        self,
        pairs: Iterable[tuple[str, str]],
        *,
        batch_size: int | None = None,
        nlp: Language | None = None,
    ) -> list[dict[str, float]]:
        """Score pairs of texts. Separators inside the texts are text.

        pairs (Iterable[tuple[str, str]]): The pairs.
        batch_size (int | None): The number of pairs to buffer. Defaults to the pipeline's own.
        nlp (Language | None): The pipeline that holds this component. It is needed only if that is
            not the one the component was made for.
        RETURNS (list[dict[str, float]]): `doc.cats` of each pair, in order.
        RAISES (BertFamilyError): If something is not a pair of texts.
        """
        nlp = self.require_pipeline("predict_pairs", nlp)
        if not is_iterable(pairs):
            raise Errors.B118(name=self.name, given=type(pairs).__name__)
        return [
            {label: cats[label] for label in self.labels}
            for cats in predict_cats(nlp, self.name, pairs, batch_size)
        ]

    def rank(
        self,
        query: str,
        texts: Iterable[str],
        *,
        top_k: int | None = None,
        label: str | None = None,
        batch_size: int | None = None,
        nlp: Language | None = None,
    ) -> list[tuple[int, float]]:
        """Sort texts by their score beside a query, which is the first text of each pair.

        query (str): The query.
        texts (Iterable[str]): The texts.
        top_k (int | None): How many to return. Defaults to all.
        label (str | None): The label whose score counts. It may be left out if there is only one.
        batch_size (int | None): As in `predict_pairs`.
        nlp (Language | None): As in `predict_pairs`.
        RETURNS (list[tuple[int, float]]): Index in `texts` and score, best first. Texts with equal
            scores keep their order.
        RAISES (BertFamilyError): If the label is unknown or has to be given, or if something is not
            a text.
        """
        nlp = self.require_pipeline("rank", nlp)
        labels = self.labels
        if label is None and len(labels) == 1:
            label = labels[0]
        if label not in labels:
            raise Errors.B111(name=self.name, label=label, labels=", ".join(labels) or "none")
        if top_k is not None and top_k < 1:
            raise Errors.B004(setting="top_k", value=top_k, allowed="at least 1, or None for all")
        if not is_iterable(texts):
            raise Errors.B119(name=self.name, given=type(texts).__name__)
        pairs = ((query, text) for text in texts)
        scores = [cats[label] for cats in predict_cats(nlp, self.name, pairs, batch_size)]
        return best_first(scores, top_k)


def predict_cats(
    nlp: Language, name: str, pairs: Iterable[tuple[str, str]], batch_size: int | None = None
) -> Iterator[dict[str, float]]:
    """Run pairs through a pipeline's transformers and one component.

    nlp (Language): The pipeline.
    name (str): The component's name.
    pairs (Iterable[tuple[str, str]]): The pairs of texts.
    batch_size (int | None): The number of pairs to buffer.
    YIELDS (dict[str, float]): `doc.cats` of each.
    RAISES (BertFamilyError): If something is not a pair of texts.
    """
    needless = [
        other
        for other, component in nlp.pipeline
        if other != name and not isinstance(component, Transformer)
    ]
    texts = (check_pair(name, index, pair) for index, pair in enumerate(pairs))
    docs = (join_segments(nlp.make_doc(first), nlp.make_doc(second)) for first, second in texts)
    for doc in nlp.pipe(docs, batch_size=batch_size, disable=needless):
        yield doc.cats


def check_pair(name: str, index: int, pair: Any) -> tuple[str, str]:
    """Check that a value is a pair of texts.

    name (str): The component's name, for the error.
    index (int): The index of the pair, for the error.
    pair (Any): The value.
    RETURNS (tuple[str, str]): The pair.
    RAISES (BertFamilyError): If it is something else, or a text cannot be encoded.
    """
    texts = list(pair) if is_iterable(pair) and not isinstance(pair, str) else []
    if len(texts) != 2 or not all(isinstance(text, str) for text in texts):
        raise Errors.B112(name=name, index=index, given=pair)
    for text in texts:
        char = find_surrogate(text)
        if char is not None:
            raise Errors.B117(name=name, index=index, char=char, surrogate=text[char])
    first, second = texts
    return first, second


def best_first(scores: Sequence[float], top_k: int | None) -> list[tuple[int, float]]:
    """Sort scores.

    scores (Sequence[float]): The scores.
    top_k (int | None): How many to return; None for all.
    RETURNS (list[tuple[int, float]]): Index and score, best first. Equal scores keep their order.
    """
    order = np.argsort(-np.asarray(scores, dtype="float64"), kind="stable")[:top_k]
    return [(int(i), float(scores[i])) for i in order]
