"""The questions of a file, unchecked: SQuAD 1.1 and 2.0, CMRC 2018 and DRCD as JSON, flat questions
as JSON lines.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import Errors
from .files import open_text, printable


class Question(NamedTuple):
    """One question as it is in a file: answers are `(text, start)`, with None for an unknown start.
    The article is what its context is a paragraph of, where the file says so; `made` is how it was
    made of another one, if it was.
    """

    id: str
    question: str
    context: str
    answers: list[tuple[str, int | None]]
    impossible: bool
    article: str | None = None
    made: str = ""


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
        raise Errors.B206(file=str(path), reason=reason) from e
    except ValueError as e:
        raise Errors.B206(file=str(path), reason=e) from e


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
                    answers: list[tuple[str, int | None]] = [
                        (answer, None) for answer in qa["answers"]
                    ]
                    yield _checked(
                        qa["query_id"], qa["query_text"], row["context_text"], answers, not answers
                    )
            else:
                yield _question({"id": f"line {number}", **row}, row["context"])


def _question(qa: dict[str, Any], context: str) -> Question:
    given = qa.get("answers", [])
    if isinstance(given, dict):  # columns, as in the Hugging Face hub's SQuAD
        given = [
            {"text": t, "answer_start": s} for t, s in zip(given["text"], given["answer_start"])
        ]
    answers = [(answer["text"], answer.get("answer_start")) for answer in given]
    impossible = bool(qa.get("is_impossible", not answers))
    checked = _checked(qa["id"], qa["question"], context, [] if impossible else answers, impossible)
    title = qa.get("title")
    return checked._replace(article=title if isinstance(title, str) else None)


def _checked(
    id_: Any, question: Any, context: Any, answers: list[tuple[Any, Any | None]], impossible: bool
) -> Question:
    """RETURNS (Question): The question. RAISES (TypeError): If something in it is of another
    type.
    """
    id_ = printable(id_)
    texts = [
        ("the question", question),
        ("the context", context),
        *(("an answer", text) for text, _ in answers),
    ]
    for what, text in texts:
        if not isinstance(text, str):
            raise TypeError(f"({what} of {id_!r} is {text!r:.60}, and not a text)")
    for _, start in answers:
        if start is not None and type(start) is not int:
            raise TypeError(
                f"(an answer_start of {id_!r} is {start!r:.60}, and not a whole number)"
            )
    return Question(id_, question, context, answers, impossible)
