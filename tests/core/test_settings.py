"""What can be set."""

import ast
import inspect
import itertools
import textwrap
import typing

import pytest
from pydantic import BaseModel, ValidationError

from relay_core.redaction import DEFAULT_KEYS
from relay_core.settings import Category, JsonlSettings, PayloadSettings, QueueSettings, Settings, section_name
from relay_core.vocabulary import ScopeType


def test_defaults() -> None:
    """The defaults are those that the documentation promises."""
    settings = Settings()

    assert (True, False, False, None, (), {}) == (
        settings.enabled,
        settings.strict,
        settings.disable_autoload,
        settings.plugins_allow,
        settings.plugins_block,
        settings.plugins,
    )
    assert (65_536, 256 * 2**20, 0.05) == (
        settings.queue.max_events,
        settings.queue.max_bytes,
        settings.queue.full_wait,
    )
    assert (2**20, 250, 10_000) == (
        settings.payload.max_bytes,
        settings.payload.max_depth,
        settings.payload.max_items,
    )
    assert (None, "append", None, False) == (
        settings.jsonl.path,
        settings.jsonl.mode,
        settings.jsonl.rotate_bytes,
        settings.jsonl.fsync,
    )
    assert (DEFAULT_KEYS, 1.0, 5.0, None) == (
        settings.redact_keys,
        settings.sampling,
        settings.exit_timeout,
        settings.log_level,
    )


def test_making_settings_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings made in code do not look at the environment."""
    monkeypatch.setenv("RELAY_ENABLED", "false")

    assert Settings().enabled


def test_immutable() -> None:
    """Settings do not change once they are made."""
    with pytest.raises(ValidationError):
        Settings().sampling = 0.5  # type: ignore[misc]


@pytest.mark.parametrize("model", [Settings, JsonlSettings, QueueSettings, PayloadSettings])
def test_each_field_is_documented(model: type[BaseModel]) -> None:
    """Each setting says, right below it, what it means; nothing reads that when Relay is imported."""
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)
    documented = {
        field.target.id
        for field, below in itertools.pairwise(body.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    }

    assert set(model.model_fields) == documented


@pytest.mark.parametrize("given", ["acme, other", "acme,other", '["acme", "other"]', ["acme", "other"]])
def test_lists(given: object) -> None:
    """A list may be written as an environment variable would hold it."""
    assert ("acme", "other") == Settings.model_validate({"plugins_block": given}).plugins_block


def test_categories() -> None:
    """The categories that can be captured are those of scopes."""
    assert tuple(scope_type.value for scope_type in ScopeType) == typing.get_args(Category)


def test_capture_is_complete() -> None:
    """Every category has an answer, true unless it was set."""
    capture = Settings(capture={"tool": False}).capture

    assert ({"tool": False}, 11) == ({name: on for name, on in capture.items() if not on}, len(capture))


def test_log_level() -> None:
    """A log level may be written in lower case."""
    assert "DEBUG" == Settings.model_validate({"log_level": "debug"}).log_level


@pytest.mark.parametrize(
    "wrong",
    [
        {"sampling": 1.5},
        {"sampling": float("nan")},
        {"queue": {"max_events": 0}},
        {"queue": {"full_wait": float("inf")}},
        {"payload": {"max_depth": -1}},
        {"exit_timeout": -1},
        {"capture": {"toool": False}},
        {"jsonl": {"mode": "write"}},
        {"unknown": 1},
    ],
)
def test_wrong_values(wrong: dict[str, object]) -> None:
    """Values that make no sense are refused."""
    with pytest.raises(ValidationError):
        Settings.model_validate(wrong)


@pytest.mark.parametrize(
    ("plugin", "section"), [("acme-relay", "acme_relay"), ("Acme.Relay", "acme_relay"), ("acme", "acme")]
)
def test_section_name(plugin: str, section: str) -> None:
    """A section is found by the plugin's name in lower case, with `_` for anything that no variable can hold."""
    assert section == section_name(plugin)
    assert {section: {"a": 1}} == Settings(plugins={plugin: {"a": 1}}).plugins
