"""The command `ask`: answer questions about a text."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from spacy.cli._util import setup_gpu
from wasabi import color, msg

from .shared import exit_on_error, load_pipeline

if TYPE_CHECKING:  # every spaCy command imports this file, so it must not import torch
    from ..annotation.answers import Answer

# Characters that are shown before and after an answer
CONTEXT_CHARS = 120


def ask_command(
    pipeline: str = typer.Argument(
        ..., help="Folder, package or released name of a trained pipeline with a span_qa"
    ),
    questions: list[str] = typer.Argument(..., help="One question or several"),
    context: str = typer.Option(
        ..., "--context", "-c", help="Text file with the context, - for standard input"
    ),
    top_k: int = typer.Option(
        1, "--top-k", "-k", min=1, help="Maximum number of answers to each question"
    ),
    as_json: bool = typer.Option(
        False, "--json", "-j", help="One JSON object a line for each question"
    ),
    progress: bool = typer.Option(False, "--progress", "-p", help="Show a progress bar"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
) -> None:
    """Ask questions about a text of any length.

    EXAMPLE: python -m spacy bertfamily ask training/model-best --context report.txt "Who wrote it?"
    "When?"
    """
    from ..tasks.qa.component import SpanQA

    with exit_on_error(f"Cannot read {context}"):
        text = sys.stdin.read() if context == "-" else Path(context).read_text(encoding="utf8")
    with exit_on_error("Cannot use the GPU"):
        setup_gpu(gpu_id, silent=True)
    nlp = load_pipeline(pipeline)
    components = [component for _, component in nlp.components if isinstance(component, SpanQA)]
    if not components:
        known = ", ".join(nlp.pipe_names)
        msg.fail(f"{Path(pipeline)} has no span_qa", f"Its components: {known}", exits=1)
    results = components[0].ask_all(text, questions, top_k=top_k, progress=progress, nlp=nlp)
    for question, answers in zip(questions, results):
        if as_json:
            print(_to_json(question, answers))
        else:
            _print_answers(text, question, answers)


def _to_json(question: str, answers: list["Answer"]) -> str:
    rows = []
    for answer in answers:
        row = answer._asdict()
        row.pop("span")
        rows.append(row)
    return json.dumps({"question": question, "answers": rows}, ensure_ascii=False)


def _print_answers(text: str, question: str, answers: list["Answer"]) -> None:
    msg.divider(question)
    if not answers:
        msg.warn("No answer in this text")
    for answer in answers:
        print(f"{answer.score:6.1%}  {highlight(text, answer.start_char, answer.end_char)}\n")


def highlight(text: str, start: int, end: int) -> str:
    """Highlight a part of a text, and show it with its context on one line.

    text (str): The text.
    start (int): The first character of the part.
    end (int): The character after the part.
    RETURNS (str): The line.
    """
    context_start, context_end = start - CONTEXT_CHARS, end + CONTEXT_CHARS
    before = text[max(0, context_start) : start].replace("\n", " ")
    shown = text[start:end].replace("\n", " ")
    after = text[end:context_end].replace("\n", " ")
    if context_start > 0:
        before = f"...{before}"
    if context_end < len(text):
        after = f"{after}..."
    return f"{before}{color(f'[{shown}]', fg='green', bold=True)}{after}"
