"""Measure what starting costs: imports, `spacy.blank`, and loading a pipeline with adapters.

    python benchmarks/speed/startup.py [--rounds 5] [--write docs/performance.md]

Each number is the median of CPU seconds in processes of their own, all programs in turn. 'Without
the package' hides its entry points from spaCy. The bare backbone is transformers' own model and
tokenizer, loaded from the same files; imports are done before the time is taken.
"""

import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

from benchmarks import options
from benchmarks.defaults import BACKBONE
from benchmarks.report import publish

TIMED = "import time; start = time.process_time()\n{code}\nprint(time.process_time() - start)"
HIDE = """
import catalogue
from importlib.metadata import EntryPoints
found = catalogue.AVAILABLE_ENTRY_POINTS
points = [e for group in found.groups for e in found.select(group=group)]
others = [e for e in points if not e.value.startswith("spacy_bertfamily")]
assert len(others) < len(points)
catalogue.AVAILABLE_ENTRY_POINTS = EntryPoints(others)
"""
IMPORTS = """
import spacy, torch
import spacy_bertfamily.transformer.component
from transformers import AutoModel, AutoTokenizer, BertModel, BertTokenizerFast
from spacy_bertfamily.backbone.locate import locate
torch.set_num_threads(1)
folder = str(locate({name!r}))
"""
BARE = "kept = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)"
LOAD = "nlp = spacy.load({path!r})"
BLANK = 'import spacy; spacy.blank("en")'


@dataclass(frozen=True)
class Program:
    """What is timed.

    title (str): The row's title.
    timed (str): The code that is timed.
    before (str): The code that runs before it.
    base (str): The title of the program that the ratio is to.
    """

    title: str
    timed: str
    before: str
    base: str

    def code(self) -> str:
        """RETURNS (str): Python that prints the CPU seconds last."""
        return self.before + TIMED.format(code=self.timed)


def make_programs(path: str) -> list[Program]:
    """RETURNS (list[Program]): The programs.

    path (str): A stored pipeline; PATH-empty is made.
    """
    imports, load = IMPORTS.format(name=BACKBONE), LOAD.format(path=path)
    empty = f"{path}-empty"
    make_empty = f"{imports}spacy.blank('en').to_disk({empty!r})\n"
    load_first = f"{imports}first = spacy.load({path!r})\n"
    spacy, blank = "import spacy", 'spacy.blank("en") without the package'
    bare = "the bare backbone, with transformers"
    return [
        Program(spacy, "import spacy", "", base=spacy),
        Program("import spacy, spacy_bertfamily", "import spacy, spacy_bertfamily", "", base=spacy),
        Program(blank, BLANK, HIDE, base=blank),
        Program('spacy.blank("en") with the package', BLANK, "import catalogue\n", base=blank),
        Program(bare, BARE, imports, base=bare),
        Program("an empty pipeline", LOAD.format(path=empty), make_empty, base=bare),
        Program("a pipeline with adapters", load, imports, base=bare),
        Program("a second pipeline on the same backbone", load, load_first, base=bare),
    ]


def make_pipeline(path: str) -> None:
    """Store a pipeline with the default adapters."""
    import spacy

    nlp = spacy.blank("en")
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": {"name": BACKBONE}})
    nlp.initialize()
    nlp.to_disk(path)


def measure(programs: list[Program], rounds: int) -> dict[str, list[float]]:
    """RETURNS (dict[str, list[float]]): CPU seconds of each round, by title."""
    seconds: dict[str, list[float]] = {program.title: [] for program in programs}
    for _ in range(rounds):
        for program in programs:
            command = [sys.executable, "-c", program.code()]
            run = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds[program.title].append(float(run.stdout.split()[-1]))
    return seconds


def main() -> None:
    parser = options.make_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options.add_write_option(parser)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/pipeline"
        make_pipeline(path)
        programs = make_programs(path)
        seconds = measure(programs, args.rounds)
    medians = {title: statistics.median(values) for title, values in seconds.items()}
    lines = ["| | CPU seconds | ratio |", "| --- | --- | --- |"]
    for program in programs:
        median, values = medians[program.title], seconds[program.title]
        spread = f"{median:.3f} ({min(values):.3f} to {max(values):.3f})"
        lines.append(f"| {program.title} | {spread} | {median / medians[program.base]:.2f} |")
    publish("startup", "\n".join(lines), args.write)


if __name__ == "__main__":
    main()
