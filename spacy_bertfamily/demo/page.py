"""The page itself, which Streamlit runs anew for each change: `streamlit run page.py -- NAME`."""

import sys
import threading
from typing import Any

import streamlit as st

from spacy_bertfamily.demo import views
from spacy_bertfamily.scale.pipelines import load_pipeline

TEXT = (
    "The lighthouse was finished in 1874. Its builder, Elspeth Muir, had to bring every stone by "
    "boat from Oban."
)
QUESTION = "Who built the lighthouse?"
FIRST, SECOND = "A man is playing a guitar.", "Nobody plays an instrument."


@st.cache_resource(show_spinner="Loading the pipeline")
def load(name: str) -> tuple[Any, threading.Lock]:
    """RETURNS (tuple[Language, threading.Lock]): The pipeline, and a lock for its sessions."""
    return load_pipeline(name), threading.Lock()


def read_text(label: str, default: str, key: str) -> str:
    """RETURNS (str): A text that was pasted or uploaded; long ones are cut, and it is said."""
    uploaded = st.file_uploader("or a text file", type=["txt", "md"], key=f"{key}-file")
    text = st.text_area(label, default, key=key, height=160)
    if uploaded is not None:
        text = uploaded.getvalue().decode("utf8", "replace")
    if len(text) > views.LONGEST:
        st.warning(f"Only the first {views.LONGEST:,} of {len(text):,} characters are read here.")
    return views.cut(text)


def show_questions(nlp: Any, lock: threading.Lock) -> None:
    """Ask a question about a text."""
    text = read_text("Text", TEXT, "text")
    question = st.text_input("Question", QUESTION)
    top_k = st.sidebar.slider("Most answers", 1, 10, 1)
    always = st.sidebar.checkbox("Always answer")
    threshold = st.sidebar.slider("Threshold for 'no answer'", -20.0, 20.0, 0.0)
    if not text.strip() or not question.strip():
        st.info("Write a text and a question.")
        return
    with lock:
        html = views.show_answers(nlp, text, question, top_k, always=always, threshold=threshold)
    st.html(html)


def show_pairs(nlp: Any, lock: threading.Lock) -> None:
    """Compare two texts."""
    first = views.cut(st.text_area("First text", FIRST))
    second = views.cut(st.text_area("Second text", SECOND))
    if not first.strip() or not second.strip():
        st.info("Write two texts.")
        return
    with lock:
        scores = views.compare_texts(nlp, first, second)
    st.table([{"label": label, "score": f"{score:.3f}"} for label, score in scores.items()])


def show_words(nlp: Any, lock: threading.Lock) -> None:
    """Show entities and tags."""
    text = read_text("Text", TEXT, "words")
    if not text.strip():
        st.info("Write a text.")
        return
    with lock:
        html, rows = views.show_words(nlp, text)
    st.html(html or "<p>No entities.</p>")
    st.dataframe(rows)


def show_layers(nlp: Any, lock: threading.Lock) -> None:
    """Show what adapters change, and which layers components read."""
    name = st.selectbox("Transformer", views.find_abilities(nlp).transformers)
    text = views.cut(st.text_input("A sentence", "The money is in the bank by the river."))[:500]
    if name is None or not text.strip():
        st.info("Write a sentence.")
        return
    with lock:
        effect = views.adapter_effect(nlp, name, text)
        mixes = views.show_mixes(nlp)
    st.caption("How far the adapter moves each hidden state (1 minus the cosine), by layer")
    st.html(views.show_effect(*effect))
    if mixes:
        st.caption("Learned weights of the layers")
        st.html(mixes)


def main(name: str) -> None:
    """Show the page of a pipeline."""
    st.set_page_config(page_title=f"{name} - spacy-bertfamily", layout="wide")
    st.title(name)
    nlp, lock = load(name)
    found = views.find_abilities(nlp)
    shown = {
        "Ask": show_questions if found.qa else None,
        "Two texts": show_pairs if found.pairs else None,
        "Words": show_words if found.words else None,
        "Layers": show_layers if found.transformers else None,
    }
    choice = st.sidebar.radio("What", [title for title, show in shown.items() if show])
    show = shown[str(choice)]
    if show is not None:
        show(nlp, lock)


if __name__ == "__main__":
    main(sys.argv[1])
