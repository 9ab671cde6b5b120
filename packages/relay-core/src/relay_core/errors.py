"""Every error that Relay raises on purpose. Each class makes its own message and keeps the data it was made from.

    RelayError (RuntimeError)
    ├── ScopeError                  this handle cannot be used like that
    │   └── ScopeClosedError        it is closed already
    ├── RegistrationError           a name is taken
    ├── PluginError                 a plugin cannot be used; names the plugin, the hook and the mend
    │   ├── PluginExistsError       its name is taken; a RegistrationError, too
    │   └── DiscoveryError          strict mode: these plugins cannot be used
    ├── SettingsError               a setting is unknown or has a wrong value
    ├── InstallationError           `install()` with other settings than those in force
    ├── GuardrailRejected           a guardrail refused a managed call
    ├── ContinuationError           an execution intercept called `next` after it had returned
    ├── AsyncMiddlewareError        async middleware in front of a call that runs without a loop
    ├── RunningLoopError            a blocking call where a loop runs
    └── EventFormatError            a JSON object is no ATOF event (a ValueError, too)

Wrong arguments raise the `TypeError` or `ValueError` that a Python programmer expects; they are not in this tree.
What the application's own functions raise passes through Relay unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = [
    "AsyncMiddlewareError",
    "ContinuationError",
    "DiscoveryError",
    "EventFormatError",
    "GuardrailRejected",
    "InstallationError",
    "PluginError",
    "PluginExistsError",
    "RegistrationError",
    "RelayError",
    "RunningLoopError",
    "ScopeClosedError",
    "ScopeError",
    "SettingsError",
]


class RelayError(RuntimeError):
    """Base of all errors that Relay raises on purpose; catch it to catch them all."""

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by state: the subclasses take other arguments than the message."""
        return _restore, (type(self), self.args, self.__dict__.copy())


def _restore(kind: type[RelayError], args: tuple[object, ...], state: dict[str, object]) -> RelayError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class ScopeError(RelayError):
    """A scope handle was used in a way that it does not allow; nothing was emitted.

    Raised by `scope.pop` for the implicit root and for a handle of another runtime. Use the handle that `push` gave
    you.
    """

    def __init__(self, reason: str, *, name: str, uuid: str) -> None:
        """Say `reason` about the scope.

        Args:
            reason: What is wrong and what to do, as the end of a sentence: "is the implicit root and never closes".
            name: The scope's name.
            uuid: The scope's uuid.
        """
        self.reason = reason
        self.name = name
        self.uuid = uuid
        super().__init__(f"scope {name!r} ({uuid}) {reason}")


class ScopeClosedError(ScopeError):
    """The scope is closed already; nothing was emitted.

    Raised by `scope.pop` on the second call and by `scope_local.register_*`. Register while the scope is open; where a
    scope may have been closed by someone else, `scope.end` answers False instead of raising.
    """

    def __init__(self, *, name: str, uuid: str) -> None:
        """Name the closed scope."""
        super().__init__("is closed already", name=name, uuid=uuid)


class RegistrationError(RelayError):
    """A registration under a name that is taken.

    Raised by every `register` function. Deregister the other one first, or take another name.
    """

    def __init__(self, kind: str, name: str) -> None:
        """Name what is taken.

        Args:
            kind: What was to be registered, as a noun: "subscriber", "tool request intercept".
            name: The name that is taken.
        """
        self.kind = kind
        self.name = name
        super().__init__(f"{kind} {name!r} already exists; deregister it first or take another name")


class PluginError(RelayError):
    """A plugin cannot be registered or configured; nothing of it stays registered.

    Raised by `plugins.register`; at discovery it goes to the report instead, or, in strict mode, into `DiscoveryError`.
    The message says what to change in the plugin.
    """

    def __init__(self, reason: str, *, plugin: str, hook: str | None = None) -> None:
        """Say `reason` about the plugin.

        Args:
            reason: What is wrong and how to mend it.
            plugin: The name that the plugin was to be registered under.
            hook: The name of the hook in question, or None if it is about the plugin as a whole.
        """
        self.reason = reason
        self.plugin = plugin
        self.hook = hook
        where = f"plugin {plugin!r}" if hook is None else f"plugin {plugin!r}, hook {hook!r}"
        super().__init__(f"{where}: {reason}")


class PluginExistsError(PluginError, RegistrationError):
    """A plugin is registered already, under this name or as this object.

    Raised by `plugins.register`. Unregister the other one first, or take another name.
    """

    def __init__(self, *, plugin: str, requested: str | None = None) -> None:
        """Say what is taken.

        Args:
            plugin: The name of the plugin that is registered.
            requested: The name that was asked for; another one where the object is the same.
        """
        RegistrationError.__init__(self, "plugin", plugin)
        self.reason = "already exists"
        self.plugin = plugin
        self.hook = None
        if requested not in (None, plugin):
            self.reason = f"is registered already, as {plugin!r}; register another object"
            self.plugin = requested or plugin
            self.args = (f"plugin {requested!r}: {self.reason}",)


