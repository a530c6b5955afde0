import pytest
import spacy
import torch
from spacy.training import Example
from spacy.util import fix_random_seed
from transformers import BertConfig, BertModel, BertTokenizerFast

from spacy_bertfamily.annotation.answers import set_answers

WORDS = (
    "who what when where wrote built sold book bridge boat ann ben carl in 1920 1931 1948 the a it was and old town "
    "river . , ? ! long story about many people came to see by 19 ##20 ##31 [ ] sep"
).split()
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
PARTS = [
    ("who wrote the book ?", "ann", "wrote"),
    ("who built the bridge ?", "ben", "built"),
    ("who sold the boat ?", "carl", "sold"),
]
CONTEXT = (
    "the long story about the old town . ann wrote the book in 1920 . ben built the bridge in 1931 . "
    "carl sold the boat ."
)


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
        *WORDS,
        *LETTERS,
        *(f"##{letter}" for letter in LETTERS),
    ]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(vocabulary)), encoding="utf8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(dict.fromkeys(vocabulary)), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=128, initializer_range=0.2,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def make_qa(tiny_qa_backbone):
    """Makes a pipeline of transformer and span_qa."""

    def make(trainable=("all",), transformer=None, **config):
        nlp = spacy.blank("en")
        model = {
            "name": tiny_qa_backbone, "trainable": list(trainable), "adapter": None, "max_pieces": 48, "stride": 12,
            "batch_pieces": 256, **(transformer or {}),
        }  # fmt: skip
        nlp.add_pipe("adapter_transformer", name="transformer", config={"model": model})
        nlp.add_pipe("span_qa", config=config)
        return nlp

    return make


def make_example(nlp, question, context, *answers):
    """An example with answers given as texts, each its first occurrence in the context."""
    text = f"{question} [SEP] {context}"
    reference = nlp.make_doc(text)
    begin = len(question) + 7
    starts = [begin + context.index(answer) for answer in answers]
    set_answers(reference, [(start, start + len(answer)) for start, answer in zip(starts, answers)])
    return Example(nlp.make_doc(text), reference)


@pytest.fixture
def examples():
    """Makes a few questions about one text, one of them without an answer."""

    def make(nlp):
        made = [make_example(nlp, question, CONTEXT, answer) for question, answer, _ in PARTS]
        return [*made, make_example(nlp, "when was it ?", "many people came to see the river .")]

    return make


@pytest.fixture
def trained(make_qa, examples):
    """A pipeline that was initialized but hardly trained, with its examples."""

    def make(steps=0, **config):
        fix_random_seed(0)
        nlp = make_qa(**config)
        made = examples(nlp)
        optimizer = nlp.initialize(lambda: made)
        optimizer.learn_rate = 2e-3
        losses = []
        for _ in range(steps):
            step = {}
            nlp.update(made, sgd=optimizer, losses=step)
            losses.append(step["span_qa"])
        return nlp, made, losses

    return make
