"""The sinks that come with Relay: switched on by settings, found like any plugin."""

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from relay_core import Relay, jsonl
from relay_core.console import ConsoleSink
from relay_core.installation import install, uninstall
from relay_core.shipped import ShippedSinks
from relay_core.testing import isolated_runtime, settle


def test_is_found_through_its_entry_point() -> None:
    """It comes through the same door as everyone else's plugin."""
    (entry_point,) = [it for it in entry_points(group="relay") if it.name == "relay-core"]

    assert ShippedSinks is entry_point.load()


def test_nothing_is_on_by_default() -> None:
    """Without settings there is no sink, and nobody listens."""
    with isolated_runtime({"relay-core": ShippedSinks()}) as relay:
        assert ("relay-core",) == relay.registry.names()
        assert relay.scopes.audience is None


def test_a_path_switches_the_jsonl_sink_on(tmp_path: Path) -> None:
    """The setting `jsonl.path` alone writes every event to a file."""
    path = tmp_path / "run.jsonl"

    with isolated_runtime({"relay-core": ShippedSinks()}, jsonl={"path": str(path)}) as relay:
        relay.scopes.end(relay.scopes.start("work"))

    assert ["work", "work"] == [event.name for event in jsonl.read(path)]


def test_the_options_of_the_jsonl_sink(tmp_path: Path) -> None:
    """The other settings of the section reach the sink."""
    path = tmp_path / "run.jsonl"
    path.write_text("not an event\n")

    with isolated_runtime({"relay-core": ShippedSinks()}, jsonl={"path": str(path), "mode": "overwrite"}) as relay:
        relay.scopes.event("mark")

    assert 1 == len(path.read_text().splitlines())


def test_the_console_sink(capsys: pytest.CaptureFixture[str]) -> None:
    """The setting `console.enabled` prints every event."""
    with isolated_runtime({"relay-core": ShippedSinks()}, console={"enabled": True, "payloads": True}) as relay:
        relay.scopes.event("mark", data=[1])

    assert capsys.readouterr().err.endswith("* mark [1]\n")


def test_a_sink_of_the_application_s_own_stays() -> None:
    """Where the application has registered a sink of that name, none is added."""
    own = ConsoleSink()

    with isolated_runtime({"console": own, "relay-core": ShippedSinks()}, console={"enabled": True}) as relay:
        assert own is relay.registry.get("console")


def test_goes_away_with_the_plugin(tmp_path: Path) -> None:
    """When the plugin is unregistered its sinks go, and what was emitted before is written."""
    path = tmp_path / "run.jsonl"
    with isolated_runtime({"relay-core": ShippedSinks()}, jsonl={"path": str(path)}) as relay:
        relay.scopes.event("before")
        relay.registry.unregister("relay-core")
        relay.scopes.event("after")

        assert () == relay.registry.names()
    assert ["before"] == [event.name for event in jsonl.read(path)]


def test_install_and_uninstall(no_settings: Path) -> None:
    """`install(jsonl=...)` writes, `uninstall()` stops, and a second `install()` writes again."""
    relay = Relay()
    for _ in range(2):
        install(runtime=relay, plugins_allow=["relay-core"], jsonl={"path": "run.jsonl"})
        relay.scopes.event("mark")
        settle(relay)
        uninstall(runtime=relay)
        assert () == relay.registry.names()
    relay.shutdown(5.0)

    assert 2 == len(list(jsonl.read(no_settings / "run.jsonl")))


@pytest.mark.parametrize("keep_out", [{"disable_autoload": True}, {"plugins_allow": ["acme"]}])
def test_whoever_asks_for_a_sink_gets_it(no_settings: Path, keep_out: dict[str, object]) -> None:
    """What keeps other people's plugins out does not silence a sink that a setting asks for."""
    relay = Relay()

    install(runtime=relay, jsonl={"path": "run.jsonl"}, **keep_out)
    relay.scopes.event("mark")
    relay.shutdown(5.0)

    assert ("relay-core", "jsonl") == relay.registry.names()
    assert 1 == len(list(jsonl.read(no_settings / "run.jsonl")))


def test_it_can_be_blocked_by_name(no_settings: Path) -> None:
    """Named in the block list it is not loaded, whatever else is set."""
    relay = Relay()

    install(runtime=relay, jsonl={"path": "run.jsonl"}, plugins_block=["relay-core"], plugins_allow=["relay-core"])

    assert () == relay.registry.names()


def test_settings_that_do_not_go_together(no_settings: Path) -> None:
    """Wrong settings refuse the plugin by name, with the mend; Relay works without it."""
    relay = Relay()

    report = install(
        runtime=relay, plugins_allow=["relay-core"], jsonl={"path": "run.jsonl", "rotate_bytes": 10}
    ).report

    (refused,) = [it for it in report.plugins if it.name == "relay-core"]
    assert "refused" == refused.state
    assert "{pid}" in str(refused.reason)
