"""What a run is and how its error counts, as far as LangChain alone tells; plugins refine it through `hookspecs`."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from relay_core.vocabulary import ScopeType
from relay_langchain.runs import Run

__all__ = [
    "HIDDEN_TAG",
    "SCOPE_TYPES",
    "agent_name",
    "is_agent",
    "is_marked_hidden",
    "retry_attempt",
    "run_name",
    "scope_type_of",
]

HIDDEN_TAG: Final = "langsmith:hidden"
"""The tag by which LangChain and LangGraph mark runs that are plumbing."""

_AGENT_INTEGRATION: Final = "langchain_create_agent"
_ATTEMPT_TAG: Final = "retry:attempt:"

SCOPE_TYPES: Final = {
    "chain": ScopeType.Function,
    "chat_model": ScopeType.Llm,
    "llm": ScopeType.Llm,
    "tool": ScopeType.Tool,
    "retriever": ScopeType.Retriever,
}
"""The category of a run, by the hook that reports it."""
_RUN_TYPES: Final = {
    "llm": ScopeType.Llm,
    "tool": ScopeType.Tool,
    "retriever": ScopeType.Retriever,
    "embedding": ScopeType.Embedder,
}
"""What LangChain says about a run that it reports as a chain; all other words are functions."""


def scope_type_of(run_type: str) -> ScopeType:
    """Return the category of a run that LangChain reports as a chain, from its own word for it."""
    return _RUN_TYPES.get(run_type, ScopeType.Function)


def is_agent(metadata: Mapping[str, Any], parent: Run | None) -> bool:
    """Tell whether a chain is the root of an agent: metadata is inherited, so what differs from the parent counts.

    An unnamed agent inside another agent cannot be told from what surrounds it.
    """
    inherited: Mapping[str, Any] = {} if parent is None else parent.metadata
    name = metadata.get("lc_agent_name")
    if name is not None and name != inherited.get("lc_agent_name"):
        return True
    integration = metadata.get("ls_integration")
    return integration == _AGENT_INTEGRATION and inherited.get("ls_integration") != integration


def agent_name(metadata: Mapping[str, Any], name: str) -> str:
    """Return the agent's own name, else the run's."""
    own = metadata.get("lc_agent_name")
    return own if isinstance(own, str) and own else name


def is_marked_hidden(tags: Collection[object], parent: Run | None) -> bool:
    """Tell whether LangChain marks this run, and not the run that it inherits its tags from, as hidden."""
    return HIDDEN_TAG in tags and (parent is None or HIDDEN_TAG not in parent.tags)


def retry_attempt(tags: Collection[object]) -> int | None:
    """Return the attempt's number where a run is a repeated attempt of `with_retry`: 2 or more."""
    for tag in tags:
        if isinstance(tag, str) and tag.startswith(_ATTEMPT_TAG):
            number = tag[len(_ATTEMPT_TAG) :]
            return int(number) if number.isdigit() else None
    return None


def run_name(kind: str, serialized: Mapping[str, Any] | None, metadata: Mapping[str, Any]) -> str:
    """Return what a run without a run name is called: by its class, its node, or what it is."""
    if serialized:
        found = serialized.get("name") or (serialized.get("id") or (None,))[-1]
        if found:
            return str(found)
    return str(metadata.get("langgraph_node") or kind)
