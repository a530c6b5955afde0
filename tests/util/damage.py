"""Damaged files: cut short, with other bytes, or with entries removed, renamed or retyped."""

import copy
import json
import random
from collections import Counter
from pathlib import Path

from spacy_bertfamily.storage.delta import METADATA_KEY

STRANGE = [
    None,
    True,
    -1,
    0,
    10**30,
    0.5,
    float("nan"),
    "",
    "x" * 5000,
    "\ud800",
    "../../x",
    [],
    {},
    [[]],
    {"a": 3},
]


def paths(value, path=()):
    """YIELDS (tuple): The keys that lead to each part of a JSON value."""
    if path:
        yield path
    items = []
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield from paths(item, (*path, key))


def spoil(value, rng):
    """RETURNS (Any): A JSON value with up to three entries removed, renamed or retyped."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        found = list(paths(value))
        if not found:
            return value
        *way, key = rng.choice(found)
        holder = value
        for step in way:
            holder = holder[step]
        change = rng.randrange(3)
        if change == 0:
            del holder[key]
        elif change == 1 and isinstance(holder, dict):
            holder[f"{key}_"] = holder.pop(key)
        else:
            holder[key] = copy.deepcopy(rng.choice(STRANGE))
    return value


def damage(content, rng):
    """RETURNS (bytes): The content cut short, or with up to four other bytes."""
    if rng.random() < 0.5:
        return content[: rng.randrange(len(content))]
    spoiled = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
    return bytes(spoiled)


def dump(value):
    """RETURNS (bytes): JSON, escaped or not; unescaped surrogates are bytes that are not UTF-8."""
    return json.dumps(value, ensure_ascii=len(str(value)) % 2 == 0).encode("utf8", "surrogatepass")


def spoil_file(path, content, rng):
    """Write a damaged version of a file.

    In JSON files and in the headers of safetensors files, mostly values are changed.

    path (Path): The file.
    content (bytes): The undamaged content.
    rng (random.Random): Random numbers.
    """
    if path.suffix in (".json", ".safetensors") and rng.random() < 0.7:
        size = int.from_bytes(content[:8], "little") if path.suffix == ".safetensors" else 0
        header = json.loads(content[8 : 8 + size] if size else content)
        if METADATA_KEY in header.get("__metadata__", {}):
            about = spoil(json.loads(header["__metadata__"][METADATA_KEY]), rng)
            header["__metadata__"][METADATA_KEY] = json.dumps(about)
        else:
            header = spoil(header, rng)
        new = dump(header)
        path.write_bytes(
            len(new).to_bytes(8, "little") + new + content[8 + size :] if size else new
        )
    else:
        path.write_bytes(damage(content, rng))


def outcomes(cases, write, read, code, seed=0):
    """Damage and read a file many times.

    cases (int): The number of times.
    write (Callable[[random.Random], None]): Writes a damaged file.
    read (Callable[[], str]): Reads it, and returns a description of what it found.
    code (str): Start of the messages of expected errors; other errors are raised.
    seed (int): Seed of the random numbers.
    RETURNS (Counter[str]): How often each description or error code occurred.
    """
    rng, found = random.Random(seed), Counter()
    for _ in range(cases):
        write(rng)
        try:
            found[read()] += 1
        except ValueError as e:
            if not str(e).startswith(code):
                raise
            found[str(e)[1:5]] += 1
    return found


class MakesFile:
    """An object whose unpickling makes a file, which shows that pickled code ran."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)
