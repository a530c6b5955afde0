"""spaCy's `doc_cleaner` after the last listener removes the hidden states from the Docs."""

import gc

import pytest
import spacy
from spacy.training import Example
from spacy_transformers.data_classes import TransformerData

from spacy_bertfamily.annotation.answers import set_answers

from ..util.pipelines import TAGGER, add_transformer

TEXTS = [
    "who wrote it ? [SEP] ann wrote it in 1920",
    "i like eggs [SEP] eat blue ham",
    "the small dog",
    "",
] * 6


@pytest.fixture
def nlp(tiny):
    """A pipeline of a transformer, a tagger, a pair classifier and question answering."""
    nlp = spacy.blank("en")
    add_transformer(nlp, tiny)
    nlp.add_pipe("tagger", config=TAGGER)
    nlp.add_pipe("pair_classifier")
    nlp.add_pipe("span_qa", config={"null_threshold": None})
    doc = nlp.make_doc("who wrote it ? [SEP] ann")
    set_answers(doc, [(21, 24)])
    annotations = [
        {"cats": {"a": 1.0, "b": 0.0}, "tags": ["N"] * len(doc)},
        {"cats": {"a": 0.0, "b": 1.0}, "tags": ["V"] * len(doc)},
    ]
    examples = [Example.from_dict(nlp.make_doc(doc.text), values) for values in annotations]
    examples.append(Example(nlp.make_doc(doc.text), doc))
    nlp.initialize(lambda: examples)
    return nlp


def count_states():
    """RETURNS (int): The number of Docs whose hidden states are in memory."""
    gc.collect()
    return sum(
        isinstance(x, TransformerData) and "last_hidden_state" in x.model_output
        for x in gc.get_objects()
    )


def results(docs):
    return [
        ([t.tag_ for t in doc], dict(doc.cats), [(a.text, a.score) for a in doc._.answers])
        for doc in docs
    ]


def clean(nlp):
    nlp.add_pipe("doc_cleaner", config={"attrs": {"_.trf_data": None}})


@pytest.mark.filterwarnings("ignore:.*W205")
@pytest.mark.parametrize("how", ["pipe", "as_tuples", "one by one", "two processes"])
def test_cleaned_docs_have_the_same_results_and_no_states(nlp, how):
    expected = results(nlp.pipe(TEXTS))
    clean(nlp)
    before = count_states()
    if how == "as_tuples":
        docs = [
            doc
            for doc, _ in nlp.pipe(
                ((text, i) for i, text in enumerate(TEXTS)), as_tuples=True, batch_size=4
            )
        ]
    elif how == "one by one":
        docs = [nlp(text) for text in TEXTS]
    else:
        docs = list(nlp.pipe(TEXTS, batch_size=4, n_process=2 if how == "two processes" else 1))
    assert count_states() == before
    assert all(doc._.trf_data is None for doc in docs)
    for (tags, cats, answers), (tags_before, cats_before, answers_before) in zip(
        results(docs), expected
    ):
        assert (tags, [text for text, _ in answers]) == (
            tags_before,
            [text for text, _ in answers_before],
        )
        assert cats == pytest.approx(cats_before, abs=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*W205")
def test_a_stream_keeps_the_states_of_few_docs(nlp):
    clean(nlp)
    most = max(count_states() for _ in nlp.pipe(TEXTS, batch_size=4))
    assert 0 < most <= 8


def test_asking_and_ranking_work_on_cleaned_docs(nlp):
    qa, pairs = nlp.get_pipe("span_qa"), nlp.get_pipe("pair_classifier")
    before = (
        qa.ask("ann wrote it in 1920", "who wrote it ?")[0].text,
        pairs.predict_pairs([("a dog", "a cat")])[0],
    )
    clean(nlp)
    n = count_states()
    doc = nlp("ann wrote it in 1920")
    assert qa.ask(doc, "who wrote it ?")[0].text == before[0]
    assert pairs.predict_pairs([("a dog", "a cat")])[0] == pytest.approx(before[1], abs=1e-5)
    assert count_states() == n
