"""Where settings come from."""

import os
from pathlib import Path

import pytest

from relay_core.settings import QueueSettings
from relay_core.settings_sources import LoadedSettings, flat, load_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("RELAY_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory that no settings file is above of."""
    for parent in (tmp_path, *tmp_path.parents):
        assert not (parent / "relay.toml").exists()
    return tmp_path


def texts(loaded: LoadedSettings) -> list[str]:
    """Say what is wrong, with the file's name instead of its path."""
    return [str(problem).replace(f"{Path(problem.origin).parent}/", "") for problem in loaded.problems]


# --- File ------------------------------------------------------------------------------------------------------------


def test_nothing_set(folder: Path) -> None:
    """Without a source the defaults hold, and nothing is wrong."""
    loaded = load_settings(directory=folder)

    assert ({}, (), (), 65_536) == (
        loaded.origins,
        loaded.problems,
        loaded.warnings,
        loaded.settings.queue.max_events,
    )


def test_relay_toml(folder: Path) -> None:
    """`relay.toml` holds settings at its top level."""
    file = folder / "relay.toml"
    file.write_text('sampling = 0.5\nplugins_block = ["acme"]\n[queue]\nmax_events = 7\n')
    loaded = load_settings(directory=folder)

    assert (0.5, ("acme",), 7) == (
        loaded.settings.sampling,
        loaded.settings.plugins_block,
        loaded.settings.queue.max_events,
    )
    assert dict.fromkeys(["plugins_block", "queue.max_events", "sampling"], str(file)) == loaded.origins


def test_pyproject_toml(folder: Path) -> None:
    """`pyproject.toml` holds settings under `[tool.relay]`."""
    (folder / "pyproject.toml").write_text('[project]\nname = "app"\n[tool.relay.plugins.my-plugin]\nurl = "u"\n')

    assert {"my_plugin": {"url": "u"}} == load_settings(directory=folder).settings.plugins


def test_nearest_file_wins(folder: Path) -> None:
    """The search goes upwards and stops at the first file that is about Relay."""
    inner = folder / "a" / "b"
    inner.mkdir(parents=True)
    (folder / "relay.toml").write_text("sampling = 0.1\nexit_timeout = 1\n")
    (folder / "a" / "pyproject.toml").write_text("[tool.relay]\nsampling = 0.2\n")
    (inner / "pyproject.toml").write_text("[tool.other]\nsampling = 0.3\n")
    loaded = load_settings(directory=inner)

    assert (0.2, 5.0) == (loaded.settings.sampling, loaded.settings.exit_timeout)


def test_relay_toml_before_pyproject_toml(folder: Path) -> None:
    """In one directory `relay.toml` wins."""
    (folder / "relay.toml").write_text("sampling = 0.1\n")
    (folder / "pyproject.toml").write_text("[tool.relay]\nsampling = 0.2\n")

    assert 0.1 == load_settings(directory=folder).settings.sampling


def test_working_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search begins in the working directory."""
    (folder / "relay.toml").write_text("sampling = 0.1\n")
    monkeypatch.chdir(folder)

    assert 0.1 == load_settings().settings.sampling


def test_no_working_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose working directory was deleted has no file."""
    gone = folder / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert {} == load_settings().origins


def test_unknown_key_in_file(folder: Path) -> None:
    """An unknown key in a file is an error that names the file and the nearest known key; the rest still counts."""
    (folder / "relay.toml").write_text("sampling = 0.5\nsampeling = 1\n[queue]\nmax_event = 5\n[jsonl.deep]\nx = 1\n")
    loaded = load_settings(directory=folder)

    assert [
        "setting 'sampeling' (relay.toml): unknown key; did you mean 'sampling'?",
        "setting 'queue.max_event' (relay.toml): unknown key; did you mean 'queue.max_events'?",
        "setting 'jsonl.deep' (relay.toml): unknown key",
    ] == texts(loaded)
    assert 0.5 == loaded.settings.sampling


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("relay.toml", b"sampling = \n"),
        ("relay.toml", b"\xff\xfe"),
        ("pyproject.toml", b"[tool]\nrelay = 3\n"),
        ("pyproject.toml", b"[tool.relay\n"),
    ],
)
def test_unreadable_file(folder: Path, name: str, content: bytes) -> None:
    """A file that cannot be read is an error that names it, and the defaults hold."""
    (folder / name).write_bytes(content)
    loaded = load_settings(directory=folder)

    assert [None] == [problem.key for problem in loaded.problems]
    assert [str(folder / name)] == [problem.origin for problem in loaded.problems]
    assert {} == loaded.origins


