"""The methods of `span_qa` that take texts, and the checks of what they are given."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ...annotation.answers import Answer
from ...errors import Errors
from ..base.pipeline_aware import PipelineAware
from ..base.texts import find_surrogate, is_iterable
from .ask import answer_questions
from .prediction import QAPrediction


class QATextMethods(QAPrediction, PipelineAware):
    """The methods of `span_qa` that take texts."""

    def ask(
        self,
        context: str | Doc,
        questions: str | Iterable[str],
        *,
        top_k: int | None = None,
        progress: bool = False,
        nlp: Language | None = None,
    ) -> list[Answer] | list[list[Answer]]:
        """Ask any number of questions about a text of any length.

        The text is split into pieces once, and windows of all questions are packed together. The
        memory for windows does not depend on their number.

        context (str | Doc): The text.
        questions (str | Iterable[str]): One question, or several in any iterable, such as a list or
            a generator. It is read to its end before the first question is answered.
        top_k (int | None): The most answers to each. Defaults to the component's setting.
        progress (bool): Whether to show a progress bar.
        nlp (Language | None): The pipeline that holds this component. It is needed only if that is
            not the one the component was made for.
        RETURNS (list[Answer] | list[list[Answer]]): For one question its answers, best first; for
            several a list of such lists. Offsets and spans are those of the given text or Doc.
        RAISES (BertFamilyError): If the context or a question is not a text, or the pipeline has no
            transformer.
        """
        if isinstance(questions, str):
            return self.ask_all(context, [questions], top_k=top_k, progress=progress, nlp=nlp)[0]
        return self.ask_all(context, questions, top_k=top_k, progress=progress, nlp=nlp)

    def ask_all(
        self,
        context: str | Doc,
        questions: Iterable[str],
        *,
        top_k: int | None = None,
        progress: bool = False,
        nlp: Language | None = None,
    ) -> list[list[Answer]]:
        """Ask several questions; see `ask`.

        context, questions, top_k, progress, nlp: As in `ask`.
        RETURNS (list[list[Answer]]): The answers to each question, best first.
        RAISES (BertFamilyError): As in `ask`.
        """
        settings = self.settings if top_k is None else replace(self.settings, top_k=top_k)
        check_context(context)
        questions = check_questions(questions)
        nlp = self.require_pipeline("ask", nlp)
        answers, reasons = answer_questions(
            nlp, self.name, self.model, settings, context, questions, progress
        )
        self._warn(reasons)
        return answers


def check_context(context: Any) -> None:
    """RAISES (BertFamilyError): If a value is neither a Doc nor a text that can be encoded."""
    if not isinstance(context, (str, Doc)):
        raise Errors.B209(given=type(context).__name__)
    if isinstance(context, str):
        _check_encodable("The context", context)


def check_questions(questions: Any) -> list[str]:
    """Read questions from an iterable.

    questions (Any): What a user has given.
    RETURNS (list[str]): The questions.
    RAISES (BertFamilyError): If it is not an iterable of texts that can be encoded.
    """
    if isinstance(questions, (bytes, bytearray)) or not is_iterable(questions):
        raise Errors.B211(given=type(questions).__name__)
    texts = list(questions)
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise Errors.B207(given=type(text).__name__)
        _check_encodable(f"Question {index}", text)
    return texts


def _check_encodable(what: str, text: str) -> None:
    char = find_surrogate(text)
    if char is not None:
        raise Errors.B210(what=what, char=char, surrogate=text[char])
