"""Ordered chains of named functions."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from relay_core.chains import ChainSet, Kind, merged
from relay_core.errors import RegistrationError

KIND = Kind.TOOL_REQUEST


def nothing(*_: object) -> None:
    """Do nothing."""


async def nothing_async(*_: object) -> None:
    """Do nothing, asynchronously."""


def names(*sets: ChainSet, kind: Kind = KIND) -> list[str]:
    """Return the names of the merged chain, in order."""
    return [entry.name for entry in merged(kind, [chains.snapshot for chains in sets])]


def test_lower_priority_comes_first() -> None:
    """A chain is ordered by ascending priority, negative ones included."""
    chains = ChainSet()
    for name, priority in (("late", 10), ("first", -5), ("middle", 0)):
        chains.add(KIND, name, priority, nothing)

    assert ["first", "middle", "late"] == names(chains)


def test_equal_priorities_keep_the_order_of_registration() -> None:
    """Ties are broken by who came first, also after one was taken out and came back."""
    chains = ChainSet()
    for name in "cab":
        chains.add(KIND, name, 1, nothing)
    chains.remove(KIND, "c")
    chains.add(KIND, "c", 1, nothing)

    assert ["a", "b", "c"] == names(chains)


def test_places_merge_into_one_chain() -> None:
    """Priority decides across places; between equals it is the order of registration, wherever that was."""
    everywhere, here = ChainSet(), ChainSet()
    here.add(KIND, "here-2", 2, nothing)
    everywhere.add(KIND, "everywhere-2", 2, nothing)
    here.add(KIND, "here-1", 1, nothing)
    everywhere.add(KIND, "everywhere-3", 3, nothing)

    assert ["here-1", "here-2", "everywhere-2", "everywhere-3"] == names(everywhere, here)


def test_name_is_unique_per_kind_and_place() -> None:
    """A name may be used again for another kind or in another place, and not otherwise."""
    chains = ChainSet()
    chains.add(KIND, "n", 1, nothing)
    chains.add(Kind.LLM_REQUEST, "n", 1, nothing)
    ChainSet().add(KIND, "n", 1, nothing)

    with pytest.raises(RegistrationError, match="tool request intercept 'n' already exists"):
        chains.add(KIND, "n", 2, nothing)


def test_removal_says_whether_there_was_one() -> None:
    """Removing answers True once and False for a name that is not there."""
    chains = ChainSet()
    chains.add(KIND, "n", 1, nothing)

    assert [True, False] == [chains.remove(KIND, "n"), chains.remove(KIND, "n")]
    assert not chains.snapshot


def test_snapshot_does_not_change() -> None:
    """Who took a snapshot sees no later registration and no later removal."""
    chains = ChainSet()
    chains.add(KIND, "n", 1, nothing)
    before = chains.snapshot
    chains.add(KIND, "m", 0, nothing)
    chains.remove(KIND, "n")

    assert ["n"] == [entry.name for entry in merged(KIND, [before])]


@pytest.mark.parametrize(
    ("name", "priority", "function"), [(1, 1, nothing), ("n", "1", nothing), ("n", True, nothing), ("n", 1, "no")]
)
def test_wrong_types_are_refused(name: Any, priority: Any, function: Any) -> None:
    """A name that is no str, a priority that is no int and what cannot be called register nothing."""
    chains = ChainSet()

    with pytest.raises(TypeError):
        chains.add(KIND, name, priority, function)

    assert not chains.snapshot


def test_entries_say_what_their_function_is_like() -> None:
    """An entry knows whether its function is async and whether it breaks the chain."""
    chains = ChainSet()
    chains.add(KIND, "n", 1, nothing_async, break_chain=True)
    (entry,) = merged(KIND, [chains.snapshot])

    assert (True, True) == (entry.is_async, entry.break_chain)


def test_changes_are_told() -> None:
    """Whoever keeps a snapshot is told when there is a new one."""
    changes: list[str] = []
    chains = ChainSet(lambda: changes.append("changed"))
    chains.add(KIND, "n", 1, nothing)
    chains.remove(KIND, "n")

    assert ["changed", "changed"] == changes


def test_threads_lose_no_registration() -> None:
    """Registrations from many threads at once all arrive."""
    chains = ChainSet()
    start = threading.Barrier(8)

    def register(number: int) -> Callable[[], None]:
        def run() -> None:
            start.wait()
            for index in range(50):
                chains.add(KIND, f"{number}-{index}", index, nothing)

        return run

    threads = [threading.Thread(target=register(number)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 400 == len(names(chains))
