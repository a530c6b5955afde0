"""Small pipelines that write, and what their networks compute without a cache."""

from dataclasses import replace

import numpy as np
import spacy
import torch
from spacy.training import Example

from spacy_bertfamily.windows.cut import Window

from .pipelines import add_transformer

LISTENER = {"@architectures": "spacy-bertfamily.TransformerListener.v1"}
PREFIX_LM = {
    "@architectures": "spacy-bertfamily.PrefixLM.v1",
    "tok2vec": LISTENER,
    "predict": "all",
}
PAIRS = [
    ("I like green eggs", "eggs green like"),
    ("Eat blue ham", "ham blue"),
    ("The small dog", "dog small the dog"),
]
LONG = "I like green eggs and the small dog likes blue ham " * 8


def make_writer(backbone, transformer=None, model=None, **config):
    """RETURNS (Language): A blank pipeline of a transformer and `text_generator`."""
    nlp = spacy.blank("en")
    settings = {"trainable": ["all"], "adapter": None, "max_pieces": 60, **(transformer or {})}
    add_transformer(nlp, str(backbone), **settings)
    defaults = {} if "@architectures" in (model or {}) else PREFIX_LM
    block = {"max_length": 16, "model": {**defaults, **(model or {})}, **config}
    nlp.add_pipe("text_generator", config=block)
    return nlp


def make_gold_examples(nlp, pairs=PAIRS):
    """RETURNS (list[Example]): Examples of sources and their gold texts; None for none."""
    examples = []
    for source, gold in pairs:
        reference = nlp.make_doc(source)
        if gold is not None:
            reference.user_data["generated"] = gold
        examples.append(Example(nlp.make_doc(source), reference))
    return examples


def parts_of(nlp):
    """RETURNS (tuple): The writer, its modules and the encoder's shim."""
    component = nlp.get_pipe("text_generator")
    shim = component.encoder_shim()
    return component.writer_shim.writer, component.writer_shim.modules_on(shim), shim


def read_sources(nlp, texts, max_length=16):
    """RETURNS (list[Source]): Texts as the writer reads them."""
    writer, _, shim = parts_of(nlp)
    return writer.read(shim, [nlp.make_doc(text) for text in texts], max_length)


def whole_window(pieces, source, written) -> Window:
    """RETURNS (Window): A source, what was written, and a mask behind it."""
    ids = np.append(np.asarray(written, dtype="int64"), pieces.mask_id)
    n, k = len(source), len(ids)
    window = pieces._join(source, ids, np.arange(n, n + k))
    visible = np.zeros((n + k, n + k), dtype=bool)
    for query in range(n + k):
        for key in range(n + k):
            visible[query, key] = key < n or key <= query
    return replace(window, visible=visible)


def uncached_logits(nlp, source, written):
    """RETURNS (torch.Tensor): The scores of the next piece, all pieces read at once."""
    writer, head, shim = parts_of(nlp)
    window = whole_window(writer.pieces_of(shim), source.content, written)
    depth = shim.encoder.depth
    (batch,) = shim.schedule.run([window], [depth], is_train=False, cache=False)
    with torch.inference_mode():
        return head(batch.states[depth][0, len(window) - 1 : len(window)])[0]
