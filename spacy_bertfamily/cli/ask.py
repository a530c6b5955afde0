"""`python -m spacy bertfamily ask`"""

import json
import sys
from pathlib import Path

import typer
from spacy.cli._util import setup_gpu
from wasabi import color, msg

from .shared import load_pipeline, or_fail

SHOWN_AROUND = 120


def ask_command(
    pipeline: str = typer.Argument(
        ..., help="Folder, package or released name of a trained pipeline with a span_qa"
    ),
    questions: list[str] = typer.Argument(..., help="One question or several"),
    context: str = typer.Option(
        ..., "--context", "-c", help="Text file with the context, - for standard input"
    ),
    top_k: int = typer.Option(1, "--top-k", "-k", min=1, help="The most answers to each question"),
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

    with or_fail(f"Cannot read {context}"):
        text = sys.stdin.read() if context == "-" else Path(context).read_text(encoding="utf8")
    with or_fail("Cannot use the GPU"):
        setup_gpu(gpu_id, silent=True)
    nlp = load_pipeline(pipeline)
    components = [component for _, component in nlp.components if isinstance(component, SpanQA)]
    if not components:
        msg.fail(
            f"{Path(pipeline)} has no span_qa",
            f"Its components: {', '.join(nlp.pipe_names)}",
            exits=1,
        )
    results = components[0].ask_all(text, questions, top_k=top_k, progress=progress, nlp=nlp)
    for question, answers in zip(questions, results):
        if as_json:
            rows = [answer._asdict() for answer in answers]
            for row in rows:
                row.pop("span")
            print(json.dumps({"question": question, "answers": rows}, ensure_ascii=False))
            continue
        msg.divider(question)
        if not answers:
            msg.warn("No answer in this text")
        for answer in answers:
            print(f"{answer.score:6.1%}  {highlight(text, answer.start_char, answer.end_char)}\n")


def highlight(text: str, start: int, end: int) -> str:
    """RETURNS (str): A part of a text in colour, with some of what is around it, on one line."""
    before, after = text[max(0, start - SHOWN_AROUND) : start], text[end : end + SHOWN_AROUND]
    before = ("..." if start > SHOWN_AROUND else "") + before.replace("\n", " ")
    after = after.replace("\n", " ") + ("..." if end + SHOWN_AROUND < len(text) else "")
    shown = text[start:end].replace("\n", " ")
    return f"{before}{color(f'[{shown}]', fg='green', bold=True)}{after}"
