"""The testing kit: record what a run emits, and compare it with what you expect.

    recording, RecordingPlugin     events and tree of a block or a test
    expect                         what should be there: `expect.agent("weather", expect.tool("lookup"))`
    deterministic                  a fixed clock and ids that count
    isolated_runtime               a runtime with the plugins under test and nothing else

In pytest all of it comes as fixtures: `relay_tree`, `relay_events`, `assert_no_open_scopes`, `relay_clock`,
`relay_runtime`. Nothing here knows a framework.
"""

from relay_core.testing import expect
from relay_core.testing.determinism import FixedClock, SequentialIds, deterministic
from relay_core.testing.recording import RecordedEvents, Recording, RecordingPlugin, recording
from relay_core.testing.run_tree import RunTree, explain_comparison
from relay_core.testing.runtimes import isolated_runtime
from relay_core.testing.settling import settle

__all__ = [
    "FixedClock",
    "RecordedEvents",
    "Recording",
    "RecordingPlugin",
    "RunTree",
    "SequentialIds",
    "deterministic",
    "expect",
    "explain_comparison",
    "isolated_runtime",
    "recording",
    "settle",
]
