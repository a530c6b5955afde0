"""Read files of vectors into a vocabulary, as `spacy init vectors` does, and check them."""

import zipfile
from pathlib import Path

import numpy as np
from spacy.language import Language
from spacy.training.initialize import convert_vectors, open_file
from spacy.vectors import Mode

from ...errors import Errors

FLORET = "floret"
# What spaCy raises on files of other content: numbers that are none, lines of another width, more
# or fewer lines than announced, other encodings, archives without files.
UNREADABLE = (
    ValueError,
    IndexError,
    RuntimeError,
    AssertionError,
    OSError,
    EOFError,
    KeyError,
    zipfile.BadZipFile,
)


def load_vectors(
    nlp: Language, path: Path, method: str, lowercase: bool = False, truncate: int = 0
) -> int:
    """Read a file of vectors into the vocabulary of a pipeline.

    nlp (Language): The pipeline.
    path (Path): The file, as text; may be gzipped or in a zip file.
    method (str): `floret` if floret has saved it; else it has a word in each line.
    lowercase (bool): Whether its words are in lower case, and found for others, too.
    truncate (int): The most words to read, from the top; 0 for all.
    RETURNS (int): The number of words; 0 for floret.
    RAISES (BertFamilyError): If the file holds no vectors, or is damaged.
    """
    lines = _check_length(path, method, truncate)
    mode = Mode.floret if method == FLORET else Mode.default
    attr = "LOWER" if lowercase and mode == Mode.floret else "ORTH"
    truncate = min(truncate, lines)
    try:
        convert_vectors(nlp, path, truncate=truncate, prune=-1, mode=mode.value, attr=attr)
    except UNREADABLE as e:
        raise Errors.B632(file=str(path), reason=str(e) or repr(e)) from e
    data = nlp.vocab.vectors.data
    if not data.size:
        raise Errors.B632(file=str(path), reason="its vectors have no numbers")
    if not np.isfinite(data).all():
        raise Errors.B632(file=str(path), reason="some numbers are NaN or infinite")
    if mode == Mode.default:
        _check_words(nlp, path)
    words: int = max(0, nlp.vocab.vectors.n_keys)
    if lowercase and mode == Mode.default:
        add_cases(nlp)
    return words


def add_cases(nlp: Language) -> None:
    """Let words of the table be found with a capital letter, and in capitals, too.

    Of a table with words, spaCy 3.8 does not store that it is looked up by `LOWER`: the pipeline
    would compute something else once it is loaded.

    nlp (Language): The pipeline. Its table has no more rows than before.
    """
    vectors, strings = nlp.vocab.vectors, nlp.vocab.strings
    cases = {}
    for key, row in vectors.key2row.items():
        word = strings[key]
        for case in (word.capitalize(), word.upper()):
            cases[strings.add(case)] = row
    # words as they were come last: spaCy names a row by its last key
    added = {key: row for key, row in cases.items() if key not in vectors.key2row}
    vectors.key2row = {**added, **vectors.key2row}


def _check_length(path: Path, method: str, truncate: int) -> int:
    """Check that there are as many lines as the first one announces, if it does.

    RETURNS (int): The number of lines with vectors.
    RAISES (BertFamilyError): If there are none, or not as many.
    """
    try:
        lines = iter(open_file(path))
        header = next(lines, "").split()
        count = sum(1 for _ in lines)
    except (*UNREADABLE, StopIteration) as e:
        raise Errors.B632(file=str(path), reason=str(e) or repr(e)) from e
    has_header = len(header) == (8 if method == FLORET else 2) and header[0].isdigit()
    if not has_header:
        count += bool(header)
    if not count:
        raise Errors.B632(file=str(path), reason="it is empty")
    if has_header and count != int(header[0]):
        reason = f"it announces {header[0]} vectors, but has {count}"
        raise Errors.B632(file=str(path), reason=reason)
    return count


def _check_words(nlp: Language, path: Path) -> None:
    """Check that no line has more numbers than the width: spaCy makes them a part of the word.

    RAISES (BertFamilyError): If a word is followed by numbers. (Words with spaces are allowed.)
    """
    for key in nlp.vocab.vectors.key2row:
        word, *rest = nlp.vocab.strings[key].split(" ")
        if rest and all(_is_number(part) for part in rest):
            width = nlp.vocab.vectors.shape[1]
            reason = f"the line of {word!r} has {width + len(rest)} numbers instead of {width}"
            raise Errors.B632(file=str(path), reason=reason)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
