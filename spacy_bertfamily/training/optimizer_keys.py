"""Names for the optimizer's keys.

Optimizer keys are process-local ids. A checkpoint needs names that are the same in every process
that makes the same pipeline.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from spacy.language import Language
from thinc.api import Model, Ops, Optimizer, torch2xp
from thinc.types import FloatsXd

# The id of a node or shim, and the name of a parameter.
Key = tuple[int, str]


def names_by_key(nlp: Language, optimizer: Optimizer) -> dict[Key, str]:
    """Name all keys of an optimizer.

    nlp (Language): The pipeline that is trained.
    optimizer (Optimizer): Its optimizer.
    RETURNS (dict[tuple[int, str], str]): The name of each key: the name of its owner, as in
        `keys_by_owner`, a bar, and the name of the parameter.
    """
    node_keys: dict[Key, str] = {}
    shim_names: dict[int, str] = {}
    for owner, node in _walk_nodes(nlp):
        for parameter in node.param_names:
            node_keys[node.id, parameter] = f"{owner}|{parameter}"
        for j, shim in enumerate(node.shims):
            shim_names[shim.id] = f"{owner}.{j}"
    names = {}
    for key in optimizer.nr_update:
        # nodes and shims are counted apart, so that the same id can occur among both
        names[key] = node_keys.get(key) or f"{shim_names[key[0]]}|{key[1]}"
    return names


def keys_by_owner(nlp: Language) -> dict[str, tuple[int, Ops]]:
    """Find the ids of all nodes and shims whose parameters an optimizer may know.

    nlp (Language): The pipeline that is trained.
    RETURNS (dict[str, tuple[int, Ops]]): The id and where its tensors are, by the owner's name:
        `COMPONENT|I` for node I of the component's model, `COMPONENT|I.J` for shim J of that node.
    """
    keys = {}
    for owner, node in _walk_nodes(nlp):
        keys[owner] = (node.id, node.ops)
        for j, shim in enumerate(node.shims):
            keys[f"{owner}.{j}"] = (shim.id, node.ops)
    return keys


@dataclass(frozen=True)
class Parameter:
    """A parameter that an optimizer may be called with.

    key (tuple[int, str]): The optimizer's key.
    shape (tuple[int, ...]): Its shape.
    get_weights (Callable[[], FloatsXd]): Returns its weights, in the memory where they are.
    """

    key: Key
    shape: tuple[int, ...]
    get_weights: Callable[[], FloatsXd]


def parameters_by_name(nlp: Language) -> dict[str, Parameter]:
    """Find all parameters of a pipeline. Those of torch that are frozen are left out.

    nlp (Language): The pipeline that is trained.
    RETURNS (dict[str, Parameter]): The parameters by their names, as in `names_by_key`. The order
        is the same in every process that makes the same pipeline.
    """
    found: dict[str, Parameter] = {}
    for owner, node in _walk_nodes(nlp):
        for name in node.param_names:
            if node.has_param(name):
                weights = partial(node.get_param, name)
                found[f"{owner}|{name}"] = Parameter((node.id, name), weights().shape, weights)
        for j, shim in enumerate(node.shims):
            for name, tensor in _torch_parameters(shim):
                weights = partial(_view, tensor)
                key = (shim.id, name)
                found[f"{owner}.{j}|{name}"] = Parameter(key, tuple(tensor.shape), weights)
    return found


def _torch_parameters(shim: Any) -> Iterator[tuple[str, Any]]:
    module: Any = getattr(shim, "_model", None)
    if hasattr(module, "named_parameters"):
        for name, tensor in module.named_parameters():
            if tensor.requires_grad:
                yield name, tensor


def _view(tensor: Any) -> FloatsXd:
    return cast(FloatsXd, torch2xp(tensor.data))


def _walk_nodes(nlp: Language) -> Iterator[tuple[str, Model[Any, Any]]]:
    for component, process in nlp.pipeline:
        model = getattr(process, "model", None)
        if isinstance(model, Model):
            for i, node in enumerate(model.walk()):
                yield f"{component}|{i}", node
