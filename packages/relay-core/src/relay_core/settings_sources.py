"""Reads settings: defaults, then a file, then the environment, then arguments; the later one wins, and each is traced.

A setting that is wrong is left out and reported; the others still count. Nothing here decides what to do about it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError

from relay_core.errors import SettingsError
from relay_core.settings import Settings, section_name
from relay_core.wording import error_text, nearest

__all__ = ["ARGUMENTS", "LoadedSettings", "flat", "load_settings"]

ARGUMENTS = "install()"
"""The origin of settings that were passed as arguments."""

_PREFIX = "RELAY_"
_PLUGIN_KEY_DEPTH = 2
_Path = tuple[str, ...]


class LoadedSettings(NamedTuple):
    """What the sources hold together."""

    settings: Settings
    """The settings to use."""
    origins: Mapping[str, str]
    """Where each setting comes from that is not a default, by its key with dots."""
    problems: tuple[SettingsError, ...]
    """What is wrong; these settings were left out."""
    warnings: tuple[str, ...]
    """Variables that begin with `RELAY_` and mean nothing, one sentence each."""


def load_settings(overrides: Mapping[str, object] | None = None, *, directory: Path | None = None) -> LoadedSettings:
    """Read all sources. Never raises.

    Args:
        overrides: Arguments of `install()`: a section is a mapping (`queue={"max_events": 10}`), a section's model, or
            part of the name (`queue__max_events=10`).
        directory: Where the search for a file begins and goes upwards; by default the working directory.
    """
    layers = _Layers()
    _add_file(layers, directory)
    for path, value in _leaves(_environment()):
        if _unknown(path) is None:
            layers.put(path, value, f"environment {_variable(path)}")
    for key, section in (overrides or {}).items():
        for path, value in _leaves(section, tuple(key.split("__"))):
            layers.put(path, value, ARGUMENTS)
    settings = layers.settle()
    origins = {".".join(path): origin for path, (_, origin) in sorted(layers.values.items())}
    return LoadedSettings(settings, origins, tuple(layers.problems), tuple(_meaningless_variables()))


def flat(settings: Settings) -> dict[str, object]:
    """Return every single setting by its key with dots: "queue.max_events"."""
    return {".".join(path): value for path, value in _leaves(settings.model_dump())}


class _Layers:
    """The leaves of all sources, the later ones on top."""

    def __init__(self) -> None:
        self.values: dict[_Path, tuple[object, str]] = {}
        self._below: dict[_Path, list[tuple[object, str]]] = {}
        self.problems: list[SettingsError] = []

    def put(self, path: _Path, value: object, origin: str) -> None:
        """Lay one setting over what is there, unless its key is unknown or that of a section."""
        unknown = _unknown(path)
        if unknown is not None:
            key, suggestion = unknown
            self.problems.append(SettingsError("unknown key", key=key, origin=origin, suggestion=suggestion))
        elif _inner(path) is not None:
            reason = "this is a section; set the keys in it one by one"
            self.problems.append(SettingsError(reason, key=".".join(path), origin=origin))
        else:
            if path in self.values:
                self._below.setdefault(path, []).append(self.values[path])
            self.values[path] = (value, origin)

    def settle(self) -> Settings:
        """Validate; what is wrong is dropped, what it lay on comes up, and all is validated again."""
        while True:
            try:
                return Settings.model_validate(_nested(self.values))
            except ValidationError as error:
                for problem in error.errors():
                    self._drop(tuple(map(str, problem["loc"])), problem["msg"])

    def _drop(self, location: _Path, message: str) -> None:
        for path in [it for it in self.values if it == location[: len(it)] or location == it[: len(location)]]:
            _, origin = self.values.pop(path)
            if below := self._below.get(path):
                self.values[path] = below.pop()
            self.problems.append(SettingsError(message, key=".".join(path), origin=origin))


def _leaves(value: object, path: _Path = ()) -> Iterator[tuple[_Path, object]]:
    """Yield the single settings of a section; what stands where no section belongs is a setting of its own."""
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_unset=True)
    if isinstance(value, Mapping) and _inner(path) is not None:
        for key, item in cast("Mapping[object, object]", value).items():
            yield from _leaves(item, (*path, section_name(str(key)) if path == ("plugins",) else str(key)))
    else:
        yield path, value


def _nested(values: Mapping[_Path, tuple[object, str]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, (value, _) in values.items():
        node = tree
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node[path[-1]] = value
    return tree


# --- What may stand where --------------------------------------------------------------------------------------------


def _inner(path: _Path) -> Any | None:
    """Return the type of the section at `path`, a model or a `dict[...]`; None where there is a value or nothing."""
    here: Any = Settings
    for key in path:
        if get_origin(here) is dict:
            here = get_args(here)[1]
        else:
            field = here.model_fields.get(key)
            here = None if field is None else field.annotation
        if get_origin(here) is not dict and not (isinstance(here, type) and issubclass(here, BaseModel)):
            return None
    return here


def _keys(section: Any) -> tuple[str, ...] | None:
    """Return the keys that a section may have; None for any."""
    if get_origin(section) is dict:
        return get_args(get_args(section)[0]) or None
    return tuple(section.model_fields)


def _unknown(path: _Path) -> tuple[str, str | None] | None:
    """Return None for a key that may be set, else the key as far as it goes wrong and the nearest known one."""
    for depth, key in enumerate(path):
        section = _inner(path[:depth])
        if section is None:
            # Below a value; a plugin's own section goes as deep as the plugin likes.
            return (
                None if path[0] == "plugins" and depth > _PLUGIN_KEY_DEPTH else (".".join(path), ".".join(path[:depth]))
            )
        known = _keys(section)
        if known is not None and key not in known:
            near = nearest(key, known)
            return ".".join(path[: depth + 1]), None if near is None else ".".join((*path[:depth], near))
    return None


# --- File ------------------------------------------------------------------------------------------------------------


def _add_file(layers: _Layers, directory: Path | None) -> None:
    try:
        start = Path.cwd() if directory is None else directory
    except OSError:  # the working directory is gone
        return
    for folder in (start, *start.parents):
        for name in ("relay.toml", "pyproject.toml"):
            try:
                data = _read(folder / name)
            except (OSError, ValueError) as error:
                layers.problems.append(SettingsError(error_text(error), key=None, origin=str(folder / name)))
                continue
            if data is not None:
                for path, value in _leaves(data):
                    layers.put(path, value, str(folder / name))
                return


def _read(file: Path) -> Mapping[str, object] | None:
    """Return the settings in a file; None if there is no such file, or a pyproject.toml that does not mention Relay."""
    if not file.is_file():
        return None
    text = file.read_text(encoding="utf-8")
    if file.name == "relay.toml":
        return tomllib.loads(text)
    section: object = tomllib.loads(text).get("tool", {}).get("relay") if "relay" in text else None
    if section is not None and not isinstance(section, dict):
        raise ValueError("[tool.relay] must be a table")
    return cast("Mapping[str, object] | None", section)


# --- Environment -----------------------------------------------------------------------------------------------------


def _environment() -> Mapping[str, object]:
    """Return what the environment sets, as text: what it means is for the validation to say."""
    from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict  # slow; only needed here

    class Environment(Settings, BaseSettings):
        model_config = SettingsConfigDict(
            env_prefix=_PREFIX, env_nested_delimiter="__", env_ignore_empty=True, enable_decoding=False
        )

    return EnvSettingsSource(Environment)()


def _meaningless_variables() -> Iterator[str]:
    for variable, value in os.environ.items():
        if value and variable.upper().startswith(_PREFIX):
            unknown = _unknown(tuple(variable[len(_PREFIX) :].lower().split("__")))
            if unknown is not None:
                near = "" if unknown[1] is None else f"; did you mean {_variable(unknown[1].split('.'))}?"
                yield f"the variable {variable} sets nothing{near}"


def _variable(path: Iterable[str]) -> str:
    return _PREFIX + "__".join(path).upper()
