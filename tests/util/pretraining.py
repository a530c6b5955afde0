"""Masked language models with random weights, and pipelines to pretrain on them."""

import json

import spacy
import torch
from spacy.training.pretrain import create_pretraining_model, pretrain
from spacy.util import load_model_from_config, registry
from transformers import CONFIG_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

from spacy_bertfamily.model_types.table import SPECS

from .backbones import MODEL_TYPES, TRAINED
from .pipelines import add_transformer
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

# with a character of two bytes, for new tokenizers
RAW_TEXTS = [
    "The small dog likes green eggs and blue ham.",
    "Who wrote it? Ann wrote it in 1920, in Zürich.",
    "I like unable eggs; eat blue ham!",
    "The green dog wrote to Ann that it likes the ham in Zürich.",
]
MASKED_LM = {
    "@architectures": "spacy-bertfamily.PretrainMaskedLM.v1",
    "masker": {"@maskers": "spacy-bertfamily.Pieces.v1"},
    "mask_rate": 0.5,
}
REPLACED_TOKENS = {
    **MASKED_LM,
    "@architectures": "spacy-bertfamily.PretrainReplacedTokens.v1",
    "generator_size": 0.5,
}
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


def make_pretraining_config(
    backbone, raw_text, objective=MASKED_LM, save_backbone=False, pretraining=None, **model
):
    """Make the config of a short pretraining of all weights.

    backbone (str | Path): The backbone's folder.
    raw_text (str | Path): A file of JSON lines with texts.
    objective (dict): The block of the objective.
    save_backbone (bool): The transformer's setting.
    pretraining (dict | None): Entries of [pretraining].
    **model: Settings of the transformer's model.
    RETURNS (Config): The config.
    """
    nlp = spacy.blank("en")
    model = {"trainable": ["all"], "adapter": None, **model}
    add_transformer(nlp, str(backbone), save_backbone=save_backbone, **model)
    config = nlp.config.copy()
    config["corpora"]["pretrain"] = {"@readers": "spacy.JsonlCorpus.v1", "path": str(raw_text)}
    batcher = {
        "@batchers": "spacy.batch_by_words.v1",
        "size": 60,
        "discard_oversize": False,
        "tolerance": 0.2,
    }
    config["pretraining"] = {
        "max_epochs": 2,
        "dropout": 0.0,
        "n_save_every": None,
        "n_save_epoch": None,
        "component": "transformer",
        "layer": "",
        "corpus": "corpora.pretrain",
        "batcher": batcher,
        "optimizer": {"@optimizers": "Adam.v1", "learn_rate": 0.003, "use_averages": False},
        "objective": objective,
        **(pretraining or {}),
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


def pretrain_tiny(backbone, folder, **settings):
    """Pretrain a backbone for a few steps; see `make_pretraining_config`.

    RETURNS (Path): The file of the weights.
    """
    folder.mkdir(exist_ok=True)
    raw_text = write_texts(folder / "raw.jsonl", RAW_TEXTS)
    run_pretraining(make_pretraining_config(backbone, raw_text, **settings), folder)
    return folder / "model-last.bin"


def load_pretraining(file, **settings):
    """Load the model of `spacy pretrain` with its head, as when a pretraining is resumed.

    file (Path): From `pretrain_tiny`.
    **settings: Those of `pretrain_tiny`, with the backbone.
    RETURNS (AdapterTransformer): The transformer.
    """
    config = make_pretraining_config(raw_text=file.parent / "raw.jsonl", **settings)
    nlp = load_model_from_config(config)
    resolved = registry.resolve(nlp.config.interpolate()["pretraining"])
    model = create_pretraining_model(nlp, resolved)
    model.get_ref("tok2vec").from_bytes(file.read_bytes())
    return nlp.get_pipe("transformer")
