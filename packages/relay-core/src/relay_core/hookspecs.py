"""Every extension point of Relay's core, in three sections: lifecycle, observe, integration. No behaviour.

Mark a method with `hookimpl` to implement a hook. An implementation takes those of the hook's arguments that it names
and is a plain function: Relay calls the implementations one by one, so that none of them can stop the next one.
Packages declare hooks of their own with `hookspec` and `relay_addhooks`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from relay_core.events import MarkEvent, ScopeEvent
    from relay_core.handles import ScopeHandle
    from relay_core.plugin_context import PluginContext
    from relay_core.registry import PluginRegistry
    from relay_core.trajectory import Trajectory
    from relay_core.vocabulary import Outcome

__all__ = [
    "OBSERVE_HOOKS",
    "PROJECT",
    "SECTIONS",
    "hookimpl",
    "hookspec",
    "relay_addhooks",
    "relay_classify_outcome",
    "relay_configure",
    "relay_current_scope",
    "relay_dispatch",
    "relay_flush",
    "relay_instrument",
    "relay_mark",
    "relay_payload_encoder",
    "relay_sanitize",
    "relay_scope_end",
    "relay_scope_start",
    "relay_shutdown",
    "relay_trajectory",
    "relay_unconfigure",
    "relay_uninstrument",
]

PROJECT = "relay"
"""The name of the entry-point group, and the project name that pluggy's markers carry."""

