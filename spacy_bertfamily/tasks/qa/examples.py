"""Gold answers of examples: checked, and read as pieces."""

from collections.abc import Iterable

from spacy.training import Example
from spacy.util import minibatch

from ...annotation.answers import ANSWERS_KEY, answer_chars
from ...errors import Errors
from ...transformer.shim import EncoderShim
from ...windows.layout import Layout
from ..base.texts import shorten
from .targets import GoldError, gold_pieces
from .unanswerable import unanswerable_reason

CHECK_BATCH = 256
SHOWN_CHARS = 120
INIT_EXAMPLES = 2


def check_examples(name: str, examples: Iterable[Example], shim: EncoderShim) -> list[Example]:
    """Check the training data, before training starts.

    name (str): The component's name, for errors.
    examples (Iterable[Example]): The training data.
    shim (EncoderShim): The transformer's.
    RETURNS (list[Example]): A few of them, to initialize a model with.
    RAISES (BertFamilyError): At the first example that cannot be used, or if none has answers.
    """
    sample: list[Example] = []
    for batch in minibatch(examples, CHECK_BATCH):
        annotated = [example for example in batch if ANSWERS_KEY in example.reference.spans]
        sample = sample or annotated[:INIT_EXAMPLES]
        texts = shim.schedule.lay_out_docs([example.predicted for example in annotated])
        for example, text in zip(annotated, texts):
            example_golds(name, example, text.layout)
    if not sample:
        raise Errors.B204(action="train", name=name)
    return sample


def example_golds(
    name: str, example: Example, layout: Layout | None
) -> list[tuple[int, int]] | None:
    """Find an example's gold answers in its pieces.

    name (str): The component's name, for errors.
    example (Example): The example.
    layout (Layout | None): The layout of its predicted Doc; None if that has no tokens.
    RETURNS (list[tuple[int, int]] | None): First and last piece of each answer; None if the example
        is not annotated.
    RAISES (BertFamilyError): If it cannot be trained on.
    """
    golds = answer_chars(example.reference)
    if golds is None:
        return None
    text = example.reference.text
    if example.predicted.text != text:
        raise Errors.B201(name=name, text=shorten(text, SHOWN_CHARS))
    reason = unanswerable_reason(layout)
    if reason is None and layout is not None:
        try:
            return gold_pieces(layout.pieces, golds, text, layout.pieces.segments[1])
        except GoldError as error:
            reason = str(error)
    raise Errors.B200(name=name, reason=reason, text=shorten(text, SHOWN_CHARS))
