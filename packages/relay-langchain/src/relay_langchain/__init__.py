"""Relay for LangChain: callbacks become scopes.

    handler      LangChain's hooks, guarded            instrument   the same without a handler in user code
    recorder     what starts and ends, with payloads   registry     when a scope closes
    parentage    whose child a run is                  current      which run user code is in
    messages, model_request, model_response, usage, projections, metadata     what is recorded
    classify     what a run is                         hookspecs    where plugins may know better
    runs         what plugins see of a run             plugin       what Relay finds
    middleware   control for agents                    managed_calls     control for one model or tool
    control, chat_request, observation                 what both are made of

Importing this package imports no framework; using a name of it does.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relay_langchain.handler import RelayCallbackHandler
    from relay_langchain.instrument import not_instrumented
    from relay_langchain.managed_calls import managed
    from relay_langchain.middleware import RelayMiddleware
    from relay_langchain.runs import Run, RunInfo

__all__ = ["RelayCallbackHandler", "RelayMiddleware", "Run", "RunInfo", "managed", "not_instrumented"]

_HOMES = {
    "RelayCallbackHandler": "relay_langchain.handler",
    "RelayMiddleware": "relay_langchain.middleware",
    "Run": "relay_langchain.runs",
    "RunInfo": "relay_langchain.runs",
    "managed": "relay_langchain.managed_calls",
    "not_instrumented": "relay_langchain.instrument",
}

if not TYPE_CHECKING:  # a type checker would take any misspelt name for one that is found here

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first used."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        value = getattr(importlib.import_module(home), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
