"""Plugins may know better what a run is and how its error counts."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from tests.langchain.support import Chat, Recording

from relay_core.hookspecs import hookimpl
from relay_core.vocabulary import Outcome, ScopeType
from relay_langchain import Run, RunInfo, runs


class Handoff(Exception):  # noqa: N818
    """What a framework raises to pass control on."""


def test_classify_run(recording: Recording) -> None:
    """A plugin sees each run once, with its input, and may change type, name and metadata, or hide it."""
    seen: list[tuple[str, str, object, str | None]] = []

    class Plugin:
        @hookimpl
        def relay_classify_run(self, run: Run) -> RunInfo | None:
            seen.append((run.kind, run.name, run.inputs, run.parent and run.parent.name))
            if run.name == "step":
                return RunInfo(ScopeType.Guardrail, "checked", {"step": 1, "tenant": "T"}, omit={"raw"})
            return RunInfo(hidden=True) if run.name == "plumbing" else None

    recording.relay.registry.register(Plugin())
    step: RunnableLambda[Any, Any] = RunnableLambda(lambda x: x, name="step")
    plumbing = RunnableLambda(step.invoke, name="plumbing")
    RunnableLambda(plumbing.invoke, name="f").invoke(
        1, {**recording.config, "metadata": {"raw": 1, "tenant": "t", "kept": 2}}
    )

    assert [("chain", "f", 1, None), ("chain", "plumbing", 1, "f"), ("chain", "step", 1, "plumbing")] == seen
    assert "f{checked}" == recording.tree
    node = recording.node("checked")
    metadata = node.start.metadata or {}
    assert ("guardrail", 1, "T", 2) == (node.start.category, metadata["step"], metadata["tenant"], metadata["kept"])
    assert "raw" not in metadata
    recording.assert_complete()


def test_an_outcome_that_is_none(recording: Recording) -> None:
    """A plugin that makes up an outcome is our error to count, and the run ends."""

    class Plugin:
        @hookimpl
        def relay_classify_run(self, run: Run) -> None:
            run.outcome = "splendid"  # type: ignore[assignment]

    recording.relay.registry.register(Plugin())
    RunnableLambda(lambda x: x, name="f").invoke(1, recording.config)

    assert "f" == recording.tree
    assert 1 == recording.relay.statistics().suppressed_errors
    recording.expect_suppressed()


def test_classify_run_keeps_no_input(recording: Recording) -> None:
    """The run holds its input only while it is classified."""
    kept: list[Run] = []

    class Plugin:
        @hookimpl
        def relay_classify_run(self, run: Run) -> None:
            kept.append(run)

    recording.relay.registry.register(Plugin())
    RunnableLambda(lambda x: x).invoke({"a": 1}, recording.config)

    assert [None] == [run.inputs for run in kept]


def test_classify_error(recording: Recording) -> None:
    """A plugin may say that what was raised is no error, for chains, tools and models."""

    class Plugin:
        @hookimpl
        def relay_classify_error(self, run: Run, error: BaseException) -> Outcome | None:
            return Outcome.HANDED_OFF if isinstance(error, Handoff) else None

    @tool
    def go() -> None:
        """Go."""
        raise Handoff

    recording.relay.registry.register(Plugin())
    for work in (RunnableLambda(lambda _: go.invoke({}), name="f"), Chat(answers=[Handoff("bye")])):
        with pytest.raises(Handoff):
            work.invoke("x", recording.config)
    with pytest.raises(ValueError, match="no"):
        Chat(answers=[ValueError("no")]).invoke("x", recording.config)

    assert "f!handed_off{go!handed_off} Chat!handed_off Chat!error" == recording.tree
    end = recording.nodes("Chat")[0].end
    assert end is not None
    metadata = end.metadata or {}
    assert ("UNSET", "handed_off") == (metadata["otel.status_code"], metadata["otel.status_description"])
    assert "error.type" not in metadata


def test_a_plugin_that_raises(recording: Recording) -> None:
    """A plugin that raises is counted, and the run is recorded as LangChain has it."""

    class Broken:
        @hookimpl
        def relay_classify_run(self, run: Run) -> RunInfo | None:
            raise ValueError("broken")

        @hookimpl
        def relay_classify_error(self, run: Run, error: BaseException) -> Outcome | None:
            raise ValueError("broken")

    recording.relay.registry.register(Broken(), "broken")
    with pytest.raises(ZeroDivisionError):
        RunnableLambda(lambda _: 1 / 0, name="f").invoke(0, recording.config)

    assert "f!error" == recording.tree
    assert {"broken": 2} == recording.relay.statistics().failed


def test_classify_outcome(recording: Recording) -> None:
    """A plugin that knows control flow by its type says so once, for runs and for the scopes in them."""

    class Plugin:
        @hookimpl
        def relay_classify_outcome(self, error: BaseException) -> Outcome | None:
            return Outcome.HANDED_OFF if isinstance(error, Handoff) else None

    def work(_: Any) -> None:
        with recording.relay.scopes.scope("mine"):
            raise Handoff("payload")

    recording.relay.registry.register(Plugin())
    with pytest.raises(Handoff):
        RunnableLambda(work, name="f").invoke("x", recording.config)

    assert "f!handed_off{mine!handed_off}" == recording.tree


def test_what_a_plugin_may_do_with_a_run(recording: Recording) -> None:
    """A plugin finds a run by id, may set how its normal end counts, add to its end event, and note things on it."""
    found: list[Run] = []

    def body(_: Any, run_manager: Any) -> int:
        run = runs.find(run_manager.run_id, runtime=recording.relay)
        assert run is not None
        assert run.handle is not None
        run.root.outcome = Outcome.INTERRUPTED
        run.handle.set_metadata(added=1)
        run.notes["plugin.seen"] = True
        found.append(run)
        return 1

    inner = RunnableLambda(body, name="inner")
    (inner | RunnableLambda(lambda x: x, name="next")).with_config(run_name="root").invoke(0, recording.config)

    assert "root!interrupted{inner next}" == recording.tree
    end = recording.node("inner").end
    assert end is not None
    assert 1 == (end.metadata or {})["added"]
    (run,) = found
    assert run.closed
    assert {"plugin.seen": True} == run.notes
    assert runs.find(run.run_id, runtime=recording.relay) is None
    assert "inner" in repr(run)


def test_marks_and_run_ends(recording: Recording) -> None:
    """A plugin may mark a scope as it starts, and add to the end of a run that it has noted something on."""

    class Plugin:
        @hookimpl
        def relay_classify_run(self, run: Run) -> RunInfo | None:
            if run.name != "f":
                return None
            run.notes["plugin.n"] = 1
            return RunInfo(marks=[("Began", {"n": 1})])

        @hookimpl
        def relay_run_ends(self, run: Run) -> None:
            assert run.handle is not None
            run.handle.set_metadata(ended=run.notes["plugin.n"])
            run.outcome = Outcome.DRAINED

    recording.relay.registry.register(Plugin())
    (RunnableLambda(lambda x: x, name="f") | RunnableLambda(lambda x: x, name="g")).invoke(0, recording.config)

    node = recording.node("f")
    assert node.end is not None
    assert [("Began", {"n": 1})] == [(mark.name, mark.data) for mark in node.marks]
    assert 1 == (node.end.metadata or {})["ended"]
    assert "RunnableSequence{f!drained g}" == recording.tree


def test_classify_run_marks(recording: Recording) -> None:
    """A plugin may have marks emitted on a scope as soon as it has started."""

    class Plugin:
        @hookimpl
        def relay_classify_run(self, run: Run) -> RunInfo:
            return RunInfo(marks=[("one", {"at": run.name}), ("two", None)])

    recording.relay.registry.register(Plugin())
    RunnableLambda(lambda x: x, name="f").invoke(1, recording.config)

    assert [("one", {"at": "f"}), ("two", None)] == [(mark.name, mark.data) for mark in recording.node("f").marks]


def test_run_ends(recording: Recording) -> None:
    """A plugin that has noted something about a chain may add to its end, if it ends well, and only then."""
    ended: list[str] = []

    class Plugin:
        @hookimpl
        def relay_classify_run(self, run: Run) -> None:
            if run.name != "plain":
                run.notes["test"] = 1

        @hookimpl
        def relay_run_ends(self, run: Run) -> None:
            ended.append(run.name)
            run.outcome = Outcome.INTERRUPTED
            assert run.handle is not None
            run.handle.set_metadata(late=True)

    recording.relay.registry.register(Plugin())
    fails: RunnableLambda[Any, Any] = RunnableLambda(lambda x: 1 / x, name="fails")
    for name in ("noted", "plain"):
        RunnableLambda(lambda x: x, name=name).invoke(0, recording.config)
    with pytest.raises(ZeroDivisionError):
        fails.invoke(0, recording.config)

    assert ["noted"] == ended
    assert "noted!interrupted plain fails!error" == recording.tree
    end = recording.node("noted").end
    assert end is not None
    assert (end.metadata or {})["late"]


def test_outcome_of_an_open_run(recording: Recording) -> None:
    """A run that is closed with the one around it has the outcome that a plugin gave it."""

    class Plugin:
        @hookimpl
        def relay_classify_run(self, run: Run) -> None:
            if run.name == "f":
                run.outcome = Outcome.DRAINED

    recording.relay.registry.register(Plugin())
    handler = recording.handler()
    outer, inner = uuid4(), uuid4()
    handler.on_chain_start(None, 1, run_id=outer, name="outer")
    handler.on_chain_start(None, 1, run_id=inner, parent_run_id=outer, name="f")
    handler.on_chain_error(ValueError(), run_id=outer)

    assert "outer!error{f!drained}" == recording.tree
