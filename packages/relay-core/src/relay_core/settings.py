"""What can be set, with types, units and defaults. Making a `Settings` reads nothing."""

from __future__ import annotations

import re
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from relay_core.redaction import DEFAULT_KEYS

__all__ = [
    "Category",
    "ConsoleSettings",
    "JsonlSettings",
    "PayloadSettings",
    "QueueSettings",
    "Settings",
    "TrajectorySettings",
    "section_name",
]

Category = Literal[
    "agent",
    "function",
    "tool",
    "llm",
    "retriever",
    "embedder",
    "reranker",
    "guardrail",
    "evaluator",
    "custom",
    "unknown",
]
"""The categories of scopes: the values of `ScopeType`."""


def section_name(plugin: str) -> str:
    """Return the name of a plugin's settings section: the plugin's name in lower case, with `_` for `-` and `.`."""
    return re.sub(r"\W", "_", plugin).lower()


def _split(value: object) -> object:
    """Read text as a list: `a, b` and `["a", "b"]` are how people write one in an environment variable."""
    if not isinstance(value, str):
        return value
    return [name for item in value.strip("[] ").split(",") if (name := item.strip("\"' "))]


_Names = Annotated[tuple[str, ...], BeforeValidator(_split)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class JsonlSettings(_Section):
    """The JSONL sink; it is on when it has a path."""

    path: str | None = None
    """The file to write; relative to the working directory. `{pid}` stands for the process id. None: no file."""
    mode: Literal["append", "overwrite"] = "append"
    """What happens to what the file holds already."""
    rotate_bytes: int | None = Field(default=None, gt=0)
    """Begin a new file once this one holds so many bytes; needs `{pid}` in the path. None: never."""
    fsync: bool = False
    """Whether each batch is forced to the disk. Slow; for records that have to survive a power failure."""


class ConsoleSettings(_Section):
    """The console sink: a line on standard error for each event."""

    enabled: bool = False
    """Whether it is on."""
    payloads: bool = False
    """Whether the lines show inputs, outputs and the data of marks, cut to 200 characters each."""


class QueueSettings(_Section):
    """The queue between emitting threads and the delivery thread."""

    max_events: int = Field(default=65_536, ge=1)
    """How many events may wait for delivery."""
    max_bytes: int = Field(default=256 * 1024 * 1024, ge=1)
    """How many bytes of payload may wait for delivery."""
    full_wait: float = Field(default=0.05, ge=0, le=60)
    """Seconds that one emitter waits, once, when the queue is full; then the oldest events are dropped."""


class PayloadSettings(_Section):
    """The limits of one recorded payload; what lies beyond is cut, visibly."""

    max_bytes: int = Field(default=1024 * 1024, ge=1)
    """Bytes of JSON."""
    max_depth: int = Field(default=250, ge=1)
    """Levels of nesting."""
    max_items: int = Field(default=10_000, ge=1)
    """Items of one container, in a payload that is larger than `max_bytes`."""


class TrajectorySettings(_Section):
    """The limits of what is gathered for `relay_trajectory`; where one cuts, the trajectory says so."""

    max_events: int = Field(default=10_000, ge=1)
    """Events of one root; later ones are counted, not kept, but for the ends of the scopes that are in already."""
    max_bytes: int = Field(default=64 * 1024 * 1024, ge=1)
    """Bytes of payload of one root; what comes after that is treated like events beyond `max_events`."""
    max_total_bytes: int = Field(default=256 * 1024 * 1024, ge=1)
    """Bytes of all roots together; when there are more, the oldest roots are handed over as they are."""
    max_age: float = Field(default=3600.0, gt=0)
    """Seconds after which a root that has not closed is handed over as it is; what follows is a follow-up."""


class Settings(_Section):
    """All settings of a runtime. Immutable; `Settings()` holds the defaults."""

    enabled: bool = True
    """Whether Relay does anything: when off, no plugin is loaded and no event is built."""
    strict: bool = False
    """Whether a plugin that cannot be used is an error; otherwise it is logged, reported and left out."""
    disable_autoload: bool = False
    """Whether entry points are left alone, so that only plugins registered by hand are there."""
    plugins_allow: _Names | None = None
    """Names of the plugins that discovery may load; None: all. In the environment separated by commas."""
    plugins_block: _Names = ()
    """Names of plugins that discovery leaves out, even where they are allowed."""
    plugins: dict[str, dict[str, object]] = Field(default_factory=dict[str, dict[str, object]])
    """A section for each plugin, by its name in lower case with `_` for `-`; the plugin says what may stand in it."""
    jsonl: JsonlSettings = JsonlSettings()
    """The JSONL sink."""
    console: ConsoleSettings = ConsoleSettings()
    """The console sink."""
    queue: QueueSettings = QueueSettings()
    """The queue in front of the delivery thread."""
    payload: PayloadSettings = PayloadSettings()
    """The limits of one payload."""
    trajectory: TrajectorySettings = TrajectorySettings()
    """The limits of trajectories."""
    capture: dict[Category, bool] = Field(default_factory=dict[Category, bool], validate_default=True)
    """Whether inputs and outputs are recorded, by category; all are there, and those that were not set are true."""
    redact_keys: _Names = DEFAULT_KEYS
    """Keys whose values are recorded as "[redacted]": whole keys, in any case, at any depth. Replaces the default."""
    sampling: float = Field(default=1.0, ge=0, le=1)
    """The share of root scopes that are recorded, from 0 to 1; decided once per root, from its id."""
    exit_timeout: float = Field(default=5.0, ge=0, le=3600)
    """Seconds that the exit of the process waits at most until everything is delivered."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] | None = None
    """The level of the logger `relay_core`; None leaves it as it is."""

    @field_validator("capture")
    @classmethod
    def _complete(cls, value: dict[Category, bool]) -> dict[Category, bool]:
        return dict.fromkeys(get_args(Category), True) | value

    @field_validator("plugins")
    @classmethod
    def _name_sections(cls, value: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
        return {section_name(name): section for name, section in value.items()}

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value
