"""What can be read from an annotated Doc as plain values, each with its type in Arrow.

A row of `FIELDS` is all that a new kind of annotation needs.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from spacy.tokens import Doc, DocBin, Span, Token

from ..annotation.answers import get_answers
from ..annotation.pair_scores import NAME as PAIR_SCORES

# Where spacy-transformers keeps hidden states: much larger than all else, so no DocBin has them.
HIDDEN_STATES = "trf_data"


class Field(NamedTuple):
    """One kind of annotation.

    read (Callable[[Doc], Any]): Reads it as plain values: strings, numbers, lists, dicts, bytes.
    arrow_type (Callable[[ModuleType], pa.DataType]): Gives its type; called with `pyarrow`, which
        need not be installed otherwise.
    assigned_by (tuple[str, ...]): What a component declares in `assigns` if it sets this; none if
        every pipeline does.
    """

    read: Callable[[Doc], Any]
    arrow_type: Callable[[ModuleType], Any]
    assigned_by: tuple[str, ...] = ()


def read_tokens(read: Callable[[Token], Any]) -> Callable[[Doc], list[Any]]:
    """RETURNS (Callable[[Doc], list[Any]]): Reads a value of each token."""
    return lambda doc: [read(token) for token in doc]


def read_span(span: Span) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): A span; `start` and `end` are characters, as in `Doc.to_json`."""
    return {
        "text": span.text,
        "label": span.label_,
        "start": span.start_char,
        "end": span.end_char,
    }


def read_spans(doc: Doc) -> dict[str, list[dict[str, Any]]]:
    """RETURNS (dict[str, list[dict[str, Any]]]): The groups of `doc.spans`, by their keys."""
    return {key: [read_span(span) for span in group] for key, group in doc.spans.items()}


def read_sentences(doc: Doc) -> list[dict[str, int]]:
    """RETURNS (list[dict[str, int]]): The characters of the sentences; none without any."""
    if not doc.has_annotation("SENT_START"):
        return []
    return [{"start": sent.start_char, "end": sent.end_char} for sent in doc.sents]


def read_answers(doc: Doc) -> list[dict[str, Any]]:
    """RETURNS (list[dict[str, Any]]): The answers of `span_qa`, best first."""
    return [
        {"text": a.text, "start": a.start_char, "end": a.end_char, "score": a.score}
        for a in get_answers(doc)
    ]


def read_pair_scores(doc: Doc) -> dict[str, float]:
    """RETURNS (dict[str, float]): `doc._.pair_scores`; none if no component sets it."""
    return dict(doc._.get(PAIR_SCORES)) if Doc.has_extension(PAIR_SCORES) else {}


def read_vector(doc: Doc) -> list[float]:
    """Read the vector of a text.

    That is `doc.vector`, or else the mean of the transformer's last hidden states, over all
    pieces of all windows.

    doc (Doc): The Doc.
    RETURNS (list[float]): The vector; empty if there is none.
    """
    vector = doc.vector
    if not vector.size and Doc.has_extension(HIDDEN_STATES) and doc._.get(HIDDEN_STATES):
        data = doc._.get(HIDDEN_STATES)
        states = data.model_output.get("last_hidden_state")  # (windows, pieces, width)
        if states is not None and states.size:
            is_piece = data.wordpieces.attention_mask.astype(bool)  # (windows, pieces)
            vector = states[is_piece].mean(axis=0)
    return [float(value) for value in vector]


def read_docbin(doc: Doc) -> bytes:
    """RETURNS (bytes): A `DocBin` of this Doc, with its user data but without hidden states."""
    user_data = doc.user_data
    kept = {key: value for key, value in user_data.items() if HIDDEN_STATES not in key}
    doc.user_data = kept
    try:
        return DocBin(docs=[doc], store_user_data=True).to_bytes()
    finally:
        doc.user_data = user_data


def strings(pa: ModuleType) -> Any:
    """RETURNS (pa.DataType): A list of strings."""
    return pa.list_(pa.string())


def scores(pa: ModuleType) -> Any:
    """RETURNS (pa.DataType): Numbers by string."""
    return pa.map_(pa.string(), pa.float64())


def structs(*names: str) -> Callable[[ModuleType], Any]:
    """RETURNS (Callable[[ModuleType], pa.DataType]): Gives a list of structs of these columns."""

    def arrow_type(pa: ModuleType) -> Any:
        types = {
            "text": pa.string(),
            "label": pa.string(),
            "start": pa.int64(),
            "end": pa.int64(),
            "score": pa.float64(),
        }
        return pa.list_(pa.struct([(name, types[name]) for name in names]))

    return arrow_type


SPANS = structs("text", "label", "start", "end")


FIELDS: dict[str, Field] = {
    "tokens": Field(read_tokens(lambda token: token.text), strings),
    "tags": Field(read_tokens(lambda token: token.tag_), strings, ("token.tag",)),
    "pos": Field(read_tokens(lambda token: token.pos_), strings, ("token.pos",)),
    "morphs": Field(read_tokens(lambda token: str(token.morph)), strings, ("token.morph",)),
    "lemmas": Field(read_tokens(lambda token: token.lemma_), strings, ("token.lemma",)),
    "deps": Field(read_tokens(lambda token: token.dep_), strings, ("token.dep",)),
    "heads": Field(
        read_tokens(lambda token: token.head.i), lambda pa: pa.list_(pa.int64()), ("token.head",)
    ),
    "sents": Field(read_sentences, structs("start", "end"), ("token.is_sent_start", "doc.sents")),
    "ents": Field(lambda doc: [read_span(e) for e in doc.ents], SPANS, ("doc.ents",)),
    "spans": Field(read_spans, lambda pa: pa.map_(pa.string(), SPANS(pa)), ("doc.spans",)),
    "cats": Field(lambda doc: dict(doc.cats), scores, ("doc.cats",)),
    "pair_scores": Field(read_pair_scores, scores, ("doc._.pair_scores",)),
    "answers": Field(read_answers, structs("text", "start", "end", "score"), ("doc._.answers",)),
    "vector": Field(read_vector, lambda pa: pa.list_(pa.float64())),
    "docbin": Field(read_docbin, lambda pa: pa.binary()),
}
