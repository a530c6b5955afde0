"""Gold answers of examples, checked."""

from typing import Iterable, List, Optional, Tuple, cast

from spacy.training import Example
from spacy.util import minibatch

from ..answers import ANSWERS_KEY, answer_chars
from ..encoder.layout import Layout, make_layout
from ..encoder.pieces import PieceTokenizer
from ..encoder.windows import make_windows
from ..errors import Errors
from ..layers.shim import EncoderShim
from ..qa.problems import find_problem
from ..qa.targets import GoldError, gold_pieces

CHECKED_AT_ONCE = 256
SHOWN_CHARS = 120
SAMPLED = 2


def check_examples(name: str, examples: Iterable[Example], shim: EncoderShim) -> List[Example]:
    """Check what the component will be trained on, before training starts.

    name (str): The component's name, for errors.
    examples (Iterable[Example]): The training data.
    shim (EncoderShim): The transformer's.
    RETURNS (List[Example]): A few of them, to initialize a model with.
    RAISES (ValueError): On the first example that cannot be used, and if none has answers.
    """
    settings, tokenizer = shim.settings, cast(PieceTokenizer, shim.tokenizer)
    sample: List[Example] = []
    for batch in minibatch(examples, CHECKED_AT_ONCE):
        batch = [example for example in batch if ANSWERS_KEY in example.reference.spans]
        sample = sample or batch[:SAMPLED]
        docs = [example.predicted for example in batch]
        for example, pieces in zip(batch, tokenizer(docs, settings.separator)):
            layout = None
            if len(example.predicted):
                windows = make_windows(pieces, tokenizer, settings.max_pieces, settings.stride)
                layout = make_layout(pieces, windows, tokenizer)
            example_golds(name, example, layout)
    if not sample:
        raise ValueError(Errors.B204.format(action="train", name=name))
    return sample


def example_golds(name: str, example: Example, layout: Optional[Layout]) -> Optional[List[Tuple[int, int]]]:
    """Find an example's gold answers in its pieces.

    name (str): The component's name, for errors.
    example (Example): The example.
    layout (Optional[Layout]): Its predicted Doc in pieces, None if it has no tokens.
    RETURNS (Optional[List[Tuple[int, int]]]): First and last piece of each answer; None if it is not annotated.
    RAISES (ValueError): If it cannot be trained on.
    """
    golds = answer_chars(example.reference)
    if golds is None:
        return None
    text = example.reference.text
    if example.predicted.text != text:
        raise ValueError(Errors.B201.format(name=name, text=shorten(text)))
    reason = find_problem(layout)
    if reason is None and layout is not None:
        try:
            return gold_pieces(layout.pieces, golds, text, layout.pieces.segments[1])
        except GoldError as e:
            reason = str(e)
    raise ValueError(Errors.B200.format(name=name, reason=reason, text=shorten(text)))


def shorten(text: str) -> str:
    """RETURNS (str): The beginning of a text, for messages."""
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "..."
