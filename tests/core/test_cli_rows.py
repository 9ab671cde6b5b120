"""What `relay show` says, line by line."""

from typing import Any

import pytest

from relay_core.cli.rows import duration_text, rows, summary, usage_text
from relay_core.event_reader import event_from_dict
from relay_core.events import Event
from relay_core.tree import build_tree


def scope(name: str, parent: str | None, begin: int, end: int | None, **fields: Any) -> list[Event]:
    """Return the events of a scope whose uuid is its name; without an end it stays open."""
    common = {"kind": "scope", "atof_version": "0.1", "uuid": name, "parent_uuid": parent, "name": name}
    common |= {"category": "function"} | fields
    times = {"start": begin, "end": end}
    return [
        event_from_dict(common | {"scope_category": phase, "timestamp": at})
        for phase, at in times.items()
        if at is not None
    ]


def mark(name: str, parent: str | None, at: int, **fields: Any) -> Event:
    """Return a mark."""
    common = {"kind": "mark", "atof_version": "0.1", "uuid": name, "parent_uuid": parent, "name": name, "timestamp": at}
    return event_from_dict(common | fields)


def picture(events: list[Event], **options: Any) -> list[str]:
    """Return the rows of `events`, indented."""
    lines: list[str] = []
    for row in rows(build_tree(events), **options):
        depth = len(row.guides) + (row.branch is not None)
        lines.append(" ".join(["  " * depth + row.style, row.title, *row.notes]))
    return lines


def test_scopes_and_marks_in_the_order_of_time() -> None:
    """What is in a scope comes as it happened, scopes and marks mixed; marks outside come last."""
    events = [
        *scope("root", None, 0, 100),
        *scope("second", "root", 20, 30),
        mark("between", "root", 15, data={"a": 1}),
        *scope("first", "root", 1, 10),
        mark("outside", None, 5),
    ]

    assert picture(events) == [
        "ok root function",
        "  ok first function",
        '  mark between {"a":1}',
        "  ok second function",
        "mark outside",
    ]


def test_branches_know_what_follows() -> None:
    """Each line knows, level by level, whether the tree goes on below it."""
    events = [*scope("r", None, 0, 9), *scope("a", "r", 1, 8), *scope("b", "a", 2, 3), *scope("c", "r", 8, 9)]

    assert [(row.title, row.guides, row.branch) for row in rows(build_tree(events))] == [
        ("r", (), None),
        ("a", (), True),
        ("b", (True,), False),
        ("c", (), False),
    ]


def test_outcomes_and_errors() -> None:
    """Outcomes other than ok are named; an error's text comes once, where it arose."""
    failed = {"otel.status_code": "ERROR", "otel.status_description": "no", "exception.type": "KeyError"}
    events = [
        *scope("root", None, 0, 9, metadata=failed),
        *scope("inner", "root", 1, 2, metadata=failed),
        mark("mark", "inner", 1),
        *scope("waits", "root", 3, 4, metadata={"relay.outcome": "interrupted"}),
        *scope("runs", "root", 5, None),
    ]

    assert picture(events) == [
        "error root function error",
        "  error inner function error",
        "    error KeyError: no",
        "    mark mark",
        "  interrupted waits function interrupted",
        "  open runs function not ended",
    ]


def test_models_and_tools() -> None:
    """Model, tokens and call id are said; the root sums the tokens."""
    usage = {"usage": {"prompt_tokens": 1200, "completion_tokens": 30, "cache_read_tokens": 7}}
    events = [
        *scope("root", None, 0, 9, category="agent"),
        *scope(
            "Chat", "root", 1, 2, category="llm", category_profile={"model_name": "gpt-x", "annotated_response": usage}
        ),
        *scope("search", "root", 3, 4, category="tool", category_profile={"tool_call_id": "call_1"}),
    ]

    assert picture(events) == [
        "ok root agent 1,200 + 30 tokens (7 cached)",
        "  ok Chat llm gpt-x 1,200 + 30 tokens (7 cached)",
        "  ok search tool call_1",
    ]


def test_siblings_that_ran_side_by_side() -> None:
    """Every scope that overlaps with any sibling is marked as parallel."""
    times = {"long": (1, 50), "short": (2, 3), "late": (40, 45), "alone": (50, 60), "a": (70, 80), "b": (75, 85)}
    events = [*scope("root", None, 0, 100)]
    for name, (begin, end) in times.items():
        events += scope(name, "root", begin, end)

    parallel = [row.title for row in rows(build_tree(events)) if "parallel" in row.notes]
    assert parallel == ["long", "short", "late", "a", "b"]


