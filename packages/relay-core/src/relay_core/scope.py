"""Scopes and marks of the default runtime. Each function's documentation is that of `relay_core.scopes.Scopes`."""

from typing import Final

from relay_core.runtime import default

__all__ = ["current", "end", "event", "get_handle", "metric", "pop", "push", "scope", "start"]

_scopes: Final = default().scopes

push = _scopes.push
pop = _scopes.pop
scope = _scopes.scope
start = _scopes.start
end = _scopes.end
event = _scopes.event
metric = _scopes.metric
current = _scopes.current
get_handle = _scopes.get_handle
