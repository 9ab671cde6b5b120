"""The public functions of `relay_core.scope_local`: arguments by name, and what they refuse."""

import inspect
from typing import Any

import pytest

from relay_core import scope, scope_local


def test_the_handle_by_name() -> None:
    """Every function takes the scope's handle as `scope_handle`, first or by name, as with NeMo Relay."""
    functions: dict[str, Any] = {name: getattr(scope_local, name) for name in scope_local.__all__}

    assert {"scope_handle"} == {next(iter(inspect.signature(it).parameters)) for it in functions.values()}
    with scope.scope("request") as handle:
        functions["register_tool_request"](scope_handle=handle, name="mine", priority=1, break_chain=False, fn=max)
        assert functions["deregister_tool_request"](scope_handle=handle, name="mine")
        functions["register_subscriber"](scope_handle=handle, name="mine", callback=print)
        assert functions["deregister_subscriber"](scope_handle=handle, name="mine")


def test_deregistering_from_what_is_no_scope() -> None:
    """What is no handle is a TypeError that says so."""
    with pytest.raises(TypeError, match="scope_handle must be a ScopeHandle, not str"):
        scope_local.deregister_subscriber("request", "mine")  # type: ignore[arg-type]
