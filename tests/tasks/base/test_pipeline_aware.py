"""A component that is held alone finds what it needs, and keeps nothing else alive."""

import copy
import gc
import weakref

import pytest
import spacy
from spacy.tokens import Doc

from spacy_bertfamily.tasks.base import PipelineAware

from ...util.every_component import COPIES, make_every_component

CONTEXT, QUESTION = "ann ate blue ham", "who ate ham ?"
PAIRS = [(QUESTION, CONTEXT), ("green", "eggs")]
USES = {
    "span_qa": lambda qa: [answer[:4] for answer in qa.ask(CONTEXT, QUESTION)],
    "pair_classifier": lambda pairs: [pairs.predict_pairs(PAIRS), pairs.rank("a", "bc", label="a")],
}


@pytest.fixture
def nlp(tiny):
    return make_every_component(tiny)[0]


def letters(text, vocab):
    """RETURNS (Doc): A Doc with one token for each character."""
    return Doc(vocab, words=list(text), spaces=[False] * len(text))


class Letters:
    """A tokenizer that makes a token of each character."""

    def __init__(self, vocab):
        self.vocab = vocab

    def __call__(self, text):
        return letters(text, self.vocab)


@pytest.mark.parametrize("name", USES)
def test_a_component_outlives_its_pipeline(tiny, name):
    nlp, _, _ = make_every_component(tiny)
    component = nlp.get_pipe(name)
    expected = USES[name](component)
    reference = weakref.ref(nlp)
    del nlp
    gc.collect()
    assert reference() is None
    assert USES[name](component) == expected


@pytest.mark.parametrize("name", USES)
def test_a_component_works_after_it_was_removed_from_its_pipeline(nlp, name):
    component = nlp.get_pipe(name)
    expected = USES[name](component)
    nlp.remove_pipe(name)
    assert USES[name](component) == expected


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("name", USES)
def test_copies_of_a_component_and_of_its_pipeline_work(nlp, name, kind):
    expected = USES[name](nlp.get_pipe(name))
    assert USES[name](COPIES[kind](nlp.get_pipe(name))) == expected
    assert USES[name](COPIES[kind](nlp).get_pipe(name)) == expected


@pytest.mark.parametrize("name", USES)
def test_a_component_with_its_own_transformer_works_alone(tiny, name):
    nlp, _, _ = make_every_component(tiny)
    nlp.replace_listeners("transformer", name, ["model.tok2vec"])
    component = nlp.get_pipe(name)
    expected = USES[name](component)
    del nlp
    gc.collect()
    assert USES[name](component) == expected
    assert USES[name](copy.deepcopy(component)) == expected


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_has_the_tokenizer_that_the_pipeline_had(nlp, kind):
    nlp.tokenizer = Letters(nlp.vocab)
    qa = COPIES[kind](nlp.get_pipe("span_qa"))
    (answer,) = qa.ask(CONTEXT, QUESTION)
    assert len(answer.span) == len(answer.text)


def test_a_copied_pipeline_is_the_one_of_its_components(nlp):
    copied = copy.deepcopy(nlp)
    copied.tokenizer = Letters(copied.vocab)
    for pipeline, expected in ((nlp, False), (copied, True)):
        (answer,) = pipeline.get_pipe("span_qa").ask(CONTEXT, QUESTION)
        assert (len(answer.span) == len(answer.text)) is expected


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("kind", ["original", *COPIES])
def test_nothing_is_kept_alive(tiny, kind, used):
    nlp, _, _ = make_every_component(tiny)
    if kind != "original":
        nlp = COPIES[kind](nlp)
    transformer = nlp.get_pipe("transformer")
    parts = [nlp, transformer, transformer.shim.encoder, nlp.get_pipe("pooler")]
    gone = [weakref.ref(part) for part in parts]
    qa = nlp.get_pipe("span_qa")
    del nlp, transformer, parts
    gc.collect()
    pipeline, kept_transformer, encoder, pooler = gone
    assert pipeline() is None
    assert kept_transformer() is not None
    assert pooler() is None
    if used:
        qa.ask(CONTEXT, QUESTION)
    gone.append(weakref.ref(qa))
    del qa
    gc.collect()
    assert [reference() for reference in gone] == [None] * len(gone)


def test_a_component_without_any_pipeline_says_what_it_needs(nlp):
    qa = nlp.get_pipe("span_qa")
    with pytest.raises(ValueError, match=r"B110.*'span_qa'.*ask\(\.\.\., nlp=nlp\)"):
        qa.ask(CONTEXT, QUESTION, nlp=spacy.blank("en"))
    qa.attach_pipeline(None)
    with pytest.raises(ValueError, match=r"B110.*'span_qa'.*ask\(\.\.\., nlp=nlp\)"):
        qa.ask(CONTEXT, QUESTION)
    assert isinstance(qa, PipelineAware)
