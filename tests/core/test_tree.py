"""The tree of scopes that events make."""

import random
from typing import Any

from relay_core.event_reader import event_from_dict
from relay_core.events import Event
from relay_core.tree import Node, build_tree, linked
from relay_core.vocabulary import Outcome


def start(uuid: str, parent: str | None = None, at: int = 0, **fields: Any) -> Event:
    """Return the start of a scope named like its uuid, `at` microseconds."""
    return _event("start", uuid, parent, at, fields)


def end(uuid: str, parent: str | None = None, at: int = 0, **fields: Any) -> Event:
    """Return the end of a scope named like its uuid, `at` microseconds."""
    return _event("end", uuid, parent, at, fields)


def mark(uuid: str, parent: str | None = None, at: int = 0) -> Event:
    """Return a mark named like its uuid."""
    return _event(None, uuid, parent, at, {})


def _event(phase: str | None, uuid: str, parent: str | None, at: int, fields: dict[str, Any]) -> Event:
    common = {"atof_version": "0.1", "uuid": uuid, "parent_uuid": parent, "timestamp": at, "name": uuid}
    kind = {"kind": "scope", "scope_category": phase, "category": "function"} if phase else {"kind": "mark"}
    return event_from_dict(common | kind | fields)


RUN = [
    start("root", at=0),
    start("a", "root", at=10),
    mark("early", "a", at=11),
    start("b", "root", at=20),
    start("c", "a", at=25),
    end("a", "root", at=30),
    end("b", "root", at=40),
    end("c", "a", at=50),
    end("root", at=100),
    mark("outside", at=200),
]


def shape(node: Node) -> dict[str, Any]:
    """Return a node's name with those of everything in it."""
    return {node.name: [shape(child) for child in node.children] + [mark.name for mark in node.marks]}


def only(*events: Event) -> Node:
    """Return the one root of `events`."""
    [root] = build_tree(events).roots
    return root


# --- Shape -----------------------------------------------------------------------------------------------------------


def test_scopes_and_marks_are_where_they_belong() -> None:
    """Children are in their parents in the order in which they started, marks in their scopes."""
    tree = build_tree(RUN)

    assert [shape(root) for root in tree.roots] == [{"root": [{"a": [{"c": []}, "early"]}, {"b": []}]}]
    assert [mark.name for mark in tree.marks] == ["outside"]
    assert [node.name for node in tree.walk()] == ["root", "a", "c", "b"]


def test_the_order_of_events_does_not_matter() -> None:
    """Events of several files may come in any order, and twice."""
    shuffled = RUN * 2
    random.Random(3).shuffle(shuffled)

    assert [shape(root) for root in build_tree(shuffled).roots] == [shape(root) for root in build_tree(RUN).roots]


def test_walking_up_and_down() -> None:
    """A node knows its path and its depth."""
    tree = build_tree(RUN)

    assert [node.name for node in tree.nodes["c"].path] == ["root", "a", "c"]
    assert (tree.nodes["c"].depth, tree.nodes["root"].depth) == (2, 0)


def test_incomplete_files_have_a_tree() -> None:
    """An end without a start, an open scope and a scope whose parent is elsewhere have their place."""
    tree = build_tree([end("late", "elsewhere", at=5), start("open", "late", at=3), mark("m", "nowhere", at=1)])

    assert [shape(root) for root in tree.roots] == [{"late": [{"open": []}]}]
    late, still_open = tree.walk()
    assert (late.is_open, late.started_us, late.duration_us) == (False, None, None)
    assert (still_open.is_open, still_open.ended_us, still_open.outcome) == (True, None, None)
    assert [mark.name for mark in tree.marks] == ["m"]


def test_a_cycle_does_no_harm() -> None:
    """Scopes that are each other's parents, in a broken file, are all there once."""
    events = [start("a", "c", at=1), start("b", "a", at=2), start("c", "b", at=3), start("self", "self", at=4)]

    assert sorted(node.name for node in build_tree(events).walk()) == ["a", "b", "c", "self"]


def test_deep_trees_are_walked() -> None:
    """Depth is no limit."""
    names = [str(number) for number in range(5000)]
    tree = build_tree(start(name, parent, at=int(name)) for name, parent in zip(names, [None, *names], strict=False))

    assert sum(1 for _ in tree.walk()) == 5000
    assert tree.nodes["4999"].depth == 4999
    assert tree.roots[0].total_usage == {}


# --- What a node says ------------------------------------------------------------------------------------------------


