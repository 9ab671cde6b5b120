"""Registering guardrails, intercepts and injectors."""

import inspect
from typing import Any

import pytest
from tests.core.control.support import Recording

from relay_core.codecs import LLMRequest
from relay_core.control import EventMetadata, Guardrails, Intercepts, ScopePlace
from relay_core.control.registrars import OBSERVED
from relay_core.errors import GuardrailRejected, RegistrationError, ScopeClosedError, ScopeError
from relay_core.hookspecs import hookimpl
from relay_core.llm_sanitizers import LlmSanitizeContext
from relay_core.plugin_context import PluginContext
from relay_core.runtime import Relay

pytestmark = pytest.mark.anyio

CONTROL = [
    ("guardrails", "tool_conditional_execution"),
    ("guardrails", "llm_conditional_execution"),
    ("intercepts", "tool_request"),
    ("intercepts", "tool_execution"),
    ("intercepts", "llm_request"),
    ("intercepts", "llm_execution"),
    ("intercepts", "llm_stream_execution"),
]
OBSERVE = [
    ("guardrails", "tool_sanitize_request"),
    ("guardrails", "tool_sanitize_response"),
    ("guardrails", "llm_sanitize_request"),
    ("guardrails", "llm_sanitize_response"),
    ("guardrails", "mark_sanitize"),
    ("guardrails", "scope_sanitize_start"),
    ("guardrails", "scope_sanitize_end"),
    ("event_metadata", "injector"),
]


def function(*args: Any) -> Any:
    """Do nothing."""


async def async_function(*args: Any) -> Any:
    """Do nothing, asynchronously."""


def pair(relay: Relay, registrar: str, kind: str) -> tuple[Any, Any]:
    """Return the functions that register and deregister this kind."""
    owner = getattr(relay, registrar)
    return getattr(owner, f"register_{kind}"), getattr(owner, f"deregister_{kind}")


def test_every_registration_has_a_test() -> None:
    """The lists of this file are complete, and every `register_*` has its twin."""
    methods = {
        name
        for owner in (Guardrails, Intercepts, EventMetadata)
        for name, _ in inspect.getmembers(owner, inspect.isfunction)
        if "register_" in name
    }
    kinds = [kind for _, kind in CONTROL + OBSERVE]

    assert methods == {f"{prefix}register_{kind}" for kind in kinds for prefix in ("", "de")}
    assert len(OBSERVE) == len(OBSERVED)


@pytest.mark.parametrize(("registrar", "kind"), CONTROL + OBSERVE)
def test_name_is_taken_once(relay: Relay, registrar: str, kind: str) -> None:
    """A name can be registered once per kind, and again after it was taken back."""
    register, deregister = pair(relay, registrar, kind)
    register("n", 1, function)

    with pytest.raises(RegistrationError, match="'n' already exists"):
        register("n", 2, function)
    assert [True, False] == [deregister("n"), deregister("n")]
    register("n", 1, function)


@pytest.mark.parametrize(("registrar", "kind"), CONTROL + OBSERVE)
@pytest.mark.parametrize("arguments", [(1, 1, function), ("n", "1", function), ("n", 1, "function")])
def test_wrong_types_are_refused(relay: Relay, registrar: str, kind: str, arguments: tuple[Any, ...]) -> None:
    """Wrong types of name, priority and function are refused."""
    register, deregister = pair(relay, registrar, kind)

    with pytest.raises(TypeError):
        register(*arguments)
    assert not deregister("n")


@pytest.mark.parametrize(("registrar", "kind"), OBSERVE)
def test_sanitizers_and_injectors_are_sync(relay: Relay, registrar: str, kind: str) -> None:
    """What runs on the delivery thread cannot be async: a coroutine function is refused."""
    register, _ = pair(relay, registrar, kind)

    with pytest.raises(TypeError, match="must be a sync function"):
        register("n", 1, async_function)


@pytest.mark.parametrize(("registrar", "kind"), CONTROL)
def test_control_may_be_async(relay: Relay, registrar: str, kind: str) -> None:
    """Guardrails and intercepts may be async."""
    register, deregister = pair(relay, registrar, kind)
    register("n", 1, async_function)

    assert deregister("n")


@pytest.mark.parametrize("takes", [1, 2, None])
async def test_llm_sanitizers_may_leave_out_the_context(recording: Recording, takes: int | None) -> None:
    """An LLM sanitizer takes the payload, with or without a context that knows the event."""
    relay = recording.relay
    seen: list[Any] = []
    functions: dict[int | None, Any] = {
        1: lambda payload: seen.append(payload) or payload,
        2: lambda payload, context: seen.extend([payload, context]) or payload,
        None: lambda *arguments: seen.extend(arguments) or arguments[0],
    }
    relay.guardrails.register_llm_sanitize_request("n", 1, functions[takes])
    relay.guardrails.register_llm_sanitize_response("n", 1, functions[takes])

    await relay.llm.execute("p", LLMRequest({}, "request"), lambda request: "response")
    await recording.events()

    assert [LLMRequest({}, "request"), "response"] == [it for it in seen if not isinstance(it, LlmSanitizeContext)]
    assert (0 if takes == 1 else 2) == len([it for it in seen if isinstance(it, LlmSanitizeContext)])


def test_scope_place_ends_with_its_scope(relay: Relay) -> None:
    """Registrations on a scope are gone when it ends: none can be added then, and none is there to take back."""
    handle = relay.scopes.start("request")
    guardrails = Guardrails(ScopePlace(relay.scopes, handle))
    guardrails.register_tool_conditional_execution("n", 1, function)
    relay.scopes.end(handle)

    assert not guardrails.deregister_tool_conditional_execution("n")
    with pytest.raises(ScopeClosedError):
        guardrails.register_tool_conditional_execution("n", 1, function)
    assert not relay.scopes.has_local


def test_implicit_root_is_no_place(relay: Relay) -> None:
    """Nothing can be registered on the implicit root: it never ends."""
    with pytest.raises(ScopeError):
        Guardrails(ScopePlace(relay.scopes, relay.root)).register_tool_conditional_execution("n", 1, function)


def test_plugin_takes_its_registrations_with_it(recording: Recording) -> None:
    """A plugin registers guardrails, intercepts and injectors through its context; they go when it goes."""
    relay = recording.relay

    class Policy:
        @hookimpl
        def relay_configure(self, context: PluginContext) -> None:
            context.guardrails.register_tool_conditional_execution("policy", 1, lambda name, args: "no")
            context.intercepts.register_tool_request("policy", 1, function)
            context.event_metadata.register_injector("policy", 1, lambda event: {"by": "policy"})

    relay.registry.register(Policy(), name="policy")
    with pytest.raises(GuardrailRejected):
        relay.tools.execute_sync("t", 1, lambda args: pytest.fail("called"))
    assert {"by": "policy"} == recording.events_now()[-1].metadata

    relay.registry.unregister("policy")
    assert 1 == relay.tools.execute_sync("t", 1, lambda args: args).result
    assert not relay.guardrails.deregister_tool_conditional_execution("policy")


def test_local_control_without_listeners() -> None:
    """A guardrail on a scope does not make events where nobody listens."""
    relay = Relay()
    with relay.scopes.scope("request", input="payload") as handle:
        Guardrails(ScopePlace(relay.scopes, handle)).register_tool_conditional_execution("n", 1, function)
        relay.scopes.event("mark")
        relay.tools.execute_sync("t", 1, lambda args: args)

    assert (0, 0) == (relay.statistics().emitted, relay.statistics().queued)
