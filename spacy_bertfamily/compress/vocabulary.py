"""Fewer pieces: the embeddings of those that hardly occur in one's texts are left out.

What is read of a text of kept pieces, and so all that is computed of it, stays the same to the bit.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from spacy.util import minibatch
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from ..backbone import Backbone
from ..backbone.tokenizer_json import FILE, write_tokenizer
from ..backbone.weight_files import WeightFiles
from ..errors import Errors
from ..storage.backbone_files import replace_folder, write_model_files
from .tokenizer_pieces import find_letters, keep_parts, prune_tokenizer

# Texts that are split at once, and those that are split again by the new tokenizer to compare.
BATCH, COMPARED = 1000, 1000
# How settings of a config end that hold ids of pieces.
ID_SETTING = "_token_id"


@dataclass(frozen=True)
class VocabularySettings:
    """Which pieces are kept.

    coverage (float): The share of the texts' pieces, above 0 and at most 1: the most frequent ones.
    size (int | None): The number of all kept pieces, instead of the coverage.
    keep_letters (bool): Whether to keep all pieces of one character, so that any word can be read
        in smaller pieces. Without them, characters that the texts lack are unknown.
    """

    coverage: float = 0.99
    size: int | None = None
    keep_letters: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.coverage <= 1:
            raise Errors.B505(setting="coverage", value=self.coverage, allowed="above 0, at most 1")
        if self.size is not None and self.size < 1:
            raise Errors.B505(setting="size", value=self.size, allowed="1 or more")


@dataclass(frozen=True)
class KeptPieces:
    """The pieces of a vocabulary that are kept.

    new_ids (dict[int, int]): Their new ids by their ids, in the same order.
    coverage (float): Their share of the texts' pieces, from 0 to 1.
    sample (list[str]): Texts that can be read with them alone.
    """

    new_ids: dict[int, int]
    coverage: float
    sample: list[str]


def choose_pieces(
    tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], settings: VocabularySettings
) -> KeptPieces:
    """Find the pieces to keep.

    tokenizer (PreTrainedTokenizerBase): A fast tokenizer.
    texts (Iterable[str]): Texts like those that are to be read later.
    settings (VocabularySettings): Which pieces are kept.
    RETURNS (KeptPieces): The pieces.
    RAISES (BertFamilyError): If the texts have no piece, or the tokenizer is of another kind.
    """
    kept = keep_parts(tokenizer, find_letters(tokenizer) if settings.keep_letters else ())
    counts: Counter[int] = Counter()
    sample: list[tuple[str, set[int]]] = []
    for batch in minibatch(texts, BATCH):
        for text, ids in zip(batch, _split(tokenizer, batch)):
            counts.update(ids)
            if len(sample) < COMPARED:
                sample.append((text, set(ids)))
    if not counts:
        raise Errors.B702()
    kept = _add_frequent(tokenizer, kept, counts, settings)
    covered = sum(count for piece_id, count in counts.items() if piece_id in kept)
    new_ids = {old: new for new, old in enumerate(sorted(kept))}
    covered_texts = [text for text, ids in sample if ids <= kept]
    return KeptPieces(new_ids, covered / counts.total(), covered_texts)


def _split(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def _add_frequent(
    tokenizer: PreTrainedTokenizerBase,
    kept: set[int],
    counts: Counter[int],
    settings: VocabularySettings,
) -> set[int]:
    """RETURNS (set[int]): The kept pieces and the most frequent ones, with what they need."""
    wanted = settings.coverage * counts.total()
    covered = sum(counts[piece_id] for piece_id in kept)
    chosen = set(kept)
    for piece_id, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        is_enough = covered >= wanted if settings.size is None else len(chosen) >= settings.size
        if is_enough:
            break
        if piece_id not in chosen:
            chosen.add(piece_id)
            covered += count
    return keep_parts(tokenizer, chosen)


class PrunedVocabulary:
    """A backbone's vocabulary without some of its pieces.

    shared (Backbone): The backbone.
    kept (KeptPieces): The pieces that it keeps.
    RAISES (BertFamilyError): If its embeddings cannot be told from other tensors, or its tokenizer
        cannot do without the other pieces.
    """

    def __init__(self, shared: Backbone, kept: KeptPieces):
        self.shared = shared
        self.kept = kept
        embeddings = shared.model.get_input_embeddings().weight
        assert isinstance(embeddings, torch.Tensor)
        self.rows = len(embeddings)
        others = [k for k, v in _numbers(shared.config) if v == self.rows and k != "vocab_size"]
        if others:
            raise Errors.B703(name=shared.name, rows=self.rows, settings=", ".join(others))
        self.tokenizer = prune_tokenizer(shared.tokenizer, kept.new_ids)
        self._check_tokenizer()

    def _check_tokenizer(self) -> None:
        """Check that texts of kept pieces are read as before."""
        texts, new_ids = self.kept.sample, self.kept.new_ids
        if not texts:
            return
        expected = [[new_ids[old] for old in ids] for ids in _split(self.shared.tokenizer, texts)]
        if _split(self.tokenizer, texts) != expected:
            raise Errors.B701(kind=type(self.tokenizer).__name__)

    def prune_tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        """RETURNS (torch.Tensor): Without the part of other pieces, if it has one."""
        if self.rows not in tensor.shape:
            return tensor
        ids = torch.tensor(list(self.kept.new_ids), device=tensor.device)
        return tensor.index_select(tensor.shape.index(self.rows), ids)

    def write(self, folder: Path) -> None:
        """Write the backbone, with any head of its files.

        folder (Path): Made anew; an older one is replaced once the new one is complete.
        """
        files = WeightFiles(self.shared.folder)
        weights = {
            name: self.prune_tensor(tensor).to(files.stored[name].dtype)
            for name, tensor in files.read(torch.float32).items()
        }
        with replace_folder(folder) as temporary:
            write_tokenizer(self.tokenizer, temporary)
            # in any other form the vocabulary is still the whole one
            for name in set(self.tokenizer.vocab_files_names.values()) - {FILE}:
                (temporary / name).unlink(missing_ok=True)
            write_model_files(self._config(), weights, temporary)

    def _config(self) -> PretrainedConfig:
        config = self.shared.config
        settings = {"vocab_size": len(self.kept.new_ids)}
        for name, value in config.to_dict().items():
            if name.endswith(ID_SETTING) and value is not None:
                settings[name] = self._renumber(value)
        return type(config).from_dict({**config.to_dict(), **settings})

    def _renumber(self, ids: Any) -> Any:
        """RETURNS (Any): Other ids in the place of one or several. Ids without a piece stay."""
        if isinstance(ids, list):
            return [self._renumber(piece_id) for piece_id in ids]
        return self.kept.new_ids.get(ids, ids)


def _numbers(config: PretrainedConfig) -> Iterator[tuple[str, int]]:
    """YIELDS (tuple[str, int]): The settings of a config that are whole numbers."""
    content: Mapping[str, Any] = config.to_dict()
    for name, value in content.items():
        if isinstance(value, int) and not isinstance(value, bool) and ID_SETTING not in name:
            yield name, value
