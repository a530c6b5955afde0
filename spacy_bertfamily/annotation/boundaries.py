"""The component `segment_boundaries`: no sentence runs over or into the separator of two texts."""

from collections.abc import Callable

from spacy.language import Language
from spacy.tokens import Doc

from .segments import DEFAULT_SEPARATOR, segment_bounds


@Language.factory(
    "segment_boundaries",
    assigns=["token.is_sent_start"],
    default_config={"separator": DEFAULT_SEPARATOR},
)
def make_segment_boundaries(
    nlp: Language, name: str, separator: str | None
) -> Callable[[Doc], Doc]:
    """Construct a SegmentBoundaries.

    nlp (Language): The pipeline.
    name (str): The component's name.
    separator (str | None): As in the transformer's config.
    RETURNS (SegmentBoundaries): The component.
    """
    return SegmentBoundaries(separator)


class SegmentBoundaries:
    """Sets the sentence boundaries at the separator of two texts.

    The separator belongs to the last sentence of the first text, and the second text begins a
    sentence. Before a `sentencizer`, `senter` or `parser`, which keep boundaries that are set: a
    tokenizer may make three tokens of `[SEP]`, and they would begin a sentence inside.

    separator (str | None): As in the transformer's config; None looks at `doc.spans["segments"]`
        only.
    """

    def __init__(self, separator: str | None = DEFAULT_SEPARATOR):
        self.separator = separator

    def __call__(self, doc: Doc) -> Doc:
        """Set the boundaries of a Doc. A Doc that is one text stays as it is.

        doc (Doc): The Doc.
        RETURNS (Doc): The same Doc.
        """
        bounds = segment_bounds(doc, self.separator)
        if bounds is None:
            return doc
        (_, end), (start, stop) = bounds
        begins = start < stop
        for token in doc[1:]:
            if end <= token.idx < start or (token.is_space and end <= token.idx < stop):
                token.is_sent_start = False
            elif begins and token.idx >= start:
                token.is_sent_start = True
                break
        return doc
