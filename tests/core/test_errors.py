"""The tree of errors."""

import inspect
import pickle

import pytest

from relay_core import errors
from relay_core.errors import (
    DiscoveryError,
    GuardrailRejected,
    InstallationError,
    PluginError,
    PluginExistsError,
    RegistrationError,
    RelayError,
    RunningLoopError,
    ScopeClosedError,
    ScopeError,
    SettingsError,
)

CLASSES = [getattr(errors, name) for name in errors.__all__]

EXAMPLES = [
    ScopeError("is the implicit root", name="root", uuid="u"),
    ScopeClosedError(name="search", uuid="u"),
    RegistrationError("subscriber", "audit"),
    PluginError("has no chance", plugin="acme", hook="relay_mark"),
    PluginExistsError(plugin="acme", requested="other"),
    DiscoveryError(["plugin 'acme': broken"], plugins=["acme"]),
    SettingsError("unknown key", key="queue.size", origin="relay.toml", suggestion="queue.max_events"),
    InstallationError(["sampling"]),
    GuardrailRejected("no shell"),
    errors.ContinuationError("audit"),
    errors.AsyncMiddlewareError("audit", call="tools.execute_sync", instead="tools.execute"),
    RunningLoopError("subscribers.flush()", instead="subscribers.flush_async()"),
    errors.EventFormatError("uuid", "is missing"),
]


def test_all_errors_are_relay_errors() -> None:
    """Whoever catches RelayError, or RuntimeError as with the reference, catches every error of Relay."""
    assert all(issubclass(kind, RelayError) and issubclass(kind, RuntimeError) for kind in CLASSES)


def test_tree_in_docstring() -> None:
    """The module's docstring draws each class, indented below its parent."""
    drawing = inspect.getdoc(errors) or ""

    assert [kind.__name__ for kind in CLASSES if kind.__name__ not in drawing] == []


def test_every_class_has_an_example_here() -> None:
    """A new error class gets an example in this file."""
    assert {type(example) for example in EXAMPLES} | {RelayError} == set(CLASSES)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_pickling_keeps_everything(error: RelayError) -> None:
    """An error that crosses a process boundary keeps its class, its message and its data."""
    copy = pickle.loads(pickle.dumps(error))

    assert (type(error), str(error), vars(error)) == (type(copy), str(copy), vars(copy))


def test_guardrail_text() -> None:
    """The text of a refusal is the one that users of the reference match on."""
    assert "guardrail rejected: no shell" == str(GuardrailRejected("no shell"))


def test_registration_text() -> None:
    """A taken name says so in the words of the reference."""
    assert "'audit' already exists" in str(RegistrationError("subscriber", "audit"))


def test_plugin_error_names_plugin_and_hook() -> None:
    """A plugin's error names the plugin and the hook, in the text and as data."""
    error = PluginError("is a wrapper", plugin="acme", hook="relay_mark")

    assert ("plugin 'acme', hook 'relay_mark': is a wrapper", "acme", "relay_mark") == (
        str(error),
        error.plugin,
        error.hook,
    )


def test_existing_plugin_is_both() -> None:
    """A duplicate plugin is a PluginError and, like every duplicate name, a RegistrationError."""
    error = PluginExistsError(plugin="acme")

    assert isinstance(error, PluginError)
    assert isinstance(error, RegistrationError)


def test_settings_error_suggests() -> None:
    """A wrong setting is named with its origin and the key that was probably meant."""
    error = SettingsError("unknown key", key="queue.size", origin="relay.toml", suggestion="queue.max_events")

    assert "setting 'queue.size' (relay.toml): unknown key; did you mean 'queue.max_events'?" == str(error)


def test_settings_error_about_a_file() -> None:
    """Where a whole file cannot be read, no key is named."""
    assert "settings (relay.toml): is not UTF-8" == str(SettingsError("is not UTF-8", key=None, origin="relay.toml"))


def test_running_loop_error_names_the_awaitable() -> None:
    """A blocking call inside a loop names what to await instead."""
    assert "use 'await subscribers.flush_async()'" in str(
        RunningLoopError("subscribers.flush()", instead="subscribers.flush_async()")
    )
