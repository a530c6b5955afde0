"""Question answering data: SQuAD 1.1 and 2.0, CMRC 2018 and DRCD as JSON, and flat questions as JSON lines."""

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from spacy.language import Language
from spacy.tokens import Doc

from ..answers import UNPLACED, Chars, set_answers
from ..errors import Errors
from ..segments import spell_apart
from .files import is_text, open_text, printable

# How far an offset may be off and still be put right
NEAR = 3


class Question(NamedTuple):
    """One question as it is in a file: answers are `(text, start)`, with None for an unknown start. The article is
    what its context is a paragraph of, where the file says so; `made` are those of `add_negatives`.
    """

    id: str
    question: str
    context: str
    answers: List[Tuple[str, Optional[int]]]
    impossible: bool
    article: Optional[str] = None
    made: bool = False


@dataclass
class Report:
    """What happened to a file.

    read, written, unanswerable (int): Numbers of questions.
    negatives (int): How many of those are the file's own questions once more, beside another paragraph.
    repaired (Counter): How often an answer was put right, by what was wrong.
    separators (int): How many separators inside the texts were spelled apart.
    skipped_answers, skipped (List[Tuple[str, str]]): Answers and questions that were left out: question id and reason.
    """

    read: int = 0
    written: int = 0
    unanswerable: int = 0
    negatives: int = 0
    repaired: Counter = field(default_factory=Counter)
    separators: int = 0
    skipped_answers: List[Tuple[str, str]] = field(default_factory=list)
    skipped: List[Tuple[str, str]] = field(default_factory=list)

    def lines(self) -> List[str]:
        """RETURNS (List[str]): The report in words, one fact a line."""
        lines = [f"{self.written} of {self.read} questions written, {self.unanswerable} of them unanswerable"]
        lines += [f"{count} answer(s) repaired: {what}" for what, count in sorted(self.repaired.items())]
        if self.negatives:
            lines.append(f"{self.negatives} of the questions made, beside a paragraph without their answer")
        if self.separators:
            lines.append(f"{self.separators} separator(s) inside the texts spelled apart")
        lines += [f"answer left out, question {id_}: {reason}" for id_, reason in self.skipped_answers]
        lines += [f"question {id_} left out: {reason}" for id_, reason in self.skipped]
        return lines


def convert_squad(
    path: Path,
    nlp: Language,
    report: Report,
    separator: str = "[SEP]",
    inside_words: bool = False,
    negatives: float = 0.0,
    seed: int = 0,
) -> Iterator[Doc]:
    """Read a file into Docs 'question [SEP] context' with `doc.spans["answers"]`. Every offset is checked; what is
    obviously wrong is repaired, the rest serves for scoring only, and the report says so.

    path (Path): The file, gzipped or not.
    nlp (Language): Makes the Docs.
    report (Report): Gets what happened.
    separator (str): The transformer's separator.
    inside_words (bool): Keep answers that begin and end inside a word: mistakes in the data, such as 'men' in
        'government', which training refuses. For official dev sets, where they count.
    negatives (float): The part of the answerable questions that is written once more, without an answer: see
        `add_negatives`.
    seed (int): Which those are.
    YIELDS (Doc): One for each question that can be used.
    RAISES (ValueError): If the file is something else.
    """
    for item in add_negatives(read_questions(path), negatives, seed) if negatives else read_questions(path):
        report.read += 1
        report.negatives += item.made
        if not all(map(is_text, (item.question, item.context, *(text for text, _ in item.answers)))):
            report.skipped.append((item.id, "it has halves of characters, which are no text"))
            continue
        golds, unplaced = _locate_all(item, report, inside_words)
        if unplaced and not golds:
            report.skipped.append((item.id, "no answer can be used"))
            continue
        question, n_question, _ = spell_apart(item.question.strip(), separator)
        context, n_context, moved = spell_apart(item.context, separator)
        report.separators += n_question + n_context
        if not question or not context.strip():
            report.skipped.append((item.id, "the question is empty" if not question else "the context is empty"))
            continue
        begin = len(question) + len(separator) + 2
        doc = nlp.make_doc(f"{question} {separator} {context}")
        chars = [(begin + moved(start), begin + moved(end)) for start, end in golds]
        # official scores count accepted answers that are not in the context too
        set_answers(doc, chars, attrs={UNPLACED: unplaced} if unplaced else None)
        report.written += 1
        report.unanswerable += not golds
        yield doc


def add_negatives(questions: Iterable[Question], rate: float, seed: int = 0) -> Iterator[Question]:
    """Add questions without an answer: a part of the answerable ones once more, beside another paragraph of the same
    article (or of the file, where it names no articles) that does not contain the text of any of their answers. They
    teach a reader, as SQuAD 2.0's unanswerable questions do, that a text about the same thing need not hold the answer.

    questions (Iterable[Question]): The questions of a file.
    rate (float): How many to add for each answerable question, from 0 to 1.
    seed (int): Decides which, and beside what.
    YIELDS (Question): Each question, and behind it the one that is made of it, if any.
    """
    questions = list(questions)
    paragraphs: Dict[Optional[str], Dict[str, str]] = {}
    for item in questions:
        paragraphs.setdefault(item.article, {})[item.context] = item.context.lower()
    rng = random.Random(seed)
    for item in questions:
        yield item
        if item.answers and rng.random() < rate:
            answers = [text.strip().lower() for text, _ in item.answers]
            others = [
                context
                for context, lowered in paragraphs[item.article].items()
                if context != item.context and not any(answer in lowered for answer in answers)
            ]
            if others:
                id_ = f"{item.id}-elsewhere"
                yield item._replace(id=id_, context=rng.choice(others), answers=[], impossible=True, made=True)


