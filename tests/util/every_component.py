"""A small pipeline that holds every component of the package, and what it predicts."""

import copy
import pickle

import cloudpickle
import spacy
from spacy.training import Example

from spacy_bertfamily.annotation.answers import set_answers

from .pipelines import MIXED, TAGGER, add_transformer

POOLED = {
    "@architectures": "spacy.Tagger.v2",
    "tok2vec": {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "pooler"},
}
PAIR = "who ate ham ? [SEP] ann ate blue ham"
TEXTS = [PAIR, "", "green eggs", "eat [SEP] green eggs and ham"]
COPIES = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "cloudpickle": lambda value: cloudpickle.loads(cloudpickle.dumps(value)),
    "deepcopy": copy.deepcopy,
}


def make_every_component(backbone):
    """Make and initialize a pipeline with every component, and with taggers on each listener.

    backbone (str): The backbone's folder.
    RETURNS (tuple[Language, list[Example], Optimizer]): The pipeline, its examples, and an
        optimizer.
    """
    nlp = spacy.blank("en")
    add_transformer(nlp, backbone)
    nlp.add_pipe("weighted_layer_pooler", name="pooler")
    nlp.add_pipe("tagger", name="pooled", config={"model": POOLED})
    nlp.add_pipe("tagger", config=TAGGER)
    nlp.add_pipe("tagger", name="mixed", config={"model": MIXED})
    nlp.add_pipe("pair_classifier", config={"model": {"pooling": "infersent"}})
    nlp.add_pipe("span_qa", config={"null_threshold": None})
    examples = [_annotated_pair(nlp, label) for label in ("a", "b")]
    return nlp, examples, nlp.initialize(lambda: examples)


def _annotated_pair(nlp, label):
    reference = nlp.make_doc(PAIR)
    tags = {"tags": [token.text[0] for token in reference]}
    example = Example.from_dict(nlp.make_doc(PAIR), tags)
    example.reference.cats = {"a": float(label == "a"), "b": float(label == "b")}
    start = PAIR.index("ann")
    set_answers(example.reference, [(start, start + 3)])
    return example


def annotation(doc):
    """RETURNS (dict[str, Any]): What the components have set on a Doc."""
    return {
        "cats": dict(doc.cats),
        "answers": [answer[:4] for answer in doc._.answers],
        "tokens": [(t.tag_, t.pos_, str(t.morph), t.ent_type_) for t in doc],
    }


def annotations(nlp, texts=TEXTS, **settings):
    """RETURNS (list[dict[str, Any]]): As `annotation`, of texts; see `Language.pipe`."""
    return [annotation(doc) for doc in nlp.pipe(texts, **settings)]
