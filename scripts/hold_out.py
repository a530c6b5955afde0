"""Keep the last articles of a file in SQuAD's format out of training.

    python scripts/hold_out.py SOURCE NUMBER TRAIN HELD_OUT

The last NUMBER articles of SOURCE, gzipped or not, go to HELD_OUT, the others to TRAIN.
"""

import json
import sys
from pathlib import Path

from spacy_bertfamily.convert.files import open_text


def hold_out(source: Path, number: int, train: Path, held_out: Path) -> None:
    """Write the two files."""
    with open_text(source) as file:
        content = json.load(file)
    articles = content["data"]
    for path, part in ((train, articles[:-number]), (held_out, articles[-number:])):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**content, "data": part}), encoding="utf8")


if __name__ == "__main__":
    hold_out(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
