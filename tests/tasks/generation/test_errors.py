"""Bad settings, bad training data and strange texts."""

import warnings

import pytest
import spacy
from spacy.tokens import Doc

from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.tasks.generation.builders import make_prefix_lm_model
from spacy_bertfamily.tasks.generation.scorer import make_text_generator_scorer
from spacy_bertfamily.tasks.generation.settings import GenerationSettings
from spacy_bertfamily.transformer.listener import LayerListener

from ...util.generation import LONG, PAIRS, make_gold_examples, make_writer

pytestmark = pytest.mark.filterwarnings("ignore:.*W403", "ignore:.*W720")
STRANGE = [
    "",
    "   \n ",
    "[MASK] [SEP] [CLS] [PAD]",
    "[SEP]",
    "[UNK] the [MASK]",
    "x" * 500,
    "你好世界 😀 \x00 \u200b",
    "the " * 3000,
]


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"max_length": 0}, "max_length"),
        ({"max_length": 2.5}, "max_length"),
        ({"min_length": -1}, "min_length"),
        ({"min_length": 65}, "min_length"),
        ({"num_beams": 0}, "num_beams"),
        ({"num_beams": True}, "num_beams"),
        ({"num_return": 2}, "num_return"),
        ({"sample": True, "num_beams": 2}, "num_beams"),
        ({"sample": "yes"}, "sample"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_k": -1}, "top_k"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.5}, "top_p"),
        ({"no_repeat_ngram": 1.5}, "no_repeat_ngram"),
        ({"length_penalty": None}, "length_penalty"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"temperature": 1e-40}, "temperature"),
        ({"length_penalty": 1000.0}, "length_penalty"),
        ({"length_penalty": -1000.0}, "length_penalty"),
        ({"train_on": "best"}, "train_on"),
    ],
)
def test_settings_that_are_not_allowed_are_refused(settings, setting):
    with pytest.raises(BertFamilyError, match=rf"B004.*{setting}"):
        GenerationSettings(**settings)


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"predict": "none"}, "predict"),
        ({"mask_rate": 0.0}, "mask_rate"),
        ({"head": "old"}, "head"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"pieces": "few"}, "pieces"),
    ],
)
def test_models_that_are_not_allowed_are_refused(settings, setting):
    with pytest.raises(BertFamilyError, match=rf"B004.*{setting}"):
        make_prefix_lm_model(LayerListener("*"), **settings)


def test_unknown_scores_are_refused():
    with pytest.raises(BertFamilyError, match=r"B004.*'rouge'.*bleu"):
        make_text_generator_scorer(["rouge"])


