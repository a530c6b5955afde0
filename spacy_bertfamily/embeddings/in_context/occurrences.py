"""Find a word in sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase

from spacy.language import Language
from spacy.matcher import PhraseMatcher
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ...errors import Errors


@dataclass(frozen=True)
class Occurrence:
    """A word in a sentence.

    label (str): The number of the sentence, from 1 up; `2a` and `2b` if it is there twice.
    sentence (str): The sentence.
    start_char (int): Where the word begins in the sentence.
    end_char (int): Where it ends.
    """

    label: str
    sentence: str
    start_char: int
    end_char: int

    @property
    def text(self) -> str:
        """RETURNS (str): The word as it is written there."""
        return self.sentence[self.start_char : self.end_char]


def make_phrase(nlp: Language, word: str) -> Doc:
    """Tokenize a word or a phrase.

    nlp (Language): Its tokenizer is used.
    word (str): The word.
    RETURNS (Doc): Its tokens.
    RAISES (BertFamilyError): If it has none besides whitespace.
    """
    if not word.strip():
        raise Errors.B640(what="The word", given=word)
    return nlp.make_doc(word.strip())


def find_occurrences(nlp: Language, word: str, sentences: Sequence[str]) -> list[list[Span]]:
    """Find all occurrences of a word or a phrase, in upper or lower case.

    nlp (Language): Its tokenizer makes the tokens, which the word must consist of.
    word (str): The word.
    sentences (Sequence[str]): The sentences.
    RETURNS (list[list[Span]]): Those of each sentence, in order.
    RAISES (BertFamilyError): If a sentence is empty, or the word is not in it.
    """
    matcher = PhraseMatcher(nlp.vocab, attr="LOWER")
    matcher.add("word", [make_phrase(nlp, word)])
    found = []
    for number, sentence in enumerate(sentences, 1):
        if not sentence.strip():
            raise Errors.B640(what=f"Sentence {number}", given=sentence)
        doc = nlp.make_doc(sentence)
        spans = filter_spans(matcher(doc, as_spans=True))
        if not spans:
            tokens = " | ".join(token.text for token in doc)
            raise Errors.B641(word=word, number=number, tokens=tokens)
        found.append(spans)
    return found


def describe(spans: Sequence[Sequence[Span]]) -> list[Occurrence]:
    """RETURNS (list[Occurrence]): Where the word is, with a label for each."""
    occurrences = []
    for number, of_sentence in enumerate(spans, 1):
        for place, span in enumerate(of_sentence):
            letter = letters(place) if len(of_sentence) > 1 else ""
            text = span.doc.text
            place_in_text = span.start_char, span.end_char
            occurrences.append(Occurrence(f"{number}{letter}", text, *place_in_text))
    return occurrences


def letters(number: int) -> str:
    """RETURNS (str): `a` to `z` for 0 to 25, then `aa`, `ab` and so on."""
    higher, lowest = divmod(number, len(ascii_lowercase))
    return (letters(higher - 1) if higher else "") + ascii_lowercase[lowest]
