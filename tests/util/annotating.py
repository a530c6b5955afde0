"""A pipeline that needs no backbone, and that some texts make fail; input and output of runs.

Workers import this file as `code`, to know the components.
"""

import json
import os
import signal
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import Span

from spacy_bertfamily import Annotate

# What the texts are, for `misbehave`.
FAILS, KILLS = "fail", "kill:"


@Language.component("capitals", assigns=["doc.ents", "doc.cats"])
def find_capitals(doc):
    """Set words in capitals as entities, and their share of the words."""
    words = [token for token in doc if token.text[:1].isupper()]
    doc.ents = [Span(doc, token.i, token.i + 1, label="CAPITAL") for token in words]
    doc.cats = {"capitals": len(words) / max(len(doc), 1)}
    return doc


@Language.component("misbehave", assigns=["doc.ents"])
def misbehave(doc):
    """Fail on some texts; kill the process the first times that a certain file allows it."""
    if doc.text == FAILS:
        raise RuntimeError("there is a text that I cannot take")
    if doc.text.startswith(KILLS):
        path = Path(doc.text.removeprefix(KILLS))
        deaths = int(path.read_text())
        if deaths:
            path.write_text(str(deaths - 1))
            os.kill(os.getpid(), signal.SIGKILL)
    return doc


def make_capitals(folder):
    """RETURNS (Path): The folder, with the pipeline in it."""
    nlp = spacy.blank("en")
    nlp.add_pipe("capitals")
    nlp.add_pipe("misbehave")
    nlp.to_disk(folder)
    return folder


def capitals(folder, annotation="ents,cats", **settings):
    """RETURNS (Annotate): With the pipeline of `make_capitals`."""
    return Annotate(folder, annotation, code=__file__, **settings)


def write_rows(path, texts):
    """Write JSON lines with ids. RETURNS (Path): The file."""
    rows = [json.dumps({"id": f"row {i}", "text": text}) for i, text in enumerate(texts)]
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf8")
    return path


def read_rows_of(folder, kind="shard"):
    """RETURNS (list[dict]): The rows of all files of a kind, in order."""
    files = sorted(folder.glob(f"{kind}-*.jsonl"))
    return [json.loads(line) for f in files for line in f.read_text("utf8").splitlines()]


def contents(folder):
    """RETURNS (dict[str, bytes]): All files of an output folder, the manifest's counts apart."""
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if path.name != "_manifest.json"
    }
