"""The methods of `span_qa` that take texts, and the checks of what they are given."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ...annotation.answers import Answer, ContextAnswer
from ...errors import Errors
from ..base.pipeline_aware import PipelineAware
from ..base.texts import find_surrogate, is_iterable
from .ask import answer_questions
from .contexts import Context, Contexts
from .prediction import QAPrediction
from .settings import UNSET, Unset

AnyAnswer = Answer | ContextAnswer


class QATextMethods(PipelineAware, QAPrediction):
    """The methods of `span_qa` that take texts."""

    def ask(
        self,
        context: Context | Iterable[Context],
        questions: str | Iterable[str],
        *,
        top_k: int | None = None,
        null_threshold: float | None | Unset = UNSET,
        progress: bool = False,
        nlp: Language | None = None,
    ) -> list[AnyAnswer] | list[list[AnyAnswer]]:
        """Ask any number of questions about a text of any length, or about several.

        The text is split into pieces once, and windows of all questions are packed together. The
        memory for windows does not depend on their number. Several texts are searched like one long
        text: the best answers are those with the highest probability in any of them, and there is
        'no answer' if none of them has one.

        context (str | Doc | Iterable[str | Doc]): The text, or several in any iterable, such as a
            list.
        questions (str | Iterable[str]): One question, or several in any iterable, such as a list or
            a generator. It is read to its end before the first question is answered.
        top_k (int | None): The most answers to each. Defaults to the component's setting.
        null_threshold (float | None | Unset): The threshold for 'no answer'; None always answers.
            Defaults to the component's setting.
        progress (bool): Whether to show a progress bar.
        nlp (Language | None): The pipeline that holds this component. It is needed only if that is
            not the one the component was made for.
        RETURNS (list[Answer] | list[list[Answer]]): For one question its answers, best first; for
            several a list of such lists. Offsets and spans are those of the given text or Doc. For
            several texts, each answer is a `ContextAnswer`, with the text's number as `context`.
        RAISES (BertFamilyError): If a context or a question is not a text, a setting is not
            allowed, or the pipeline has no transformer.
        """
        is_single = isinstance(questions, str)
        asked = [questions] if isinstance(questions, str) else questions
        answers = self.ask_all(
            context,
            asked,
            top_k=top_k,
            null_threshold=null_threshold,
            progress=progress,
            nlp=nlp,
        )
        return answers[0] if is_single else answers

    def ask_all(
        self,
        context: Context | Iterable[Context],
        questions: Iterable[str],
        *,
        top_k: int | None = None,
        null_threshold: float | None | Unset = UNSET,
        progress: bool = False,
        nlp: Language | None = None,
    ) -> list[list[AnyAnswer]]:
        """Ask several questions; see `ask`.

        context, questions, top_k, null_threshold, progress, nlp: As in `ask`.
        RETURNS (list[list[Answer]]): The answers to each question, best first.
        RAISES (BertFamilyError): As in `ask`.
        """
        settings = self.settings
        if top_k is not None:
            settings = replace(settings, top_k=top_k)
        if null_threshold is not UNSET:
            settings = replace(settings, null_threshold=null_threshold)
        contexts = check_contexts(context)
        questions = check_questions(questions)
        nlp = self.require_pipeline("ask", nlp)
        answers, reasons = answer_questions(
            nlp, self.name, self.model, settings, contexts, questions, progress
        )
        self._warn(reasons)
        return answers


def check_contexts(given: Any) -> Contexts:
    """Read one context, or several from an iterable.

    given (Any): What a user has given.
    RETURNS (Contexts): The contexts.
    RAISES (BertFamilyError): If one is neither a Doc nor a text that can be encoded.
    """
    if isinstance(given, (str, Doc)):
        return Contexts([_checked_context("The context", given)], is_single=True)
    if isinstance(given, (bytes, bytearray, Mapping)) or not is_iterable(given):
        raise Errors.B209(given=type(given).__name__)
    contexts = list(given)
    for index, context in enumerate(contexts):
        if not isinstance(context, (str, Doc)):
            raise Errors.B224(index=index, given=type(context).__name__)
        _checked_context(f"Context {index}", context)
    return Contexts(contexts, is_single=False)


def _checked_context(what: str, context: Context) -> Context:
    if isinstance(context, str):
        _check_encodable(what, context)
    return context


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
