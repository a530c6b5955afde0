"""Pieces that are written in a CPU second: a prefix-LM, and transformers' `generate`.

    python benchmarks/speed/generation.py --data DATA [--texts 128] [--beams 1 4] [--batches 8 32]
        [--rounds 3] [--write docs/generation.md]

DATA holds `e2e_nlg`. The sources are its first test texts; what is written for each is as long as
the text in the corpus, so that a batch has texts of many lengths. Both sides compute greedily or
with as many beams, with the same backbone and the same number of pieces: ours as a prefix-LM, in
batches that it makes itself; transformers' as a decoder of the same size that reads the source
before the text, in the order of the corpus, with each of the batch sizes. The weights of the heads
are random: what is written means nothing. It fails if the numbers of pieces differ.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import spacy
import torch
from spacy.language import Language
from spacy.training import Example

from benchmarks import options
from benchmarks.corpora import require_file
from benchmarks.defaults import BACKBONE
from benchmarks.peers.generation import make_decoder, write
from benchmarks.report import processor_name, publish
from benchmarks.timing import Times, time_in_turn
from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.tasks.generation import write as ours
from spacy_bertfamily.tasks.generation.beam import write_beams
from spacy_bertfamily.tasks.generation.search import SearchRules, write_rows
from spacy_bertfamily.tasks.generation.writer import WritingState

LONGEST = 80


class EndingState(WritingState):
    """Texts that end at lengths that are given.

    inner (WritingState): Scores pieces.
    lengths (torch.Tensor): The pieces of each row's text, with the closing one.
    end_id (int): The closing piece.
    """

    def __init__(self, inner: WritingState, lengths: torch.Tensor, end_id: int):
        self.inner = inner
        self.lengths = lengths
        self.end_id = end_id
        self.n_written = 0

    @property
    def rows(self) -> int:
        """RETURNS (int): The number of texts."""
        return self.inner.rows

    def advance(self, pieces: torch.Tensor | None) -> torch.Tensor:
        """Score pieces, with the closing one where a text ends."""
        self.n_written += pieces is not None
        scores = self.inner.advance(pieces)
        scores[:, self.end_id] = torch.where(self.lengths <= self.n_written + 1, 1e4, -1e4)
        return scores

    def select(self, rows: torch.Tensor) -> None:
        """Continue with some rows."""
        self.inner.select(rows)
        self.lengths = self.lengths[rows]


def read(data: Path, limit: int) -> list[tuple[str, str]]:
    """RETURNS (list[tuple[str, str]]): Sources, each once, and a text."""
    found: dict[str, str] = {}
    with gzip.open(require_file(data / "e2e_nlg" / "test.jsonl.gz"), "rt", encoding="utf8") as file:
        for line in file:
            row = json.loads(line)
            found.setdefault(row["source"], row["target"])
    return list(found.items())[:limit]


def make_pipeline(backbone: str) -> Language:
    nlp = spacy.blank("en")
    model = {"name": backbone, "trainable": [], "adapter": None, "max_pieces": 256, "stride": 8}
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": model})
    nlp.add_pipe("text_generator", config={"max_length": LONGEST})
    reference = nlp.make_doc("a text")
    reference.user_data["generated"] = "another one"
    nlp.initialize(lambda: [Example(nlp.make_doc("a text"), reference)])
    return nlp


def write_ours(nlp: Language, texts: Sequence[str], lengths: Sequence[int], beams: int) -> int:
    """RETURNS (int): The pieces that were written."""
    component: Any = nlp.get_pipe("text_generator")
    shim, writer = component.encoder_shim(), component.writer_shim.writer
    modules = component.writer_shim.modules_on(shim)
    settings = component._changed({"num_beams": beams})
    docs = [nlp.make_doc(text) for text in texts]
    sources = writer.read(shim, docs, LONGEST)
    end_id = writer.end_id(shim)
    rules = SearchRules.of(settings, end_id, writer.forbidden_ids(shim))
    total = 0
    for rows in ours._batches(sources, settings, shim.settings.batch_pieces):
        state = writer.start(modules, shim, [sources[row] for row in rows], LONGEST)
        ending = EndingState(state, torch.tensor([lengths[row] for row in rows]), end_id)
        with torch.inference_mode():
            if beams > 1:
                found = write_beams(ending, rules, settings)
            else:
                found = write_rows(ending, rules, settings, None)
        total += sum(len(of_source[0].ids) + 1 for of_source in found)
    return total


def run(args: argparse.Namespace) -> str:
    """RETURNS (str): A table of pieces per second, as Markdown."""
    pairs = read(args.data, args.texts)
    texts = [source for source, _ in pairs]
    backbone = load_backbone(args.backbone)
    nlp, decoder = make_pipeline(args.backbone), make_decoder(backbone)
    plain = backbone.tokenizer
    lengths = [min(LONGEST, len(plain.tokenize(target)) + 1) for _, target in pairs]
    rows = [
        "| | beams | pieces a second (wall) | pieces a CPU second |",
        "| --- | --- | --- | --- |",
    ]
    for beams in args.beams:
        ways = {"text_generator": partial(write_ours, nlp, texts, lengths, beams)}
        for batch in args.batches:
            way = partial(write, decoder, plain, texts, lengths, beams, batch)
            ways[f"transformers' generate, batches of {batch}"] = way
        counts = {name: way() for name, way in ways.items()}
        assert set(counts.values()) == {sum(lengths)}, counts
        times: dict[str, Times] = time_in_turn(ways, args.rounds)
        for name, found in times.items():
            rows.append(f"| {name} | {beams} | {found.rates(sum(lengths))} |")
            print(rows[-1], flush=True)
    note = f"{len(texts)} texts, {sum(lengths)} pieces, {args.rounds} rounds: median and range."
    return "\n".join([*rows, "", f"{note} {processor_name()}."])


def main() -> None:
    parser = options.make_parser(__doc__)
    options.add_data_option(parser)
    parser.add_argument("--texts", type=int, default=128)
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backbone", default=BACKBONE)
    options.add_write_option(parser)
    args = parser.parse_args()
    torch.set_num_threads(1)
    publish("generation-speed", run(args), args.write)


if __name__ == "__main__":
    main()
