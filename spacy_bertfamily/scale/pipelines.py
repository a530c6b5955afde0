"""Load pipelines once in a process, for all that annotate with them."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.util import get_package_path, import_file, is_package

from .. import released
from ..errors import Errors


@dataclass(frozen=True)
class PipelineSettings:
    """Which pipeline to load, and how.

    pipeline (str): Folder, package or released name.
    threads (int | None): Torch's threads in this process; None to leave them.
    share_memory (bool): Whether to share the backbones' weights with other processes.
    code (str | None): Python file to import first.
    gpu_id (int): GPU, or -1 for the CPU.
    """

    pipeline: str
    threads: int | None = 1
    share_memory: bool = True
    code: str | None = None
    gpu_id: int = -1


@dataclass(frozen=True)
class LoadedPipeline:
    """A pipeline, and the lock that threads hold while they use it.

    nlp (Language): The pipeline.
    lock (threading.Lock): spaCy's memory zones are of the pipeline, not of a thread.
    checked (list[Any]): Annotation of which it is known whether a component sets it.
    """

    nlp: Language
    lock: threading.Lock = field(default_factory=threading.Lock)
    checked: list[Any] = field(default_factory=list)


_LOADED: dict[PipelineSettings, LoadedPipeline] = {}
_LOADING = threading.Lock()


def load_once(settings: PipelineSettings) -> LoadedPipeline:
    """Load a pipeline, or take the one that this process has loaded with the same settings.

    settings (PipelineSettings): The settings.
    RETURNS (LoadedPipeline): The pipeline, which stays loaded until the process ends.
    """
    with _LOADING:
        if settings not in _LOADED:
            _LOADED[settings] = LoadedPipeline(_load(settings))
        return _LOADED[settings]


def load_pipeline(pipeline: str) -> Language:
    """Load a pipeline of a user or of this package.

    pipeline (str): Folder, package or released name.
    RETURNS (Language): The pipeline.
    """
    if pipeline in released.NAMES:
        return released.load(pipeline)
    return spacy.load(pipeline)


def _load(settings: PipelineSettings) -> Language:
    import torch

    if settings.gpu_id >= 0:
        spacy.require_gpu(settings.gpu_id)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    if settings.code is not None:
        import_file("python_code", settings.code)
    nlp = load_pipeline(settings.pipeline)
    if settings.share_memory and settings.gpu_id < 0:
        share_weights(nlp)
    return nlp


def share_weights(nlp: Language) -> int:
    """Share the memory of the weights that a pipeline's backbones have with other processes.

    nlp (Language): The pipeline.
    RETURNS (int): The number of bytes that are shared.
    """
    from ..backbone.mapped import map_weights
    from ..transformer.component import find_transformers

    found = [transformer.shim.encoder.shared for transformer in find_transformers(nlp)]
    backbones = {id(backbone): backbone for backbone in found}
    return sum(map_weights(backbone) for backbone in backbones.values())


def pipeline_folders(pipeline: str) -> list[Path]:
    """Find where the files of a pipeline are, without loading it.

    pipeline (str): Folder, package or released name.
    RETURNS (list[Path]): The folders; several for a pipeline that is combined of others.
    RAISES (BertFamilyError): If there is no such pipeline.
    """
    if pipeline in released.NAMES:
        is_combined = pipeline == released.COMBINED
        return [released.find(name) for name in (released.RELEASED if is_combined else [pipeline])]
    if Path(pipeline).is_dir():
        return [Path(pipeline)]
    if is_package(pipeline):
        return [get_package_path(pipeline)]
    raise Errors.B506(pipeline=pipeline, released=", ".join(released.NAMES))
