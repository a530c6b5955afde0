"""What the components of a pipeline set, found in its config without loading it."""

from collections.abc import Mapping
from typing import Any

from spacy.language import Language
from spacy.util import get_lang_class, import_file, load_config

from .. import released
from ..annotation.pair_scores import PAIR_SCORES
from ..errors import Errors
from .fields import FIELDS
from .pipelines import pipeline_folders

# What every pipeline sets.
ALWAYS = ("tokens",)


def annotation_of(pipeline: str, code: str | None = None) -> tuple[str, ...]:
    """Find the annotation that a pipeline's components declare to set.

    pipeline (str): Folder, package or released name.
    code (str | None): Python file with factories, to import first.
    RETURNS (tuple[str, ...]): Names of `FIELDS`; `tokens` if there are no others.
    RAISES (BertFamilyError): If there is no such pipeline, or no such factory.
    """
    folders = pipeline_folders(pipeline)
    if code is not None:
        import_file("python_code", code)
    Language()  # which looks for factories in all packages
    # grades stand apart from labels where all are combined: see `released.load`
    names = {PAIR_SCORES} if pipeline == released.COMBINED else set()
    for folder in folders:
        config = load_config(folder / "config.cfg")
        language = get_lang_class(config["nlp"]["lang"])
        disabled = config["nlp"].get("disabled", ())
        for pipe, assigned in assigned_by_pipes(language, config).items():
            names.update(assigned if pipe not in disabled else ())
    return tuple(name for name in FIELDS if names & set(FIELDS[name].assigned_by)) or ALWAYS


def assigned_by_pipes(
    language: type[Language], config: Mapping[str, Any]
) -> dict[str, tuple[str, ...]]:
    """Find what each component declares to set.

    language (type[Language]): The language's class, which knows the factories.
    config (Mapping[str, Any]): The config of the pipeline.
    RETURNS (dict[str, tuple[str, ...]]): For each component, what it sets as spaCy writes it, such
        as `token.pos`: its setting `assigns` if it has that, or else what its factory declares.
    RAISES (BertFamilyError): If there is no such factory.
    """
    found = {}
    for pipe in config["nlp"]["pipeline"]:
        block = config["components"][pipe]
        if not language.has_factory(block["factory"]):
            raise Errors.B516(pipe=pipe, factory=block["factory"])
        chosen = block.get("assigns")
        declared = language.get_factory_meta(block["factory"]).assigns
        found[pipe] = (chosen,) if isinstance(chosen, str) else tuple(declared)
    return found