class DiscoveryError(PluginError):
    """Strict mode only: at least one plugin that was found cannot be used; none stays registered.

    Raised by the first use of Relay, by `install()` and by `plugins.discover()`. Mend or block the plugins it names,
    or leave strict mode; then they are left out and the others work.
    """

    def __init__(self, problems: Iterable[str], *, plugins: Sequence[str]) -> None:
        """List the problems.

        Args:
            problems: One sentence for each problem.
            plugins: The names of the plugins that have one, at least one.
        """
        self.problems = tuple(problems)
        self.plugins = tuple(plugins)
        super().__init__("strict mode refuses", plugin=", ".join(plugins))
        self.args = ("\n  - ".join(["strict mode refuses what was found:", *self.problems]),)


class SettingsError(RelayError):
    """A setting is unknown or its value is wrong.

    Raised by `install()` and by `context.settings(Model)`. Outside of `install()` wrong settings are logged and the
    defaults are taken, because Relay may not stop the application.
    """

    def __init__(self, reason: str, *, key: str | None, origin: str, suggestion: str | None = None) -> None:
        """Say `reason` about the setting.

        Args:
            reason: What is wrong: "unknown key", "must be at least 1".
            key: The setting with dots: "queue.max_events"; None where the whole origin cannot be read.
            origin: Where it was set: a file, "environment RELAY_QUEUE__MAX_EVENTS", "install()".
            suggestion: The nearest known key, if one is near.
        """
        self.reason = reason
        self.key = key
        self.origin = origin
        self.suggestion = suggestion
        hint = f"; did you mean {suggestion!r}?" if suggestion else ""
        what = "settings" if key is None else f"setting {key!r}"
        super().__init__(f"{what} ({origin}): {reason}{hint}")


class InstallationError(RelayError):
    """`install()` with settings that differ from those in force; nothing was changed.

    Settings are read once. Call `uninstall()` first, or pass the settings where Relay is used for the first time.
    """

    def __init__(self, changed: Iterable[str]) -> None:
        """Name the settings that would change.

        Args:
            changed: The keys with dots: "queue.max_events".
        """
        self.changed = tuple(changed)
        keys = ", ".join(repr(key) for key in self.changed)
        super().__init__(f"Relay is in use with other settings for {keys}; call relay_core.uninstall() first")


class GuardrailRejected(RelayError):  # noqa: N818 - the name is part of the public contract
    """A conditional guardrail refused a managed tool or LLM call, which was not made.

    Raised by `tools.execute`, `llm.execute` and their siblings. `reason` is what the guardrail returned.
    """

    def __init__(self, reason: str) -> None:
        """Keep the guardrail's reason."""
        self.reason = reason
        super().__init__(f"guardrail rejected: {reason}")


class ContinuationError(RelayError):
    """An execution intercept called `next` after the intercept had returned; the call was not made.

    Call and await `next` inside the intercept.
    """

    def __init__(self, intercept: str) -> None:
        """Name the intercept that `next` belonged to."""
        self.intercept = intercept
        super().__init__(f"'next' of the intercept {intercept!r} is no longer active: the intercept has returned")


class AsyncMiddlewareError(RelayError):
    """Async middleware stands in front of a call that runs without an event loop; the call was not made.

    Raised by `tools.execute_sync` and `llm.execute_sync`. Make that function sync, or await the async variant.
    """

    def __init__(self, middleware: str, *, call: str, instead: str) -> None:
        """Name the middleware and the call.

        Args:
            middleware: Name of the registration whose function is async.
            call: The public function that was called: "tools.execute_sync".
            instead: The function to await instead: "tools.execute".
        """
        self.middleware = middleware
        self.call = call
        self.instead = instead
        super().__init__(f"{call} cannot run the async middleware {middleware!r}; use 'await {instead}'")


class RunningLoopError(RelayError):
    """A blocking call was made in a thread whose event loop is running, which would stop it; nothing was done."""

    def __init__(self, call: str, *, instead: str) -> None:
        """Name the call and its awaitable twin.

        Args:
            call: The public function that was called: "subscribers.flush()".
            instead: What to await instead: "subscribers.flush_async()".
        """
        self.call = call
        self.instead = instead
        super().__init__(f"{call} would block the running event loop; use 'await {instead}'")


class EventFormatError(RelayError, ValueError):
    """A JSON object is no ATOF event that this version can read.

    Raised by `events.event_from_dict`; the JSONL reader reports it with the line number and goes on.
    """

    def __init__(self, field: str, reason: str) -> None:
        """Say `reason` about the wire key `field`, as the end of a sentence: "is missing"."""
        self.field = field
        self.reason = reason
        super().__init__(f"{field!r} {reason}")
