"""The words of the wire format, where they are more than words."""

from relay_core import LLMAttributes, ScopeAttributes, ToolAttributes


def test_flags_say_what_they_hold() -> None:
    """Each flag can be asked for by name."""
    both = ScopeAttributes.PARALLEL | ScopeAttributes.RELOCATABLE

    assert (True, True) == (both.is_parallel, both.is_relocatable)
    assert (True, False) == (ScopeAttributes.PARALLEL.is_parallel, ScopeAttributes.PARALLEL.is_relocatable)
    assert (True, False) == (ToolAttributes.REMOTE.is_remote, ToolAttributes(0).is_remote)
    assert (True, False) == (LLMAttributes.STREAMING.is_streaming, LLMAttributes.STREAMING.is_stateful)
