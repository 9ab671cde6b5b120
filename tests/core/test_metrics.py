"""Metric measurements: the whole group is checked before anything is emitted."""

import math
from datetime import datetime
from typing import Any

import pytest
from tests.core.recorder import Recorder

from relay_core import MetricKind, MetricMeasurement, MetricValueType, Relay

GOOD: dict[str, Any] = {"name": "tokens", "kind": "counter", "value_type": "u64", "value": 3}


def test_a_group(relay: Relay, recorder: Recorder) -> None:
    """A group of measurements is one mark with a schema; objects and dicts may be mixed."""
    latency = MetricMeasurement(
        "latency", MetricKind.Histogram, MetricValueType.F64, 0.25, unit="s", attributes={"a": 1}, boundaries=(0.1, 1)
    )
    with relay.scopes.scope("work"):
        relay.scopes.metric("usage", [latency, GOOD], metadata={"m": 1})

    mark = recorder.mark("usage")
    assert {"name": "nemo.relay.metric_measurements", "version": "1"} == mark.data_schema
    assert {"m": 1} == mark.metadata
    assert "work" == recorder.parents()["usage"]
    first, second = mark.data["measurements"]
    assert {
        "name": "latency",
        "kind": "histogram",
        "value_type": "f64",
        "value": 0.25,
        "unit": "s",
        "description": None,
        "attributes": {"a": 1},
        "boundaries": [0.1, 1],
    } == first
    assert GOOD.items() <= second.items()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": ""}, "name must be a non-empty str"),
        ({"name": None}, "name must be a non-empty str"),
        ({"kind": "speed"}, "kind must be one of counter, up_down_counter, gauge, histogram, not 'speed'"),
        ({"kind": ["counter"]}, "kind must be one of"),
        ({"value_type": "u8"}, "value_type must be one of u64, i64, f64, not 'u8'"),
        ({"value_type": "i64"}, "kind counter does not support value_type i64"),
        ({"value": "3"}, "value must be a finite number"),
        ({"value": True}, "value must be a finite number"),
        ({"value": None}, "value must be a finite number"),
        ({"value": math.nan, "value_type": "f64"}, "value must be a finite number"),
        ({"value": math.inf, "value_type": "f64"}, "value must be a finite number"),
        ({"value": 1.5}, "value must be a u64 integer"),
        ({"value": 2**64}, "value must be a u64 integer"),
        ({"value": -1}, "value must be a u64 integer"),
        ({"value": 10**400}, "value must be a u64 integer"),
        ({"value": -1.0, "value_type": "f64"}, "value of a counter must not be negative"),
        ({"value": 2**63, "value_type": "i64", "kind": "gauge"}, "value must be a i64 integer"),
        ({"boundaries": [1]}, "boundaries belong to histograms, not to a counter"),
        ({"kind": "histogram", "boundaries": [2, 1]}, "boundaries must be finite numbers, strictly ascending"),
        ({"kind": "histogram", "boundaries": [1, 1]}, "boundaries must be finite numbers, strictly ascending"),
        ({"kind": "histogram", "boundaries": [1, math.inf]}, "boundaries must be finite numbers, strictly ascending"),
        ({"kind": "histogram", "boundaries": [1, "2"]}, "boundaries must be finite numbers, strictly ascending"),
        ({"kind": "histogram", "boundaries": 7}, "boundaries must be finite numbers, strictly ascending"),
        ({"speed": 1}, "has unknown fields: speed"),
    ],
)
def test_wrong_measurements(relay: Relay, recorder: Recorder, wrong: dict[str, Any], says: str) -> None:
    """One wrong measurement refuses the group; the message names which one and why."""
    with pytest.raises(ValueError, match=rf"measurements\[1\].*{says}"):
        relay.scopes.metric("usage", [GOOD, {**GOOD, **wrong}])

    assert [] == recorder.events


@pytest.mark.parametrize("group", [[], (), "tokens", b"x", {}, GOOD, None, [7]])
def test_wrong_groups(relay: Relay, recorder: Recorder, group: Any) -> None:
    """A group that is empty or none is refused."""
    with pytest.raises(ValueError, match="measurements"):
        relay.scopes.metric("usage", group)

    assert [] == recorder.events


@pytest.mark.parametrize(
    ("wrong", "error"),
    [({"name": 7}, TypeError), ({"handle": 7}, TypeError), ({"timestamp": datetime(2026, 3, 1)}, ValueError)],
)
def test_wrong_arguments(relay: Relay, recorder: Recorder, wrong: dict[str, Any], error: type[Exception]) -> None:
    """Everything else is checked as for a mark."""
    with pytest.raises(error):
        relay.scopes.metric(**{"name": "usage", "measurements": [GOOD], **wrong})

    assert [] == recorder.events


@pytest.mark.parametrize(
    "measurement",
    [
        {**GOOD, "value": 2**64 - 1},
        {**GOOD, "kind": "gauge", "value_type": "i64", "value": -(2**63)},
        {**GOOD, "kind": "up_down_counter", "value_type": "f64", "value": -1.5},
        {**GOOD, "kind": "histogram", "value": 0, "boundaries": []},
        {**GOOD, "value_type": "f64", "value": 3},
        {**GOOD, "attributes": {"odd": object()}},
    ],
)
def test_what_is_fine(relay: Relay, recorder: Recorder, measurement: dict[str, Any]) -> None:
    """The ends of the ranges are inside, and attributes may hold anything."""
    relay.scopes.metric("usage", [measurement])

    assert measurement["value"] == recorder.mark("usage").data["measurements"][0]["value"]
