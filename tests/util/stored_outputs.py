"""Compute what stored pipelines compute, also as a process of its own.

`python -m tests.util.stored_outputs` reads lines of JSON, each with the folder of a pipeline and
names of its components, and writes a line with the outputs of each.
"""

import json
import sys

import numpy as np
import spacy
from spacy.pipeline.tok2vec import Tok2Vec
from spacy_transformers.pipeline_component import Transformer

TEXT = "a cat sleeps [SEP] an animal sleeps"


def output(nlp, name):
    """Compute what a component computes in its pipeline.

    RETURNS (np.ndarray): The scores of a task's component, or the token vectors of spaCy's own.
    """
    doc = nlp.make_doc(TEXT)
    for other, component in nlp.pipeline:
        if other == name:
            break
        if isinstance(component, (Transformer, Tok2Vec)):
            doc = component(doc)
    model = component.model
    if "tok2vec" in model.ref_names:  # of the parser's model
        model = model.get_ref("tok2vec")
    found = model.predict([doc])[0]
    return np.asarray(getattr(found, "logits", found))


def stored_outputs_of(nlp, names):
    return {name: output(nlp, name) for name in names}


if __name__ == "__main__":
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        folder, wanted = json.loads(line)
        found = stored_outputs_of(spacy.load(folder), wanted)
        lists = {name: values.tolist() for name, values in found.items()}
        print(json.dumps(lists), file=answers, flush=True)