def test_times() -> None:
    """Times are in microseconds; two scopes overlap if both were at work at some moment."""
    nodes = build_tree([*RUN, start("d", "root", at=40), end("d", "root", at=41), start("e", "root", at=0)]).nodes

    assert (nodes["a"].started_us, nodes["a"].ended_us, nodes["a"].duration_us) == (10, 30, 20)
    assert nodes["a"].overlaps(nodes["b"])
    assert not nodes["b"].overlaps(nodes["d"])
    assert not nodes["e"].overlaps(nodes["a"])


def test_outcomes() -> None:
    """The outcome is the end's, or what its status says; an error comes with type and text."""
    failed = {"otel.status_code": "ERROR", "otel.status_description": "no such city", "exception.type": "KeyError"}

    ok = only(start("ok"), end("ok", at=1, metadata={"otel.status_code": "OK"}))
    error = only(start("x"), end("x", at=1, metadata=failed))
    waiting = only(start("x"), end("x", at=1, metadata={"relay.outcome": "interrupted", "otel.status_code": "UNSET"}))
    silent = only(start("x"), end("x", at=1))

    assert (ok.outcome, ok.error) == (Outcome.OK, None)
    assert (error.outcome, error.error) == (Outcome.ERROR, "KeyError: no such city")
    assert (waiting.outcome, waiting.error) == (Outcome.INTERRUPTED, None)
    assert (silent.outcome, silent.error) == (None, None)
    assert only(start("x"), end("x", at=1, metadata={"relay.outcome": "error"})).error == "error"


def test_profile_and_payloads() -> None:
    """Profiles of both events are laid over each other; input and output are the events' data."""
    tool = only(
        start("t", category_profile={"tool_call_id": "call_1"}, data={"city": "Bern"}, metadata={"a": 1}),
        end("t", at=1, category_profile={"model_name": "m"}, data="sunny", metadata={"a": 1, "b": 2}),
    )

    assert (tool.tool_call_id, tool.model_name) == ("call_1", "m")
    assert (tool.input, tool.output) == ({"city": "Bern"}, "sunny")
    assert tool.metadata == {"a": 1, "b": 2}


def test_usage_is_summed_once() -> None:
    """Tokens come from the annotated response, else from the output; what contains a count is not counted again."""

    def llm(uuid: str, parent: str, **fields: Any) -> list[Event]:
        return [start(uuid, parent, category="llm"), end(uuid, parent, at=1, category="llm", **fields)]

    annotated = {"annotated_response": {"usage": {"prompt_tokens": 10, "completion_tokens": 5, "cost": 1}}}
    root = only(
        start("root"),
        *llm("a", "root", category_profile=annotated),
        *llm("inner", "a", category_profile=annotated),
        *llm("b", "root", data={"usage": {"prompt_tokens": 1, "total_tokens": 2, "prompt_tokens_details": {}}}),
        end("root", at=2),
    )

    assert root.usage == {}
    assert root.total_usage == {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 2}


# --- Links -----------------------------------------------------------------------------------------------------------


def link(thread: str, checkpoint: str, **more: Any) -> dict[str, Any]:
    """Return what joins two roots."""
    return {"thread_id": thread, "checkpoint_ns": "", "checkpoint_id": checkpoint} | more


def test_resumed_runs_are_joined() -> None:
    """Roots with an equal link are one group, also over several interrupts; whatever else the link says."""
    tree = build_tree(
        [
            start("r1", at=1),
            start("other", at=2),
            end("r1", at=3, metadata={"relay.link": link("t", "c1")}),
            start("r2", at=4, metadata={"relay.link": link("t", "c1", uuid="r1")}),
            end("r2", at=5, metadata={"relay.link": link("t", "c2")}),
            start("r3", at=6, metadata={"relay.link": [link("t", "c2")]}),
            start("same thread", at=7, metadata={"relay.link": link("t", "c9")}),
            start("broken", at=8, metadata={"relay.link": "t"}),
        ]
    )

    assert [[root.name for root in group] for group in linked(tree.roots)] == [
        ["r1", "r2", "r3"],
        ["other"],
        ["same thread"],
        ["broken"],
    ]


def test_a_link_may_join_two_groups() -> None:
    """A root that shares a link with two groups makes them one."""
    tree = build_tree(
        [
            start("a", at=1, metadata={"relay.link": link("t", "1")}),
            start("b", at=2, metadata={"relay.link": link("t", "2")}),
            start("c", at=3, metadata={"relay.link": [link("t", "1"), link("t", "2")]}),
        ]
    )

    assert [[root.name for root in group] for group in linked(tree.roots)] == [["a", "b", "c"]]
