"""The command `ask`: answer questions about texts."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from spacy.cli._util import setup_gpu
from wasabi import msg

from .shared import exit_on_error, load_pipeline

if TYPE_CHECKING:  # every spaCy command imports this file, so it must not import torch
    from spacy.language import Language

    from ..annotation.answers import ContextAnswer
    from ..index.results import IndexAnswer
    from ..index.text_index import TextIndex


def ask_command(
    pipeline: str = typer.Argument(
        ..., help="Folder, package or released name of a trained pipeline with a span_qa"
    ),
    questions: list[str] = typer.Argument(..., help="One question or several"),
    context: list[str] | None = typer.Option(
        None,
        "--context",
        "-c",
        help="Text file with the context, a folder of .txt files, - for standard input; may be "
        "given several times",
    ),
    index: Path | None = typer.Option(
        None,
        "--index",
        "-i",
        help="Folder that 'bertfamily index' has written, in place of --context",
        exists=True,
        file_okay=False,
    ),
    passages: int = typer.Option(
        10, "--passages", min=1, help="Maximum number of passages of the index that are read"
    ),
    by: str = typer.Option(
        "vectors", "--by", help="How passages of the index are found: vectors, words or both"
    ),
    top_k: int | None = typer.Option(
        None,
        "--top-k",
        "-k",
        min=1,
        help="Maximum number of answers to each question; the pipeline's own by default",
    ),
    null_threshold: str | None = typer.Option(
        None,
        "--null-threshold",
        "-n",
        metavar="NUMBER|none",
        help="No answer if 'no answer' scores more than this above the best one; 'none' always "
        "answers; the pipeline's own by default",
    ),
    as_json: bool = typer.Option(
        False, "--json", "-j", help="One JSON object a line for each question"
    ),
    progress: bool = typer.Option(False, "--progress", "-p", help="Show a progress bar"),
    gpu_id: int = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
) -> None:
    """Ask questions about a text of any length, about several, or about an index of texts.

    EXAMPLE: python -m spacy bertfamily ask training/model-best --context report.txt "Who wrote it?"
    "When?"

    EXAMPLE: python -m spacy bertfamily ask en_minilm_qa --context reports/ --top-k 3 "Who?"

    EXAMPLE: python -m spacy bertfamily ask en_minilm_qa --index reports_index "Who wrote it?"
    """
    from ..tasks.qa.component import SpanQA

    settings: dict[str, Any] = {}
    if null_threshold is not None:
        settings["null_threshold"] = _read_threshold(null_threshold)
    if (index is None) == (not context):
        hint = "Give text files with --context, or a folder of 'bertfamily index' with --index."
        msg.fail("Need either --context or --index", hint)
        raise typer.Exit(2)
    texts = _read_contexts(context or [])
    with exit_on_error("Cannot use the GPU"):
        setup_gpu(gpu_id, silent=True)
    nlp = load_pipeline(pipeline)
    components = [component for _, component in nlp.components if isinstance(component, SpanQA)]
    if not components:
        known = ", ".join(nlp.pipe_names)
        msg.fail(f"{Path(pipeline)} has no span_qa", f"Its components: {known}", exits=1)
    if index is not None:
        top_k = top_k or components[0].settings.top_k
        _ask_index(nlp, index, questions, as_json, {"top_k": top_k, **settings}, passages, by)
        return
    with exit_on_error("Cannot answer"):
        # each answer is a ContextAnswer, since the contexts are given as several
        results: Any = components[0].ask_all(
            texts.values(), questions, nlp=nlp, top_k=top_k, progress=progress, **settings
        )
    for question, answers in zip(questions, results):
        if as_json:
            print(_to_json(question, answers, [*texts]))
        else:
            _print_answers(question, answers, texts)


def _ask_index(
    nlp: "Language",
    folder: Path,
    questions: list[str],
    as_json: bool,
    settings: dict[str, Any],
    passages: int,
    by: str,
) -> None:
    """Answer questions from an index, and print the answers."""
    from ..index.text_index import TextIndex

    with exit_on_error(f"Cannot ask the index {folder}"):
        index = TextIndex(nlp).from_disk(folder)
        results: Any = index.ask(questions, passages=passages, by=by, **settings)
    for question, answers in zip(questions, results):
        if as_json:
            rows = [{**a._asdict(), "passage": a.passage._asdict()} for a in answers]
            print(json.dumps({"question": question, "answers": rows}, ensure_ascii=False))
        else:
            _print_index_answers(question, answers, index)


def _print_index_answers(question: str, answers: list["IndexAnswer"], index: "TextIndex") -> None:
    from ..annotation.render import highlight

    msg.divider(question)
    if not answers:
        msg.warn(f"No answer in these {len(index)} texts")
    for answer in answers:
        shown = highlight(index[answer.document], answer.start_char, answer.end_char)
        print(f"{answer.score:6.1%}  {answer.document}: {shown}\n")


def _read_threshold(text: str) -> float | None:
    """RETURNS (float | None): The threshold that an option gives. Exit on anything else."""
    if text.lower() in ("none", "null"):
        return None
    try:
        return float(text)
    except ValueError:
        hint = "It takes a number, or 'none', which always answers."
        msg.fail(f"Cannot read --null-threshold {text!r}", hint)
        raise typer.Exit(1) from None


def _read_contexts(names: list[str]) -> dict[str, str]:
    """Read the contexts. Exit if one cannot be read.

    names (list[str]): Files, folders, or - for standard input.
    RETURNS (dict[str, str]): The texts by the names of their files.
    """
    texts = {}
    for name in names:
        with exit_on_error(f"Cannot read {name}"):
            for file in _find_files(name):
                texts[file] = _read_text(file)
    return texts


def _find_files(name: str) -> list[str]:
    """RETURNS (list[str]): The text files of a folder; the name itself if it is not a folder."""
    if not Path(name).is_dir():
        return [name]
    files = sorted(str(path) for path in Path(name).glob("*.txt"))
    if not files:
        raise FileNotFoundError("There is no file in this folder whose name ends in .txt.")
    return files


def _read_text(name: str) -> str:
    from ..errors import Errors

    if name == "-":
        return sys.stdin.read()
    try:
        return Path(name).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as e:  # it does not say which file of a folder it was
        raise Errors.B321(file=name, reason=e) from e


def _to_json(question: str, answers: list["ContextAnswer"], names: list[str]) -> str:
    """RETURNS (str): The answers; of several contexts each answer names its own."""
    rows = []
    for answer in answers:
        row = answer._asdict()
        row.pop("span")
        index = row.pop("context")
        if len(names) > 1:
            row["context"] = names[index]
        rows.append(row)
    return json.dumps({"question": question, "answers": rows}, ensure_ascii=False)


def _print_answers(question: str, answers: list["ContextAnswer"], texts: dict[str, str]) -> None:
    from ..annotation.render import highlight

    names = list(texts)
    msg.divider(question)
    if not answers:
        where = "this text" if len(texts) == 1 else f"these {len(texts)} texts"
        msg.warn(f"No answer in {where}")
    for answer in answers:
        name = names[answer.context]
        shown = highlight(texts[name], answer.start_char, answer.end_char)
        source = f"{name}: " if len(texts) > 1 else ""
        print(f"{answer.score:6.1%}  {source}{shown}\n")
