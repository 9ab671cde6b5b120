"""Types for annotations: JSON, and the small shapes made of it that Relay's functions take. No behaviour.

The types of the functions that users register are in `relay_core.control.functions`.
"""

from typing import TypeAlias, TypedDict, Union

__all__ = [
    "DataSchema",
    "EventMetadata",
    "EventMetadataScalar",
    "EventMetadataValue",
    "Json",
    "JsonObject",
    "JsonPrimitive",
    "JsonValue",
]

JsonPrimitive: TypeAlias = str | int | float | bool | None
"""A JSON value without parts."""

JsonValue: TypeAlias = Union[JsonPrimitive, list["JsonValue"], dict[str, "JsonValue"]]  # noqa: UP007 - names itself
"""Any JSON value."""

JsonObject: TypeAlias = dict[str, JsonValue]
"""A JSON object."""

Json: TypeAlias = JsonValue
"""Any JSON value; short for `JsonValue`."""

EventMetadataScalar: TypeAlias = str | int | float | bool
"""What an attribute may be that a metadata injector adds."""

EventMetadataValue: TypeAlias = EventMetadataScalar | list[str] | list[int] | list[float] | list[bool]
"""The same, or a list of one kind."""

EventMetadata: TypeAlias = dict[str, EventMetadataValue]
"""What a metadata injector returns."""


class DataSchema(TypedDict):
    """Names the schema of a payload: `data_schema` of an event."""

    name: str
    version: str