def test_pyproject_that_is_not_about_relay(folder: Path) -> None:
    """A broken `pyproject.toml` that does not mention Relay is none of our business."""
    (folder / "pyproject.toml").write_text("[tool\n")

    assert () == load_settings(directory=folder).problems


# --- Environment -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "text", "key", "expected"),
    [
        ("RELAY_ENABLED", "false", "enabled", False),
        ("RELAY_STRICT", "1", "strict", True),
        ("RELAY_DISABLE_AUTOLOAD", "1", "disable_autoload", True),
        ("RELAY_PLUGINS_ALLOW", "acme,other", "plugins_allow", ("acme", "other")),
        ("RELAY_PLUGINS_BLOCK", "acme", "plugins_block", ("acme",)),
        ("RELAY_REDACT_KEYS", "token, pin", "redact_keys", ("token", "pin")),
        ("RELAY_QUEUE__MAX_EVENTS", "7", "queue.max_events", 7),
        ("RELAY_JSONL__PATH", "a.jsonl", "jsonl.path", "a.jsonl"),
        ("RELAY_CAPTURE__TOOL", "no", "capture.tool", False),
        ("RELAY_LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("RELAY_PLUGINS__ACME__URL", "u", "plugins.acme.url", "u"),
        ("relay_sampling", "0.25", "sampling", 0.25),
    ],
)
def test_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, text: str, key: str, expected: object
) -> None:
    """A variable sets the setting of its name, with `__` between the levels, in any case."""
    monkeypatch.setenv(variable, text)
    loaded = load_settings(directory=folder)

    assert (expected, f"environment {variable.upper()}") == (flat(loaded.settings)[key], loaded.origins[key])
    assert ((), ()) == (loaded.problems, loaded.warnings)


def test_empty_variable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable counts as not set."""
    monkeypatch.setenv("RELAY_PLUGINS_ALLOW", "")
    monkeypatch.setenv("RELAY_NONSENSE", "")
    loaded = load_settings(directory=folder)

    assert (None, ()) == (loaded.settings.plugins_allow, loaded.warnings)


@pytest.mark.parametrize(
    ("variable", "suggestion"),
    [
        ("RELAY_SAMPELING", "; did you mean RELAY_SAMPLING?"),
        ("RELAY_QUEUE__MAX_EVENT", "; did you mean RELAY_QUEUE__MAX_EVENTS?"),
        ("RELAY_ENABLED__NOW", "; did you mean RELAY_ENABLED?"),
        ("RELAY_CAPTURE__TOOLL", "; did you mean RELAY_CAPTURE__TOOL?"),
        ("RELAY_XYZ", ""),
    ],
)
def test_unknown_variable(folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, suggestion: str) -> None:
    """A variable that means nothing is a warning, not an error: other software says RELAY, too."""
    monkeypatch.setenv(variable, "1")
    loaded = load_settings(directory=folder)

    assert ((), (f"the variable {variable} sets nothing{suggestion}",)) == (loaded.problems, loaded.warnings)


def test_wrong_value(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong value is left out, with its origin in the error; what it would have replaced still counts."""
    (folder / "relay.toml").write_text("exit_timeout = 1\n[queue]\nmax_events = 9\n")
    monkeypatch.setenv("RELAY_QUEUE__MAX_EVENTS", "many")
    monkeypatch.setenv("RELAY_QUEUE__MAX_BYTES", "8")
    monkeypatch.setenv("RELAY_REDACT_KEYS", "pin")
    loaded = load_settings(directory=folder)

    assert ["setting 'queue.max_events' (environment RELAY_QUEUE__MAX_EVENTS): Input should be a valid integer"] == [
        text.partition(",")[0] for text in texts(loaded)
    ]
    assert (1, 9, 8, ("pin",)) == (
        loaded.settings.exit_timeout,
        loaded.settings.queue.max_events,
        loaded.settings.queue.max_bytes,
        loaded.settings.redact_keys,
    )


