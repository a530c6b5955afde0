"""Write what was pretrained as a Hugging Face folder."""

import os
from pathlib import Path

from spacy.language import Language
from spacy.util import load_model

from ..backbone.tokenizer_json import write_tokenizer
from ..errors import Errors
from ..files import check_folder
from ..storage.backbone_files import replace_folder, write_model_files
from ..transformer.component import AdapterTransformer
from .pretrained import (
    COMPUTES_MORE,
    READ_BY_PIPELINE,
    PretrainedBackbone,
    read_component,
    read_pretrained,
)
from .saved_generator import read_generator

# The ending of the files that `spacy pretrain` writes.
WEIGHTS = ".bin"


def save_backbone(
    source: str | os.PathLike[str] | Language,
    folder: str | Path,
    *,
    component: str = "transformer",
    generator: bool = False,
    force: bool = False,
) -> PretrainedBackbone:
    """Write a trained backbone with its head as a Hugging Face folder.

    source (str | PathLike | Language): A file that `spacy pretrain` has saved, such as
        `model3.bin`; or a pipeline, or its folder or package. Only pretraining has a head. An
        active adapter is merged, if its kind can be.
    folder (str | Path): Made anew, once all else is done.
    component (str): The name of the pipeline's `adapter_transformer`.
    generator (bool): Whether to write the generator of a pretraining with replaced tokens instead.
    force (bool): Whether to replace a folder that is not empty.
    RETURNS (PretrainedBackbone): What was written.
    RAISES (BertFamilyError): If the source holds no transformer or an adapter that cannot be a part
        of a backbone, its backbone is not found, or the folder is not empty.
    """
    folder = Path(folder)
    check_folder(folder, force)
    found = _read_generator(source) if generator else _read(source, component)
    if found.adapter is not None:
        reason = f"{COMPUTES_MORE} ({READ_BY_PIPELINE})"
        raise Errors.B417(name=found.adapter.name, source=found.name, reason=reason)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with replace_folder(folder) as temporary:
        write_tokenizer(found.shared.tokenizer, temporary)
        for name, content in found.shared.tokenizer_files.items():
            if not (temporary / name).exists():
                (temporary / name).write_bytes(content)
        write_model_files(found.config, found.weights, temporary)
    return found


def is_weights(source: str | os.PathLike[str]) -> bool:
    """RETURNS (bool): Whether a source is a file of `spacy pretrain`, even one that is missing."""
    return Path(source).is_file() or Path(source).suffix == WEIGHTS


def _read_generator(source: str | os.PathLike[str] | Language) -> PretrainedBackbone:
    if isinstance(source, Language) or not is_weights(source):
        name = source.meta["name"] if isinstance(source, Language) else os.fspath(source)
        raise Errors.B424(file=name)
    return read_generator(source)


def _read(source: str | os.PathLike[str] | Language, component: str) -> PretrainedBackbone:
    if not isinstance(source, Language):
        if is_weights(source):
            return read_pretrained(source)
        source = load_model(os.fspath(source))
    if component not in source.component_names:
        raise Errors.B420(name=component, known=", ".join(source.component_names) or "none")
    transformer = source.get_pipe(component)
    if not isinstance(transformer, AdapterTransformer):
        raise Errors.B420(name=component, known=", ".join(source.component_names))
    name = str(source.path or source.meta["name"])
    return read_component(transformer.shim, name)
