"""Gold texts of examples: checked, and paired with their sources."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch

from ...annotation.generated import GENERATED_KEY, is_gold, reference_texts
from ...errors import Errors
from ...transformer.shim import EncoderShim
from ..base.texts import find_surrogate, shorten
from .settings import GenerationSettings
from .writer import Source, Writer

CHECK_BATCH = 256
SHOWN_CHARS = 120
INIT_EXAMPLES = 2


class Pairs(NamedTuple):
    """What is learned from some examples.

    sources (list[Source]): What is read.
    targets (list[np.ndarray]): The pieces of the text that should be written, `(pieces,)`.
    n_cut (int): How many targets were cut.
    """

    sources: list[Source]
    targets: list[np.ndarray]
    n_cut: int


def gold_texts(name: str, example: Example) -> list[str] | None:
    """Read the gold texts of an example.

    name (str): The component's name, for errors.
    example (Example): The example.
    RETURNS (list[str] | None): The texts; None if the example is not annotated.
    RAISES (BertFamilyError): If the annotation is not a text or a list of texts, or one is empty
        or cannot be encoded.
    """
    doc = example.reference
    value = doc.user_data.get(GENERATED_KEY)
    if value is None:
        return None
    shown = shorten(doc.text, SHOWN_CHARS)
    if not is_gold(value):
        raise Errors.B727(name=name, given=shorten(repr(value), SHOWN_CHARS), text=shown)
    texts = reference_texts(doc) or []
    if any(not text.strip() or find_surrogate(text) is not None for text in texts):
        raise Errors.B728(name=name, text=shown)
    return texts


def check_examples(
    name: str,
    examples: Iterable[Example],
    writer: Writer,
    shim: EncoderShim,
    settings: GenerationSettings,
) -> tuple[list[Doc], list[str]]:
    """Check the training data, before training starts.

    name (str): The component's name, for errors.
    examples (Iterable[Example]): The training data.
    writer (Writer): Reads sources.
    shim (EncoderShim): Holds the encoder.
    settings (GenerationSettings): The settings.
    RETURNS (tuple[list[Doc], list[str]]): A few sources, to initialize a model with; and all gold
        texts.
    RAISES (BertFamilyError): At the first example that cannot be used, or if none has gold texts.
    """
    sample: list[Doc] = []
    all_texts: list[str] = []
    for batch in minibatch(examples, CHECK_BATCH):
        golds = [gold_texts(name, example) for example in batch]
        annotated = [example for example, texts in zip(batch, golds) if texts is not None]
        all_texts.extend(text for texts in golds for text in texts or ())
        docs = [example.predicted for example in annotated]
        for doc, source in zip(docs, writer.read(shim, docs, settings.max_length)):
            if source is None:
                raise Errors.B729(name=name, text=shorten(repr(doc.text), SHOWN_CHARS))
        sample = sample or docs[:INIT_EXAMPLES]
    if not sample:
        raise Errors.B730(name=name)
    return sample, all_texts


def read_pairs(
    name: str,
    examples: Sequence[Example],
    writer: Writer,
    shim: EncoderShim,
    settings: GenerationSettings,
) -> Pairs:
    """Read what is learned from some examples. Those without gold texts are left out.

    name, examples, writer, shim, settings: As in `check_examples`.
    RETURNS (Pairs): The sources and targets.
    RAISES (BertFamilyError): If an example cannot be trained on.
    """
    docs, texts = [], []
    for example in examples:
        golds = gold_texts(name, example)
        if golds is None:
            continue
        docs.append(example.predicted)
        is_random = settings.train_on == "random" and len(golds) > 1
        texts.append(golds[np.random.randint(len(golds)) if is_random else 0])
    sources: list[Source] = []
    for doc, source in zip(docs, writer.read(shim, docs, settings.max_length)):
        if source is None:
            raise Errors.B729(name=name, text=shorten(repr(doc.text), SHOWN_CHARS))
        sources.append(source)
    targets = writer.encode_targets(shim, texts)
    n_cut = sum(len(target) > settings.max_length - 1 for target in targets)
    return Pairs(sources, [target[: settings.max_length - 1] for target in targets], n_cut)
