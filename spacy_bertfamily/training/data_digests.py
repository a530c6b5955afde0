"""Digests of the data of a training, so that it is not resumed on other data."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from spacy.attrs import SPACY
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from thinc.api import to_numpy

from .random_state import get_random_state, set_random_state

# All attributes of tokens that a file can hold, as numbers that are the same in all processes.
ATTRS = [*DocBin().attrs, SPACY]
# The settings that name the data.
TRAIN, DEV, VECTORS = "train_corpus", "dev_corpus", "vectors"
Reader = Callable[[Language], Iterable[Example]]


def digest_data(nlp: Language, examples: list[Example], dev_corpus: Reader) -> dict[str, str]:
    """Digest what a checkpoint does not hold. The state of random numbers stays as it is.

    nlp (Language): The pipeline, initialized.
    examples (list[Example]): The training examples, in the order of the corpus.
    dev_corpus (Callable[[Language], Iterable[Example]]): The reader of the evaluation examples.
    RETURNS (dict[str, str]): The digests of both corpora and of the word vectors, by `TRAIN`,
        `DEV` and `VECTORS`.
    """
    with keep_random_state():  # a reader may augment at random
        dev_digest = digest_examples(dev_corpus(nlp))
    vectors = np.ascontiguousarray(to_numpy(nlp.vocab.vectors.data))
    return {
        TRAIN: digest_examples(examples),
        DEV: dev_digest,
        VECTORS: hashlib.sha256(vectors.data).hexdigest(),
    }


def digest_examples(examples: Iterable[Example]) -> str:
    """Digest the content of examples. It is the same in all processes.

    examples (Iterable[Example]): The examples. Their order matters.
    RETURNS (str): SHA-256 of the texts, tokens and annotations of both Docs of each example. User
        data that JSON cannot hold are left out.
    """
    digest = hashlib.sha256()
    for example in examples:
        for doc in (example.predicted, example.reference):
            digest.update(doc.to_array(ATTRS).tobytes())
            digest.update(_to_json(_rest(doc)).encode("ascii"))
    return digest.hexdigest()


def _rest(doc: Doc) -> list[Any]:
    """RETURNS (list[Any]): The content of a Doc without the attributes of its tokens."""
    groups = []
    for key, group in doc.spans.items():
        spans = [(s.start_char, s.end_char, s.label, s.kb_id, s.id) for s in group]
        groups.append((key, spans, _storable(group.attrs)))
    return [doc.text, list(doc.cats.items()), groups, _storable(doc.user_data)]


def _storable(data: dict[Any, Any]) -> list[str]:
    """RETURNS (list[str]): The items as JSON, except for those that JSON cannot hold."""
    items = []
    for item in data.items():
        try:
            items.append(_to_json(item))
        except (TypeError, ValueError, RecursionError):
            continue
    return items


def _to_json(value: Any) -> str:
    return json.dumps(value, default=_to_list)


def _to_list(value: Any) -> list[Any]:
    if isinstance(value, (np.ndarray, np.generic)):
        return [str(value.dtype), value.tolist()]
    if isinstance(value, bytes):
        return list(value)
    raise TypeError(type(value).__name__)


@contextmanager
def keep_random_state() -> Iterator[None]:
    """Set the random number generators back at the end."""
    tensors, numpy_rest = get_random_state()
    try:
        yield
    finally:
        set_random_state(tensors, numpy_rest)
