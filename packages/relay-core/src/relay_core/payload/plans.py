"""How `relay-native` writes values of a type without a call, where that is installed and can; see `projection`.

A plan says the same as the function of `projection` for the type. Where a value is not as a plan wants it, the function
is asked.
"""

import enum
from types import MemberDescriptorType
from typing import Any, Final

from relay_core.accelerator import native
from relay_core.payload.fields import bases, declared, first_of, has_dict, namespaces

__all__ = ["plan_of"]

_KINDS: Final[dict[type, int]] = getattr(native, "KINDS", {})
_RULES: Final[dict[int, int]] = {id(kind): rule for kind, rule in _KINDS.items()}
_EXTRA: Final = "__pydantic_extra__"


def plan_of(kind: type) -> object:
    """Return the plan for a type about which no plugin was found to know anything; None if there is none.

    Never raises, whatever the class.
    """
    if native is None:
        return None
    try:
        return _RULES.get(id(kind)) or _plan(kind)
    except Exception:  # the class was tampered with, or has more fields than a plan takes
        return None


def _plan(kind: type) -> object:
    lineage = bases(kind)
    if any(base is BaseException for base in lineage):
        return None
    spaces = namespaces(kind)
    if any(base is enum.Enum for base in lineage):
        return native.Plan((("only", "_value_"),)) if has_dict(spaces) else None
    names = declared(spaces)
    if names is not None:
        return _plan_of_fields(spaces, names)
    return native.TUPLE if any(base is tuple for base in lineage) else None


def _plan_of_fields(spaces: Any, names: list[str]) -> object:
    """Return a plan for instances that hold all of their fields, and nothing else, in their dict."""
    if not has_dict(spaces) or any(isinstance(first_of(spaces, name), MemberDescriptorType) for name in names):
        return None
    extra = first_of(spaces, _EXTRA)
    unless = (extra,) if isinstance(extra, MemberDescriptorType) else ()
    return native.Plan(tuple(("must", name, name) for name in names), unless)
