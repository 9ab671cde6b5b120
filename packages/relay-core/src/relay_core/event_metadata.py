"""Metadata injectors of the default runtime; documented in `relay_core.control.registrars.EventMetadata`."""

from typing import Final

from relay_core.runtime import default

__all__ = [
    "deregister_injector",
    "register_injector",
]

_event_metadata: Final = default().event_metadata

register_injector = _event_metadata.register_injector
deregister_injector = _event_metadata.deregister_injector
