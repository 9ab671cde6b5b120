"""Events from decoded JSON: what is no event is refused in words that one understands."""

from typing import Any

import pytest

from relay_core.errors import EventFormatError
from relay_core.event_reader import event_from_dict

MARK = {"kind": "mark", "atof_version": "0.1", "uuid": "u", "timestamp": "2026-03-01T12:34:56Z", "name": "checkpoint"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"atof_version": "0.x"}, "'atof_version' is '0.x'; this reader understands 0.Y"),
        ({"atof_version": "0.1.2"}, "'atof_version' is '0.1.2'; this reader understands 0.Y"),
        ({"timestamp": "yesterday"}, "'timestamp' is wrong: timestamp 'yesterday' is not RFC 3339"),
    ],
)
def test_refused(changes: dict[str, Any], says: str) -> None:
    """The message names the field and what is wrong with it."""
    with pytest.raises(EventFormatError) as caught:
        event_from_dict({**MARK, **changes})

    assert says in str(caught.value)
