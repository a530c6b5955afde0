"""Put several pipelines together to one, with their shared backbone in memory once."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import srsly
from spacy.language import Language
from spacy.pipeline.tok2vec import Tok2Vec
from spacy.util import copy_config, load_model_from_config
from spacy_transformers.pipeline_component import Transformer
from thinc.api import Config

from ..errors import Errors

TOK2VEC_LISTENERS = ("spacy.Tok2VecListener.",)
TRANSFORMER_LISTENERS = (
    "spacy-transformers.TransformerListener.",
    "spacy-bertfamily.TransformerListener.",
    "spacy-bertfamily.WeightedLayerListener.",
)
# By the name that a component had in its own pipeline: its name in the combined one.
Names = dict[str, str]


def combine(pipelines: Mapping[str, Language]) -> Language:
    """Put several pipelines together to one.

    The given pipelines stay as they are: their components are copied. Backbones with the same
    weights are in memory once. The components run pipeline by pipeline, in the given order. All
    transformers get the key of their pipeline in front of their names, other components only if
    two pipelines have the same name: `ner_transformer`, `ner_tagger`.

    pipelines (Mapping[str, Language]): The pipelines by key. Settings that are no components', such
        as the tokenizer and the section `[training]`, are those of the first one.
    RETURNS (Language): The combined pipeline.
    RAISES (BertFamilyError): If the languages, the tokenizers or the word vectors differ.
    """
    _check_pipelines(pipelines)
    names = _find_names(pipelines)
    first = next(iter(pipelines.values()))
    requirements = {name for nlp in pipelines.values() for name in nlp.meta.get("requirements", ())}
    meta = {
        "lang": first.lang,
        "name": "_".join(pipelines),
        "requirements": sorted(requirements),
    }
    combined = load_model_from_config(_combine_configs(pipelines, names), meta=meta, auto_fill=True)
    combined.from_bytes(_combine_bytes(pipelines, names))
    for nlp in pipelines.values():
        for string in nlp.vocab.strings:
            combined.vocab.strings.add(string)
    return combined


def _check_pipelines(pipelines: Mapping[str, Language]) -> None:
    """RAISES (BertFamilyError): If the pipelines cannot be combined."""
    if not pipelines:
        raise Errors.B004(setting="pipelines", value=pipelines, allowed="at least one pipeline")
    for key, nlp in pipelines.items():
        if not isinstance(nlp, Language):
            raise Errors.B057(name=key, given=type(nlp).__name__)
        if not re.fullmatch(r"\w+", key):
            raise Errors.B055(name=key, allowed="letters, digits and '_'")
    (first, nlp), *others = pipelines.items()
    for second, other in others:
        names = {"first": first, "second": second}
        if nlp.lang != other.lang:
            raise Errors.B056(**names, what="languages", given=f"{nlp.lang} and {other.lang}")
        if _tokenizer_settings(nlp) != _tokenizer_settings(other):
            types = f"{type(nlp.tokenizer).__name__} and {type(other.tokenizer).__name__}"
            raise Errors.B056(**names, what="tokenizers", given=types)
    with_vectors = [(key, nlp) for key, nlp in pipelines.items() if len(nlp.vocab.vectors)]
    for key, nlp in with_vectors[1:]:
        first, other = with_vectors[0]
        if nlp.vocab.vectors != other.vocab.vectors:
            shapes = f"{other.vocab.vectors.shape} and {nlp.vocab.vectors.shape}"
            raise Errors.B056(first=first, second=key, what="word vectors", given=shapes)


def _tokenizer_settings(nlp: Language) -> Any:
    """RETURNS (Any): What a tokenizer stores, or else its config."""
    to_bytes = getattr(nlp.tokenizer, "to_bytes", None)
    if to_bytes is None:
        return nlp.config["nlp"]["tokenizer"]
    return srsly.msgpack_loads(to_bytes(exclude=["vocab"]))


def _find_names(pipelines: Mapping[str, Language]) -> dict[str, Names]:
    """Choose the names of all components.

    pipelines (Mapping[str, Language]): The pipelines by key.
    RETURNS (dict[str, dict[str, str]]): New names by old names, by key.
    """
    given = [name for nlp in pipelines.values() for name in nlp.component_names]
    taken: set[str] = set()
    names: dict[str, Names] = {}
    for key, nlp in pipelines.items():
        names[key] = {}
        for name, component in nlp.components:
            is_prefixed = name.startswith(f"{key}_")
            needs_prefix = isinstance(component, Transformer) and not is_prefixed
            new = f"{key}_{name}" if needs_prefix or given.count(name) > 1 else name
            while new in taken:
                new = f"{key}_{new}"
            taken.add(new)
            names[key][name] = new
    return names


def _combine_configs(pipelines: Mapping[str, Language], names: dict[str, Names]) -> Config:
    """Make the config of the combined pipeline: that of the first one, with all components."""
    config = copy_config(next(iter(pipelines.values())).config)
    components: dict[str, Any] = {}
    initialize: dict[str, Any] = {}
    frozen: list[str] = []
    annotating: list[str] = []
    disabled: list[str] = []
    for key, nlp in pipelines.items():
        own = names[key]
        of_pipeline = nlp.config.interpolate()
        for name, block in _component_blocks(nlp, of_pipeline, own):
            components[own[name]] = block
        for name, block in of_pipeline["initialize"]["components"].items():
            if name in own:
                initialize[own[name]] = block
        training = of_pipeline["training"]
        frozen += [own[name] for name in training["frozen_components"] if name in own]
        annotating += [own[name] for name in training["annotating_components"] if name in own]
        disabled += [own[name] for name in nlp.disabled]
    config["components"] = components
    config["initialize"]["components"] = initialize
    config["training"]["frozen_components"] = frozen
    config["training"]["annotating_components"] = annotating
    config["nlp"]["pipeline"] = list(components)
    config["nlp"]["disabled"] = disabled
    return config


def _component_blocks(
    nlp: Language, config: Config, names: Names
) -> Iterator[tuple[str, dict[str, Any]]]:
    """YIELDS (tuple[str, dict[str, Any]]): Each component's old name, and its new block."""
    transformer = tok2vec = None
    for name, component in nlp.components:
        block = _rename_upstreams(config["components"][name], names, transformer, tok2vec)
        yield name, block
        if isinstance(component, Transformer):
            transformer = names[name]
        elif isinstance(component, Tok2Vec):
            tok2vec = names[name]


