"""Make a trained pipeline one of those that come with the package.

    python scripts/release.py en_minilm_qa training/en_minilm_qa/model-best
        --calibrate corpus/en_minilm_qa/dev.spacy

Answers are calibrated on dev data. The words of the training data are removed from the vocabulary,
where nothing needs them. In whatever precision it was trained, the pipeline computes in float32,
which every processor does well.
"""

import json
import shutil
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import spacy
import typer
from spacy.language import Language
from spacy.training import Corpus
from spacy.util import load_config
from wasabi import msg

from spacy_bertfamily import __version__
from spacy_bertfamily.released import find

DESCRIPTIONS = {
    "en_minilm_qa": "Extractive question answering in English: adapters on MiniLM",
    "en_minilm_nli": "Natural language inference in English: adapters on MiniLM",
    "en_minilm_similarity": "Graded similarity of English texts: adapters on MiniLM",
    "en_minilm_pos_ner": "Parts of speech, morphology and entities in English: adapters on MiniLM",
}


def calibrate(nlp: Language, corpus: Path) -> None:
    """Fit the temperature and the null threshold of a `span_qa` on dev data."""
    examples = list(Corpus(corpus)(nlp))
    qa: Any = nlp.get_pipe("span_qa")
    msg.good(f"Calibrated on {len(examples)} questions: {qa.calibrate(examples)}")


def float32_overrides(trained: Path) -> dict[str, str]:
    """RETURNS (dict[str, str]): Changes to a pipeline's config, so that it computes in float32."""
    blocks = load_config(trained / "config.cfg")["components"]
    names = [name for name, block in blocks.items() if "precision" in block.get("model", {})]
    return {f"components.{name}.model.precision": "float32" for name in names}


def set_meta(nlp: Language, name: str) -> None:
    """Fill in the pipeline's meta data."""
    nlp.meta.update(
        name=name.partition("_")[2],
        version=__version__,
        description=DESCRIPTIONS[name],
        license="MIT",
        author="The authors of spacy-bertfamily",
        requirements=[f"spacy-bertfamily[minilm]>={__version__}"],
        spacy_version=spacy_range(),
    )


def spacy_range() -> str:
    """RETURNS (str): The versions of spaCy that this package allows."""
    requirements = requires("spacy-bertfamily") or []
    (found,) = [line for line in requirements if line.startswith("spacy<")]
    return found.removeprefix("spacy")


def remove_words(nlp: Language, folder: Path) -> None:
    """Keep only the labels in a stored pipeline's strings."""
    labels = {label for labels in nlp.pipe_labels.values() for label in labels}
    strings = json.dumps(sorted(labels), ensure_ascii=False)
    (folder / "vocab" / "strings.json").write_text(strings, encoding="utf8")


def main(
    name: str, trained: Path, calibrate_on: Path | None = typer.Option(None, "--calibrate")
) -> None:
    """Release the pipeline in the folder TRAINED as NAME."""
    nlp = spacy.load(trained, config=float32_overrides(trained))
    if calibrate_on is not None:
        calibrate(nlp, calibrate_on)
    set_meta(nlp, name)
    folder = find(name)
    shutil.rmtree(folder, ignore_errors=True)
    nlp.to_disk(folder)
    remove_words(nlp, folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    msg.good(f"{folder}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    typer.run(main)
