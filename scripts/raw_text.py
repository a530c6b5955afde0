"""Write raw text as the JSON lines that `spacy pretrain` reads.

    python scripts/raw_text.py INPUT OUTPUT [--min-words 8] [--limit 0]

INPUT has a text in each line, or is a `.jsonl` or `.spacy` file, gzipped or not. Headings and other
lines of fewer words are left out.
"""

import argparse
import json
from itertools import islice
from pathlib import Path

from spacy_bertfamily.convert.raw_text import read_texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--min-words", type=int, default=8)
    parser.add_argument("--limit", type=int, default=0, help="the most texts; 0 for all")
    args = parser.parse_args()
    texts = (text.strip() for text in read_texts([args.input]))
    kept = (text for text in texts if len(text.split()) >= args.min_words)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    with args.output.open("w", encoding="utf8") as file:
        for text in islice(kept, args.limit or None):
            file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
