"""Makes a trained pipeline one of those that come with the package.

python scripts/release.py en_minilm_qa training/en_minilm_qa/model-best --calibrate
corpus/en_minilm_qa/dev.spacy

Answers are calibrated on dev data; the words of the training data are taken out of the vocabulary,
where they are of no use. Whatever it was trained in, it computes in float32, which every processor
does well.
"""

import json
import shutil
from importlib.metadata import requires
from pathlib import Path

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
    msg.good(
        f"Calibrated on {len(examples)} questions: {nlp.get_pipe('span_qa').calibrate(examples)}"
    )


def in_float32(trained: Path) -> dict[str, str]:
    """RETURNS (dict[str, str]): What to change in a pipeline's config."""
    blocks = load_config(trained / "config.cfg")["components"]
    names = [name for name, block in blocks.items() if "precision" in block.get("model", {})]
    return {f"components.{name}.model.precision": "float32" for name in names}


def describe(nlp: Language, name: str) -> None:
    """Fill in what spaCy says of a pipeline."""
    (spacy_range,) = (
        need.removeprefix("spacy")
        for need in requires("spacy-bertfamily")
        if need.startswith("spacy<")
    )
    nlp.meta.update(
        name=name.partition("_")[2], version=__version__, description=DESCRIPTIONS[name], license="MIT",
        author="The authors of spacy-bertfamily", requirements=[f"spacy-bertfamily[minilm]>={__version__}"],
        spacy_version=spacy_range,
    )  # fmt: skip


def forget_words(nlp: Language, folder: Path) -> None:
    """Leave only what components need of a stored vocabulary."""
    labels = {label for labels in nlp.pipe_labels.values() for label in labels}
    (folder / "vocab" / "strings.json").write_text(
        json.dumps(sorted(labels), ensure_ascii=False), encoding="utf8"
    )


def main(
    name: str, trained: Path, calibrate_on: Path | None = typer.Option(None, "--calibrate")
) -> None:
    nlp = spacy.load(trained, config=in_float32(trained))
    if calibrate_on is not None:
        calibrate(nlp, calibrate_on)
    describe(nlp, name)
    folder = find(name)
    shutil.rmtree(folder, ignore_errors=True)
    nlp.to_disk(folder)
    forget_words(nlp, folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    msg.good(f"{folder}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    typer.run(main)
