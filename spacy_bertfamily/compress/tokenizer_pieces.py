"""A fast tokenizer with fewer pieces, which splits texts of the kept pieces as before."""

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from ..errors import Errors

# What a piece may have at its beginning or end beside its letters: WordPiece, Unigram, GPT's BPE.
MARKS = ("##", "▁", "Ġ", "</w>")
# Pieces that stand for a byte, such as <0x0A>.
BYTE_FORM = "<0x{:02X}>"
Ids = Mapping[int, int]


def keep_parts(tokenizer: PreTrainedTokenizerBase, pieces: Iterable[int]) -> set[int]:
    """Add the pieces without which others cannot be found.

    tokenizer (PreTrainedTokenizerBase): A fast tokenizer.
    pieces (Iterable[int]): Ids of pieces to keep.
    RETURNS (set[int]): These, those that they are merged from, the special ones, and those before
        the piece for padding, from whose id some types count positions.
    RAISES (BertFamilyError): If the tokenizer is not a fast one, or of a kind that is not known.
    """
    kept = {*pieces, *tokenizer.all_special_ids}
    backend = _read(tokenizer)
    kept.update(token["id"] for token in backend["added_tokens"])
    kept.update(_special_ids(backend["post_processor"]))
    if tokenizer.pad_token_id is not None:
        kept.update(range(tokenizer.pad_token_id))
    model = backend["model"]
    unknown = model.get("unk_id", tokenizer.get_vocab().get(model.get("unk_token")))
    if unknown is not None:
        kept.add(unknown)
    return kept | _find_merged(model, kept) if model["type"] == "BPE" else kept


def find_letters(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """RETURNS (set[int]): The pieces of one character or byte, which all words fall back to."""
    names = {BYTE_FORM.format(byte) for byte in range(256)}
    return {
        piece_id
        for piece, piece_id in tokenizer.get_vocab().items()
        if piece in names or len(piece) == 1 or len(_without_mark(piece)) == 1
    }


def _without_mark(piece: str) -> str:
    for mark in MARKS:
        piece = piece.removesuffix(mark) if mark.startswith("<") else piece.removeprefix(mark)
    return piece


def prune_tokenizer(tokenizer: PreTrainedTokenizerBase, new_ids: Ids) -> PreTrainedTokenizerBase:
    """Make a tokenizer of some of the pieces.

    tokenizer (PreTrainedTokenizerBase): A fast tokenizer, which stays as it is.
    new_ids (Mapping[int, int]): The new id of each kept piece by its id, in the same order. They
        are closed under `keep_parts`.
    RETURNS (PreTrainedTokenizerBase): The tokenizer.
    RAISES (BertFamilyError): If the tokenizer is of a kind that is not known.
    """
    backend = _read(tokenizer)
    PRUNERS[backend["model"]["type"]](backend["model"], new_ids)
    for token in backend["added_tokens"]:
        token["id"] = new_ids[token["id"]]
    backend["padding"] = backend["truncation"] = None
    _renumber(backend["post_processor"], new_ids.__getitem__)
    pruned = copy.deepcopy(tokenizer)
    pruned._tokenizer = Tokenizer.from_str(json.dumps(backend, ensure_ascii=False))
    expected = {
        piece: new_ids[piece_id]
        for piece, piece_id in tokenizer.get_vocab().items()
        if piece_id in new_ids
    }
    if pruned.get_vocab() != expected:
        raise Errors.B701(kind=type(tokenizer).__name__)
    return pruned


def _read(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The content of a tokenizer.json."""
    backend = json.loads(tokenizer.backend_tokenizer.to_str()) if tokenizer.is_fast else None
    if backend is None or backend["model"].get("type") not in PRUNERS:
        raise Errors.B701(kind=type(tokenizer).__name__)
    return dict(backend)


def _find_merged(model: dict[str, Any], kept: Iterable[int]) -> set[int]:
    """RETURNS (set[int]): The ids of all pieces that occur while BPE merges the kept ones."""
    ranks = {pair: rank for rank, pair in enumerate(map(_pair, model["merges"]))}
    names = {piece_id: piece for piece, piece_id in model["vocab"].items()}
    suffix = model.get("end_of_word_suffix") or ""
    found = set()
    for piece in filter(None, map(names.get, kept)):
        letters = list(piece.removesuffix(suffix) if suffix else piece)
        if suffix and piece.endswith(suffix) and letters:
            letters[-1] += suffix
        found.update(_merge(letters, ranks))
    return {model["vocab"][part] for part in found if part in model["vocab"]}


def _merge(parts: list[str], ranks: Mapping[tuple[str, str], int]) -> set[str]:
    """RETURNS (set[str]): All that occurs while parts are merged, the best pair first."""
    found = set(parts)
    while True:
        pairs = [pair for pair in zip(parts, parts[1:]) if pair in ranks]
        if not pairs:
            return found
        best = min(pairs, key=ranks.__getitem__)
        merged: list[str] = []
        for part in parts:
            if merged and (merged[-1], part) == best:
                merged[-1] += part
            else:
                merged.append(part)
        parts = merged
        found.add("".join(best))


def _pair(merge: Any) -> tuple[str, str]:
    """RETURNS (tuple[str, str]): A merge, which older files have as one string."""
    first, second = merge.split(" ") if isinstance(merge, str) else merge
    return first, second


def _prune_words(model: dict[str, Any], new_ids: Ids) -> None:
    """Keep some of the pieces of a vocabulary with ids: WordPiece and WordLevel."""
    vocabulary = model["vocab"].items()
    model["vocab"] = {piece: new_ids[old] for piece, old in vocabulary if old in new_ids}


def _prune_merges(model: dict[str, Any], new_ids: Ids) -> None:
    _prune_words(model, new_ids)
    known = model["vocab"]
    model["merges"] = [
        merge
        for merge in model["merges"]
        if all(part in known for part in (*_pair(merge), "".join(_pair(merge))))
    ]


def _prune_unigrams(model: dict[str, Any], new_ids: Ids) -> None:
    model["vocab"] = [entry for old, entry in enumerate(model["vocab"]) if old in new_ids]
    if model.get("unk_id") is not None:
        model["unk_id"] = new_ids[model["unk_id"]]


PRUNERS: dict[str, Callable[[dict[str, Any], Ids], None]] = {
    "WordPiece": _prune_words,
    "WordLevel": _prune_words,
    "BPE": _prune_merges,
    "Unigram": _prune_unigrams,
}


def _special_ids(processor: dict[str, Any] | None) -> list[int]:
    """RETURNS (list[int]): The ids of the pieces that a post-processor adds."""
    found: list[int] = []

    def note(piece_id: int) -> int:
        found.append(piece_id)
        return piece_id

    _renumber(processor, note)
    return found


def _renumber(processor: dict[str, Any] | None, renumber: Callable[[int], int]) -> None:
    """Renumber the special pieces of a post-processor, and of those in it.

    processor (dict[str, Any] | None): As in a tokenizer.json.
    renumber (Callable[[int], int]): Gives the new id of a piece.
    """
    if processor is None:
        return
    for part in processor.get("processors", ()):
        _renumber(part, renumber)
    for token in (processor.get("special_tokens") or {}).values():  # of a template
        token["ids"] = [renumber(old) for old in token["ids"]]
    for name in ("sep", "cls"):  # of BERT's and RoBERTa's: piece and id
        if name in processor:
            processor[name][1] = renumber(processor[name][1])
