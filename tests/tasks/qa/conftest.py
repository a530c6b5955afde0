import pytest
import spacy
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from ...util.pipelines import add_transformer, initialize_and_train
from ...util.qa import CONTEXT, PARTS, make_example

WORDS = (
    "who what when where wrote built sold book bridge boat ann ben carl in 1920 1931 1948 the a it "
    "was and old town river . , ? ! long story about many people came to see by 19 ##20 ##31 "
    "[ ] sep"
)
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture(scope="session")
def tiny_qa_backbone(tmp_path_factory):
    """The folder of a tiny random BERT with a vocabulary for these tests."""
    folder = tmp_path_factory.mktemp("qa-backbone")
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *WORDS.split(),
        *LETTERS,
        *(f"##{letter}" for letter in LETTERS),
    ]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(vocabulary)), encoding="utf8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(dict.fromkeys(vocabulary)),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=128,
        initializer_range=0.2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def make_qa(tiny_qa_backbone):
    """Make a pipeline of a transformer and `span_qa`."""

    def make(trainable=("all",), transformer=None, **config):
        nlp = spacy.blank("en")
        model = {"trainable": list(trainable), "adapter": None, "max_pieces": 48, "stride": 12}
        add_transformer(nlp, tiny_qa_backbone, **{**model, **(transformer or {})})
        nlp.add_pipe("span_qa", config=config)
        return nlp

    return make


@pytest.fixture
def examples():
    """Make a few questions about one text, one of them without an answer."""

    def make(nlp):
        made = [make_example(nlp, question, CONTEXT, answer) for question, answer, _ in PARTS]
        return [*made, make_example(nlp, "when was it ?", "many people came to see the river .")]

    return make


@pytest.fixture
def trained(make_qa, examples):
    """Make an initialized pipeline, train it for some steps, and return its examples and losses."""

    def make(steps=0, **config):
        nlp = make_qa(**config)
        made = examples(nlp)
        losses = initialize_and_train(nlp, made, steps, rate=2e-3)
        return nlp, made, [step["span_qa"] for step in losses]

    return make
