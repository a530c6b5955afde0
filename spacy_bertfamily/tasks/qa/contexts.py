"""The texts that questions are asked about, and the answers in them."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from spacy.language import Language
from spacy.tokens import Doc

from ...annotation.answers import Answer, ContextAnswer, cover
from ...windows.pieces import Pieces, PieceTokenizer
from .choose import Prediction

Context = str | Doc


class Contexts:
    """One context or several. Several are searched like the windows of one long text.

    Characters are counted through: those of the second text follow those of the first.

    given (Sequence[str | Doc]): The contexts.
    is_single (bool): Whether one context was given, not a list.
    """

    def __init__(self, given: Sequence[Context], is_single: bool):
        self.given = given
        self.is_single = is_single
        texts = [context if isinstance(context, str) else context.text for context in given]
        self.starts: list[int] = []
        length = 0
        for text in texts:
            self.starts.append(length)
            length += len(text)
        self.texts = texts
        self.text = "".join(texts)

    def split(self, tokenizer: PieceTokenizer) -> list[Pieces]:
        """Split the contexts into pieces.

        Leading whitespace is left out, as it is after the separator in a Doc that holds question
        and context: see `segment_bounds`.

        tokenizer (PieceTokenizer): The backbone's.
        RETURNS (list[Pieces]): The pieces of each context, with offsets that are counted through.
        """
        stripped = [text.lstrip() for text in self.texts]
        shifts = [
            start + len(text) - len(rest)
            for start, text, rest in zip(self.starts, self.texts, stripped)
        ]
        return [
            replace(pieces, starts=pieces.starts + shift, ends=pieces.ends + shift)
            for pieces, shift in zip(tokenizer.split(stripped), shifts)
        ]


class AnswerMaker:
    """Makes answers with spans, which are in the given Docs, or in Docs of the given texts.

    nlp (Language): The pipeline, for its tokenizer.
    contexts (Contexts): The contexts.
    """

    def __init__(self, nlp: Language, contexts: Contexts):
        self.nlp = nlp
        self.contexts = contexts
        self._docs: dict[int, Doc] = {}

    def __call__(self, prediction: Prediction) -> list[Answer | ContextAnswer]:
        """Make the answers to a question.

        prediction (Prediction): The prediction.
        RETURNS (list[Answer | ContextAnswer]): The answers, best first, with their context if
            several were given.
        """
        contexts = self.contexts
        answers: list[Answer | ContextAnswer] = []
        for (start, end), score in zip(prediction.chars, prediction.scores):
            index = bisect_right(contexts.starts, start) - 1
            first, last = start - contexts.starts[index], end - contexts.starts[index]
            text = contexts.texts[index][first:last]
            answer = Answer(text, first, last, score, cover(self._doc(index), first, last))
            answers.append(answer if contexts.is_single else ContextAnswer(*answer, index))
        return answers

    def _doc(self, index: int) -> Doc:
        context = self.contexts.given[index]
        if not isinstance(context, str):
            return context
        if index not in self._docs:
            # the tokenizer alone, without the limit nlp.max_length, which is for other components
            self._docs[index] = self.nlp.tokenizer(context)
        return self._docs[index]
