"""The fast path of relay_core, in C. relay_core finds it where it is installed, and does the same without it.

There is nothing here for users. `relay_core.acceleration` puts it in front of the Python functions, which stay behind
it for all that is unusual, and say what each does.

module.c       what relay_core finds
  scopes.c     push, pop, start, end, event: the calls that nearly all calls are
    snapshot.c   a payload to JSON bytes, in one pass that runs no Python code, or in one over copies
      plan.c       instances of known classes, read from their own dicts
        text.c       JSON text
"""

from relay_native._native import (
    KINDS,
    TUPLE,
    Accelerated,
    Fragment,
    Plan,
    Scanner,
    Snapshot,
    bind,
    lines,
    note_collection,
    set_entry,
)

__all__ = [
    "INTERFACE",
    "KINDS",
    "TUPLE",
    "Accelerated",
    "Fragment",
    "Plan",
    "Scanner",
    "Snapshot",
    "bind",
    "lines",
    "note_collection",
    "set_entry",
]

INTERFACE = 1
"""Raised with each change that relay_core has to know of; it uses no other than its own."""
