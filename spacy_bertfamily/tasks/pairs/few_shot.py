"""Train a classifier of texts from a few examples for each label."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import spacy
from scipy.optimize import minimize
from scipy.special import log_softmax
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import Adam, Model, chain, reduce_mean
from thinc.types import Floats1d, Floats2d

from ...errors import Errors
from ...transformer.component import DEFAULT_BACKBONE, AdapterTransformer
from .component import PairClassifier
from .contrastive import contrastive_loss, draw_batches
from .pooling import pool_windows

POOLING = "mean"
TRAINED = ("adapter", "layer_norm")
BATCH = 32
# Weight of the squared weights of the head beside the summed loss, as in scikit-learn with C = 1.
L2 = 1.0


def fit_few(
    texts: Sequence[str],
    labels: Sequence[str],
    *,
    backbone: str = DEFAULT_BACKBONE,
    lang: str = "en",
    steps: int = 60,
    learn_rate: float = 1e-3,
    seed: int = 0,
) -> Language:
    """Train a classifier of texts from a few examples for each label, such as 8.

    As in SetFit (Tunstall et al. 2022, https://arxiv.org/abs/2209.11055), the transformer first
    learns from pairs: texts of one label get similar vectors, texts of two labels different ones.
    Then a logistic regression on the vectors becomes the head. Here adapters and layer norms learn,
    the backbone stays frozen, and all pairs of a batch count. The seed of all random numbers is
    set, as in a training of spaCy.

    texts (Sequence[str]): The texts. `A [SEP] B` is read as a pair.
    labels (Sequence[str]): The label of each. Each label needs two texts.
    backbone (str): As the setting `name` of the transformer; best one for sentence vectors.
    lang (str): The language of the pipeline.
    steps (int): Batches of 32 texts from which the adapters learn; 0 trains nothing but the head.
    learn_rate (float): At the start; it falls to 0.
    seed (int): Of the random numbers.
    RETURNS (Language): A pipeline of an `adapter_transformer` and a `pair_classifier`, which sets
        `doc.cats` and can be saved, packaged and trained further as any other.
    RAISES (BertFamilyError): If texts and labels do not fit together, or a setting is not allowed.
    """
    _check_settings(steps, learn_rate)
    names = _check_data(texts, labels)
    fix_random_seed(seed)
    nlp, transformer, classifier = _make_pipeline(backbone, lang)
    examples = _make_examples(nlp, texts, labels, names)
    nlp.initialize(lambda: examples)
    numbers = [names.index(label) for label in labels]
    # the listener and the pooling of the classifier's own model
    vectors: Model[list[Doc], Floats2d] = chain(
        classifier.model.layers[0], pool_windows(POOLING), reduce_mean()
    )
    _train_adapters(transformer, vectors, examples, numbers, steps, learn_rate, seed)
    docs = list(transformer.pipe([example.predicted for example in examples]))
    features = vectors.ops.to_numpy(vectors.predict(docs))
    weights, bias = fit_logistic(features, np.asarray(numbers), len(names))
    output = classifier.model.get_ref("output")
    output.set_param("W", output.ops.asarray2f(weights))
    output.set_param("b", output.ops.asarray1f(bias))
    return nlp


def _check_settings(steps: int, learn_rate: float) -> None:
    if steps < 0:
        raise Errors.B004(setting="steps", value=steps, allowed="a number from 0 on")
    if not learn_rate > 0:
        raise Errors.B004(setting="learn_rate", value=learn_rate, allowed="a number above 0")


def _check_data(texts: Sequence[str], labels: Sequence[str]) -> list[str]:
    """RETURNS (list[str]): The different labels, sorted."""
    for what, given in (("texts", texts), ("labels", labels)):
        if isinstance(given, str) or not all(isinstance(item, str) for item in given):
            raise Errors.B792(what=what, given=type(given).__name__)
    if len(texts) != len(labels):
        raise Errors.B793(texts=len(texts), labels=len(labels))
    names = sorted(set(labels))
    rare = [name for name in names if list(labels).count(name) < 2]
    if len(names) < 2 or rare:
        raise Errors.B794(labels=", ".join(names) or "none", rare=", ".join(rare) or "none")
    return names


def _make_pipeline(backbone: str, lang: str) -> tuple[Language, AdapterTransformer, PairClassifier]:
    """RETURNS (tuple[Language, AdapterTransformer, PairClassifier]): Not initialized yet."""
    nlp = spacy.blank(lang)
    config: dict[str, Any] = {"model": {"name": backbone, "trainable": list(TRAINED)}}
    transformer = nlp.add_pipe("adapter_transformer", name="transformer", config=config)
    classifier = nlp.add_pipe("pair_classifier", config={"model": {"pooling": POOLING}})
    return nlp, cast(AdapterTransformer, transformer), cast(PairClassifier, classifier)


def _make_examples(
    nlp: Language, texts: Sequence[str], labels: Sequence[str], names: list[str]
) -> list[Example]:
    return [
        Example.from_dict(
            nlp.make_doc(text), {"cats": {name: float(name == label) for name in names}}
        )
        for text, label in zip(texts, labels)
    ]


def _train_adapters(
    transformer: AdapterTransformer,
    vectors: Model[list[Doc], Floats2d],
    examples: list[Example],
    numbers: Sequence[int],
    steps: int,
    learn_rate: float,
    seed: int,
) -> None:
    """Train the transformer so that texts of one label get similar vectors."""
    optimizer = Adam(learn_rate)
    xp = vectors.ops.xp
    for step, rows in enumerate(draw_batches(numbers, BATCH, steps, seed)):
        optimizer.learn_rate = learn_rate * (1 - step / steps)
        batch = [examples[row] for row in rows]
        transformer.update(batch, sgd=optimizer)
        outputs, backprop = vectors.begin_update([example.predicted for example in batch])
        wanted = xp.asarray([numbers[row] for row in rows])
        _, gradient = contrastive_loss(xp, outputs, wanted)
        backprop(gradient)


def fit_logistic(
    features: Floats2d, numbers: Any, n_labels: int, l2: float = L2
) -> tuple[Floats2d, Floats1d]:
    """Fit a logistic regression of several labels, with penalised weights.

    The features are divided by their mean length first, so that the penalty does not depend on it;
    the weights that are returned are for the features as they were.

    features (Floats2d): `(texts, width)`.
    numbers (Ints1d): The number of each text's label.
    n_labels (int): How many labels there are.
    l2 (float): Half of it is the weight of the squared weights beside the summed loss.
    RETURNS (tuple[Floats2d, Floats1d]): Weights, `(labels, width)`, and biases.
    """
    X = np.asarray(features, dtype="float64")
    scale = max(float(np.linalg.norm(X, axis=1).mean()), 1e-12)
    X = X / scale
    targets = np.eye(n_labels)[numbers]
    width = X.shape[1]

    def loss(flat: Any) -> tuple[float, Any]:
        W, b = flat[: n_labels * width].reshape(n_labels, width), flat[n_labels * width :]
        logs = log_softmax(X @ W.T + b, axis=1)
        d_logits = np.exp(logs) - targets
        value = -(targets * logs).sum() + 0.5 * l2 * (W**2).sum()
        gradient = np.concatenate([(d_logits.T @ X + l2 * W).ravel(), d_logits.sum(axis=0)])
        return float(value), gradient

    found = minimize(loss, np.zeros(n_labels * (width + 1)), jac=True, method="L-BFGS-B")
    W = found.x[: n_labels * width].reshape(n_labels, width) / scale
    return cast(Floats2d, W.astype("float32")), found.x[n_labels * width :].astype("float32")
