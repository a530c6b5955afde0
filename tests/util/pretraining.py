"""Masked language models with random weights, and pipelines to pretrain on them."""

import json

import spacy
import torch
from spacy.training.pretrain import pretrain
from spacy.util import load_model_from_config
from transformers import CONFIG_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

from spacy_bertfamily.model_types.table import SPECS

from .backbones import MODEL_TYPES, TRAINED
from .pipelines import WINDOWS, add_transformer
from .tokenizers import make_tokenizer

# the types that have a masked language model which is an encoder with a head
MASKED_TYPES = [
    model_type
    for model_type in TRAINED
    if CONFIG_MAPPING[model_type] in MODEL_FOR_MASKED_LM_MAPPING
    and SPECS[model_type].encoder_path is None
]
TEXTS = [
    "I like green eggs",
    "Who wrote it in 1920?",
    "the small dog likes unable eggs and eats blue ham",
    "eat the ham who likes the small green dog " * 6,
    "ann likes eggs",
]

NO_DROPOUT = {
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "attention_dropout": 0.0,
    "classifier_dropout_prob": 0.0,
    "dropout": 0.0,
}


def make_masked_lm(model_type, folder, model_class=None, **changes):
    """Write a masked language model with random weights, and its tokenizer, to a folder.

    RETURNS (PreTrainedModel): The model.
    """
    torch.manual_seed(0)
    config = CONFIG_MAPPING[model_type](**{**MODEL_TYPES[model_type][0], **changes})
    model_class = model_class or MODEL_FOR_MASKED_LM_MAPPING[type(config)]
    model = model_class(config)
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    make_tokenizer(MODEL_TYPES[model_type][1], folder)
    return model_class.from_pretrained(folder).eval()


def make_transformer(backbone, lang="en", **settings):
    """RETURNS (AdapterTransformer): A transformer that is loaded."""
    nlp = spacy.blank(lang)
    settings = {"trainable": ["all"], "adapter": None, **settings}
    transformer = add_transformer(nlp, str(backbone), **settings)
    transformer.model.initialize()
    return transformer


def make_pretraining_config(backbone, raw_text, objective, **settings):
    """RETURNS (Config): The config of a short pretraining.

    settings: Settings of the transformer's model, or entries of [pretraining] by `pretraining`.
    """
    pretraining = settings.pop("pretraining", {})
    model = {
        "@architectures": "spacy-bertfamily.AdapterTransformer.v1",
        "name": str(backbone),
        **{"trainable": ["all"], "adapter": None},
        **WINDOWS,
        **settings,
    }
    reader = {"@readers": "spacy.JsonlCorpus.v1", "path": str(raw_text)}
    optimizer = {"@optimizers": "Adam.v1", "learn_rate": 0.001, "use_averages": False}
    batcher = {
        "@batchers": "spacy.batch_by_words.v1",
        "size": 60,
        "discard_oversize": False,
        "tolerance": 0.2,
    }
    nlp = load_model_from_config(
        {
            "nlp": {"lang": "en", "pipeline": ["transformer"]},
            "components": {"transformer": {"factory": "adapter_transformer", "model": model}},
        },
        auto_fill=True,
    )
    config = nlp.config.copy()
    config["corpora"]["pretrain"] = reader
    config["pretraining"] = {
        "max_epochs": 2,
        "dropout": 0.0,
        "n_save_every": None,
        "n_save_epoch": None,
        "component": "transformer",
        "layer": "",
        "corpus": "corpora.pretrain",
        "batcher": batcher,
        "optimizer": optimizer,
        "objective": objective,
        **pretraining,
    }
    return config.interpolate()


def write_texts(path, texts=TEXTS):
    """RETURNS (Path): A file of JSON lines with texts."""
    lines = [json.dumps({"text": text}) for text in texts]
    path.write_text("\n".join(lines), encoding="utf8")
    return path


def run_pretraining(config, folder, **settings):
    """RETURNS (Path): The folder, with the weights that `spacy pretrain` wrote."""
    folder.mkdir(exist_ok=True)
    pretrain(config, folder, **settings)
    return folder