def _rename_upstreams(
    block: dict[str, Any], names: Names, transformer: str | None, tok2vec: str | None
) -> dict[str, Any]:
    """Let the listeners in a block name their upstream component by its new name.

    block (dict[str, Any]): The block.
    names (dict[str, str]): New names by old names.
    transformer (str | None): The transformer before the component, by its new name.
    tok2vec (str | None): The same for the layer that sets `doc.tensor`.
    RETURNS (dict[str, Any]): A changed copy.
    """
    changed: dict[str, Any] = {}
    for key, value in block.items():
        if isinstance(value, dict):
            value = _rename_upstreams(value, names, transformer, tok2vec)
        changed[key] = value
    architecture = str(block.get("@architectures", ""))
    if architecture.startswith(TRANSFORMER_LISTENERS) and transformer:
        changed["upstream"] = transformer
    elif architecture.startswith(TOK2VEC_LISTENERS) and tok2vec:
        changed["upstream"] = tok2vec
    elif architecture and isinstance(block.get("upstream"), str):
        changed["upstream"] = names.get(block["upstream"], block["upstream"])
    return changed


def _combine_bytes(pipelines: Mapping[str, Language], names: dict[str, Names]) -> bytes:
    """Make what `Language.from_bytes` reads, from what the pipelines store."""
    message: dict[str, Any] = {}
    for key, nlp in pipelines.items():
        stored = srsly.msgpack_loads(nlp.to_bytes())
        message.setdefault("tokenizer", stored.get("tokenizer"))
        if "vocab" not in message or len(nlp.vocab.vectors):
            message["vocab"] = stored["vocab"]
        for old, new in names[key].items():
            if old in stored:
                message[new] = stored[old]
    if message["tokenizer"] is None:
        del message["tokenizer"]
    return bytes(srsly.msgpack_dumps(message))