def test_graph_nodes() -> None:
    """Steps, branches and further attempts of a graph's nodes are said, and not said again inside of them."""
    node = {"langgraph.node": "n", "langgraph.step": 2}
    again = node | {"langgraph.attempt": 2, "langgraph.previous_error": "KeyError", "langgraph.branch": 1}
    events = [
        *scope("graph", None, 0, 9),
        *scope("try1", "graph", 1, 2, metadata=node | {"langgraph.attempt": 1, "langgraph.branch": 0}),
        *scope("try2", "graph", 3, 6, metadata=again),
        *scope("inner", "try2", 4, 5, metadata=node),
        *scope("beside", "graph", 4, 5, metadata=node),
    ]

    assert picture(events)[1:] == [
        "  ok try1 function step 2",
        "  ok try2 function step 2 attempt 2 after KeyError parallel branch 1",
        "    ok inner function",
        "  ok beside function step 2 parallel",
    ]


def test_a_graphs_marks_say_what_a_human_wants_to_know() -> None:
    """Of an interrupt its questions are shown, of a resume its status; ids are left to the file."""
    ids = {"run_id": "r", "checkpoint_id": "c", "checkpoint_ns": ""}
    asked = ids | {"status": "interrupted", "interrupts": [{"id": "1", "value": "Book it?"}]}
    events = [
        mark("Graph Interrupt", None, 1, data=asked),
        mark("Graph Resume", None, 2, data=ids | {"status": "pending"}),
        mark("other", None, 3, data={"interrupts": 3}),
    ]

    assert picture(events) == [
        'mark Graph Interrupt ["Book it?"]',
        "mark Graph Resume pending",
        'mark other {"interrupts":3}',
    ]


def test_a_marks_severity_is_said() -> None:
    """How grave a mark is stands before its data."""
    assert picture([mark("m", None, 1, metadata={"nemo_relay.log.severity": "warn"}, data=1)]) == ["mark m warn 1"]


def test_joined_runs_stand_under_their_link() -> None:
    """An interrupted run and its continuation are one group, named after their thread."""
    link = {"relay.link": {"thread_id": "trip-1", "checkpoint_ns": "", "checkpoint_id": "c"}}
    events = [
        *scope("first", None, 0, 5, metadata=link),
        *scope("inner", "first", 1, 2),
        *scope("other", None, 6, 7),
        *scope("second", None, 8, 9, metadata=link),
    ]

    assert picture(events) == [
        "link thread trip-1",
        "  ok first function",
        "    ok inner function",
        "  ok second function",
        "ok other function",
    ]


def test_depth_and_data() -> None:
    """Levels can be left out, and say so; inputs and outputs can be shown."""
    events = [*scope("root", None, 0, 9, data={"q": "x"}), *scope("a", "root", 1, 4), *scope("b", "a", 2, 3)]

    assert picture(events, max_depth=2) == ["ok root function", "  ok a function 1 scope inside"]
    assert picture(events, data=True)[:3] == ["ok root function", '  input {"q":"x"}', '  output {"q":"x"}']


def test_incomplete_runs() -> None:
    """A missing start and a parent that is elsewhere are said."""
    [_, end] = scope("x", "elsewhere", 1, 2)

    assert picture([end]) == ["ok x function start missing parent elsewhere"]


def test_text_is_harmless() -> None:
    """Names and data stay on one line, within limits, and cannot command a terminal."""
    [line] = picture([mark("a\x1b[31m\nb\u202e", None, 1, data="x" * 500)])

    assert line.startswith("mark a [31m b ")
    assert len(line) < 400
    assert line.isprintable()


def test_spans_lie_in_the_frame_of_their_root() -> None:
    """Each scope has its place in the time of its run; an open one lasts as long as the run is known."""
    events = [*scope("root", None, 100, 200), *scope("a", "root", 150, None), *scope("other", None, 1000, 1001)]

    assert [(row.span, row.frame) for row in rows(build_tree(events))] == [
        ((100, 200), (100, 200)),
        ((150, 200), (100, 200)),
        ((1000, 1001), (1000, 1001)),
    ]


def test_the_summary_counts() -> None:
    """One line counts roots, scopes, marks, errors, open scopes and tokens."""
    usage = {"annotated_response": {"usage": {"total_tokens": 12}}}
    events = [
        *scope("root", None, 0, 9),
        *scope("a", "root", 1, None, category_profile=usage),
        *scope("b", "root", 1, 2, metadata={"relay.outcome": "error"}),
        mark("m", "a", 1),
    ]

    assert summary(build_tree(events)) == "1 root, 3 scopes, 1 mark, 1 error, 1 open, 12 tokens"
    assert summary(build_tree([])) == "0 roots, 0 scopes, 0 marks"


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(7, "7 us"), (1_500, "1.5 ms"), (2_345_678, "2.35 s"), (125_000_000, "2 min 5 s"), (3_599_900_000, "60 min 0 s")],
)
def test_durations_read_well(microseconds: int, text: str) -> None:
    """A duration comes in the unit that suits it."""
    assert duration_text(microseconds) == text


def test_usage_reads_well() -> None:
    """In and out where both are known, else what is known."""
    assert (
        usage_text({"prompt_tokens": 1, "completion_tokens": 2, "reasoning_tokens": 1}) == "1 + 2 tokens (1 reasoning)"
    )
    assert usage_text({"total_tokens": 3}) == "3 tokens"
    assert usage_text({"prompt_tokens": 4}) == "4 tokens"
