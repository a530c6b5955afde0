"""Predicting for texts instead of Docs."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from spacy.language import Language
from spacy_transformers.pipeline_component import Transformer

from ...annotation.segments import join_segments
from ...errors import Errors


def predict_cats(
    nlp: Language, name: str, pairs: Iterable[tuple[str, str]], batch_size: int | None = None
) -> Iterator[dict[str, float]]:
    """Run pairs through a pipeline's transformers and one component.

    nlp (Language): The pipeline.
    name (str): The component's name.
    pairs (Iterable[tuple[str, str]]): The pairs of texts.
    batch_size (int | None): The number of pairs to buffer.
    YIELDS (dict[str, float]): `doc.cats` of each.
    RAISES (ValueError): If something is not a pair of texts, saying which.
    """
    needless = [
        n for n, component in nlp.pipeline if n != name and not isinstance(component, Transformer)
    ]
    texts = (check_pair(name, index, pair) for index, pair in enumerate(pairs))
    docs = (join_segments(nlp.make_doc(first), nlp.make_doc(second)) for first, second in texts)
    for doc in nlp.pipe(docs, batch_size=batch_size, disable=needless):
        yield doc.cats


def check_pair(name: str, index: int, pair: Any) -> tuple[str, str]:
    """RETURNS (tuple[str, str]): The pair. RAISES (ValueError): If it is something else."""
    if isinstance(pair, str) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
        raise Errors.B112(name=name, index=index, given=pair)
    return pair


def rank_by(scores: Sequence[float], top_k: int | None) -> list[tuple[int, float]]:
    """RETURNS (list[tuple[int, float]]): Indices and scores of the best, best first; equal ones in
    order.
    """
    order = np.argsort(-np.asarray(scores, dtype="float64"), kind="stable")[:top_k]
    return [(int(i), float(scores[i])) for i in order]
