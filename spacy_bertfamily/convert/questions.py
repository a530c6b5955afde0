"""Read the questions of a file, unchecked.

The formats are SQuAD 1.1 and 2.0, CMRC 2018 and DRCD as JSON; lists of their articles, paragraphs
or questions; and each of these as JSON lines.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import Errors
from .files import open_text, printable

# The text of an answer and its first character in the context, None where the file does not say.
GivenAnswer = tuple[str, int | None]
WHOLE_NUMBER = re.compile(r"-?\d+")


class Question(NamedTuple):
    """One question as it is in a file.

    id (str): Its name.
    question (str): Its text.
    context (str): The text that may answer it.
    answers (list[tuple[str, int | None]]): Text and start of each accepted answer; None for an
        unknown start.
    impossible (bool): Whether the context does not answer it.
    article (str | None): The article that the context is a paragraph of, where the file names it.
    made (str): How it was made from another question; empty for a question of the file.
    """

    id: str
    question: str
    context: str
    answers: list[GivenAnswer]
    impossible: bool
    article: str | None = None
    made: str = ""


def read_questions(path: Path) -> Iterator[Question]:
    """Read the questions of a file, unchecked.

    path (Path): The file.
    YIELDS (Question): Each question.
    RAISES (BertFamilyError): If the file is not in one of the formats.
    """
    try:
        with open_text(path) as file:
            text = file.read()
        try:
            loaded: Any = json.loads(text)
        except ValueError:
            loaded = [json.loads(line) for line in text.split("\n") if line.strip()]
        yield from _parse(loaded)
    except (KeyError, TypeError, AttributeError, RecursionError) as e:
        reason = printable(f"{type(e).__name__} {e}")
        raise Errors.B206(file=str(path), reason=reason) from e
    except ValueError as e:
        raise Errors.B206(file=str(path), reason=e) from e


def _parse(loaded: Any) -> Iterator[Question]:
    """Find the questions of a file's JSON. RAISES: Many kinds, if the file has another format."""
    rows = [loaded] if isinstance(loaded, dict) else loaded
    for number, row in enumerate(rows, start=1):
        if "data" in row:
            yield from _parse(row["data"])
        elif "paragraphs" in row:
            for paragraph in row["paragraphs"]:
                yield from _parse_paragraph(paragraph, row.get("title"))
        elif "qas" in row:
            yield from _parse_paragraph(row, row.get("title"))
        else:
            yield _parse_question({"id": f"line {number}", **row}, row["context"])


def _parse_paragraph(paragraph: dict[str, Any], title: Any) -> Iterator[Question]:
    """Parse a paragraph of SQuAD's and DRCD's format, and of CMRC's own or in the style of SQuAD.

    paragraph (dict[str, Any]): The paragraph.
    title (Any): The title of its article; None if the file does not name it.
    YIELDS (Question): Its questions.
    """
    if "context" not in paragraph:
        yield from _parse_cmrc(paragraph)
        return
    for qa in paragraph["qas"]:
        yield _parse_question({"title": title, **qa}, paragraph["context"])


def _parse_cmrc(row: Any) -> Iterator[Question]:
    """Parse CMRC's own format, which has no offsets."""
    for qa in row["qas"]:
        given = _read_list(qa["answers"], "answers")
        answers: list[GivenAnswer] = [(answer, None) for answer in given]
        yield _make_question(
            qa["query_id"], qa["query_text"], row["context_text"], answers, not answers
        )


def _parse_question(qa: dict[str, Any], context: str) -> Question:
    """Parse a question of SQuAD's format, or a flat one."""
    answers = _read_answers(qa.get("answers"))
    impossible = bool(qa.get("is_impossible", not answers))
    if impossible:
        answers = []
    question = _make_question(qa["id"], qa["question"], context, answers, impossible)
    title = qa.get("title")
    return question._replace(article=title if isinstance(title, str) else None)


def _read_list(value: Any, what: str) -> list[Any]:
    """Read a list. RAISES (TypeError): If it is something else, such as a text of letters."""
    if not isinstance(value, list):
        raise TypeError(f"({what!r} is {value!r:.60}, and not a list)")
    return value


def _read_answers(given: Any) -> list[GivenAnswer]:
    """Read the answers of a question, in one of the forms in which files have them.

    given (Any): Objects with `text` and `answer_start`, in a list or a single one; columns, as in
        the SQuAD of the Hugging Face hub; or texts without a place.
    RETURNS (list[tuple[str, int | None]]): Text and start of each, their types unchecked.
    RAISES (ValueError): If there is not one start for each text.
    """
    answers: list[GivenAnswer] = []
    for answer in _as_list(given or None):
        if isinstance(answer, dict):
            texts, starts = _as_list(answer["text"]), _as_list(answer.get("answer_start"))
            starts = starts or [None] * len(texts)
            if len(starts) != len(texts):
                raise ValueError(f"({len(texts)} answers have {len(starts)} answer_starts)")
            answers.extend(zip(texts, map(_read_start, starts)))
        else:
            answers.append((answer, None))
    return answers


def _as_list(value: Any) -> list[Any]:
    """RETURNS (list[Any]): The values of a list, or a value that stands alone; [] for None."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _read_start(value: Any) -> Any:
    """RETURNS (Any): A whole number that is written as text or with a point; others unchanged."""
    if isinstance(value, str) and WHOLE_NUMBER.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _make_question(
    id_: Any, question: Any, context: Any, answers: list[tuple[Any, Any]], impossible: bool
) -> Question:
    """Make a question, its types checked. RAISES (TypeError): If a value has a wrong type."""
    id_ = printable(id_)
    texts = [("the question", question), ("the context", context)]
    texts += [("an answer", text) for text, _ in answers]
    for what, text in texts:
        if not isinstance(text, str):
            raise TypeError(f"({what} of {id_!r} is {text!r:.60}, and not a text)")
    for _, start in answers:
        if start is not None and type(start) is not int:
            raise TypeError(
                f"(an answer_start of {id_!r} is {start!r:.60}, and not a whole number)"
            )
    return Question(id_, question, context, answers, impossible)