def test_a_missing_library_of_scores_is_named(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr("spacy_bertfamily.tasks.generation.scorer.import_module", missing)
    nlp = spacy.blank("en")
    examples = make_gold_examples(nlp)
    with pytest.raises(BertFamilyError, match=r"B733.*'bleu'.*spacy-bertfamily\[generation\]"):
        make_text_generator_scorer(["bleu"])(examples)
    assert make_text_generator_scorer(["exact"])(examples) == {"generated_exact": 0.0}


@pytest.mark.parametrize(
    ("pairs", "code", "text"),
    [
        ([("a dog", "  ")], "B728", "is empty"),
        ([("a dog", ["cat", ""])], "B728", "is empty"),
        ([("a dog", "\ud800")], "B728", "lone surrogate"),
        ([("a dog", 3)], "B727", "is 3. It must be a text"),
        ([("a dog", [])], "B727", "at least one text"),
        ([("a dog", {"text": "cat"})], "B727", "must be a text"),
        ([("  ", "cat")], "B729", "without words"),
        ([("a dog", None)], "B730", "No example has a gold text"),
        ([], "B730", "No example has a gold text"),
    ],
)
def test_training_data_that_cannot_be_used_are_an_error_before_training(tiny, pairs, code, text):
    nlp = make_writer(tiny)
    examples = make_gold_examples(nlp, [*pairs])
    if pairs and code != "B730":
        examples = make_gold_examples(nlp, [PAIRS[0], *pairs])
    nlp.get_pipe("transformer").initialize(lambda: examples, nlp=nlp)
    with pytest.raises(BertFamilyError, match=rf"{code}.*{text}"):
        nlp.get_pipe("text_generator").initialize(lambda: examples, nlp=nlp)


def test_examples_without_gold_texts_are_left_out(tiny):
    nlp = make_writer(tiny)
    examples = make_gold_examples(nlp, [PAIRS[0], ("not annotated", None)])
    optimizer = nlp.initialize(lambda: examples)
    losses = nlp.update(examples, sgd=optimizer, losses={})
    assert losses["text_generator"] > 0
    losses = nlp.update(examples[1:], sgd=optimizer, losses={})
    assert losses["text_generator"] == 0


def test_too_long_texts_are_cut_with_a_warning_once(tiny):
    nlp = make_writer(tiny)
    examples = make_gold_examples(nlp, [("a dog", LONG)])
    optimizer = nlp.initialize(lambda: examples)
    with pytest.warns(UserWarning, match="W721.*max_length = 16"):
        nlp.update(examples, sgd=optimizer)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*W721.*")
        nlp.update(examples, sgd=optimizer)


def test_a_window_without_room_for_a_source_is_an_error(tiny):
    nlp = make_writer(tiny, {"max_pieces": 20, "stride": 4}, max_length=17)
    examples = make_gold_examples(nlp)
    with pytest.raises(BertFamilyError, match="B726.*max_length = 17.*at most 16"):
        nlp.initialize(lambda: examples)
    nlp = make_writer(tiny, {"max_pieces": 20, "stride": 4}, max_length=16)
    nlp.initialize(lambda: examples)
    assert len(nlp("a dog")._.generated) == 1


@pytest.mark.parametrize(
    ("model_type", "code"),
    [("gpt2", "B012.*only those before"), ("distilbert", "B012"), ("mpnet", "B012")],
)
def test_model_types_that_cannot_write_say_so(backbones, model_type, code):
    nlp = make_writer(backbones(model_type), {"max_pieces": 56})
    examples = make_gold_examples(nlp)
    with pytest.raises(BertFamilyError, match=code):
        nlp.initialize(lambda: examples)


def test_backbones_without_a_mask_or_with_relative_positions_say_so(backbones, tiny_copy):
    nlp = make_writer(backbones("bert", position_embedding_type="relative_key"))
    examples = make_gold_examples(nlp)
    with pytest.raises(BertFamilyError, match=r"B720.*positions are relative"):
        nlp.initialize(lambda: examples)
    nlp = make_writer(backbones("bert"))
    nlp.get_pipe("transformer").shim.load()
    plain = nlp.get_pipe("transformer").shim.tokenizer.tokenizer
    mask = plain.mask_token
    try:
        plain.mask_token = None
        with pytest.raises(BertFamilyError, match=r"B724.*its mask is None"):
            nlp.initialize(lambda: examples)
    finally:
        plain.mask_token = mask


def test_float16_is_refused(tiny, monkeypatch):
    nlp = make_writer(tiny)
    nlp.get_pipe("transformer").shim.load()
    shim = nlp.get_pipe("transformer").shim
    object.__setattr__(shim.settings, "precision", "float16")
    examples = make_gold_examples(nlp)
    with pytest.raises(BertFamilyError, match=r"B725.*'float16'"):
        nlp.get_pipe("text_generator").initialize(lambda: examples, nlp=nlp)


def test_a_component_without_weights_or_transformer_says_so(tiny):
    nlp = make_writer(tiny)
    nlp.get_pipe("transformer").shim.load()
    with pytest.raises(BertFamilyError, match="B721.*no weights yet"):
        nlp.get_pipe("text_generator").generate("a dog")
    alone = spacy.blank("en")
    component = alone.add_pipe("text_generator")
    with pytest.raises(BertFamilyError, match="B203"):
        component.generate("a dog")


def test_what_is_no_text_is_refused(trained):
    component = trained.get_pipe("text_generator")
    with pytest.raises(BertFamilyError, match="B731.*'int'"):
        component.generate(3)
    with pytest.raises(BertFamilyError, match="B732.*Text 1.*'int'"):
        component.generate(["a dog", 3])
    with pytest.raises(BertFamilyError, match="B210.*Text 0"):
        component.generate("a \ud800 dog")
    with pytest.raises(BertFamilyError, match="B221.*'beams'"):
        component.generate("a dog", beams=3)
    with pytest.raises(BertFamilyError, match="B221.*'train_on'"):
        component.generate("a dog", train_on="first")
    with pytest.raises(BertFamilyError, match="B004.*max_length"):
        component.generate("a dog", max_length=0)
    with pytest.raises(BertFamilyError, match="B004.*stream"):
        component.stream("a dog", num_beams=2)
    with pytest.raises(BertFamilyError, match="B220"):
        component.beams = 3


def test_no_text_stops_a_stream(trained):
    docs = list(trained.pipe(STRANGE))
    assert [doc.text for doc in docs] == STRANGE
    counts = [len(doc._.generated) for doc in docs]
    assert counts[:2] == [0, 0]
    assert counts[4:] == [1] * 4
    special = {"[MASK]", "[CLS]", "[PAD]", "[UNK]"}
    for doc in docs:
        assert not any(name in one.text for one in doc._.generated for name in special)
    beams = trained.get_pipe("text_generator").generate(STRANGE, num_beams=3, num_return=3)
    assert [len(texts) for texts in beams[:2]] == [0, 0]
    assert trained.get_pipe("text_generator").generate([]) == []
    assert trained(Doc(trained.vocab, words=[]))._.generated == []


@pytest.mark.slow
def test_a_document_of_100_000_words_is_cut(trained):
    text = "the small dog likes green eggs and " * 14_300
    component = trained.get_pipe("text_generator")
    (written,) = component.generate(text, max_length=4)
    assert isinstance(written.text, str)


def test_weights_of_another_backbone_are_refused(trained, backbones):
    content = trained.get_pipe("text_generator").to_bytes()
    nlp = make_writer(backbones("bert", hidden_size=16))
    nlp.get_pipe("transformer").shim.load()
    component = nlp.get_pipe("text_generator").from_bytes(content)
    with pytest.raises(BertFamilyError, match="B722.*do not fit"):
        component.generate("a dog")


def test_a_loss_that_is_not_finite_is_an_error(tiny):
    nlp = make_writer(tiny)
    examples = make_gold_examples(nlp)
    nlp.initialize(lambda: examples)
    parameters = nlp.get_pipe("text_generator").writer_shim.own_parameters()
    next(iter(parameters.values())).data.fill_(float("nan"))
    with pytest.raises(BertFamilyError, match="B734.*diverged"):
        nlp.update(examples, sgd=False)
