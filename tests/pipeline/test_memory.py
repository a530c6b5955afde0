"""spaCy's `doc_cleaner` behind the last listener drops what the transformer left on the Docs."""

import gc

import pytest
import spacy
from spacy.training import Example
from spacy_transformers.data_classes import TransformerData

from spacy_bertfamily.annotation.answers import set_answers

from ..conftest import LISTENER

TEXTS = [
    "who wrote it ? [SEP] ann wrote it in 1920",
    "i like eggs [SEP] eat blue ham",
    "the small dog",
    "",
] * 6


@pytest.fixture
def nlp(tiny):
    """One transformer under a tagger, pairs, questions, and a mix; the last component cleans."""
    nlp = spacy.blank("en")
    model = {"name": tiny, "max_pieces": 32, "stride": 8, "batch_pieces": 256}
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": model})
    nlp.add_pipe(
        "tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": LISTENER}}
    )
    nlp.add_pipe("pair_classifier")
    nlp.add_pipe("span_qa", config={"null_threshold": None})
    doc = nlp.make_doc("who wrote it ? [SEP] ann")
    set_answers(doc, [(21, 24)])
    examples = [Example.from_dict(nlp.make_doc(doc.text), {"cats": {"a": 1.0, "b": 0.0}, "tags": ["N"] * len(doc)}),
                Example.from_dict(nlp.make_doc(doc.text), {"cats": {"a": 0.0, "b": 1.0}, "tags": ["V"] * len(doc)}),
                Example(nlp.make_doc(doc.text), doc)]  # fmt: skip
    nlp.initialize(lambda: examples)
    return nlp


def arrays():
    """RETURNS (int): How many Docs' hidden states are alive."""
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
    before = arrays()
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
    assert arrays() == before
    assert all(doc._.trf_data is None for doc in docs)
    for (tags, cats, answers), (tags_before, cats_before, answers_before) in zip(
        results(docs), expected
    ):
        assert (tags, [text for text, _ in answers]) == (
            tags_before,
            [text for text, _ in answers_before],
        )
        assert cats == pytest.approx(cats_before, abs=1e-5)


@pytest.mark.filterwarnings("ignore:.*W205")
def test_a_stream_holds_the_states_of_few_docs(nlp):
    clean(nlp)
    most = max(arrays() for _ in nlp.pipe(TEXTS, batch_size=4))
    assert 0 < most <= 8


def test_asking_and_ranking_go_on(nlp):
    qa, pairs = nlp.get_pipe("span_qa"), nlp.get_pipe("pair_classifier")
    before = (
        qa.ask("ann wrote it in 1920", "who wrote it ?")[0].text,
        pairs.predict_pairs([("a dog", "a cat")])[0],
    )
    clean(nlp)
    n = arrays()
    doc = nlp("ann wrote it in 1920")
    assert qa.ask(doc, "who wrote it ?")[0].text == before[0]
    assert pairs.predict_pairs([("a dog", "a cat")])[0] == pytest.approx(before[1], abs=1e-5)
    assert arrays() == n
