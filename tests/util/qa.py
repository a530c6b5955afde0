"""A handful of questions about one text."""

import spacy
from spacy.training import Example
from transformers import BertTokenizerFast

from spacy_bertfamily.annotation.answers import set_answers
from spacy_bertfamily.windows.lay_out import lay_out
from spacy_bertfamily.windows.layout import Layout
from spacy_bertfamily.windows.pieces import PieceTokenizer

PARTS = [
    ("who wrote the book ?", "ann", "wrote"),
    ("who built the bridge ?", "ben", "built"),
    ("who sold the boat ?", "carl", "sold"),
]
CONTEXT = (
    "the long story about the old town . ann wrote the book in 1920 . "
    "ben built the bridge in 1931 . carl sold the boat ."
)
LONG = " ".join([CONTEXT] * 6)


def make_example(nlp, question, context, *answers):
    """RETURNS (Example): A question and its answers, which are texts in the context."""
    text = f"{question} [SEP] {context}"
    reference = nlp.make_doc(text)
    begin = len(question) + 7
    starts = [begin + context.index(answer) for answer in answers]
    set_answers(reference, [(start, start + len(answer)) for start, answer in zip(starts, answers)])
    return Example(nlp.make_doc(text), reference)


def answers_of(doc):
    """RETURNS (list[tuple]): Text, start, end and score of each answer on a Doc."""
    return [answer[:4] for answer in doc._.answers]


def text_of(question, context=CONTEXT):
    """RETURNS (str): A question and a context in one text."""
    return f"{question} [SEP] {context}"


def make_layout_of(folder, text, max_pieces=48, stride=12) -> Layout:
    """RETURNS (Layout): Where the pieces of a question and its context are in windows."""
    tokenizer = PieceTokenizer(BertTokenizerFast.from_pretrained(folder))
    (pieces,) = tokenizer([spacy.blank("en").make_doc(text)], "[SEP]")
    return lay_out(pieces, tokenizer, max_pieces, stride).layout
