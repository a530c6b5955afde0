"""Prune a backbone, or the backbone of a pipeline, into a folder of its own."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from spacy.language import Language
from spacy.util import is_package, load_config

from .. import released
from ..backbone import Backbone, load_backbone
from ..errors import Errors
from ..files import check_folder, write_folder
from ..scale.pipelines import load_pipeline
from ..transformer.component import AdapterTransformer, find_transformers
from .vocabulary import PrunedVocabulary, VocabularySettings, choose_pieces


@dataclass(frozen=True)
class Pruned:
    """What was left out of a backbone.

    pieces_before, pieces_after (int): How many pieces its vocabulary has.
    coverage (float): The share of the texts' pieces that is kept, from 0 to 1.
    numbers_before, numbers_after (int): How many numbers its weights have.
    """

    pieces_before: int
    pieces_after: int
    coverage: float
    numbers_before: int
    numbers_after: int


def prune_vocabulary(
    source: str | Path,
    folder: str | Path,
    texts: Iterable[str],
    *,
    coverage: float = 0.99,
    size: int | None = None,
    keep_letters: bool = True,
    force: bool = False,
) -> Pruned:
    """Leave out the pieces of a vocabulary that hardly occur in some texts.

    Of a text of the kept pieces everything stays the same to the bit. Other words are read in
    smaller pieces.

    source (str | Path): A pipeline's folder, package or released name; or a backbone's name.
    folder (str | Path): Gets a backbone, or a pipeline with its backbone in it. Made anew.
    texts (Iterable[str]): Texts like those that are to be read later.
    coverage (float): The share of the texts' pieces that is kept, above 0 and at most 1: the most
        frequent ones.
    size (int | None): The number of all kept pieces, instead of the coverage.
    keep_letters (bool): Whether to keep all pieces of one character, so that any word can be read
        in smaller pieces. Without them, characters that the texts lack are unknown.
    force (bool): Whether to replace a folder that is not empty.
    RETURNS (Pruned): What was left out.
    RAISES (BertFamilyError): If the texts have no piece, the vocabulary is of a kind that cannot be
        pruned, the pipeline has no transformer or several backbones, or the folder is not empty.
    """
    settings = VocabularySettings(coverage, size, keep_letters)
    folder = Path(folder)
    check_folder(folder, force)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not is_pipeline(source):
        vocabulary = _prune(load_backbone(str(source)), texts, settings)
        vocabulary.write(folder)
        return _describe(vocabulary, load_backbone(str(folder)))
    nlp = load_pipeline(str(source))
    transformers = _check_transformers(nlp, str(source))
    vocabulary = _prune(transformers[0].shim.encoder.shared, texts, settings)
    with tempfile.TemporaryDirectory() as temporary:
        vocabulary.write(Path(temporary) / "backbone")
        for transformer in transformers:
            _move(transformer, Path(temporary) / "backbone", vocabulary)
        _write_pipeline(nlp, folder, transformers)
        return _describe(vocabulary, transformers[0].shim.encoder.shared)


def is_pipeline(source: str | Path) -> bool:
    """RETURNS (bool): Whether a name is that of a pipeline, not of a backbone."""
    is_folder = (Path(source) / "config.cfg").is_file()
    return is_folder or source in released.NAMES or is_package(str(source))


def _prune(
    shared: Backbone, texts: Iterable[str], settings: VocabularySettings
) -> PrunedVocabulary:
    return PrunedVocabulary(shared, choose_pieces(shared.tokenizer, texts, settings))


def _check_transformers(nlp: Language, source: str) -> list[AdapterTransformer]:
    """RETURNS (list[AdapterTransformer]): The transformers of a pipeline, all on one backbone."""
    found = find_transformers(nlp)
    backbones = {pipe.shim.encoder.shared.fingerprint for pipe in found}
    if len(backbones) != 1:
        raise Errors.B704(source=source, count=len(backbones))
    return found


def _move(transformer: AdapterTransformer, folder: Path, vocabulary: PrunedVocabulary) -> None:
    """Put what a transformer has learned on the pruned backbone, and store that with it."""
    shim = transformer.shim
    tensors = {
        name: vocabulary.prune_tensor(tensor.detach().cpu())
        for name, tensor in shim.encoder.delta().items()
    }
    shim.move(str(folder), tensors)
    shim.save_backbone = True


def _write_pipeline(nlp: Language, folder: Path, transformers: list[AdapterTransformer]) -> None:
    with write_folder(folder) as temporary:
        nlp.to_disk(temporary)
        config = load_config(temporary / "config.cfg")
        for transformer in transformers:
            config["components"][transformer.name]["save_backbone"] = True
        config.to_disk(temporary / "config.cfg")


def _describe(vocabulary: PrunedVocabulary, after: Backbone) -> Pruned:
    before = vocabulary.shared
    return Pruned(
        len(before.tokenizer),
        len(after.tokenizer),
        vocabulary.kept.coverage,
        _count_numbers(before),
        _count_numbers(after),
    )


def _count_numbers(backbone: Backbone) -> int:
    return sum(tensor.numel() for tensor in backbone.model.state_dict().values())
