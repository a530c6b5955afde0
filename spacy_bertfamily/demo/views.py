"""What the page shows, as HTML: no Streamlit in here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from spacy import displacy
from spacy.language import Language
from spacy.util import escape_html
from thinc.types import Floats2d

from ..annotation.render import render_answers
from ..annotation.segments import join_segments
from ..embeddings.in_context.states import layer_vectors
from ..errors import Errors
from ..layer_mix.weights import layer_weights
from ..tasks.pairs.component import PairClassifier
from ..tasks.qa.component import SpanQA
from ..transformer.component import find_transformers

# What of spaCy's own sets annotation of words.
WORDS = ("tagger", "morphologizer", "parser", "ner", "senter", "lemmatizer", "entity_ruler")
# Longer texts are cut: the page is to try a pipeline in, `ask` and `annotate` read all.
LONGEST = 100_000
CELL = '<td style="background: rgba(255, 140, 0, {alpha:.2f}); padding: 2px 6px">{text}</td>'
TABLE = (
    '<div style="overflow-x: auto"><table style="border-collapse: collapse">{rows}</table></div>'
)


@dataclass(frozen=True)
class Abilities:
    """What a pipeline can do.

    qa (str | None): The name of its first `span_qa`.
    pairs (list[str]): Its `pair_classifier` components.
    words (list[str]): Its components that annotate words.
    transformers (list[str]): Its transformers of this package.
    """

    qa: str | None
    pairs: list[str]
    words: list[str]
    transformers: list[str]


def find_abilities(nlp: Language) -> Abilities:
    """Find out what a pipeline can do.

    nlp (Language): The pipeline.
    RETURNS (Abilities): Its components by what they do.
    RAISES (BertFamilyError): If no component is of this package.
    """
    qa = [name for name, component in nlp.pipeline if isinstance(component, SpanQA)]
    pairs = [name for name, component in nlp.pipeline if isinstance(component, PairClassifier)]
    words = [name for name in nlp.pipe_names if nlp.get_pipe_meta(name).factory in WORDS]
    transformers = [transformer.name for transformer in find_transformers(nlp)]
    if not (qa or pairs or transformers):
        raise Errors.B796(components=", ".join(nlp.pipe_names) or "none")
    return Abilities(qa[0] if qa else None, pairs, words, transformers)


def cut(text: str) -> str:
    """RETURNS (str): The beginning of a text that is too long for the page, without surrogates."""
    return text[:LONGEST].encode("utf8", "replace").decode("utf8")


def show_answers(
    nlp: Language, text: str, question: str, top_k: int, *, always: bool, threshold: float
) -> str:
    """Ask a question about a text.

    nlp (Language): A pipeline with a `span_qa`.
    text, question (str): The text and the question.
    top_k (int): The most answers.
    always (bool): Whether there is always an answer.
    threshold (float): How much higher 'no answer' must score otherwise.
    RETURNS (str): The text with its answers, as HTML.
    """
    name = find_abilities(nlp).qa
    assert name is not None
    qa = nlp.get_pipe(name)
    assert isinstance(qa, SpanQA)
    null_threshold = None if always else threshold
    (answers,) = qa.ask_all(text, [question], top_k=top_k, null_threshold=null_threshold, nlp=nlp)
    return render_answers(text, answers, question=question, jupyter=False)


def compare_texts(nlp: Language, first: str, second: str) -> dict[str, float]:
    """Classify two texts with all pair classifiers of a pipeline.

    nlp (Language): The pipeline.
    first, second (str): The texts.
    RETURNS (dict[str, float]): Scores by label, the highest first.
    """
    found = find_abilities(nlp)
    others = [found.qa, *found.words]
    with nlp.select_pipes(disable=[name for name in others if name is not None]):
        doc = nlp(join_segments(nlp.make_doc(first), nlp.make_doc(second)))
    scores = {**doc.cats, **doc._.pair_scores}
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def show_words(nlp: Language, text: str) -> tuple[str, list[dict[str, str]]]:
    """Annotate the words of a text.

    nlp (Language): A pipeline with components for words.
    text (str): The text.
    RETURNS (tuple[str, list[dict[str, str]]]): The text with its entities, as HTML; and a row for
        each token.
    """
    found = find_abilities(nlp)
    others = [found.qa, *found.pairs]
    with nlp.select_pipes(disable=[name for name in others if name is not None]):
        doc = nlp(text)
    html = displacy.render(doc, style="ent", jupyter=False) if doc.ents else ""
    rows = []
    for token in doc:
        if not token.is_space:
            row = {"token": token.text, "pos": token.pos_, "tag": token.tag_}
            rows.append({**row, "morph": str(token.morph), "entity": token.ent_type_})
    return html, rows


def adapter_effect(nlp: Language, name: str, text: str) -> tuple[list[str], Floats2d]:
    """Compute how much a transformer's adapter changes each hidden state of each token.

    nlp (Language): The pipeline.
    name (str): The transformer's name.
    text (str): The text.
    RETURNS (tuple[list[str], Floats2d]): The tokens; and 1 minus the cosine of the hidden states
        with and without the adapter, `(hidden states, tokens)`.
    """
    (transformer,) = [found for found in find_transformers(nlp) if found.name == name]
    doc = nlp.make_doc(text)
    with_adapter = _states(nlp, name, text)
    active = transformer.active_adapter
    transformer.set_adapter(None)
    try:
        without = _states(nlp, name, text)
    finally:
        transformer.set_adapter(active)
    lengths = np.linalg.norm(with_adapter, axis=2) * np.linalg.norm(without, axis=2)
    cosines = (with_adapter * without).sum(axis=2) / np.maximum(lengths, 1e-12)
    effect: Floats2d = np.clip(1 - cosines, 0, 2)
    return [token.text for token in doc], effect


def _states(nlp: Language, name: str, text: str) -> np.ndarray:
    """RETURNS (np.ndarray): Hidden states of tokens, `(hidden states, tokens, width)`."""
    layers = [found for found in layer_vectors(nlp, [nlp.make_doc(text)]) if found.source == name]
    return np.stack([found.docs[0] for found in layers])


def show_effect(tokens: Sequence[str], effect: Floats2d) -> str:
    """RETURNS (str): A heat map of `adapter_effect`, as HTML: the last hidden state on top."""
    highest = max(float(np.max(np.asarray(effect), initial=0.0)), 1e-6)
    rows = []
    for layer in reversed(range(len(effect))):
        cells = [
            CELL.format(alpha=float(value) / highest, text=f"{float(value):.2f}")
            for value in effect[layer]
        ]
        rows.append(f"<tr><th>{layer}</th>{''.join(cells)}</tr>")
    heads = "".join(f"<th>{escape_html(token)}</th>" for token in tokens)
    return TABLE.format(rows=f"<tr><th></th>{heads}</tr>{''.join(rows)}")


def show_mixes(nlp: Language) -> str:
    """RETURNS (str): The learned weights of all layer mixes, as HTML; empty if there are none."""
    rows = []
    for mix in layer_weights(nlp):
        cells = [
            CELL.format(alpha=weight, text=f"{layer}: {weight:.2f}")
            for layer, weight in zip(mix.layers, mix.weights)
        ]
        rows.append(f"<tr><th>{escape_html(mix.component)}</th>{''.join(cells)}</tr>")
    return TABLE.format(rows="".join(rows)) if rows else ""
