"""Store a pipeline with what OpenVINO computes its transformers from, in int8 weights."""

from dataclasses import dataclass
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.util import load_config

from ..errors import Errors
from ..files import check_folder, write_folder
from ..runtime.prediction import OpenVINORuntime
from ..scale.pipelines import load_pipeline
from ..transformer.component import EXPORT_FOLDER, AdapterTransformer, find_transformers

ALLOWED = {"runtime": ("openvino", "auto"), "precision": ("float32", "bfloat16", None)}


@dataclass(frozen=True)
class Quantized:
    """The size of a transformer in another kind of weights.

    name (str): The transformer's name.
    bytes_before (int): The size of its weights in float32.
    bytes_after (int): The size of what was exported.
    """

    name: str
    bytes_before: int
    bytes_after: int


def quantize(
    source: str | Path,
    folder: str | Path,
    *,
    weights: str = "int8",
    precision: str | None = None,
    runtime: str = "openvino",
    force: bool = False,
) -> list[Quantized]:
    """Write a pipeline whose transformers are computed by OpenVINO, and export them beside it.

    The weights in floating point stay as they are stored: training goes on from them, and torch can
    compute the pipeline.

    source (str | Path): A pipeline's folder, package or released name.
    folder (str | Path): Gets the pipeline. Made anew.
    weights (str): `int8`, or `float`.
    precision (str | None): `float32` or `bfloat16`, of what is computed; None for the pipeline's.
    runtime (str): `openvino`, or `auto` to fall back to torch on machines without OpenVINO.
    force (bool): Whether to replace a folder that is not empty.
    RETURNS (list[Quantized]): The sizes of the transformers, before and after.
    RAISES (BertFamilyError): If the pipeline has no transformer, OpenVINO or NNCF is not installed,
        a backbone cannot be exported, a setting is not allowed, or the folder is not empty.
    """
    folder = Path(folder)
    check_folder(folder, force)
    for setting, value in (("runtime", runtime), ("precision", precision)):
        if value not in ALLOWED[setting]:
            allowed = " or ".join(filter(None, ALLOWED[setting]))
            raise Errors.B004(setting=setting, value=value, allowed=allowed)
    nlp = load_pipeline(str(source))
    transformers = find_transformers(nlp)
    if not transformers:
        raise Errors.B774(source=str(source), pipes=", ".join(nlp.component_names) or "none")
    changes = {"runtime": "openvino", "weights": weights}
    if precision is not None:
        changes["precision"] = precision
    folder.parent.mkdir(parents=True, exist_ok=True)
    with write_folder(folder) as temporary:
        nlp.to_disk(temporary)
        _change_config(temporary, transformers, changes)
        sizes = _export(spacy.load(temporary), temporary)
        _change_config(temporary, transformers, {"runtime": runtime})
    return sizes


def _change_config(
    folder: Path, transformers: list[AdapterTransformer], changes: dict[str, str]
) -> None:
    """Change settings of the models of transformers in a stored pipeline."""
    config = load_config(folder / "config.cfg")
    for transformer in transformers:
        config["components"][transformer.name]["model"].update(changes)
    config.to_disk(folder / "config.cfg")


def _export(nlp: Language, folder: Path) -> list[Quantized]:
    """Export the transformers of a pipeline beside it."""
    sizes = []
    for transformer in find_transformers(nlp):
        runtime = transformer.shim.schedule.runtime
        assert isinstance(runtime, OpenVINORuntime)
        target = folder / transformer.name / EXPORT_FOLDER
        runtime.export_to(target)
        after = sum(path.stat().st_size for path in target.iterdir())
        before = 4 * transformer.trainable_summary().total
        sizes.append(Quantized(transformer.name, before, after))
    return sizes
