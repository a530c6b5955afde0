import string

import pytest
import spacy
import torch
from spacy.training import Example
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    MODEL_MAPPING,
    BertConfig,
    BertTokenizerFast,
    DistilBertConfig,
    DistilBertTokenizerFast,
    RobertaConfig,
    RobertaTokenizerFast,
)

WORDS = "a cat sleeps an animal dog barks he eats ham she runs un ##able ##s the cls sep".split()
CHARACTERS = [*string.ascii_lowercase, *string.digits, *string.punctuation, *"猫在睡觉狗叫"]
SIZES = {"vocab_size": 400, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
COMMON = {**SIZES, "intermediate_size": 48, "max_position_embeddings": 68, "initializer_range": 0.2}
DISTIL = {
    "vocab_size": 400,
    "dim": 32,
    "n_layers": 2,
    "n_heads": 4,
    "hidden_dim": 48,
    "max_position_embeddings": 68,
}
PAIRS = [
    ("a cat sleeps [SEP] an animal sleeps", "yes"),
    ("a cat sleeps [SEP] a dog barks", "no"),
    ("he eats ham [SEP] he eats", "yes"),
    ("he eats ham [SEP] she runs, and the dog barks", "no"),
]


def wordpiece_tokenizer(tokenizer_class, folder):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = dict.fromkeys(
        [*special, *WORDS, *CHARACTERS, *(f"##{character}" for character in CHARACTERS)]
    )
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf8")
    return tokenizer_class(str(folder / "vocab.txt"))


def byte_level_tokenizer(tokenizer_class, folder):
    bpe = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bpe.train_from_iterator(
        [" ".join(WORDS)] * 3, vocab_size=300, special_tokens=special, show_progress=False
    )
    bpe.save_model(str(folder))
    return tokenizer_class(str(folder / "vocab.json"), str(folder / "merges.txt"))


KINDS = {
    "bert": (BertConfig(**COMMON), BertTokenizerFast, wordpiece_tokenizer),
    "roberta": (
        RobertaConfig(**COMMON, type_vocab_size=1),
        RobertaTokenizerFast,
        byte_level_tokenizer,
    ),
    "distilbert": (DistilBertConfig(**DISTIL), DistilBertTokenizerFast, wordpiece_tokenizer),
}


@pytest.fixture(scope="session")
def pair_backbones(tmp_path_factory):
    """Folders of tiny random backbones by model type: with token types, with a double separator,
    with neither.
    """
    folders = {}
    for kind, (config, tokenizer_class, make_tokenizer) in KINDS.items():
        folder = tmp_path_factory.mktemp(kind)
        torch.manual_seed(0)
        MODEL_MAPPING[type(config)](config).save_pretrained(folder)
        make_tokenizer(tokenizer_class, folder).save_pretrained(folder)
        folders[kind] = str(folder)
    return folders


def cats(label):
    return {"yes": float(label == "yes"), "no": float(label == "no")}


@pytest.fixture
def make_pipeline(pair_backbones):
    """Makes a pipeline of transformer and pair classifier."""

    def make(kind="bert", trainable=("all",), max_pieces=64, separator="[SEP]", **config):
        nlp = spacy.blank("en")
        model = {
            "name": pair_backbones[kind],
            "max_pieces": max_pieces,
            "stride": 8,
            "batch_pieces": 256,
        }
        model.update(trainable=list(trainable), separator=separator)
        if "adapter" not in trainable:
            model["adapter"] = None
        nlp.add_pipe("adapter_transformer", name="transformer", config={"model": model})
        nlp.add_pipe("pair_classifier", config=config)
        return nlp

    return make


@pytest.fixture
def make_examples():
    """Makes examples of texts and doc.cats."""

    def make(nlp, data=None):
        data = [(text, cats(label)) for text, label in PAIRS] if data is None else data
        return [Example.from_dict(nlp.make_doc(text), {"cats": values}) for text, values in data]

    return make


@pytest.fixture
def train():
    """Initializes and trains a pipeline, and returns its last losses."""

    def run(nlp, examples, steps=30, rate=5e-3, **settings):
        spacy.util.fix_random_seed(0)
        optimizer = nlp.initialize(lambda: examples)
        optimizer.learn_rate = rate
        losses = {}
        for _ in range(steps):
            losses = nlp.update(examples, sgd=optimizer, losses={}, drop=0.0, **settings)
        return losses

    return run
