"""Prune a backbone, or the backbone of a pipeline, into a folder of its own."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from spacy.language import Language
from spacy.util import is_package, load_config

from .. import released
from ..backbone import Backbone, load_backbone
from ..errors import Errors
from ..files import check_folder, write_folder
from ..scale.pipelines import load_pipeline
from ..transformer.component import AdapterTransformer, find_transformers
from .feed_forward import narrow_feed_forward
from .layers import keep_layers
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


@dataclass(frozen=True)
class PruneSettings:
    """What is left out; None for nothing of the kind. Without any, 1 % of the texts' pieces.

    coverage (float | None), size (int | None), keep_letters (bool): See `prune_vocabulary`.
    layers (int | Sequence[int] | None), ffn (float | None): See `prune_structure`.
    """

    coverage: float | None = None
    size: int | None = None
    keep_letters: bool = True
    layers: int | Sequence[int] | None = None
    ffn: float | None = None

    @property
    def of_structure(self) -> bool:
        """RETURNS (bool): Whether layers or units are left out."""
        return self.layers is not None or self.ffn is not None

    @property
    def of_vocabulary(self) -> bool:
        """RETURNS (bool): Whether pieces are left out."""
        return self.coverage is not None or self.size is not None or not self.of_structure


def prune(
    source: str | Path,
    folder: str | Path,
    read_texts: Callable[[], Iterable[str]],
    settings: PruneSettings,
    *,
    force: bool = False,
) -> Pruned:
    """Leave out layers and units, and then pieces.

    source (str | Path): A pipeline's folder, package or released name; or a backbone's name.
    folder (str | Path): Gets the result. Made anew.
    read_texts (Callable[[], Iterable[str]]): Reads texts like those that are to be read later.
    settings (PruneSettings): What is left out.
    force (bool): Whether to replace a folder that is not empty.
    RETURNS (Pruned): What was left out.
    RAISES (BertFamilyError): See `prune_vocabulary` and `prune_structure`.
    """
    vocabulary = partial(
        prune_vocabulary,
        coverage=0.99 if settings.coverage is None else settings.coverage,
        size=settings.size,
        keep_letters=settings.keep_letters,
    )
    structure = partial(prune_structure, layers=settings.layers, ffn=settings.ffn)
    if not settings.of_structure:
        return vocabulary(source, folder, read_texts(), force=force)
    if not settings.of_vocabulary:
        return structure(source, folder, read_texts(), force=force)
    check_folder(Path(folder), force)
    with tempfile.TemporaryDirectory() as temporary:
        middle = Path(temporary) / "structure"
        first = structure(source, middle, read_texts())
        second = vocabulary(middle, folder, read_texts(), force=force)
    return replace(second, numbers_before=first.numbers_before)


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


def prune_structure(
    source: str | Path,
    folder: str | Path,
    texts: Iterable[str] = (),
    *,
    layers: int | Sequence[int] | None = None,
    ffn: float | None = None,
    force: bool = False,
) -> Pruned:
    """Leave out layers of a backbone, and feed-forward units of the others.

    What is left computes something else than before: train on it, best after distillation from the
    whole backbone (`spacy-bertfamily.PretrainDistillation.v1`).

    source (str | Path): A backbone's name.
    folder (str | Path): Gets the backbone. Made anew.
    texts (Iterable[str]): With `ffn`, texts like those that are to be read later, which decide what
        units matter.
    layers (int | Sequence[int] | None): How many of the lowest layers are kept; or the numbers of
        those to keep, where 1 is the lowest; None for all.
    ffn (float | None): The share of the feed-forward units that each layer keeps, above 0 and below
        1; None for all.
    force (bool): Whether to replace a folder that is not empty.
    RETURNS (Pruned): What was left out.
    RAISES (BertFamilyError): If the source is a pipeline, the backbone has no such layers or is of
        a type that cannot be pruned so, or the folder is not empty.
    """
    folder = Path(folder)
    check_folder(folder, force)
    if is_pipeline(source):
        names = [pipe.shim.settings.name for pipe in find_transformers(load_pipeline(str(source)))]
        raise Errors.B708(source=str(source), name=(names or ["?"])[0])
    whole = load_backbone(str(source))
    with tempfile.TemporaryDirectory() as temporary:
        shared = whole
        if layers is not None:
            target = folder if ffn is None else Path(temporary) / "layers"
            keep_layers(shared, target, layers)
            shared = load_backbone(str(target))
        if ffn is not None:
            narrow_feed_forward(shared, folder, texts, ffn)
    after = load_backbone(str(folder))
    pieces = len(whole.tokenizer)
    return Pruned(pieces, pieces, 1.0, _count_numbers(whole), _count_numbers(after))


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
