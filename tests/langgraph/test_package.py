"""The package's public names."""

import relay_langgraph


def test_names() -> None:
    """The public names are these, and each of them is there."""
    assert ["LangGraphSettings", "astream", "stream", "tool_node"] == relay_langgraph.__all__
    assert all(getattr(relay_langgraph, name) is not None for name in relay_langgraph.__all__)
    assert set(relay_langgraph.__all__) <= set(dir(relay_langgraph))


def test_unknown_name() -> None:
    """Others are not."""
    assert not hasattr(relay_langgraph, "nothing")
