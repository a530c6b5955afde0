"""Pretrain tiny backbones through `spacy pretrain`."""

import json

import spacy
from spacy.training.pretrain import pretrain

from .pipelines import add_transformer

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


def pretraining_config(backbone, corpus, objective=MASKED_LM, save_backbone=False, **model):
    """Make a config for `spacy pretrain`.

    backbone (str): The backbone's folder.
    corpus (Path): A file of JSON lines, which is written.
    objective (dict): The block of the objective.
    save_backbone (bool): The transformer's setting.
    **model: Settings of its model.
    RETURNS (Config): The config.
    """
    corpus.write_text("\n".join(json.dumps({"text": text}) for text in RAW_TEXTS))
    nlp = spacy.blank("en")
    add_transformer(nlp, backbone, save_backbone=save_backbone, **model)
    config = nlp.config
    config["corpora"]["pretrain"] = {
        "@readers": "spacy.JsonlCorpus.v1",
        "path": str(corpus),
        "min_length": 1,
        "max_length": 500,
        "limit": 0,
    }
    config["pretraining"] = {
        "max_epochs": 2,
        "dropout": 0.0,
        "n_save_every": None,
        "n_save_epoch": None,
        "component": "transformer",
        "layer": "",
        "corpus": "corpora.pretrain",
        "batcher": {"@batchers": "spacy.batch_by_sequence.v1", "size": 2},
        "optimizer": {"@optimizers": "Adam.v1", "learn_rate": 0.01, "use_averages": False},
        "objective": objective,
    }
    return config


def pretrain_tiny(backbone, folder, **settings):
    """Pretrain a backbone for a few steps; see `pretraining_config`.

    RETURNS (Path): The file of the weights.
    """
    folder.mkdir(exist_ok=True)
    config = pretraining_config(backbone, folder / "raw.jsonl", **settings)
    pretrain(config.interpolate(), folder)
    return folder / "model-last.bin"