hookspec = pluggy.HookspecMarker(PROJECT)
"""Marks a function as the declaration of a hook."""

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a method as an implementation. Relay honours the options `tryfirst`, `trylast`, `optionalhook`, `specname`."""

SECTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "lifecycle": (
            "relay_addhooks",
            "relay_configure",
            "relay_unconfigure",
            "relay_flush",
            "relay_shutdown",
        ),
        "observe": (
            "relay_sanitize",
            "relay_scope_start",
            "relay_scope_end",
            "relay_mark",
            "relay_dispatch",
            "relay_trajectory",
        ),
        "integration": (
            "relay_instrument",
            "relay_uninstrument",
            "relay_payload_encoder",
            "relay_current_scope",
            "relay_classify_outcome",
        ),
    }
)
"""The hooks of this module by section, in the order in which they are called or read about."""

OBSERVE_HOOKS = frozenset(SECTIONS["observe"])
"""The hooks that run on the delivery thread, with events that were emitted earlier."""


# --- Lifecycle: a plugin comes, works and goes -----------------------------------------------------------------------


@hookspec
def relay_addhooks(manager: PluginRegistry) -> None:
    """A plugin may declare hooks of its own, for other plugins to implement.

    When: before any plugin of the same discovery is registered, so that load order does not matter; for a plugin that
    is registered by hand, just before its own hooks are checked. In the thread that uses Relay for the first time or
    registers.
    Order: registration order, `tryfirst` and `trylast` do not apply.
    Returns: nothing.
    Raising: the plugin is refused, with the error in the report; `plugins.register` raises `PluginError`.

    Args:
        manager: `manager.add_hookspecs(module_or_class)` declares every function there that is marked with `hookspec`;
            `manager.first(hook, *args)` and `manager.call(hook, *args)` call a declared hook later on.
    """


@hookspec
def relay_configure(context: PluginContext) -> None:
    """A plugin may read its settings and register subscribers, sanitizers, guardrails and intercepts.

    When: at first use of Relay or at `install()`, once all plugins are registered and before any event; on the spot
    for a plugin that is registered later, before it sees events. In the thread that does so. Emit nothing here.
    Order: registration order; `tryfirst` and `trylast` do not apply.
    Returns: nothing.
    Raising: the plugin is unregistered and everything it registered through `context` is taken back; at discovery the
    error goes to the report, `plugins.register` raises it.

    Args:
        context: `context.settings(Model)` gives the plugin's own settings as a pydantic model; `context.subscribers`,
            `context.guardrails`, `context.intercepts` and `context.event_metadata` register what goes away with the
            plugin. A subscriber that is registered there comes after the plugin's own hooks.
    """


@hookspec
def relay_unconfigure() -> None:
    """A plugin goes: it releases what it holds.

    When: once for each `relay_configure`, when the plugin is unregistered or at `uninstall()`; after the events that
    were emitted before have been delivered (bounded), and before what it registered through `context` is taken back.
    In the thread that unregisters. The plugin may be configured again afterwards.
    Order: at `uninstall()` the reverse of the registration order.
    Returns: nothing.
    Raising: is logged and counted under the plugin's name; the plugin goes all the same.
    """


@hookspec
def relay_flush(timeout: float) -> None:
    """A plugin with a buffer of its own writes out what it has been given so far.

    When: at `subscribers.flush()` and `flush_async()`, after the events emitted before have been delivered. On the
    delivery thread, or in the calling thread where no delivery thread can run.
    Order: `tryfirst`, registration order, `trylast`.
    Returns: nothing.
    Raising: is logged and counted under the plugin's name; the other plugins are still flushed.

    Args:
        timeout: Seconds that are left of the caller's timeout, at least 0. Return by then; nobody interrupts.
    """


@hookspec
def relay_shutdown(timeout: float) -> None:
    """The process ends: a plugin writes out what it has and closes what it holds.

    When: once, at the exit of the interpreter or of a `multiprocessing` child, after the queue has been drained.
    Events that are emitted later are still delivered, one at a time, by the thread that emits them. In the exiting
    thread.
    Order: `tryfirst`, registration order, `trylast`.
    Returns: nothing.
    Raising: is logged and counted under the plugin's name; the other plugins are still shut down.

    Args:
        timeout: Seconds that are left until the exit deadline, at least 0. Return by then; nobody interrupts.
    """


# --- Observe: events, after the fact, on the delivery thread ---------------------------------------------------------


@hookspec
def relay_sanitize(event: ScopeEvent | MarkEvent) -> ScopeEvent | MarkEvent | None:
    """A plugin may change what is recorded of an event; what the application does is not affected.

    When: for each event before anyone observes it, after credential-like keys were redacted. On the delivery thread, in
    emission order.
    Order: `tryfirst`, registration order, `trylast`; each plugin gets what the one before returned.
    Returns: `event.replace(data=..., metadata=..., category_profile=...)`, or None to leave the event as it is.
    Raising: fails closed, as does returning anything else. The event goes on without what it recorded of the
    application; the error is logged and counted under the plugin's name.

    Args:
        event: Immutable; what its accessors return is a copy of the plugin's own.
    """


@hookspec
def relay_scope_start(event: ScopeEvent) -> None:
    """A scope has started.

    When: for each start event, after the sanitizers. On the delivery thread, in emission order.
    Order: `tryfirst`, registration order, `trylast`.
    Returns: nothing.
    Raising: is logged once per minute and counted under the plugin's name; the other plugins still get the event.

    Args:
        event: The start event; `event.data` is the scope's input.
    """


@hookspec
def relay_scope_end(event: ScopeEvent) -> None:
    """A scope has ended, with an outcome.

    When: for each end event, after the sanitizers. On the delivery thread, in emission order. Scopes end in any order;
    a child may end after its parent.
    Order: `tryfirst`, registration order, `trylast`.
    Returns: nothing.
    Raising: is logged once per minute and counted under the plugin's name; the other plugins still get the event.

    Args:
        event: The end event; it has the uuid of its start event, `event.data` is the output, `event.outcome` says how
            it ended.
    """


@hookspec
def relay_mark(event: MarkEvent) -> None:
    """Something happened at one point in time, inside a scope or outside of any.

    When: for each mark, after the sanitizers. On the delivery thread, in emission order.
    Order: `tryfirst`, registration order, `trylast`.
    Returns: nothing.
    Raising: is logged once per minute and counted under the plugin's name; the other plugins still get the event.

    Args:
        event: The mark; `event.data` is its payload.
    """


@hookspec
def relay_dispatch(events: tuple[ScopeEvent | MarkEvent, ...]) -> None:
    """A batch of events is ready: for sinks, which write many at once.

    When: whenever the delivery thread has taken a batch from the queue, after the sanitizers and after the hooks for
    single events. On the delivery thread; batches and the events in them are in emission order, and no event is in two
    batches.
    Order: `tryfirst`, registration order, `trylast`.
    Returns: nothing.
    Raising: is logged once per minute and counted under the plugin's name; the batch is not offered again; the other
    plugins still get it.

    Args:
        events: At least one event. Keep what you need; `event.to_json_bytes()` costs no encoding, and
            `relay_core.events.json_lines(events)` gives all of them as lines of JSON, for less than half of that.
    """


@hookspec
def relay_trajectory(trajectory: Trajectory) -> None:
    """A root scope has closed: all of its events, as a tree.

    When: once per root, when it and everything under it has ended; later events of the same root come in a follow-up.
    A root that stays open for longer than the setting `trajectory.max_age`, or until the process ends, comes as it is.
    On the delivery thread, after the last event was delivered. Built only where a plugin implements this hook.
    Order: `tryfirst`, registration order, `trylast`.
    Returns: nothing.
    Raising: is logged once per minute and counted under the plugin's name; the other plugins still get the trajectory.

    Args:
        trajectory: The ordered events and the tree of scopes; says so where a limit has cut it.
    """


# --- Integration: a framework's package answers the core's questions -------------------------------------------------


@hookspec
def relay_instrument() -> None:
    """An integration hooks itself into its framework, for all uses in this process.

    When: at `install()`, after `relay_configure`; never at first use alone. In the thread that calls `install()`.
    An integration that is registered after `install()` is instrumented on the spot.
    Order: `tryfirst`, registration order, `trylast`.
    Returns: nothing.
    Raising: is logged and counted under the plugin's name and stands in the report; the other plugins are still
    instrumented.
    """


@hookspec
def relay_uninstrument() -> None:
    """An integration takes itself out of its framework again.

    When: at `uninstall()` and when an instrumented plugin is unregistered, before `relay_unconfigure`. In the thread
    that does so. End the scopes of runs that are under way, as abandoned: nobody will tell of their end. What the user
    has asked for, as a handler passed by hand, goes on, and scopes of user code are the user's to close.
    Order: at `uninstall()` `tryfirst`, registration order, `trylast`.
    Returns: nothing.
    Raising: is logged and counted under the plugin's name; the other plugins are still taken out.
    """


@hookspec(firstresult=True)
def relay_payload_encoder(type: type) -> Callable[[object], object] | None:
    """A plugin may say how the values of a type are recorded.

    When: once per type that JSON does not know, at the first value of that type, and again after plugins have changed.
    In the emitting thread: be quick, import nothing, emit nothing.
    Order: `tryfirst`, registration order, `trylast`; the first answer that is not None wins, the rest is not asked.
    Returns: a function that turns a value of this type into what JSON knows, or into values that are encoded in turn;
    or None for "not mine". The function runs in emitting threads, several at a time; it may neither consume nor keep
    the value. Where lists of many such values are common, it may be an object with a method `project_list`, too: that
    is given a list whose first item is of this type, and returns a list with what stands for each item, or the item
    itself. What such an object returns has to be plain data as a rule: it is encoded without being walked first.
    Raising: is logged and counted under the plugin's name, and the next plugin is asked. Where the returned function
    raises, `{"$error": "package.Class"}` is recorded in place of the value.

    Args:
        type: The exact class of the value.
    """


@hookspec(firstresult=True)
def relay_current_scope() -> ScopeHandle | None:
    """An integration may know which scope the framework is in right now.

    When: whenever the current scope is asked for: `scope.get_handle()`, and `push` or `event` without a handle. In the
    asking thread or task: a lookup, nothing more; emit nothing.
    Order: `tryfirst`, registration order, `trylast`; the first answer that is not None wins, the rest is not asked.
    A plugin with an attribute `open_runs`, a dict, once it is configured, is asked only while that holds something.
    Returns: the open scope of the framework's active run, or None for "no run of mine". A scope that user code opened
    inside of that run is still the inner one.
    Raising: is logged and counted under the plugin's name, and the next plugin is asked.
    """


@hookspec(firstresult=True)
def relay_classify_outcome(error: BaseException) -> Outcome | None:
    """A scope is left by an exception: an integration may know it as control flow of its framework, not an error.

    When: once for each scope that is left by an exception which counts as an error by Python's own words: a block or
    decorated function, a managed call or stream, and a run of an integration. Never for a scope that ends well, nor
    for cancellation, exit and GeneratorExit. In the thread or task that ends the scope, before its end event: tell by
    the type, emit nothing.
    Order: `tryfirst`, registration order, `trylast`; the first answer that is not None wins, the rest is not asked.
    Returns: the outcome, or None for "not mine". Of an `interrupted` or `handed_off` scope the end event does not hold
    the exception's text: that is the framework's payload, no message.
    Raising: is logged and counted under the plugin's name, as is an answer that is no `Outcome`, and the next plugin is
    asked. Without an answer the outcome is `error`.

    Args:
        error: not to be kept, nor its traceback: that would keep everything alive that its frames hold.
    """
