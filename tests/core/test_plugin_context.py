"""What a plugin gets in `relay_configure`."""

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from relay_core import MarkEvent, hookimpl
from relay_core.errors import SettingsError
from relay_core.plugin_context import PluginContext
from relay_core.runtime import Relay
from relay_core.settings import Settings
from relay_core.subscriptions import SUBSCRIBER_PREFIX


class Model(BaseModel):
    """The settings of a plugin."""

    url: str = "default"
    size: int = 1
    tags: list[str] = []


@pytest.fixture
def runtime(no_settings: object, monkeypatch: pytest.MonkeyPatch) -> Relay:
    """A runtime that loads no installed plugin."""
    monkeypatch.setenv("RELAY_DISABLE_AUTOLOAD", "1")
    return Relay()


def context(runtime: Relay, section: dict[str, object] | None = None, name: str = "acme-relay") -> PluginContext:
    """Make a plugin's context with its section of the settings."""
    settings = Settings() if section is None else Settings(plugins={name: section})
    origins = {f"plugins.acme_relay.{key}": "relay.toml" for key in section or {}}
    return PluginContext(name, runtime, settings, origins)


# --- Settings --------------------------------------------------------------------------------------------------------


def test_settings(runtime: Relay) -> None:
    """A plugin gets its own section as an instance of its own model."""
    assert Model(url="u", size=2) == context(runtime, {"url": "u", "size": 2}).settings(Model)


def test_settings_without_a_section(runtime: Relay) -> None:
    """Without a section the model's defaults hold."""
    assert Model() == context(runtime).settings(Model)


def test_settings_from_the_environment(runtime: Relay) -> None:
    """Text is read as the model wants it: numbers, and JSON for lists; a str stays what it is."""
    section: dict[str, object] = {"url": "[1]", "size": "7", "tags": '["a", "b"]'}

    assert Model(url="[1]", size=7, tags=["a", "b"]) == context(runtime, section).settings(Model)


def test_unknown_key(runtime: Relay) -> None:
    """An unknown key is an error that names the nearest known key, even where the model would ignore it."""
    with pytest.raises(SettingsError) as caught:
        context(runtime, {"ulr": "u"}).settings(Model)

    assert "setting 'plugins.acme_relay.ulr' (relay.toml): unknown key; did you mean 'url'?" == str(caught.value)


def test_any_key_where_the_model_says_so(runtime: Relay) -> None:
    """A model with `extra="allow"` takes any key."""

    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")

    assert {"anything": 1} == context(runtime, {"anything": 1}).settings(Open).model_extra


def test_aliases(runtime: Relay) -> None:
    """Keys may be the model's aliases, of either kind."""

    class Aliased(BaseModel):
        url: str = Field(default="", alias="endpoint")
        size: int = Field(default=0, validation_alias=AliasChoices("length", "extent"))

    settings = context(runtime, {"endpoint": "u", "extent": 3}).settings(Aliased)

    assert ("u", 3) == (settings.url, settings.size)


def test_wrong_value(runtime: Relay) -> None:
    """A wrong value is an error that names the key with its section, and not the value."""
    with pytest.raises(SettingsError, match=r"setting 'plugins.acme_relay.size' \(relay.toml\)") as caught:
        context(runtime, {"size": "a secret"}).settings(Model)

    assert "a secret" not in str(caught.value)


def test_missing_value(runtime: Relay) -> None:
    """A setting that the model demands and nobody set is named."""

    class Demanding(BaseModel):
        token: str

    with pytest.raises(SettingsError, match=r"setting 'plugins.acme_relay.token' \(not set\): Field required"):
        context(runtime).settings(Demanding)


def test_error_about_the_section_as_a_whole(runtime: Relay) -> None:
    """Where the model refuses a combination of settings, the section is named."""

    class Strict(BaseModel):
        size: int = 0

        def model_post_init(self, _: object) -> None:
            raise ValueError("too small")

    with pytest.raises(SettingsError, match=r"setting 'plugins.acme_relay' "):
        context(runtime, {"size": 1}).settings(Strict)


# --- Registrations ---------------------------------------------------------------------------------------------------


