"""The methods of `pair_classifier` that take texts, and the checks of what they are given."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any, cast

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch
from spacy_transformers.pipeline_component import Transformer
from thinc.types import Floats2d

from ...annotation.segments import join_segments
from ...errors import Errors
from ..base.pipeline_aware import PipelineAware
from ..base.texts import find_surrogate, is_iterable
from .labels import PairLabels


class PairTextMethods(PipelineAware, PairLabels):
    """The methods of the pair classifier that take texts."""

    def predict_unclipped(self, docs: Iterable[Doc]) -> Floats2d:
        """RETURNS (Floats2d): Scores before they are clipped, `(docs, labels)`."""
        raise NotImplementedError

    def clip_scores(self, scores: Floats2d) -> Floats2d:
        """RETURNS (Floats2d): Scores, clipped if the settings say so."""
        raise NotImplementedError

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
        RETURNS (list[dict[str, float]]): The scores of each pair by label, in order.
        RAISES (BertFamilyError): If something is not a pair of texts.
        """
        nlp = self.require_pipeline("predict_pairs", nlp)
        if not is_iterable(pairs):
            raise Errors.B118(name=self.name, given=type(pairs).__name__)
        scores = self.clip_scores(self._predict_pairs(nlp, pairs, batch_size))
        rows = self.model.ops.to_numpy(scores).tolist()
        return [dict(zip(self.labels, row)) for row in rows]

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
            scores keep their order, unless the scores were clipped.
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
        column = labels.index(label)
        unclipped = self._predict_pairs(nlp, pairs, batch_size)
        scores = self.model.ops.to_numpy(self.clip_scores(unclipped))[:, column]
        order = best_first(self.model.ops.to_numpy(unclipped)[:, column], top_k)
        return [(index, float(scores[index])) for index, _ in order]

    def _predict_pairs(
        self, nlp: Language, pairs: Iterable[tuple[str, str]], batch_size: int | None
    ) -> Floats2d:
        """Run pairs through a pipeline's transformers and this component.

        nlp (Language): The pipeline.
        pairs (Iterable[tuple[str, str]]): The pairs of texts.
        batch_size (int | None): The number of pairs to buffer.
        RETURNS (Floats2d): The scores before they are clipped, `(pairs, labels)`.
        RAISES (BertFamilyError): If something is not a pair of texts.
        """
        docs = pair_docs(nlp, self, pairs, batch_size)
        batches = minibatch(docs, nlp.batch_size if batch_size is None else batch_size)
        scores = [self.predict_unclipped(batch) for batch in batches]
        if not scores:
            return self.model.ops.alloc2f(0, len(self.labels))
        joined: Floats2d = self.model.ops.xp.vstack(scores)
        return joined


def pair_docs(
    nlp: Language,
    component: PairTextMethods,
    pairs: Iterable[tuple[str, str]],
    batch_size: int | None = None,
) -> Iterator[Doc]:
    """Run pairs through the transformers before a component.

    nlp (Language): The pipeline.
    component (PairTextMethods): The component.
    pairs (Iterable[tuple[str, str]]): The pairs of texts.
    batch_size (int | None): The number of pairs to buffer.
    YIELDS (Doc): A Doc of each pair.
    RAISES (BertFamilyError): If something is not a pair of texts.
    """
    own = cast(object, component)
    before = list(takewhile(lambda named: named[1] is not own, nlp.components))
    needed = {name for name, other in before if isinstance(other, Transformer)}
    needless = [name for name in nlp.pipe_names if name not in needed]
    texts = (check_pair(component.name, index, pair) for index, pair in enumerate(pairs))
    docs = (join_segments(nlp.make_doc(first), nlp.make_doc(second)) for first, second in texts)
    yield from nlp.pipe(docs, batch_size=batch_size, disable=needless)


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
