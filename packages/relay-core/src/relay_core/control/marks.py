"""The marks that intercepts leave behind."""

from collections.abc import Iterable

from relay_core.control.host import Host
from relay_core.control.results import PendingMarkSpec
from relay_core.handles import ScopeHandle

__all__ = ["emit_pending"]


def emit_pending(host: Host, handle: ScopeHandle, marks: Iterable[PendingMarkSpec]) -> None:
    """Emit the marks in order, under `handle`, which may have ended. A bad mark is counted and logged, and skipped."""
    for mark in marks:
        try:
            host.scopes.event(
                mark.name,
                handle=handle,
                data=mark.data,
                data_schema=mark.data_schema,
                metadata=mark.metadata,
                severity=mark.severity,
                category=mark.category,
                category_profile=mark.category_profile,
            )
        except Exception as error:  # the call is made: nothing about a mark may replace its result
            host.suppress(error, "a pending mark")
