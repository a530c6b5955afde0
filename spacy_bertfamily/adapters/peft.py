"""LoRA and its kin, through the peft library (Hu et al. 2021, https://arxiv.org/abs/2106.09685, and
others).

peft puts its layers in the place of the model's own, which would rename and hold the shared
tensors. So it works on a copy of the module tree, and only the layers that it made are taken from
there: each stands in for the forward function of the module that it wraps.
"""

import copy
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import torch
from torch import nn

from ..errors import Errors
from ..model_types.spec import ModelTypeSpec
from ..patching.hooks import ForwardOverride
from .base import Adapter, AdapterModules, check_feature
from .prefix_tuning import METHOD as PREFIX_TUNING
from .prefix_tuning import attach_prefix

# peft's name for an adapter, which becomes part of the names of its tensors
INNER = "default"
# These would train, store or replace the backbone's own modules.
REFUSED = ("modules_to_save", "trainable_token_indices", "target_parameters", "layer_replication")
# These, and all that end in CONFIGS, would import modules by name, fetch other models, or read
# pickles.
NAMING = ("adapters", "auto_mapping", "megatron_core", "shadow_model")
CONFIGS = "_config"


class PeftModules(AdapterModules):
    """The layers that peft made, in the tree of the modules that they wrap.

    config (PeftConfig): Peft's settings, completed by what it chose for the model.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.wrapped: dict[str, nn.Module] = {}
        self._trained: list[nn.Parameter] = []

    def place(self, path: str, layer: nn.Module, target: nn.Module) -> None:
        """Take over a layer.

        path (str): The path of the module that it wraps.
        layer (nn.Module): Peft's layer, around a copy of that module.
        target (nn.Module): The module itself.
        """
        del layer._modules["base_layer"]
        layer.__dict__["base_layer"] = _bare(
            target
        )  # not a submodule: the tensors are the backbone's
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

    def trained(self) -> list[nn.Parameter]:
        return self._trained

    @property
    def claims(self) -> set[str]:
        return set(self.wrapped)

    def merged(self) -> dict[str, torch.Tensor]:
        weights = {}
        for path, layer in self.wrapped.items():
            own = cast(nn.Module, layer.base_layer)
            try:
                layer.__dict__["base_layer"] = copied = copy.deepcopy(own).float()
                layer.merge(safe_merge=True, adapter_names=[INNER])  # type: ignore[operator]
            except (NotImplementedError, AttributeError) as e:
                raise Errors.B064() from e
            finally:
                layer.__dict__["base_layer"] = own
            changed = dict(copied.named_parameters())
            for name, parameter in own.named_parameters():
                if not torch.equal(changed[name], parameter.float()):
                    weights[f"{path}.{name}"] = changed[name].detach()
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
        """RETURNS (PeftConfig): peft's own settings.
        RAISES (ValueError): If peft is missing, or refuses the method or a setting.
        """
        methods, _ = _import_peft()
        if self.method not in methods:
            raise self._error(f"the methods are {', '.join(sorted(methods))}")
        for name in REFUSED:
            if self.settings.get(name):
                raise self._error(f"{name!r} would train or replace modules of the backbone itself")
        for name, value in self.settings.items():
            if value and (name in NAMING or name.endswith(CONFIGS)):
                raise self._error(f"{name!r} can make peft run code or read other files")
        if self.settings.get("bias", "none") != "none":
            raise self._error("biases are trained with 'bias' in 'trainable' of the transformer")
        try:
            config = methods[self.method](**copy.deepcopy(self.settings))
        except Exception as e:  # whatever peft makes of strange settings
            raise self._error(str(e) or repr(e)) from e
        if (
            config.is_prompt_learning and self.method != PREFIX_TUNING
        ) or config.is_adaption_prompt:
            raise self._error(
                "it would put more pieces before each text, or needs another kind of model"
            )
        return config

    @property
    def positions(self) -> int:
        tokens = self.settings.get("num_virtual_tokens")
        return tokens if isinstance(tokens, int) else 0

    def attach(self, model: nn.Module, spec: ModelTypeSpec) -> AdapterModules:
        check_feature(model, spec, "peft")
        config, (_, inject) = self.make_config(), _import_peft()
        if self.method == PREFIX_TUNING:
            try:
                return attach_prefix(config, model)
            except ValueError as e:
                raise self._error(str(e)) from e
        copied = _copy_tree(model)
        before = {name: (p.data_ptr(), p._version) for name, p in copied.named_parameters()}
        old = set(copied.modules())
        try:
            inject(config, copied, INNER)
        except Exception as e:
            raise self._error(str(e) or repr(e)) from e
        modules = PeftModules(config)
        found = {
            path: module for path, module in copied.named_modules() if hasattr(module, "base_layer")
        }
        made = {path: module for path, module in found.items() if module not in old}
        self._check_untouched(before, copied)
        for path, layer in made.items():
            modules.place(path, layer, model.get_submodule(path))
        return modules.float()

    def _check_untouched(self, before: dict[str, tuple[int, int]], copied: nn.Module) -> None:
        after = {name.replace(".base_layer.", "."): p for name, p in copied.named_parameters()}
        if any(
            name not in after or (after[name].data_ptr(), after[name]._version) != before[name]
            for name in before
        ):
            raise self._error("it changes the backbone's own weights, which others share")

    def _error(self, reason: str) -> ValueError:
        return Errors.B071(method=self.method, settings=self.settings, reason=reason.rstrip("."))


def _import_peft() -> tuple[dict[str, Callable], Callable]:
    """RETURNS (tuple[dict[str, Callable], Callable]): peft's methods by name, and its function of
    injection.
    """
    try:
        from peft import PeftType, inject_adapter_in_model
        from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
    except Exception as e:  # it also breaks where it does not fit the installed transformers
        raise Errors.B065(reason=e) from e
    # the keys are texts up to peft 0.13
    return {
        PeftType(key).value: config for key, config in PEFT_TYPE_TO_CONFIG_MAPPING.items()
    }, inject_adapter_in_model


def _copy_tree(model: nn.Module) -> nn.Module:
    """RETURNS (nn.Module): Modules and parameters of its own, over the very memory of the model's
    tensors.
    """
    memo: dict[int, Any] = {
        id(p): nn.Parameter(p.detach(), requires_grad=False) for p in model.parameters()
    }
    memo.update({id(buffer): buffer for buffer in model.buffers()})
    return copy.deepcopy(model, memo)


def _bare(module: nn.Module) -> nn.Module:
    """RETURNS (nn.Module): The module over the same parameters, without the hooks and stand-ins of
    others.
    """
    bare = copy.copy(module)
    bare.__dict__.pop("forward", None)
    for hooks in (
        "_forward_hooks",
        "_forward_pre_hooks",
        "_forward_hooks_with_kwargs",
        "_forward_pre_hooks_with_kwargs",
    ):
        bare.__dict__[hooks] = OrderedDict()
    return bare


def peft_defaults(method: str) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): What peft sets where nothing is said, as in its files.
    RAISES (ValueError): If peft is missing or does not know the method.
    """
    defaults = Peft(method).make_config().to_dict()
    return {
        key: sorted(value) if isinstance(value, set) else value for key, value in defaults.items()
    }
