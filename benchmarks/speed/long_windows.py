"""Measure the time of one long window: sparse attention beside bert's full attention.

    python benchmarks/speed/long_windows.py [--lengths 512 1024 2048 4096]

The sparse ones are longformer and big_bird. Small random models of the same size (2 layers, 128
wide), with windows as long as those of the real ones (4,096 pieces). Prints CPU microseconds for
each piece: constant where time grows linearly.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

import spacy
import torch
from transformers import CONFIG_MAPPING, MODEL_MAPPING, BertTokenizerFast

from benchmarks import options
from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.encoder.encode import encode
from spacy_bertfamily.encoder.module import Encoder
from spacy_bertfamily.encoder.schedule import EncoderSchedule
from spacy_bertfamily.encoder.settings import EncoderSettings
from spacy_bertfamily.windows.pieces import PieceTokenizer

LIMIT = 4096
SIZES = {
    "vocab_size": 32,
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 512,
}
TYPES: dict[str, dict[str, Any]] = {
    "longformer": {
        "attention_window": 128,
        "max_position_embeddings": LIMIT + 1,
        "pad_token_id": 0,
    },
    "big_bird": {"block_size": 32, "num_random_blocks": 3, "max_position_embeddings": LIMIT},
    "bert": {"max_position_embeddings": LIMIT},
}
ROUNDS = 3


def make_backbone(model_type: str, folder: Path) -> str:
    """RETURNS (str): The folder of a small random model."""
    torch.manual_seed(0)
    config = CONFIG_MAPPING[model_type](**SIZES, **TYPES[model_type])
    MODEL_MAPPING[type(config)](config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return str(folder)


def measure(name: str, lengths: list[int]) -> list[float]:
    """RETURNS (list[float]): Microseconds for each piece, by length; the best of a few rounds."""
    settings = EncoderSettings(name, (), LIMIT, 0, LIMIT, "float32", "[SEP]", None)
    backbone, nlp = load_backbone(name), spacy.blank("en")
    encoder = Encoder(backbone, settings)
    schedule = EncoderSchedule(encoder, PieceTokenizer(backbone.tokenizer))
    times = []
    for length in lengths:
        docs = [nlp.make_doc("a " * (length - 2))]
        rounds = []
        for _ in range(ROUNDS):
            start = time.process_time()
            (data,), _ = encode(schedule, docs, [], False)
            rounds.append(time.process_time() - start)
        assert data.wordpieces.lengths == [length]
        times.append(1e6 * min(rounds) / length)
    return times


def main() -> None:
    parser = options.make_parser(__doc__)
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 1024, 2048, 4096])
    lengths = parser.parse_args().lengths
    torch.set_num_threads(1)
    print(f"| type | {' | '.join(map(str, lengths))} |")
    print("| --- " * (len(lengths) + 1) + "|")
    for model_type in TYPES:
        with tempfile.TemporaryDirectory() as folder:
            times = measure(make_backbone(model_type, Path(folder)), lengths)
        cells = " | ".join(f"{microseconds:.0f}" for microseconds in times)
        print(f"| {model_type} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
