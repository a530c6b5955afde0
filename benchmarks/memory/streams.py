"""Measure time and memory of many short Docs, of two processes, and of one very long Doc.

    python benchmarks/memory/streams.py [--docs 100000] [--megabytes 10] [--backbone NAME]
        [--processes 2]

Without --backbone a tiny random one (2 layers, 32 wide) with the default backbone's tokenizer is
used: what is measured is then all but the backbone. Docs are dropped as they come, as in any
stream. Each case runs in a process of its own; memory is the peak so far, before the stream with
the libraries and the pipeline, then what came on top of it.
"""

import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

from benchmarks import options
from benchmarks.defaults import BACKBONE, TAGGER_MODEL
from benchmarks.process_memory import peak_megabytes

WORDS = [
    "the", "small", "dog", "likes", "green", "eggs", "and", "blue", "ham", "when", "it", "is",
    "not", "raining", "in", "the", "old", "town", "by", "the", "river",
]  # fmt: skip
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
)


@dataclass(frozen=True)
class Case:
    """What is measured.

    title (str): The row's title.
    docs (int): The number of Docs.
    words (int): The least number of words of each.
    processes (int): The number of processes.
    """

    title: str
    docs: int
    words: int
    processes: int


def make_backbone(folder: Path) -> str:
    """RETURNS (str): The folder of a tiny random BERT."""
    import torch
    from transformers import BertConfig, BertModel

    from spacy_bertfamily.backbone.locate import locate

    source = locate(BACKBONE)
    for file in TOKENIZER_FILES:
        if (source / file).is_file():
            shutil.copy(source / file, folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
    )
    BertModel(config).save_pretrained(folder)
    return str(folder)


def make_pipeline(backbone: str) -> Any:
    """RETURNS (Language): A transformer and a tagger."""
    import spacy
    import torch
    from spacy.training import Example

    torch.set_num_threads(1)
    nlp = spacy.blank("en")
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": {"name": backbone}})
    nlp.add_pipe("tagger", config={"model": TAGGER_MODEL})
    nlp.initialize(lambda: [Example.from_dict(nlp.make_doc("green eggs"), {"tags": ["J", "N"]})])
    nlp.max_length = 10**9
    return nlp


def make_texts(docs: int, words: int) -> Iterator[str]:
    """YIELDS (str): Different texts of `words` to `words + 6` words."""
    for number in range(docs):
        step = 1 + number % 5
        places = [(number + i * step) % len(WORDS) for i in range(words + number % 7)]
        yield " ".join(WORDS[place] for place in places)


def run(case: Case, backbone: str) -> None:
    """Run one case and print its row."""
    nlp = make_pipeline(backbone)
    list(nlp.pipe(make_texts(200, 12)))
    before, early, tokens = peak_megabytes(), 0.0, 0
    start, cpu_start = time.perf_counter(), time.process_time()
    texts = make_texts(case.docs, case.words)
    for number, doc in enumerate(nlp.pipe(texts, n_process=case.processes), 1):
        tokens += len(doc)
        if number == max(1, case.docs // 10):
            early = peak_megabytes()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    memory = f"{before:.0f} | {early - before:.0f} | {peak_megabytes() - before:.0f}"
    counts = f"{case.docs:,} | {tokens:,} | {seconds:.0f} | {cpu:.0f}"
    print(f"| {case.title} | {counts} | {memory} |", flush=True)


def main() -> None:
    parser = options.make_parser(__doc__)
    parser.add_argument("--docs", type=int, default=100_000)
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--backbone")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    characters_per_word = sum(map(len, WORDS)) / len(WORDS) + 1
    words = int(args.megabytes * 1e6 / characters_per_word)
    several = f"short Docs, n_process = {args.processes}"
    cases = [
        Case("short Docs", args.docs, 12, processes=1),
        Case(several, args.docs // 10, 12, processes=args.processes),
        Case(f"one Doc of {args.megabytes:g} MB", 1, words, processes=1),
    ]
    spawn = multiprocessing.get_context("spawn")
    print(
        "| case | Docs | tokens | s | CPU s | MB before | more MB after a tenth | "
        "more MB at the end |"
    )
    print("| --- | --: | --: | --: | --: | --: | --: | --: |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        backbone = args.backbone or make_backbone(Path(folder))
        for case in cases:
            process = spawn.Process(target=run, args=(case, backbone))
            process.start()
            process.join()


if __name__ == "__main__":
    main()