def test_name_and_runtime(runtime: Relay) -> None:
    """A plugin can ask for its name and for the runtime it is registered with."""
    made = context(runtime)

    assert ("acme-relay", runtime) == (made.name, made.runtime)


def test_subscribers_vanish(runtime: Relay) -> None:
    """A subscriber registered through the context is there, and gone when the context is undone."""
    made = context(runtime)
    made.subscribers.register("mine", lambda event: None)
    there = runtime.registry.get(f"{SUBSCRIBER_PREFIX}mine") is not None
    made.undo()

    assert (True, None) == (there, runtime.registry.get(f"{SUBSCRIBER_PREFIX}mine"))


@pytest.mark.parametrize("late", [False, True])
def test_subscribers_come_after_their_plugin(runtime: Relay, late: bool) -> None:
    """A plugin's own hooks get an event before what it registers, whether it comes before the first use or later."""
    order: list[str] = []

    class Plugin:
        @hookimpl
        def relay_configure(self, context: PluginContext) -> None:
            context.subscribers.register(context.name, lambda event: order.append(f"{context.name} subscriber"))

        @hookimpl
        def relay_mark(self, event: MarkEvent) -> None:
            order.append("hook")

    if late:
        runtime.ensure_ready()
    runtime.registry.register(Plugin(), "acme")
    runtime.scopes.event("note")
    assert runtime.subscribers.flush()

    assert ["hook", "acme subscriber"] == order


def test_control_vanishes(runtime: Relay) -> None:
    """Guardrails, sanitizers, intercepts and injectors go the same way."""
    made = context(runtime)
    made.guardrails.register_tool_conditional_execution("g", 1, lambda name, args: None)
    made.guardrails.register_mark_sanitize("g", 1, lambda event, fields: fields)
    made.intercepts.register_tool_request("i", 1, False, lambda name, args: args)
    made.event_metadata.register_injector("e", 1, lambda event: {})
    made.undo()

    assert [False] * 4 == [
        runtime.guardrails.deregister_tool_conditional_execution("g"),
        runtime.guardrails.deregister_mark_sanitize("g"),
        runtime.intercepts.deregister_tool_request("i"),
        runtime.event_metadata.deregister_injector("e"),
    ]


def test_registrations_of_one_scope(runtime: Relay) -> None:
    """A scope-local registration is taken back as well, with its handle."""
    made = context(runtime)
    handle = runtime.scopes.start("work")
    made.subscribers.register_local(handle, "mine", lambda event: None)
    made.undo()

    assert not runtime.subscribers.deregister_local(handle, "mine")


def test_what_the_plugin_deregisters_itself(runtime: Relay) -> None:
    """What a plugin took back itself is not taken from who has the name now."""
    made = context(runtime)
    made.subscribers.register("shared", lambda event: None)
    made.subscribers.deregister("shared")
    runtime.subscribers.register("shared", lambda event: None)
    made.undo()

    assert runtime.subscribers.deregister("shared")


def test_failed_registration_is_not_taken_back(runtime: Relay) -> None:
    """A name that somebody else has stays theirs, although the plugin tried to take it."""
    runtime.subscribers.register("shared", lambda event: None)
    made = context(runtime)
    with pytest.raises(RuntimeError, match="already exists"):
        made.subscribers.register("shared", lambda event: None)
    made.undo()

    assert runtime.subscribers.deregister("shared")


def test_other_methods_pass(runtime: Relay) -> None:
    """What neither registers nor deregisters is the runtime's own."""
    assert context(runtime).subscribers.flush(1.0)


def test_undo_goes_on_after_a_failure(runtime: Relay, caplog: pytest.LogCaptureFixture) -> None:
    """Where taking one registration back fails, it is logged with the plugin's name, and the others still go."""
    made = context(runtime)
    made.guardrails.register_tool_conditional_execution("g", 1, lambda name, args: None)
    made.subscribers.register("mine", lambda event: None)

    made._undo = {("x",): lambda: 1 / 0, **made._undo, ("y",): lambda: 1 / 0}
    made.undo()

    assert (None, {}) == (runtime.registry.get(f"{SUBSCRIBER_PREFIX}mine"), made._undo)
    assert 2 == caplog.text.count("plugin 'acme-relay'")
