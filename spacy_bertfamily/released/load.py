"""Find and load the trained pipelines of this package."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import spacy
import srsly
from spacy.language import Language
from spacy.util import SimpleFrozenDict, SimpleFrozenList, load_config, load_model_from_config
from spacy.vocab import Vocab

from ..annotation.pair_scores import PAIR_SCORES
from ..errors import Errors
from ..tasks.base.pipeline_aware import PipelineAware

FOLDER = Path(__file__).parent
RELEASED = ("en_minilm_qa", "en_minilm_nli", "en_minilm_similarity", "en_minilm_pos_ner")
# All of them in one pipeline, which is combined when it is loaded.
COMBINED = "en_minilm_all"
NAMES = (*RELEASED, COMBINED)
# In it, what writes its scores beside `doc.cats`: grades are no probabilities of labels.
GRADING = "similarity"


def load(
    name: str,
    *,
    vocab: Vocab | bool = True,
    disable: str | Iterable[str] = SimpleFrozenList(),
    enable: str | Iterable[str] = SimpleFrozenList(),
    exclude: str | Iterable[str] = SimpleFrozenList(),
    config: dict[str, Any] = SimpleFrozenDict(),
) -> Language:
    """Load a trained pipeline that comes with this package.

    The arguments other than `name` are those of `spacy.load`.

    name (str): `en_minilm_qa`, `en_minilm_nli`, `en_minilm_similarity`, `en_minilm_pos_ner`, or
        `en_minilm_all`: all of them in one pipeline, with the backbone in memory once. Its
        `similarity` writes to `doc._.pair_scores`, so that `doc.cats` has the labels of `nli` only.
    vocab (Vocab | bool): The vocabulary; True for a new one.
    disable, enable, exclude (str | Iterable[str]): Names of components.
    config (dict[str, Any]): Overrides of the config. Not allowed for `en_minilm_all`, whose
        components have configs of their own.
    RETURNS (Language): The pipeline.
    RAISES (BertFamilyError): If there is no such pipeline, or its config cannot be overridden.
    """
    options: dict[str, Any] = {
        "vocab": vocab,
        "disable": disable,
        "enable": enable,
        "exclude": exclude,
    }
    if name not in NAMES:
        raise Errors.B114(name=name, allowed=", ".join(NAMES))
    if name != COMBINED:
        return spacy.load(find(name), config=config, **options)
    if config:
        raise Errors.B115(name=name)
    combined = load_config(FOLDER / f"{COMBINED}.cfg", overrides={"paths.released": str(FOLDER)})
    nlp = load_model_from_config(combined, auto_fill=True, **options)
    for name, component in nlp.components:
        # sourced components still refer to the pipeline that they come from
        if isinstance(component, PipelineAware):
            component.attach_pipeline(nlp)
        if name == GRADING:
            cast(Any, component).assigns = PAIR_SCORES
    return nlp


def list_released() -> list[str]:
    """List the pipelines that come with this package.

    RETURNS (list[str]): Their names, as `load` takes them.
    """
    return list(NAMES)


def describe(name: str) -> str:
    """RETURNS (str): What a pipeline does, in a line."""
    if name == COMBINED:
        return f"All of them in one pipeline: {', '.join(RELEASED)}"
    description: str = srsly.read_json(find(name) / "meta.json")["description"]
    return description


def find(name: str) -> Path:
    """Find the folder of a pipeline, for `source` in a config, or for `spacy package`.

    name (str): As in `load`, except for `en_minilm_all`, which has no folder.
    RETURNS (Path): Its folder.
    RAISES (BertFamilyError): If there is no such pipeline, or it has no folder.
    """
    if name == COMBINED:
        raise Errors.B122(name=name, parts=", ".join(RELEASED))
    if name not in RELEASED:
        raise Errors.B114(name=name, allowed=", ".join(RELEASED))
    return FOLDER / name
