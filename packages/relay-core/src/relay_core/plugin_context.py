"""What a plugin gets in `relay_configure`: its settings, and registrations that go away together with the plugin."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import AliasChoices, AliasPath, BaseModel, ValidationError

from relay_core.errors import SettingsError
from relay_core.settings import Settings, section_name
from relay_core.wording import error_text, nearest

if TYPE_CHECKING:
    from relay_core.control.registrars import EventMetadata, Guardrails, Intercepts
    from relay_core.runtime import Relay
    from relay_core.subscriptions import Subscriptions

__all__ = ["PluginContext"]

_log = logging.getLogger(__name__)

_Model = TypeVar("_Model", bound=BaseModel)


_Undo = dict[tuple[object, ...], Callable[[], object]]


class PluginContext:
    """One plugin's door to the runtime that it is registered with. May be kept until `relay_unconfigure`."""

    def __init__(self, name: str, runtime: Relay, settings: Settings, origins: Mapping[str, str]) -> None:
        """Not for plugins: Relay makes the context.

        Args:
            name: The plugin's name.
            runtime: Where the plugin is registered.
            settings: The settings in force.
            origins: Where each setting comes from, by its key with dots.
        """
        self._name = name
        self._runtime = runtime
        self._settings = settings
        self._origins = origins
        self._undo: _Undo = {}

    @property
    def name(self) -> str:
        """The name that the plugin is registered under."""
        return self._name

    @property
    def runtime(self) -> Relay:
        """The runtime that the plugin is registered with. What is registered there directly outlives the plugin."""
        return self._runtime

    @property
    def subscribers(self) -> Subscriptions:
        """As `relay_core.subscribers`; what is registered here goes away with the plugin."""
        return cast("Subscriptions", _Recorder(self._runtime.subscribers, self._undo))

    @property
    def guardrails(self) -> Guardrails:
        """As `relay_core.guardrails`; what is registered here goes away with the plugin."""
        return cast("Guardrails", _Recorder(self._runtime.guardrails, self._undo))

    @property
    def intercepts(self) -> Intercepts:
        """As `relay_core.intercepts`; what is registered here goes away with the plugin."""
        return cast("Intercepts", _Recorder(self._runtime.intercepts, self._undo))

    @property
    def event_metadata(self) -> EventMetadata:
        """As `relay_core.event_metadata`; what is registered here goes away with the plugin."""
        return cast("EventMetadata", _Recorder(self._runtime.event_metadata, self._undo))

    def settings(self, model: type[_Model]) -> _Model:
        """Return the plugin's own settings, from `[tool.relay.plugins.NAME]` and `RELAY_PLUGINS__NAME__KEY`.

        Args:
            model: A pydantic model with a default for every field that need not be set.

        Raises:
            SettingsError: A key is unknown to the model, or a value is wrong. Let it pass: the plugin is refused, by
                name.
        """
        section = self._settings.plugins.get(section_name(self._name), {})
        if model.model_config.get("extra") != "allow":
            known = _keys(model)
            for key in section:
                if key not in known:
                    raise self._error(key, "unknown key", nearest(key, known))
        try:
            return model.model_validate(section)
        except ValidationError as error:
            return self._validate_decoded(model, section, error)

    def _validate_decoded(self, model: type[_Model], section: Mapping[str, object], first: ValidationError) -> _Model:
        """Read text as JSON where the model wanted something else: lists and tables in environment variables."""
        wrong = {str(error["loc"][0]) for error in first.errors() if error["loc"]}
        try:
            return model.model_validate({key: _decoded(it) if key in wrong else it for key, it in section.items()})
        except ValidationError as error:
            problem = error.errors()[0]
            raise self._error(".".join(str(part) for part in problem["loc"]), problem["msg"], None) from None

    def _error(self, key: str, reason: str, suggestion: str | None) -> SettingsError:
        dotted = f"plugins.{section_name(self._name)}.{key}" if key else f"plugins.{section_name(self._name)}"
        return SettingsError(reason, key=dotted, origin=self._origins.get(dotted, "not set"), suggestion=suggestion)

    def undo(self) -> None:
        """Take back what was registered through this context, last one first. Never raises. Relay calls it."""
        while self._undo:
            key, take_back = self._undo.popitem()
            try:
                take_back()
            except Exception as error:
                _log.warning("plugin %r: %s failed: %s", self._name, key, error_text(error))


class _Recorder:
    """Stands in for one of the runtime's registries and remembers how to take each registration back."""

    def __init__(self, target: object, undo: _Undo) -> None:
        self._target = target
        self._undo = undo

    def __getattr__(self, attribute: str) -> Any:
        method = getattr(self._target, attribute)
        if attribute.startswith("register"):
            return self._remembering(method, f"de{attribute}")
        if attribute.startswith("deregister"):
            return self._forgetting(method, attribute)
        return method

    def _remembering(self, register: Callable[..., object], twin: str) -> Callable[..., object]:
        take_back: Callable[..., object] = getattr(self._target, twin)

        def call(*arguments: object, **options: object) -> object:
            result = register(*arguments, **options)
            given = inspect.signature(register).bind(*arguments, **options).arguments
            keys = [given[name] for name in inspect.signature(take_back).parameters]
            self._undo[twin, *keys] = lambda: take_back(*keys)
            return result

        return call

    def _forgetting(self, deregister: Callable[..., object], twin: str) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            given = inspect.signature(deregister).bind(*arguments, **options).arguments
            self._undo.pop((twin, *given.values()), None)
            return deregister(*arguments, **options)

        return call


def _keys(model: type[BaseModel]) -> set[str]:
    config = model.model_config
    by_name = config.get("populate_by_name") or config.get("validate_by_name")
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        alias = field.validation_alias or field.alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        keys |= {str(it.path[0]) if isinstance(it, AliasPath) else it for it in choices if it is not None}
        if by_name or alias is None:
            keys.add(name)
    return keys


def _decoded(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
