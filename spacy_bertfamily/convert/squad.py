"""Question answering data as Docs, every offset checked."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from ..annotation.answers import UNPLACED, Chars, set_answers
from ..annotation.segments import escape_separator
from .files import is_text
from .negatives import add_negatives, add_swaps
from .questions import Question, read_questions

# How far an offset may be off and still be put right
NEAR = 3


@dataclass
class Report:
    """What happened to a file.

    read, written, unanswerable (int): Numbers of questions.
    made (Counter): How many of those were made of the file's own questions, by how.
    repaired (Counter): How often an answer was put right, by what was wrong.
    separators (int): How many separators inside the texts were spelled apart.
    skipped_answers, skipped (list[tuple[str, str]]): Answers and questions that were left out:
        question id and reason.
    """

    read: int = 0
    written: int = 0
    unanswerable: int = 0
    made: Counter = field(default_factory=Counter)
    repaired: Counter = field(default_factory=Counter)
    separators: int = 0
    skipped_answers: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """RETURNS (list[str]): The report in words, one fact a line."""
        lines = [
            f"{self.written} of {self.read} questions written, {self.unanswerable} of them unanswerable"
        ]
        lines += [
            f"{count} answer(s) repaired: {what}" for what, count in sorted(self.repaired.items())
        ]
        lines += [
            f"{count} of the questions made, {how}" for how, count in sorted(self.made.items())
        ]
        if self.separators:
            lines.append(f"{self.separators} separator(s) inside the texts spelled apart")
        lines += [
            f"answer left out, question {id_}: {reason}" for id_, reason in self.skipped_answers
        ]
        lines += [f"question {id_} left out: {reason}" for id_, reason in self.skipped]
        return lines


def convert_squad(
    path: Path,
    nlp: Language,
    report: Report,
    separator: str = "[SEP]",
    inside_words: bool = False,
    negatives: float = 0.0,
    swaps: float = 0.0,
    seed: int = 0,
) -> Iterator[Doc]:
    """Read a file into Docs 'question [SEP] context' with `doc.spans["answers"]`. Every offset is
    checked; what is obviously wrong is repaired, the rest serves for scoring only, and the report
    says so.

    path (Path): The file, gzipped or not.
    nlp (Language): Makes the Docs.
    report (Report): Gets what happened.
    separator (str): The transformer's separator.
    inside_words (bool): Keep answers that begin and end inside a word: mistakes in the data, such
        as 'men' in 'government', which training refuses. For official dev sets, where they count.
    negatives (float): The part of the answerable questions that is written once more, without an
        answer: see `add_negatives`.
    swaps (float): The same for `add_swaps`.
    seed (int): Which those are.
    YIELDS (Doc): One for each question that can be used.
    RAISES (ValueError): If the file is something else.
    """
    questions = read_questions(path)
    if negatives:
        questions = add_negatives(questions, negatives, seed)
    if swaps:
        questions = add_swaps(questions, swaps, seed)
    for item in questions:
        report.read += 1
        if item.made:
            report.made[item.made] += 1
        if not all(
            map(is_text, (item.question, item.context, *(text for text, _ in item.answers)))
        ):
            report.skipped.append((item.id, "it has halves of characters, which are no text"))
            continue
        golds, unplaced = _locate_all(item, report, inside_words)
        if unplaced and not golds:
            report.skipped.append((item.id, "no answer can be used"))
            continue
        question, n_question, _ = escape_separator(item.question.strip(), separator)
        context, n_context, moved = escape_separator(item.context, separator)
        report.separators += n_question + n_context
        if not question or not context.strip():
            report.skipped.append(
                (item.id, "the question is empty" if not question else "the context is empty")
            )
            continue
        begin = len(question) + len(separator) + 2
        doc = nlp.make_doc(f"{question} {separator} {context}")
        chars = [(begin + moved(start), begin + moved(end)) for start, end in golds]
        # official scores count accepted answers that are not in the context too
        set_answers(doc, chars, attrs={UNPLACED: unplaced} if unplaced else None)
        report.written += 1
        report.unanswerable += not golds
        yield doc


def _locate_all(
    item: Question, report: Report, inside_words: bool
) -> tuple[list[Chars], list[str]]:
    """RETURNS (tuple[list[tuple[int, int]], list[str]]): The characters of the answers in the
    context, and the answers that are not there.
    """
    golds: list[Chars] = []
    unplaced: list[str] = []
    for text, start in item.answers:
        found, remark = locate_answer(item.context, text, start)
        if found is not None and not inside_words and _inside_word(item.context, *found):
            found, remark = None, f"{text!r} lies inside a word, at character {start}"
        if found is None:
            report.skipped_answers.append((item.id, remark))
            unplaced.append(text)
            continue
        if remark:
            report.repaired[remark] += 1
        golds.append(found)
    return golds, unplaced


def _inside_word(context: str, start: int, end: int) -> bool:
    """Whether an answer begins and ends inside a word; in Chinese or Japanese, where words touch,
    never.
    """
    pairs = (context[max(0, start - 1) : start + 1], context[end - 1 : end + 1])
    return all(len(pair) == 2 and pair.isalnum() and max(pair) < "\u2e80" for pair in pairs)


def locate_answer(context: str, text: str, start: int | None) -> tuple[Chars | None, str]:
    """Find an answer where its offset says, or as near as is certain.

    context (str): The context.
    text (str): The answer.
    start (int | None): Where it should be.
    RETURNS (tuple[tuple[int, int] | None, str]): Its characters and what was repaired (empty if
        nothing was), or None and why it cannot be used.
    """
    stripped = text.strip()
    if not stripped:
        return None, "the answer is empty"
    repairs = []
    if stripped != text:
        repairs.append("whitespace around it")
        start = None if start is None else start + len(text) - len(text.lstrip())
    if start is not None and start >= 0 and context.startswith(stripped, start):
        return (start, start + len(stripped)), ", ".join(repairs)
    if start is not None:
        near = [
            d
            for d in sorted(range(-NEAR, NEAR + 1), key=abs)
            if context.startswith(stripped, max(0, start + d))
        ]
        if near and start + near[0] >= 0:
            repairs.append("offset off by a little")
            return (start + near[0], start + near[0] + len(stripped)), ", ".join(repairs)
    occurrences = context.count(stripped)
    if occurrences == 1:
        where = context.index(stripped)
        repairs.append(
            "offset missing" if start is None else "offset wrong, but there is one such place only"
        )
        return (where, where + len(stripped)), ", ".join(repairs)
    if start is None and occurrences:
        where = context.index(stripped)
        return (where, where + len(stripped)), ", ".join(
            [*repairs, "offset missing, first of several places taken"]
        )
    at = "without an offset" if start is None else f"at character {start}"
    return None, f"{text[:60]!r} is not {at}; the context has it {occurrences} times elsewhere"
