"""Settings of a component: given by the config, learned in training, and changed in code.

What was said last wins. A component's `cfg`, which is stored with it, holds the values that
training or code has put in the place of the config's, and under `CONFIGURED` the config's values
at that time. If a component is loaded with another value in its config, the user has changed that
since, and it is taken. What code changes is written into the config of the pipeline, too, as far as
the component knows it, so that a stored config says what holds.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.util import load_config
from thinc.api import Model

from ...errors import Errors

CONFIGURED = "configured"
# Attributes of a model's layers that matter in training only. The config says what they are; those
# in a stored model are of an earlier training.
TRAINING_ATTRS = (
    "dropout",
    "dropout_rate",
    "input_dropout",
    "layer_dropout",
    "learn_rate_factor",
    "l2",
)
# ujson, which writes configs and `cfg`, keeps ten digits
PRECISION = 1e-8

SelfT = TypeVar("SelfT", bound="ComponentSettings")


class ComponentSettings(TrainablePipe):  # type: ignore[misc]
    """A component whose settings can be changed in its config and in code.

    Setting an attribute that a component does not have is an error; classes that derive from it
    may add attributes of their own.
    """

    name: str
    cfg: dict[str, Any]
    model: Model[Any, Any]
    # spaCy sets it on any component, without declaring it
    error_handler: Callable[..., Any]
    setting_names: ClassVar[tuple[str, ...]] = ()
    # by setting: the values that code has written into the pipeline's config, in order
    _told: Mapping[str, list[Any]] = MappingProxyType({})

    def configured_settings(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The settings as the config gives them."""
        raise NotImplementedError

    def checked_settings(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Check values of settings.

        values (Mapping[str, Any]): Settings of `configured_settings` by name.
        RETURNS (dict[str, Any]): The values as they are to be stored.
        RAISES (BertFamilyError): If one is not allowed.
        """
        raise NotImplementedError

    def take_configured(self, name: str, value: Any) -> None:
        """Take a setting of the config that has changed since it was stored. Internals.

        name (str): The setting.
        value (Any): The value that the config has now.
        RAISES (BertFamilyError): If it cannot be changed after training.
        """
        self.cfg[name] = value

    def change_settings(self, **values: Any) -> None:
        """Change settings, until they are changed again. They are stored with the component.

        **values (Any): Settings by name, as in the component's config.
        RAISES (BertFamilyError): If there is no such setting, or its value is not allowed.
        """
        for name in values:
            if name not in self.setting_names:
                known = ", ".join(self.setting_names)
                raise Errors.B221(name=self.name, setting=name, settings=known)
        checked = self.checked_settings(values)
        self.cfg.update(checked)
        self._tell_pipeline({name: checked[name] for name in values})
        self.note_configured()

    def _tell_pipeline(self, values: Mapping[str, Any]) -> None:
        """Write settings into the config of the pipeline, if this component knows it.

        values (Mapping[str, Any]): The settings by name.
        """
        nlp = self.attached_pipeline()
        if nlp is not None:
            nlp.get_pipe_config(self.name).update(values)
            told = {name: [*self._told.get(name, ()), value] for name, value in values.items()}
            self._told = {**self._told, **told}

    def attached_pipeline(self) -> Language | None:
        """RETURNS (Language | None): The pipeline that holds this component, if it is known."""
        return None

    def note_configured(self) -> None:
        """Note the config's value of each setting that `cfg` holds. Internals."""
        last = {name: values[-1] for name, values in self._told.items()}
        configured = {**self.configured_settings(), **last}
        noted = {name: value for name, value in configured.items() if name in self.cfg}
        if noted:
            self.cfg[CONFIGURED] = noted

    def check_loaded(self, built: Mapping[str, Any]) -> None:
        """Check that a stored model computes what the config says. Internals.

        built (Mapping[str, Any]): The model's attributes, as the config gives them.
        RAISES (BertFamilyError): If it computes something else.
        """

    def from_disk(self: SelfT, path: str | Path, *, exclude: Iterable[str] = ()) -> SelfT:
        """Load the component. Settings of the config that have changed since it was stored win.

        path (str | Path): The component's folder.
        exclude (Iterable[str]): Names of parts that are not loaded.
        RETURNS (ComponentSettings): The component.
        RAISES (BertFamilyError): If the config has another value for a setting that cannot be
            changed after training.
        """
        with self._loading(exclude, stored_settings(Path(path))):
            super().from_disk(path, exclude=exclude)
        return self

    def from_bytes(self: SelfT, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> SelfT:
        """Load the component; see `from_disk`.

        bytes_data (bytes): What `to_bytes` has returned.
        exclude (Iterable[str]): Names of parts that are not loaded.
        RETURNS (ComponentSettings): The component.
        RAISES (BertFamilyError): As in `from_disk`.
        """
        with self._loading(exclude, {}):
            super().from_bytes(bytes_data, exclude=exclude)
        return self

    @contextmanager
    def _loading(self, exclude: Iterable[str], stored: Mapping[str, Any]) -> Iterator[None]:
        """Load inside this context, so that the config wins where it is newer than the file.

        exclude (Iterable[str]): Names of parts that are not loaded.
        stored (Mapping[str, Any]): The config's settings when the file was stored, for files of
            version 0.1, which do not note them; empty if they are not known.
        """
        if "cfg" not in exclude:
            self._forget_changes()
        built, attrs = dict(self.model.attrs), training_attrs(self.model)
        yield
        put_attrs(self.model, attrs)
        self.check_loaded(built)
        self._take_newer(stored)

    def _forget_changes(self) -> None:
        """Set the settings in `cfg` back to the config's."""
        configured = self.configured_settings()
        for name in self.cfg.pop(CONFIGURED, {}):
            self.cfg[name] = configured[name]

    def _take_newer(self, stored: Mapping[str, Any]) -> None:
        """Take the settings of the config that have changed since `cfg` was stored.

        stored (Mapping[str, Any]): As in `_loading`.
        """
        configured = self.configured_settings()
        noted = self.cfg.get(CONFIGURED)
        before = {**stored, **noted} if isinstance(noted, dict) else stored
        for name in configured.keys() & self.cfg.keys() & before.keys():
            known = [configured[name], *self._told.get(name, ())]
            if not any(is_same(before[name], value) for value in known):
                self.take_configured(name, configured[name])
        self.note_configured()


def check_attribute(component: ComponentSettings, name: str) -> None:
    """Check that a component has an attribute, before it is set.

    component (ComponentSettings): The component.
    name (str): The attribute.
    RAISES (BertFamilyError): If the component has none of that name, or if it is a method that is
        named like a setting.
    """
    cls = type(component)
    if name.startswith("_") or hasattr(getattr(cls, name, None), "__set__"):
        return
    if name in cls.setting_names:
        raise Errors.B222(name=component.name, setting=name)
    if not _is_declared(cls, name):
        settings = ", ".join(cls.setting_names)
        raise Errors.B220(name=component.name, attribute=name, settings=settings)


def _is_declared(cls: type, name: str) -> bool:
    """RETURNS (bool): Whether a class, or one that it derives from, has or annotates a name."""
    return any(
        name in vars(base) or name in vars(base).get("__annotations__", ()) for base in cls.__mro__
    )


def setting(name: str, description: str) -> Any:
    """Make an attribute of a component that reads and changes a setting.

    name (str): The setting.
    description (str): The docstring.
    RETURNS (property): The attribute.
    """

    def read(component: ComponentSettings) -> Any:
        return component.cfg.get(name, component.configured_settings()[name])

    def change(component: ComponentSettings, value: Any) -> None:
        component.change_settings(**{name: value})

    return property(read, change, doc=description)


def is_same(a: Any, b: Any) -> bool:
    """RETURNS (bool): Whether two values of a setting are the same, as far as files are exact."""
    if isinstance(a, float) or isinstance(b, float):
        is_number = isinstance(a, (int, float)) and isinstance(b, (int, float))
        return is_number and math.isclose(a, b, rel_tol=PRECISION)
    return bool(a == b)


def stored_settings(folder: Path) -> dict[str, Any]:
    """Read the settings that a stored component was made with, if it is part of a pipeline.

    folder (Path): The component's folder.
    RETURNS (dict[str, Any]): Its block in the pipeline's config; empty if that cannot be read.
    """
    try:
        config = load_config(folder.parent / "config.cfg", interpolate=True)
        return dict(config["components"][folder.name])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def training_attrs(model: Model[Any, Any]) -> list[dict[str, Any]]:
    """RETURNS (list[dict[str, Any]]): The attributes of each layer that matter in training only."""
    return [
        {name: node.attrs[name] for name in TRAINING_ATTRS if name in node.attrs}
        for node in model.walk()
    ]


def put_attrs(model: Model[Any, Any], attrs: Iterable[Mapping[str, Any]]) -> None:
    """Set attributes of each layer.

    model (Model): The model.
    attrs (Iterable[Mapping[str, Any]]): What `training_attrs` has returned for it.
    """
    for node, values in zip(model.walk(), attrs):
        node.attrs.update(values)
