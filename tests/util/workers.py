"""Trainings by one process and by several, of which each writes its final weights."""

import io
import random
from pathlib import Path

import numpy as np
import spacy
from spacy.cli.init_config import init_config
from spacy.ml import _precomputable_affine
from spacy.tokens import Doc, DocBin, Span
from spacy.training.initialize import init_nlp
from thinc.api import Config

from spacy_bertfamily.annotation.answers import set_answers
from spacy_bertfamily.init_config.make import make_config
from spacy_bertfamily.training.loop import train
from spacy_bertfamily.training.optimizer_keys import parameters_by_name
from spacy_bertfamily.training.workers.launch import launch

STEPS = 20
FORWARD = _precomputable_affine.forward
# Unlike Adam, it does not hide gradients of the wrong size; and it leaves a gradient of 0 alone.
SGD = {"@optimizers": "SGD.v1", "learn_rate": 0.001, "L2": 0.01, "grad_clip": 0.0}
ADAM = {"@optimizers": "Adam.v1", "learn_rate": 0.001, "L2": 0.01, "grad_clip": 1.0}
SPACY = ["tagger", "parser", "ner", "textcat"]
WORDS = [
    "ann",
    "ben",
    "carl",
    "wrote",
    "sold",
    "ate",
    "the",
    "old",
    "green",
    "blue",
    "small",
    "boat",
]


def write_corpus(path, docs=7, pairs_from=0):
    """Write Docs of different lengths that are annotated for every task.

    path (Path): The file.
    docs (int): How many.
    pairs_from (int): The first Doc that is annotated for pairs and text classification.
    """
    nlp, rng = spacy.blank("en"), random.Random(0)
    found = []
    for i in range(docs):
        question, context = rng.sample(WORDS, 3), rng.choices(WORDS, k=4 + 3 * (i % 4))
        tokens = nlp.make_doc(" ".join([*question, "[SEP]", *context]))
        doc = Doc(
            nlp.vocab,
            words=[token.text for token in tokens],
            spaces=[bool(token.whitespace_) for token in tokens],
            tags=[token.text[0].upper() for token in tokens],
            pos=["NOUN" if len(token) > 3 else "VERB" for token in tokens],
            heads=[choose_head(token.i, len(tokens)) for token in tokens],
            deps=["ROOT", *("dep" if len(token) > 3 else "obj" for token in tokens[1:])],
        )
        doc.ents = [Span(doc, 6, 7, label="A"), Span(doc, 7, 9, label="B")]
        doc.spans["sc"] = [Span(doc, 6, 7, label="A"), Span(doc, 7, 9, label="B")]
        start = doc[6].idx
        set_answers(doc, [(start, start + len(doc[6]))])
        if i >= pairs_from:
            doc.cats = {"a": float(i % 2), "b": float(1 - i % 2)}
        found.append(doc)
    DocBin(docs=found, store_user_data=True).to_disk(path)


def choose_head(i, length):
    """RETURNS (int): The head of token I, in a projective tree with arcs to both sides."""
    return i + 1 if i % 2 and i + 1 < length else max(0, i - 2)


def make_short_training(
    task, backbone, corpus, steps=STEPS, accumulate=1, dropout=0.0, size=4, optimizer=SGD
):
    """Make a config of a short training.

    task (str): A task of `init-config`, or `spacy` for a pipeline without a transformer.
    backbone (str): The backbone's folder.
    corpus (Path): The file with the training and dev data.
    steps (int): The number of steps.
    accumulate (int): Updates in each step.
    dropout (float): The dropout rate of all.
    size (int): The number of examples in a batch.
    optimizer (dict[str, Any]): The block of the optimizer.
    RETURNS (Config): The config.
    """
    if task == "spacy":
        made = init_config(lang="en", pipeline=SPACY, optimize="efficiency")
        made["components"]["tok2vec"]["model"]["embed"]["rows"] = [50] * 4
        made["components"]["tok2vec"]["model"]["encode"].update(width=16, depth=1)
        for name in ("parser", "ner"):  # the upper layer has dropout that cannot be turned off
            made["components"][name]["model"]["use_upper"] = False
    else:
        made = Config().from_str(make_config(task, backbone=backbone), interpolate=False)
        made["components"]["transformer"]["model"].update(max_pieces=32, stride=8)
    if "parser" in made["components"]:
        made["components"]["parser"]["min_action_freq"] = 1
    made["paths"].update(train=str(corpus), dev=str(corpus))
    made["training"].update(
        max_steps=steps - 1, eval_frequency=10, dropout=dropout, accumulate_gradient=accumulate
    )
    made["training"]["batcher"] = {
        "@batchers": "spacy.batch_by_sequence.v1",
        "size": size,
    }
    made["training"]["optimizer"] = optimizer
    return made


def forward_without_missing(model, X, is_train):
    """The forward pass of the parser's lower layer, with a gradient that is a sum over Docs.

    For a feature that a state lacks, spaCy's gradient of the weights has the vector of the batch's
    last token, whatever Doc that is in. Here it has none.
    """
    Y, backward = FORWARD(model, X, is_train)

    def backprop(dY_ids):
        dX = backward(dY_ids)
        dY, ids = dY_ids
        d_pad = _precomputable_affine._backprop_precomputable_affine_padding(model, dY, ids)
        model.inc_grad("W", -d_pad[0][..., None] * X[-1])
        return dX

    return Y, backprop


def train_alone(config, folder, resume=False):
    """Train in this process.

    RETURNS (dict[str, np.ndarray]): The final weights.
    """
    folder.mkdir(exist_ok=True)
    nlp = init_nlp(config)
    train(nlp, folder, resume=resume, stdout=io.StringIO())
    return weights_by_name(nlp)


def train_together(config, folder, workers, resume=False):
    """Train in several processes.

    RETURNS (list[dict[str, np.ndarray]]): The final weights of each.
    """
    folder.mkdir(exist_ok=True)
    arguments = (config.to_str(), str(folder), resume)
    launch(work, arguments, workers, start_method="fork")
    return [dict(np.load(folder / f"{rank}.npz")) for rank in range(workers)]


def work(group, text, folder, resume):
    """Train as one of the workers, and write the log and the final weights."""
    config = Config().from_str(text, interpolate=False)
    nlp, log = init_nlp(config), io.StringIO()
    is_new = train(nlp, Path(folder), resume=resume, stdout=log, group=group)
    np.savez(Path(folder) / f"{group.rank}.npz", **weights_by_name(nlp))
    (Path(folder) / f"{group.rank}.log").write_text(log.getvalue(), encoding="utf8")
    return is_new


def weights_by_name(nlp):
    """RETURNS (dict[str, np.ndarray]): Copies of all trained weights, by name."""
    found = parameters_by_name(nlp)
    return {name: np.array(parameter.get_weights()) for name, parameter in found.items()}


def assert_equal_weights(first, second):
    """Check that two workers have the same weights, to the bit."""
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def assert_close_weights(first, second, atol=1e-5):
    """Check that two trainings end with almost the same weights."""
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_allclose(value, second[name], atol=atol, rtol=0, err_msg=name)
