"""A tiny ELMo of the reference implementation, with its outputs, and pipelines on it."""

import json

import numpy as np
import spacy

from .files import ROOT

FOLDER = ROOT / "tests" / "data" / "elmo"
OPTIONS, WEIGHTS = str(FOLDER / "options.json"), str(FOLDER / "lm_weights.hdf5")
LAYER_MIX = {"@layers": "spacy-bertfamily.LayerMix.v1"}


def read_rows():
    """RETURNS (list[list[list[str]]]): Three rows of ten sentences of words."""
    rows = json.loads((FOLDER / "sentences.json").read_text(encoding="utf8"))
    return [[sentence.split() for sentence in row] for row in rows]


def read_outputs(row):
    """RETURNS (list[np.ndarray]): The reference's last layer of a row, `(words, 32)` for each."""
    import h5py

    with h5py.File(FOLDER / f"lm_embeddings_{row}.hdf5") as file:
        return [np.concatenate(list(file[str(number)][...]), axis=-1) for number in range(10)]


def elmo_block(**settings):
    """RETURNS (dict): The config of the tok2vec layer."""
    block = {
        "@architectures": "spacy-bertfamily.ELMo.v1",
        "options": OPTIONS,
        "weights": WEIGHTS,
    }
    return {**block, **settings}


def make_elmo_tagger(**settings):
    """RETURNS (Language): A pipeline with a tagger on ELMo, not initialized."""
    nlp = spacy.blank("en")
    model = {"@architectures": "spacy.Tagger.v2", "tok2vec": elmo_block(**settings)}
    nlp.add_pipe("tagger", config={"model": model})
    return nlp
