"""Adapters, freezing, sentence pairs and question answering as ordinary spaCy components.

The names in `__all__` are the public interface, together with those in the `__all__` of
`spacy_bertfamily.tasks.base`. docs/api.md describes them. Everything else may change between
versions.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import moved
from .patching import batch_encoding

if TYPE_CHECKING:
    from . import released
    from .adapters import Adapter, AdapterModules, ResidualUpdate
    from .adapters.registry import registry
    from .adapters.sublayer import Sublayer
    from .annotation.answers import Answer, ContextAnswer, set_answers
    from .annotation.generated import Generated, set_generated
    from .annotation.render import render_answers
    from .annotation.segments import join_segments, split_segments
    from .backbone.locate import locate
    from .compress.prune import prune_vocabulary
    from .compress.quantize import quantize
    from .convert.squad import SquadReport, convert_squad
    from .embeddings.in_context.compare import WordComparison, compare_word
    from .embeddings.in_context.nearest import nearest_words
    from .encoder.summary import TrainableSummary
    from .errors import BertFamilyError
    from .index.results import IndexAnswer, Passage
    from .index.text_index import TextIndex
    from .layer_mix.builders import make_layer_mix
    from .layer_mix.weights import MixWeights, layer_weights
    from .model_types import ModelTypeSpec, Site, register_model_type
    from .patching.hooks import after
    from .pooler.component import WeightedLayerPooler
    from .pretraining.fill_mask import fill_mask
    from .pretraining.new_backbone import new_backbone
    from .pretraining.save_backbone import save_backbone
    from .released.load import load
    from .scale.annotate import Annotate
    from .tasks.generation.component import TextGenerator
    from .tasks.pairs.component import PairClassifier
    from .tasks.pairs.few_shot import fit_few
    from .tasks.qa.calibrate import Calibration
    from .tasks.qa.component import SpanQA
    from .transformer.combine import combine
    from .transformer.component import AdapterTransformer
    from .transformer.listener import LayerListener
    from .transformer.model import attach_mix
    from .transformer.text_vectors import encode

__version__ = "0.1.0"

__all__ = [
    "Adapter",
    "AdapterModules",
    "AdapterTransformer",
    "Annotate",
    "Answer",
    "BertFamilyError",
    "Calibration",
    "ContextAnswer",
    "Generated",
    "IndexAnswer",
    "LayerListener",
    "MixWeights",
    "ModelTypeSpec",
    "PairClassifier",
    "Passage",
    "ResidualUpdate",
    "Site",
    "SpanQA",
    "SquadReport",
    "Sublayer",
    "TextGenerator",
    "TextIndex",
    "TrainableSummary",
    "WeightedLayerPooler",
    "WordComparison",
    "__version__",
    "after",
    "attach_mix",
    "combine",
    "compare_word",
    "convert_squad",
    "encode",
    "fill_mask",
    "fit_few",
    "join_segments",
    "layer_weights",
    "load",
    "locate",
    "make_layer_mix",
    "nearest_words",
    "new_backbone",
    "prune_vocabulary",
    "quantize",
    "register_model_type",
    "registry",
    "released",
    "render_answers",
    "save_backbone",
    "set_answers",
    "set_generated",
    "split_segments",
]

# The module of each public name. Modules are imported on first use, because spaCy imports this
# package in every `spacy.blank()`: importing it must not import torch or transformers.
_PUBLIC = {
    "Adapter": "adapters",
    "AdapterModules": "adapters",
    "AdapterTransformer": "transformer.component",
    "Annotate": "scale.annotate",
    "Answer": "annotation.answers",
    "BertFamilyError": "errors",
    "Calibration": "tasks.qa.calibrate",
    "ContextAnswer": "annotation.answers",
    "Generated": "annotation.generated",
    "IndexAnswer": "index.results",
    "LayerListener": "transformer.listener",
    "MixWeights": "layer_mix.weights",
    "ModelTypeSpec": "model_types",
    "PairClassifier": "tasks.pairs.component",
    "Passage": "index.results",
    "ResidualUpdate": "adapters",
    "Site": "model_types",
    "SpanQA": "tasks.qa.component",
    "SquadReport": "convert.squad",
    "Sublayer": "adapters.sublayer",
    "TextGenerator": "tasks.generation.component",
    "TextIndex": "index.text_index",
    "TrainableSummary": "encoder.summary",
    "WeightedLayerPooler": "pooler.component",
    "WordComparison": "embeddings.in_context.compare",
    "after": "patching.hooks",
    "attach_mix": "transformer.model",
    "combine": "transformer.combine",
    "compare_word": "embeddings.in_context.compare",
    "convert_squad": "convert.squad",
    "encode": "transformer.text_vectors",
    "fill_mask": "pretraining.fill_mask",
    "fit_few": "tasks.pairs.few_shot",
    "join_segments": "annotation.segments",
    "layer_weights": "layer_mix.weights",
    "load": "released.load",
    "locate": "backbone.locate",
    "make_layer_mix": "layer_mix.builders",
    "nearest_words": "embeddings.in_context.nearest",
    "new_backbone": "pretraining.new_backbone",
    "prune_vocabulary": "compress.prune",
    "quantize": "compress.quantize",
    "register_model_type": "model_types",
    "registry": "adapters.registry",
    "render_answers": "annotation.render",
    "save_backbone": "pretraining.save_backbone",
    "set_answers": "annotation.answers",
    "set_generated": "annotation.generated",
    "split_segments": "annotation.segments",
}
# Public modules, whose `__all__` is public too. `tasks.base` is for tasks in other packages.
_MODULES = ("released", "tasks.base")

moved.install()
batch_encoding.install()


def __getattr__(name: str) -> Any:
    """Import a public name or module on first use."""
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _PUBLIC:
        return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
