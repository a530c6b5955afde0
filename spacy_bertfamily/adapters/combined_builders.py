"""Registered functions of adapters that are made of others, for `@adapters` blocks."""

from typing import Any

from ..errors import Errors
from . import Adapter, Average, Frozen, Fusion, Stack
from .registry import registry


@registry.adapters("spacy-bertfamily.Stack.v1")  # type: ignore[attr-defined]
def make_stack(adapters: list[str] | dict[str, Any]) -> Adapter:
    """Stack several adapters, each acting on the output that those before it have changed.

    An example is a task's adapter on a language's (Pfeiffer et al. 2020,
    https://arxiv.org/abs/2005.00052).

    adapters (list[str] | dict[str, Adapter | str]): By any name: an `@adapters` block, which is
        trained, or the name of an adapter of the transformer, which is copied, and whose copy is
        not trained. A list of names is short for a dict with each of them under itself.
    RETURNS (Adapter): The settings.
    RAISES (BertFamilyError): On settings that are not allowed.
    """
    return Stack(members(adapters))


@registry.adapters("spacy-bertfamily.Average.v1")  # type: ignore[attr-defined]
def make_average(
    adapters: list[str] | dict[str, Any], weights: list[float] | None = None
) -> Adapter:
    """Add the weighted average of what several adapters add to the same outputs.

    An adapter that adds nothing to an output counts as 0 there.

    adapters (list[str] | dict[str, Adapter | str]): As for `spacy-bertfamily.Stack.v1`.
    weights (list[float] | None): One for each adapter, in order; they are divided by their sum.
        None for equal ones.
    RETURNS (Adapter): The settings.
    RAISES (BertFamilyError): On settings that are not allowed.
    """
    return Average(members(adapters), None if weights is None else tuple(weights))


@registry.adapters("spacy-bertfamily.Fusion.v1")  # type: ignore[attr-defined]
def make_fusion(
    adapters: list[str] | dict[str, Any], dropout: float = 0.0, regularization: float = 0.01
) -> Adapter:
    """AdapterFusion: attention over what several adapters add (Pfeiffer et al. 2021).

    The query is what the adapters read.

    adapters (list[str] | dict[str, Adapter | str]): As for `spacy-bertfamily.Stack.v1`. In the
        paper these are adapters that were trained before, and so names.
    dropout (float): Dropout of the attention's scores, in training.
    regularization (float): How strongly the attention's value matrices are drawn to the identity,
        with which they begin: the weight of their squared distance in the loss.
    RETURNS (Adapter): The settings.
    RAISES (BertFamilyError): On settings that are not allowed.
    """
    return Fusion(members(adapters), dropout=dropout, regularization=regularization)


@registry.adapters("spacy-bertfamily.Frozen.v1")  # type: ignore[attr-defined]
def make_frozen(adapter: Any) -> Adapter:
    """Freeze an adapter. Stored pipelines have it where a combination had an adapter's name.

    adapter (Adapter): The adapter.
    RETURNS (Adapter): The settings.
    RAISES (BertFamilyError): If it is no adapter.
    """
    if not isinstance(adapter, Adapter):
        raise Errors.B076(name="adapter", given=adapter)
    return Frozen(adapter)


def members(adapters: list[str] | dict[str, Any]) -> dict[str, Any]:
    """Give each adapter of a combination a name.

    adapters (list[str] | dict[str, Any]): Adapters by name, or names.
    RETURNS (dict[str, Any]): The adapters by name.
    RAISES (BertFamilyError): If a list has a name twice.
    """
    if isinstance(adapters, dict):
        return dict(adapters)
    for name in adapters:
        if list(adapters).count(name) > 1:
            raise Errors.B080(name=name)
    return {name: name for name in adapters}
