"""What is remembered about a run that contains nodes."""

from relay_core.vocabulary import ScopeType
from relay_langchain.runs import Run
from relay_langgraph.notes import GraphNotes, make_notes, notes_of


def a_run() -> Run:
    """Return a run of which nothing is known."""
    return Run(1, "chain", "G", None, (), {}, ScopeType.Function, None)


def test_notes() -> None:
    """Notes are made once, and only where somebody makes them."""
    run = a_run()
    before = notes_of(run)
    notes = make_notes(run)

    assert (None, None) == (before, notes_of(None))
    assert notes is make_notes(run)
    assert notes is notes_of(run)


def test_attempts() -> None:
    """An attempt knows its number, and what the one before raised, if that has ended."""
    notes = GraphNotes()
    numbers = [notes.try_again(1, "a:1")]
    numbers.append(notes.try_again(1, "a:1"))
    notes.failed(1, "a:1", "ValueError")
    numbers.append(notes.try_again(1, "a:1"))
    numbers.append(notes.try_again(1, "b:2"))

    assert [(1, None), (2, None), (3, "ValueError"), (1, None)] == numbers


def test_steps_are_forgotten() -> None:
    """Only the last two steps are kept; what fails later than that changes nothing."""
    notes = GraphNotes()
    for step in range(5):
        notes.try_again(step, f"a:{step}")
    notes.failed(0, "a:0", "ValueError")
    notes.failed(4, "b:0", "ValueError")

    assert {3: {"a:3": (1, None)}, 4: {"a:4": (1, None)}} == notes.steps
