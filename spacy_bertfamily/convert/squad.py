"""Convert question answering data to Docs, with every offset checked."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from ..annotation.answers import UNPLACED, Chars, set_answers
from ..annotation.segments import escape_separator
from .files import is_encodable
from .negatives import add_entity_swaps, add_negatives
from .questions import Question, read_questions
from .report import ConversionReport, ReportLine, separators_line

# How many characters an offset may be off and still be repaired.
MAX_SHIFT = 3
CRLF = "\r\n"
LINE_END = re.compile("\r?\n")


@dataclass
class SquadReport(ConversionReport):
    """What happened to a file of questions.

    read, written, unanswerable (int): Numbers of questions.
    made (Counter[str]): How many of those were made of the file's own questions, by how.
    repaired (Counter[str]): How many answers were repaired, by what was wrong.
    separators (int): How many separators inside the texts were escaped.
    skipped_answers, skipped (list[tuple[str, str]]): Answers and questions that were left out:
        question id and reason.
    """

    read: int = 0
    written: int = 0
    unanswerable: int = 0
    made: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    separators: int = 0
    skipped_answers: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def summary(self) -> str:
        """RETURNS (str): How many questions were written."""
        written = f"{self.written} of {self.read} questions written"
        return f"{written}, {self.unanswerable} of them unanswerable"

    def details(self) -> list[ReportLine]:
        """RETURNS (list[ReportLine]): What was repaired, made, escaped and left out."""
        found = []
        for what, count in sorted(self.repaired.items()):
            found.append(ReportLine(f"{count} answer(s) repaired: {what}"))
        for how, count in sorted(self.made.items()):
            found.append(ReportLine(f"{count} of the questions made, {how}"))
        if self.separators:
            found.append(separators_line(self.separators))
        for id_, reason in self.skipped_answers:
            text = f"answer left out, question {id_}: {reason}"
            found.append(ReportLine(text, is_warning=True))
        for id_, reason in self.skipped:
            found.append(ReportLine(f"question {id_} left out: {reason}", is_warning=True))
        return found


# Its name until version 0.1.
Report = SquadReport


def convert_squad(
    path: Path,
    nlp: Language,
    report: SquadReport,
    separator: str = "[SEP]",
    inside_words: bool = False,
    negatives: float = 0.0,
    swaps: float = 0.0,
    seed: int = 0,
) -> Iterator[Doc]:
    """Read a file into Docs 'question [SEP] context' with `doc.spans["answers"]`.

    Every offset is checked. Obvious errors are repaired; other answers whose offset is wrong are
    used for scoring only. The report names them.

    path (Path): The file, gzipped or not.
    nlp (Language): Makes the Docs.
    report (SquadReport): Is filled in.
    separator (str): The transformer's separator.
    inside_words (bool): Keep answers that begin and end inside a word: errors in the data, such as
        'men' in 'government', which training refuses. For official dev sets, where they count.
    negatives (float): The part of the answerable questions to copy with another context: see
        `add_negatives`.
    swaps (float): The part of the answerable questions to copy with another name or number: see
        `add_entity_swaps`.
    seed (int): Decides which questions are copied, and how.
    YIELDS (Doc): One for each question that can be used.
    RAISES (BertFamilyError): If the file is not in one of the formats.
    """
    questions: Iterable[Question] = read_questions(path)
    if negatives:
        questions = add_negatives(questions, negatives, seed)
    if swaps:
        questions = add_entity_swaps(questions, swaps, seed)
    for item in questions:
        report.read += 1
        if item.made:
            report.made[item.made] += 1
        doc = _convert_question(item, nlp, report, separator, inside_words)
        if doc is not None:
            yield doc


def _convert_question(
    item: Question, nlp: Language, report: SquadReport, separator: str, inside_words: bool
) -> Doc | None:
    """Make the Doc of a question.

    RETURNS (Doc | None): The Doc; None if the question is left out.
    """
    texts = [item.question, item.context, *(text for text, _ in item.answers)]
    if not all(map(is_encodable, texts)):
        report.skipped.append((item.id, "it has halves of characters, which are no text"))
        return None
    golds, unplaced = _locate_answers(item, report, inside_words)
    if unplaced and not golds:
        report.skipped.append((item.id, "no answer can be used"))
        return None
    question, n_question, _ = escape_separator(item.question.strip(), separator)
    context, n_context, moved = escape_separator(item.context, separator)
    report.separators += n_question + n_context
    if not question:
        report.skipped.append((item.id, "the question is empty"))
        return None
    if not context.strip():
        report.skipped.append((item.id, "the context is empty"))
        return None
    begin = len(question) + len(separator) + 2
    doc = nlp.make_doc(f"{question} {separator} {context}")
    chars = [(begin + moved(start), begin + moved(end)) for start, end in golds]
    # official scores also count accepted answers that are not in the context
    set_answers(doc, chars, attrs={UNPLACED: unplaced} if unplaced else None)
    report.written += 1
    report.unanswerable += not golds
    return doc


def _locate_answers(
    item: Question, report: SquadReport, inside_words: bool
) -> tuple[list[Chars], list[str]]:
    """Find the answers of a question in its context.

    RETURNS (tuple[list[tuple[int, int]], list[str]]): Start and end of the answers that were found,
        and the texts of the others.
    """
    golds: list[Chars] = []
    unplaced: list[str] = []
    for text, start in item.answers:
        found, remark = locate_answer(item.context, text, start)
        if found is not None and not inside_words and _is_inside_word(item.context, *found):
            found, remark = None, f"{text!r} lies inside a word, at character {start}"
        if found is None:
            report.skipped_answers.append((item.id, remark))
            unplaced.append(text)
            continue
        if remark:
            report.repaired[remark] += 1
        golds.append(found)
    return golds, unplaced


def _is_inside_word(context: str, start: int, end: int) -> bool:
    """Check whether an answer begins and ends inside a word.

    Chinese and Japanese do not divide words by spaces, so there it never does.
    """
    edges = (context[max(0, start - 1) : start + 1], context[end - 1 : end + 1])
    return all(len(edge) == 2 and edge.isalnum() and max(edge) < "\u2e80" for edge in edges)


def locate_answer(context: str, text: str, start: int | None) -> tuple[Chars | None, str]:
    """Find an answer where its offset says, or where it is certain to be.

    context (str): The context.
    text (str): The answer.
    start (int | None): Its first character, as the file says.
    RETURNS (tuple[tuple[int, int] | None, str]): Its start and end and what was repaired (empty if
        nothing was), or None and why it cannot be used.
    """
    answer = text.strip()
    if not answer:
        return None, "the answer is empty"
    repairs = []
    if answer != text:
        repairs.append("whitespace around it")
        if start is not None:
            start += len(text) - len(text.lstrip())
    fitted = _fit_line_ends(context, answer)
    if fitted != answer:
        repairs.append("other line ends")
    answer = fitted
    found, repair = _find_start(context, answer, start)
    if found is None:
        at = "without an offset" if start is None else f"at character {start}"
        times = context.count(answer)
        return None, f"{text[:60]!r} is not {at}; the context has it {times} times elsewhere"
    if repair:
        repairs.append(repair)
    return (found, found + len(answer)), ", ".join(repairs)


def _fit_line_ends(context: str, answer: str) -> str:
    """RETURNS (str): An answer, with the line ends of the context if it is there only so."""
    if answer in context or not LINE_END.search(answer):
        return answer
    pattern = LINE_END.pattern.join(map(re.escape, LINE_END.split(answer)))
    found = re.search(pattern, context)
    return answer if found is None else found.group()


def _move_by_line_ends(context: str, start: int) -> int:
    """Correct an offset that was counted in a text with the other kind of line ends.

    context (str): The context.
    start (int): An offset in the same text, with one character where the context has two at the
        end of a line, or the reverse.
    RETURNS (int): The offset in the context.
    """
    line_end, step = (CRLF, 1) if CRLF in context else ("\n", -1)
    moved = start
    for match in re.finditer(line_end, context):
        place = match.start() if step == 1 else match.end()
        if place >= moved:
            break
        moved += step
    return moved


def _find_start(context: str, answer: str, start: int | None) -> tuple[int | None, str]:
    """Find the first character of an answer.

    RETURNS (tuple[int | None, str]): The character and what was repaired; None if it is uncertain.
    """
    if start is not None:
        found, repair = _find_by_offset(context, answer, start)
        if found is not None:
            return found, repair
    occurrences = context.count(answer)
    if occurrences == 1:
        if start is None:
            return context.index(answer), "offset missing"
        return context.index(answer), "offset wrong, but there is one such place only"
    if start is None and occurrences:
        return context.index(answer), "offset missing, first of several places taken"
    return None, ""


def _find_by_offset(context: str, answer: str, start: int) -> tuple[int | None, str]:
    """Find an answer at its offset, or where that was meant to be.

    RETURNS (tuple[int | None, str]): The character and what was repaired; None if it is not there.
    """
    if start >= 0 and context.startswith(answer, start):
        return start, ""
    moved = _move_by_line_ends(context, start)
    is_at_moved = moved >= 0 and context.startswith(answer, moved)
    near = _find_near(context, answer, start)
    if is_at_moved and (CRLF in context or near is None):
        return moved, "offset counted with other line ends"
    return near, "offset off by a little"


def _find_near(context: str, answer: str, start: int) -> int | None:
    """RETURNS (int | None): The place of an answer that is nearest to an offset, if it is near."""
    for shift in sorted(range(-MAX_SHIFT, MAX_SHIFT + 1), key=abs):
        if context.startswith(answer, max(0, start + shift)):
            return start + shift if start + shift >= 0 else None
    return None
