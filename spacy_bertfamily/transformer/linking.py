"""Connect listeners to the component before them whose output they read."""

import warnings
import weakref
from collections.abc import Iterator
from typing import Any, ClassVar, cast

from thinc.api import Model

from ..errors import Errors, Warnings

# The attribute of a listener with all names that its upstream component has had. It is stored with
# the listening component, whose config may still have the first of them.
NAMES = "upstream_names"
# The name by which a listener reads the nearest component before it, whatever that is called.
ANY = "*"
# By listener: the component that it was connected to last.
_UPSTREAMS: "weakref.WeakKeyDictionary[Model[Any, Any], weakref.ref[Any]]" = (
    weakref.WeakKeyDictionary()
)
# By listener: the components that stood before the one that it reads, in the same pipeline.
_EARLIER: "weakref.WeakKeyDictionary[Model[Any, Any], weakref.WeakSet[Any]]" = (
    weakref.WeakKeyDictionary()
)


def last_upstream(listener: Model[Any, Any]) -> Any:
    """RETURNS (Any): The component that a listener was connected to last, None for none."""
    reference = _UPSTREAMS.get(listener)
    return None if reference is None else reference()


def describe_upstream(name: str | None) -> str:
    """Describe the transformer that a listener reads, for an error's message.

    name (str | None): The name that the listener asks for; None if there is no listener.
    RETURNS (str): The factory, and the name if it asks for a certain one.
    """
    is_any = name in (None, ANY)
    return "'adapter_transformer'" if is_any else f"'adapter_transformer' named {name!r}"


def is_named(listener: Any, name: str) -> bool:
    """Look up whether a listener reads a component of this name.

    listener (TransformerListener | Tok2VecListener): The listener.
    name (str): The name.
    RETURNS (bool): Whether it is the listener's upstream, or was its name at some time.
    """
    return listener.upstream_name in (ANY, name) or name in listener.attrs.get(NAMES, ())


class LinksNearest:
    """A component that listeners read, if no other one of its kind stands between.

    In prediction a listener reads what a Doc holds: the output of the component that ran last. So
    the order of the pipeline decides what a listener reads. It is connected to that component if it
    has its name, if it was connected to it under another name (`Language.rename_pipe`, or `name` of
    `Language.add_pipe`), or if it was trained on one that computes the same.
    """

    # the layers that are connected, and the kind of component that they read
    listener_type: ClassVar[type[Model[Any, Any]]]
    upstream_type: ClassVar[type[Any]]

    name: str
    _listener_map: dict[str, list[Any]]
    # The next component of the kind: its name, and whether it is one of ours.
    _next: tuple[str, bool] | None

    # spaCy sets an empty map before it connects all components of a pipeline again.
    @property
    def listener_map(self) -> dict[str, list[Any]]:
        """RETURNS (dict[str, list[Model]]): The connected listeners by component. Internals."""
        return self._listener_map

    @listener_map.setter
    def listener_map(self, listeners: dict[str, list[Any]]) -> None:
        self._listener_map = listeners
        self._next = None

    def matches(self, listener: Any, previous: Any) -> bool | None:
        """Compare what a listener was trained on with what this component computes.

        listener (TransformerListener | Tok2VecListener): The listener.
        previous (Any): The component that it was connected to last, None for none.
        RETURNS (bool | None): Whether it is the same; None if that is not known, or if training is
            to come.
        """
        raise NotImplementedError

    def find_listeners(self, component: Any) -> None:
        """Connect the layers of a component that read this one.

        `Language` calls this with all components after this one, in order.

        component (Any): The component.
        RAISES (BertFamilyError): If the component would read another output than in its training.
        """
        if component is self:
            self._next = None
        elif isinstance(component, self.upstream_type):
            self._next = (component.name, isinstance(component, LinksNearest))
        elif self._next is None:
            for listener in self._listeners_in(component):
                self._find_listener(listener, component.name)
        else:
            self._check_between(component, *self._next)

    def _find_listener(self, listener: Any, component: str) -> None:
        previous = last_upstream(listener)
        matches = self.matches(listener, previous)
        if matches is False:
            if previous is self:
                raise Errors.B044(component=component, transformer=self.name)
            known = listener.upstream_name if previous is None else previous.name
            values = {"component": component, "name": self.name}
            values["trained"] = "" if known == ANY else f" {known!r}"
            if self in _EARLIER.get(listener, ()):
                # the component between the two was removed or disabled: its reader may follow
                warnings.warn(Warnings.W054.format(**values), stacklevel=2)
                return
            raise Errors.B054(source="'NAME'" if known == ANY else repr(known), **values)
        if matches or previous is self or is_named(listener, self.name):
            self._note_name(listener)
            cast(Any, self).add_listener(listener, component)
            _UPSTREAMS[listener] = weakref.ref(self)

    def _note_name(self, listener: Any) -> None:
        known = listener.upstream_name
        if known not in (ANY, self.name):
            names = {*listener.attrs.get(NAMES, ()), known, self.name}
            listener.attrs[NAMES] = sorted(names)
            listener.upstream_name = self.name

    def _check_between(self, component: Any, last: str, is_ours: bool) -> None:
        """Check a component that stands behind another one of this kind.

        One of ours makes the check itself.

        RAISES (BertFamilyError): If the component was connected to this one.
        """
        for listener in self._listeners_in(component):
            _EARLIER.setdefault(listener, weakref.WeakSet()).add(self)
            if is_ours:
                continue
            if last_upstream(listener) is self:
                raise Errors.B074(component=component.name, upstream=self.name, last=last)

    def _listeners_in(self, component: Any) -> Iterator[Any]:
        model = getattr(component, "model", None)
        if isinstance(model, Model):
            for node in model.walk():
                if isinstance(node, self.listener_type):
                    yield node