def read_questions(path: Path) -> Iterator[Question]:
    """Read the questions of a file, unchecked.

    path (Path): The file.
    YIELDS (Question): Each question.
    RAISES (ValueError): If the file is something else.
    """
    try:
        with open_text(path) as file:
            text = file.read()
        try:
            loaded: Any = json.loads(text)
        except ValueError:
            loaded = [json.loads(line) for line in text.split("\n") if line.strip()]
        yield from _walk(loaded)
    except (KeyError, TypeError, AttributeError, RecursionError) as e:
        reason = printable(f"{type(e).__name__} {e}")
        raise ValueError(Errors.B206.format(file=str(path), reason=reason)) from e
    except ValueError as e:
        raise ValueError(Errors.B206.format(file=str(path), reason=e)) from e


def _walk(loaded: Any) -> Iterator[Question]:
    if isinstance(loaded, dict) and "data" not in loaded:
        loaded = [loaded]
    if isinstance(loaded, dict):  # SQuAD, DRCD, CMRC in SQuAD's style
        for article in loaded["data"]:
            for paragraph in article["paragraphs"]:
                for qa in paragraph["qas"]:
                    yield _question({"title": article.get("title"), **qa}, paragraph["context"])
    else:
        for number, row in enumerate(loaded, start=1):
            if "qas" in row:  # CMRC's own style, without offsets
                for qa in row["qas"]:
                    answers: List[Tuple[str, Optional[int]]] = [(answer, None) for answer in qa["answers"]]
                    yield _checked(qa["query_id"], qa["query_text"], row["context_text"], answers, not answers)
            else:
                yield _question({"id": f"line {number}", **row}, row["context"])


def _question(qa: Dict[str, Any], context: str) -> Question:
    given = qa.get("answers", [])
    if isinstance(given, dict):  # columns, as in the Hugging Face hub's SQuAD
        given = [{"text": t, "answer_start": s} for t, s in zip(given["text"], given["answer_start"])]
    answers = [(answer["text"], answer.get("answer_start")) for answer in given]
    impossible = bool(qa.get("is_impossible", not answers))
    checked = _checked(qa["id"], qa["question"], context, [] if impossible else answers, impossible)
    title = qa.get("title")
    return checked._replace(article=title if isinstance(title, str) else None)


def _checked(
    id_: Any, question: Any, context: Any, answers: List[Tuple[Any, Optional[Any]]], impossible: bool
) -> Question:
    """RETURNS (Question): The question. RAISES (TypeError): If something in it is of another type."""
    id_ = printable(id_)
    texts = [("the question", question), ("the context", context), *(("an answer", text) for text, _ in answers)]
    for what, text in texts:
        if not isinstance(text, str):
            raise TypeError(f"({what} of {id_!r} is {text!r:.60}, and not a text)")
    for _, start in answers:
        if start is not None and type(start) is not int:
            raise TypeError(f"(an answer_start of {id_!r} is {start!r:.60}, and not a whole number)")
    return Question(id_, question, context, answers, impossible)


def _locate_all(item: Question, report: Report, inside_words: bool) -> Tuple[List[Chars], List[str]]:
    """RETURNS (Tuple[List[Tuple[int, int]], List[str]]): The characters of the answers in the context, and the answers
    that are not there.
    """
    golds: List[Chars] = []
    unplaced: List[str] = []
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
    """Whether an answer begins and ends inside a word; in Chinese or Japanese, where words touch, never."""
    pairs = (context[max(0, start - 1) : start + 1], context[end - 1 : end + 1])
    return all(len(pair) == 2 and pair.isalnum() and max(pair) < "\u2e80" for pair in pairs)


def locate_answer(context: str, text: str, start: Optional[int]) -> Tuple[Optional[Chars], str]:
    """Find an answer where its offset says, or as near as is certain.

    context (str): The context.
    text (str): The answer.
    start (Optional[int]): Where it should be.
    RETURNS (Tuple[Optional[Tuple[int, int]], str]): Its characters and what was repaired (empty if nothing was), or
        None and why it cannot be used.
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
        near = [d for d in sorted(range(-NEAR, NEAR + 1), key=abs) if context.startswith(stripped, max(0, start + d))]
        if near and start + near[0] >= 0:
            repairs.append("offset off by a little")
            return (start + near[0], start + near[0] + len(stripped)), ", ".join(repairs)
    occurrences = context.count(stripped)
    if occurrences == 1:
        where = context.index(stripped)
        repairs.append("offset missing" if start is None else "offset wrong, but there is one such place only")
        return (where, where + len(stripped)), ", ".join(repairs)
    if start is None and occurrences:
        where = context.index(stripped)
        return (where, where + len(stripped)), ", ".join([*repairs, "offset missing, first of several places taken"])
    at = "without an offset" if start is None else f"at character {start}"
    return None, f"{text[:60]!r} is not {at}; the context has it {occurrences} times elsewhere"
