"""From a name to a trained pipeline."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.util import SimpleFrozenDict, SimpleFrozenList, load_config, load_model_from_config
from spacy.vocab import Vocab

from ..errors import Errors
from ..tasks.base.pipeline_aware import PipelineAware

FOLDER = Path(__file__).parent
RELEASED = ("en_minilm_qa", "en_minilm_nli", "en_minilm_similarity", "en_minilm_pos_ner")
# All of them in one pipeline, which is put together when it is loaded
COMBINED = "en_minilm_all"
NAMES = (*RELEASED, COMBINED)


def load(
    name: str,
    *,
    vocab: Vocab | bool = True,
    disable: str | Iterable[str] = SimpleFrozenList(),
    enable: str | Iterable[str] = SimpleFrozenList(),
    exclude: str | Iterable[str] = SimpleFrozenList(),
    config: dict[str, Any] = SimpleFrozenDict(),
) -> Language:
    """Load a pipeline that comes with this package, trained.

    name (str): `en_minilm_qa`, `en_minilm_nli`, `en_minilm_similarity`, `en_minilm_pos_ner`, or
        `en_minilm_all`: all of them in one pipeline, with the backbone in memory once.
    vocab (Vocab | bool): As in `spacy.load`; so are the others.
    disable, enable, exclude (str | Iterable[str]): Names of components.
    config (dict[str, Any]): Overrides. Not for `en_minilm_all`, whose components have their configs
        elsewhere.
    RETURNS (Language): The pipeline.
    RAISES (ValueError): If there is no such pipeline.
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
    for _, component in nlp.components:
        if isinstance(
            component, PipelineAware
        ):  # sourced components still know the pipeline that they come from
            component.bind(nlp)
    return nlp


def find(name: str) -> Path:
    """Find a pipeline that comes with this package, for `source` in a config, or for `spacy
    package`.

    name (str): As in `load`, but for `en_minilm_all`, which is no folder.
    RETURNS (Path): Its folder.
    RAISES (ValueError): If there is no such pipeline.
    """
    if name not in RELEASED:
        raise Errors.B114(name=name, allowed=", ".join(RELEASED))
    return FOLDER / name
