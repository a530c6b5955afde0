"""Modules and names of version 0.1 that have moved: the old place works, with a warning."""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PACKAGE = "spacy_bertfamily"
# Folders that are gone: they hold nothing, but the modules below them are looked for through them.
FOLDERS = ("architectures", "layers", "pipeline", "qa", "resume")
MODULES = {
    "adapters.families": "model_types.table",
    "adapters.hooks": "patching.hooks",
    "adapters.quirks": "model_types.padding",
    "adapters.sites": "model_types.spec",
    "answers": "annotation.answers",
    "architectures.adapters": "adapters.builders",
    "architectures.combined_adapters": "adapters.combined_builders",
    "architectures.mix": "pooler.builders",
    "architectures.pairs": "tasks.pairs.builders",
    "architectures.qa": "tasks.qa.builders",
    "architectures.transformer": "transformer.builders",
    "backbone.plausible": "backbone.consistency",
    "encoder.align": "windows.align",
    "encoder.attention": "patching.bfloat16_attention",
    "encoder.batching": "windows.batching",
    "encoder.common": "encoder.reuse",
    "encoder.delta": "storage.delta",
    "encoder.layout": "windows.layout",
    "encoder.linear": "patching.onednn",
    "encoder.offsets": "windows.offsets",
    "encoder.pieces": "windows.pieces",
    "encoder.pooler": "encoder.bert_pooler",
    "encoder.prefix": "encoder.frozen_layers",
    "encoder.recompute": "patching.checkpointing",
    "encoder.state": "storage.adapter_state",
    "encoder.stream": "encoder.schedule",
    "encoder.windows": "windows.cut",
    "layers.finite": "transformer.finite",
    "layers.fixed_mix": "layer_mix.fixed",
    "layers.listener": "transformer.listener",
    "layers.mix": "layer_mix.mix",
    "layers.mix_settings": "layer_mix.settings",
    "layers.norm": "layer_mix.norm",
    "layers.pair_head": "tasks.pairs.head",
    "layers.pair_loss": "tasks.pairs.loss",
    "layers.pair_pooling": "tasks.pairs.pooling",
    "layers.pooler": "pooler.layer",
    "layers.qa_head": "tasks.qa.head",
    "layers.shim": "transformer.shim",
    "layers.states": "layer_mix.states",
    "layers.transformer_model": "transformer.model",
    "pipeline.adapter_transformer": "transformer.component",
    "pipeline.ask": "tasks.qa.ask",
    "pipeline.bound": "tasks.base.pipeline_aware",
    "pipeline.head_files": "tasks.base.head_files",
    "pipeline.layer_weights": "layer_mix.weights",
    "pipeline.named_adapters": "transformer.adapters_api",
    "pipeline.pair_classifier": "tasks.pairs.component",
    "pipeline.pair_examples": "tasks.pairs.examples",
    "pipeline.pair_head_files": "tasks.pairs.head_files",
    "pipeline.pair_labels": "tasks.pairs.labels",
    "pipeline.pair_prediction": "tasks.pairs.text_methods",
    "pipeline.pending": "transformer.pending",
    "pipeline.qa_golds": "tasks.qa.examples",
    "pipeline.qa_settings": "tasks.qa.settings",
    "pipeline.span_qa": "tasks.qa.component",
    "pipeline.training_log": "training.logger",
    "pipeline.upstream": "transformer.upstream",
    "pipeline.weighted_layer_pooler": "pooler.component",
    "plots": "cli.plots",
    "qa.calibrate": "tasks.qa.calibrate",
    "qa.choose": "tasks.qa.choose",
    "qa.decode": "tasks.qa.decode",
    "qa.metrics": "tasks.qa.metrics",
    "qa.problems": "tasks.qa.unanswerable",
    "qa.scorer": "tasks.qa.scorer",
    "qa.targets": "tasks.qa.targets",
    "registries": "adapters.registry",
    "resume.loop": "training.loop",
    "resume.state": "training.checkpoint",
    "sampling": "training.sampling",
    "scorers": "tasks.pairs.scorer",
    "segments": "annotation.segments",
}
# Names of `spacy_bertfamily.adapters`: the module and the name that they have now.
ADAPTERS = {
    "FAMILIES": ("model_types", "SPECS"),
    "FEATURES": ("model_types", "FEATURES"),
    "Addition": ("adapters", "ResidualUpdate"),
    "Family": ("model_types.spec", "make_family"),
    "Remembered": ("patching.hooks", "ThreadLocalSlot"),
    "Site": ("model_types", "Site"),
    "StandIn": ("patching.hooks", "ForwardOverride"),
    "after": ("patching.hooks", "after"),
    "describe": ("model_types", "spec_for"),
    "find_family": ("model_types", "known_spec"),
    "recall": ("patching.hooks", "capture_hook_state"),
    "register_family": ("model_types", "register_model_type"),
    "replace_parameters": ("patching.parameters", "replace_parameters"),
}


def warn(old: str, new: str, stacklevel: int) -> None:
    """Warn that something has moved.

    old (str): Its place before.
    new (str): Its place now.
    stacklevel (int): As in `warnings.warn`, from the caller of this function on.
    """
    warnings.warn(f"{old} has moved to {new}", DeprecationWarning, stacklevel=stacklevel + 1)


def find_name(module: str, name: str, names: dict[str, tuple[str, str]]) -> Any:
    """Find what a module held under a name; for the module's `__getattr__`.

    module (str): The module's full name.
    name (str): The name.
    names (dict[str, tuple[str, str]]): The module, inside this package, and the name now, by the
        old name.
    RETURNS (Any): The object.
    RAISES (AttributeError): If the module never held that name.
    """
    if name not in names:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    new_module, new_name = names[name]
    warn(f"{module}.{name}", f"{PACKAGE}.{new_module}.{new_name}", 3)
    return getattr(import_module(f"{PACKAGE}.{new_module}"), new_name)


class _MovedLoader(Loader):
    """Loads a module from its new place.

    new (str): Its full name now.
    """

    def __init__(self, new: str):
        self.new = new
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self.new)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # importlib has set that of the old name


class _EmptyFolder(Loader):
    """Loads a package that holds nothing."""

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        return None


class MovedModules(MetaPathFinder):
    """Find modules by the names that they had in version 0.1."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module by its old name.

        fullname (str): The name.
        path, target: As in `MetaPathFinder`; not used.
        RETURNS (ModuleSpec | None): How to load it; None for any other name.
        """
        prefix, _, name = fullname.partition(".")
        if prefix != PACKAGE:
            return None
        if name in FOLDERS:
            return ModuleSpec(fullname, _EmptyFolder(), is_package=True)
        if name not in MODULES:
            return None
        new = f"{PACKAGE}.{MODULES[name]}"
        warn(fullname, new, 2)
        return ModuleSpec(fullname, _MovedLoader(new))


def install() -> None:
    """Let Python find moved modules, after all others."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(MovedModules())