def test_value_where_a_section_belongs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A section that is set to a value is an error, and what others set in that section still counts."""
    (folder / "relay.toml").write_text("[queue]\nmax_events = 9\n[plugins.acme]\nlimit = 3\n")
    monkeypatch.setenv("RELAY_QUEUE", '{"max_events": 7}')
    monkeypatch.setenv("RELAY_PLUGINS__ACME", "on")
    loaded = load_settings(directory=folder)

    assert [
        "setting 'plugins.acme' (environment RELAY_PLUGINS__ACME): this is a section; set the keys in it one by one",
        "setting 'queue' (environment RELAY_QUEUE): this is a section; set the keys in it one by one",
    ] == sorted(texts(loaded))
    assert (9, {"acme": {"limit": 3}}) == (loaded.settings.queue.max_events, loaded.settings.plugins)


# --- Arguments and precedence ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "overrides",
    [{"queue": {"max_events": 7}}, {"queue__max_events": 7}, {"queue": QueueSettings(max_events=7)}],
)
def test_arguments(folder: Path, overrides: dict[str, object]) -> None:
    """A section may be passed as a mapping, as its model, or as part of the name."""
    loaded = load_settings(overrides, directory=folder)

    assert (7, {"queue.max_events": "install()"}) == (loaded.settings.queue.max_events, loaded.origins)


def test_unknown_argument(folder: Path) -> None:
    """An unknown argument is an error that names the nearest known one."""
    assert ["setting 'sampeling' (install()): unknown key; did you mean 'sampling'?"] == [
        str(problem) for problem in load_settings({"sampeling": 1}, directory=folder).problems
    ]


def test_precedence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments win over the environment, the environment over the file, the file over the defaults, key by key."""
    (folder / "relay.toml").write_text("sampling = 0.1\nexit_timeout = 1\n[queue]\nmax_events = 1\nmax_bytes = 1\n")
    monkeypatch.setenv("RELAY_SAMPLING", "0.2")
    monkeypatch.setenv("RELAY_QUEUE__MAX_EVENTS", "2")
    loaded = load_settings({"sampling": 0.3}, directory=folder)

    assert (0.3, 1, 2, 1, 0.05) == (
        loaded.settings.sampling,
        loaded.settings.exit_timeout,
        loaded.settings.queue.max_events,
        loaded.settings.queue.max_bytes,
        loaded.settings.queue.full_wait,
    )
    assert {
        "exit_timeout": str(folder / "relay.toml"),
        "queue.max_bytes": str(folder / "relay.toml"),
        "queue.max_events": "environment RELAY_QUEUE__MAX_EVENTS",
        "sampling": "install()",
    } == loaded.origins


def test_sections_of_plugins_merge(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin's section is merged key by key, too, whatever the spelling of its name."""
    (folder / "relay.toml").write_text('[plugins."Acme-One"]\nurl = "file"\nsize = 1\n')
    monkeypatch.setenv("RELAY_PLUGINS__ACME_ONE__URL", "environment")

    assert {"acme_one": {"url": "environment", "size": 1}} == load_settings(directory=folder).settings.plugins


def test_flat() -> None:
    """All settings can be listed by their keys with dots."""
    keys = flat(load_settings({"plugins": {"acme": {"deep": {"x": 1}}}}).settings)

    assert ({"x": 1}, 65_536, True) == (keys["plugins.acme.deep"], keys["queue.max_events"], keys["capture.tool"])
