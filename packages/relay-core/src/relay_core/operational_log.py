"""Records about the operation of a program, for whoever runs it: Python's own `logging`, under NeMo Relay's names.

These are no events: no subscriber sees them. They go to the logger ``relay_core.log``, or to its child that `target`
names, and each record carries ``record.relay``: the fields, and the uuids of the current scope and its root. The fields
are encoded and redacted as payloads are.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

import orjson

from relay_core.json_values import is_mapping
from relay_core.runtime import Relay, default

__all__ = ["debug", "error", "info", "log", "trace", "warn"]

_LEVELS: Final = {
    "trace": 5,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def log(level: str, message: str, *, target: str = "", fields: Mapping[str, Any] | None = None) -> None:
    """Log a record.

    Args:
        level: ``trace`` (5, below `logging.DEBUG`), ``debug``, ``info``, ``warn`` or ``error``.
        message: What happened; taken as it is: ``%`` has no meaning, and nothing is redacted.
        target: Which part of the program it concerns, with dots.
        fields: What belongs to it; any objects. Appended to the message as ``key=value``, in JSON, without the values
            under the setting `redact_keys`.

    Raises:
        ValueError: An unknown level.
        TypeError: `fields` is no mapping, or `message` no str.
        SettingsError: Strict mode, this is the first use of Relay, and a setting is wrong.
        DiscoveryError: Strict mode, this is the first use of Relay, and a plugin cannot be used.
    """
    _log(level, message, target, fields)


def trace(message: str, *, target: str = "", fields: Mapping[str, Any] | None = None) -> None:
    """Log a record of level ``trace``; see `log`."""
    _log("trace", message, target, fields)


def debug(message: str, *, target: str = "", fields: Mapping[str, Any] | None = None) -> None:
    """Log a record of level ``debug``; see `log`."""
    _log("debug", message, target, fields)


def info(message: str, *, target: str = "", fields: Mapping[str, Any] | None = None) -> None:
    """Log a record of level ``info``; see `log`."""
    _log("info", message, target, fields)


def warn(message: str, *, target: str = "", fields: Mapping[str, Any] | None = None) -> None:
    """Log a record of level ``warn``; see `log`."""
    _log("warn", message, target, fields)


def error(message: str, *, target: str = "", fields: Mapping[str, Any] | None = None) -> None:
    """Log a record of level ``error``; see `log`."""
    _log("error", message, target, fields)


def _log(level: str, message: str, target: str, fields: Mapping[str, Any] | None) -> None:
    if level not in _LEVELS:
        raise ValueError(f"level must be one of {', '.join(_LEVELS)}, not {level!r}")
    if not isinstance(message, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"message must be a str, not {type(message).__name__}")
    if fields is not None and not isinstance(fields, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"fields must be a mapping or None, not {type(fields).__name__}")
    logger = logging.getLogger(f"relay_core.log.{target}" if target else "relay_core.log")
    if not logger.isEnabledFor(_LEVELS[level]):
        return
    relay = default()
    shown: Mapping[str, Any] = _shown(relay, fields) if fields else {}
    told = [f"{key}={relay.encoder.encode(value).decode()}" for key, value in shown.items()]
    scope = relay.scopes.current()
    about = {
        "fields": shown,
        "scope_uuid": None if scope is None else scope.uuid,
        "root_uuid": None if scope is None else scope.root_uuid,
    }
    logger.log(_LEVELS[level], "%s", " ".join([message, *told]), extra={"relay": about}, stacklevel=3)


def _shown(relay: Relay, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields as an event would have them."""
    relay.ensure_ready()  # or the settings may not be read, and with them the keys to redact
    shown = orjson.loads(relay.redact(relay.encoder.encode(fields)))
    return shown if is_mapping(shown) else {"fields": shown}
