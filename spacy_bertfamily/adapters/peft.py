"""Adapters of the library peft: LoRA (Hu et al. 2021, https://arxiv.org/abs/2106.09685) and others.

How peft's layers are made without changing the model is in `patching/peft_injection.py`.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import nn

from ..errors import Errors
from ..model_types.spec import ModelTypeSpec
from ..patching.hooks import ForwardOverride
from ..patching.peft_injection import make_layers, merged_weights
from .base import Adapter, check_feature
from .modules import AdapterModules
from .prefix_tuning import METHOD as PREFIX_TUNING
from .prefix_tuning import attach_prefix

# peft's name for the adapter, which becomes part of the names of its tensors
INNER = "default"
# Settings that would train, store or replace the backbone's own modules.
CHANGES_BACKBONE = (
    "modules_to_save",
    "trainable_token_indices",
    "target_parameters",
    "layer_replication",
)
# Settings that would import modules by name, fetch other models, or read pickles. So would all
# whose name ends in CONFIG_SUFFIX.
RUNS_CODE = ("adapters", "auto_mapping", "megatron_core", "shadow_model")
CONFIG_SUFFIX = "_config"


class PeftModules(AdapterModules):
    """The layers that peft made, in a tree with the paths of the modules that they wrap.

    config (PeftConfig): Peft's settings, completed by what peft chose for the model.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.wrapped: dict[str, nn.Module] = {}
        self._trained: list[nn.Parameter] = []

    def add_layer(self, path: str, layer: nn.Module, target: nn.Module) -> None:
        """Hold a layer, and let a module of the model compute with it.

        path (str): The path of the module in the model.
        layer (nn.Module): Peft's layer, which wraps the module.
        target (nn.Module): The module.
        """
        self._trained += [parameter for parameter in layer.parameters() if parameter.requires_grad]
        *parents, name = path.split(".")
        holder = self.layers
        for parent in parents:
            if parent not in holder:
                holder[parent] = nn.ModuleDict()
            holder = holder[parent]  # type: ignore[assignment]
        holder[name] = layer
        self.wrapped[path] = layer
        self.hook(lambda: ForwardOverride(target, layer.forward))

    def trained_parameters(self) -> list[nn.Parameter]:
        """RETURNS (list[nn.Parameter]): Those that peft trains; some methods have fixed ones."""
        return self._trained

    @property
    def claims(self) -> set[str]:
        """RETURNS (set[str]): The paths of the modules that this adapter owns exclusively."""
        return set(self.wrapped)

    def merged_weights(self) -> dict[str, torch.Tensor]:
        """Compute weights that have the effect of the layers; see `AdapterModules`."""
        weights = {}
        for path, layer in self.wrapped.items():
            try:
                merged = merged_weights(layer, INNER)
            except (NotImplementedError, AttributeError) as e:
                raise Errors.B064() from e
            weights.update({f"{path}.{name}": weight for name, weight in merged.items()})
        return weights


@dataclass(frozen=True)
class Peft(Adapter):
    """Settings of an adapter from peft; see `spacy-bertfamily.Peft.v1` for what they mean."""

    registered: ClassVar[str] = "spacy-bertfamily.Peft.v1"

    method: str
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.make_config()

    def make_config(self) -> Any:
        """Make peft's own settings.

        RETURNS (PeftConfig): The settings.
        RAISES (BertFamilyError): If peft is missing, or refuses the method or a setting.
        """
        methods = _import_methods()
        if self.method not in methods:
            raise self._error(f"the methods are {', '.join(sorted(methods))}")
        self._check_settings()
        try:
            config = methods[self.method](**copy.deepcopy(self.settings))
        except Exception as e:  # peft may raise anything on strange settings
            raise self._error(str(e) or repr(e)) from e
        is_prompt = config.is_prompt_learning and self.method != PREFIX_TUNING
        if is_prompt or config.is_adaption_prompt:
            raise self._error(
                "it would put more pieces before each text, or needs another kind of model"
            )
        return config

    def _check_settings(self) -> None:
        """RAISES (BertFamilyError): If a setting would change the backbone or run code."""
        for name in CHANGES_BACKBONE:
            if self.settings.get(name):
                raise self._error(f"{name!r} would train or replace modules of the backbone itself")
        for name, value in self.settings.items():
            if value and (name in RUNS_CODE or name.endswith(CONFIG_SUFFIX)):
                raise self._error(f"{name!r} can make peft run code or read other files")
        if self.settings.get("bias", "none") != "none":
            raise self._error("biases are trained with 'bias' in 'trainable' of the transformer")

    @property
    def positions(self) -> int:
        """RETURNS (int): How many of the model's positions a prefix takes away from each window."""
        tokens = self.settings.get("num_virtual_tokens")
        return tokens if isinstance(tokens, int) else 0

    def attach(self, model: nn.Module, spec: ModelTypeSpec) -> AdapterModules:
        """Let peft make its layers and hook them into the model; see `Adapter.attach`."""
        check_feature(model, spec, "peft")
        config = self.make_config()
        if self.method == PREFIX_TUNING:
            try:
                return attach_prefix(config, model)
            except ValueError as e:
                raise self._error(str(e)) from e
        try:
            layers = make_layers(config, model, INNER)
        except Exception as e:  # peft may raise anything on settings that do not fit the model
            raise self._error(str(e) or repr(e)) from e
        modules = PeftModules(config)
        with modules.detached_on_error():
            for path, layer in layers.items():
                modules.add_layer(path, layer, model.get_submodule(path))
            return modules.float()

    def _error(self, reason: str) -> ValueError:
        return Errors.B071(method=self.method, settings=self.settings, reason=reason.rstrip("."))


def _import_methods() -> dict[str, Callable[..., Any]]:
    """Import peft.

    RETURNS (dict[str, Callable]): The config classes of its methods by the method's name.
    RAISES (BertFamilyError): If peft is missing or broken.
    """
    try:
        from peft import PeftType
        from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
    except Exception as e:  # it may also fail if it does not fit the installed transformers
        raise Errors.B065(reason=e) from e
    # the keys are strings up to peft 0.13
    return {PeftType(key).value: config for key, config in PEFT_TYPE_TO_CONFIG_MAPPING.items()}


def peft_defaults(method: str) -> dict[str, Any]:
    """Find peft's defaults of a method's settings, as its files have them.

    method (str): The method.
    RETURNS (dict[str, Any]): The defaults by name.
    RAISES (BertFamilyError): If peft is missing or does not know the method.
    """
    defaults = Peft(method).make_config().to_dict()
    for name, value in defaults.items():
        if isinstance(value, set):
            defaults[name] = sorted(value)
    return dict(defaults)
