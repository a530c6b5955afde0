"""Gold answers of examples, checked."""

from collections.abc import Iterable

from spacy.training import Example
from spacy.util import minibatch

from ...annotation.answers import ANSWERS_KEY, answer_chars
from ...errors import Errors
from ...transformer.shim import EncoderShim
from ...windows.layout import Layout
from .targets import GoldError, gold_pieces
from .unanswerable import unanswerable_reason

CHECKED_AT_ONCE = 256
SHOWN_CHARS = 120
SAMPLED = 2


def check_examples(name: str, examples: Iterable[Example], shim: EncoderShim) -> list[Example]:
    """Check what the component will be trained on, before training starts.

    name (str): The component's name, for errors.
    examples (Iterable[Example]): The training data.
    shim (EncoderShim): The transformer's.
    RETURNS (list[Example]): A few of them, to initialize a model with.
    RAISES (ValueError): On the first example that cannot be used, and if none has answers.
    """
    sample: list[Example] = []
    for batch in minibatch(examples, CHECKED_AT_ONCE):
        batch = [example for example in batch if ANSWERS_KEY in example.reference.spans]
        sample = sample or batch[:SAMPLED]
        texts = shim.schedule.lay_out_docs([example.predicted for example in batch])
        for example, text in zip(batch, texts):
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
    layout (Layout | None): Its predicted Doc in pieces, None if it has no tokens.
    RETURNS (list[tuple[int, int]] | None): First and last piece of each answer; None if it is not
        annotated.
    RAISES (ValueError): If it cannot be trained on.
    """
    golds = answer_chars(example.reference)
    if golds is None:
        return None
    text = example.reference.text
    if example.predicted.text != text:
        raise Errors.B201(name=name, text=shorten(text))
    reason = unanswerable_reason(layout)
    if reason is None and layout is not None:
        try:
            return gold_pieces(layout.pieces, golds, text, layout.pieces.segments[1])
        except GoldError as e:
            reason = str(e)
    raise Errors.B200(name=name, reason=reason, text=shorten(text))


def shorten(text: str) -> str:
    """RETURNS (str): The beginning of a text, for messages."""
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "..."
