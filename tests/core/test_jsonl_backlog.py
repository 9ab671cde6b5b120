"""The lines that a file has not taken yet."""

import orjson

from relay_core.jsonl_backlog import Backlog


def waiting(max_bytes: int, *blocks: bytes) -> Backlog:
    """Return a backlog in which `blocks` wait."""
    backlog = Backlog(max_bytes)
    for block in blocks:
        backlog.add(block, block.count(b"\n"))
    return backlog


def test_nothing_is_given_up_within_the_limit() -> None:
    """Lines that fit into the limit stay, in order, and need no mark."""
    backlog = waiting(8, b"123\n", b"456\n")

    backlog.give_up_oldest()

    assert (backlog.marked(), backlog.lost) == ([b"123\n", b"456\n"], 0)
    assert (backlog.waiting, backlog.written) == (2, 0)


def test_the_oldest_are_given_up_and_a_mark_says_so() -> None:
    """Beyond the limit the oldest lines go, are counted, and a mark stands where they are missing."""
    backlog = waiting(8, b"1\n234\n", b"567\n")

    backlog.give_up_oldest()

    mark, *rest = backlog.marked()
    assert (rest, backlog.lost, backlog.waiting) == ([b"234\n", b"567\n"], 1, 2)
    assert orjson.loads(mark)["name"] == "relay.events_dropped"
    assert orjson.loads(mark)["data"] == {"count": 1, "reason": "sink_failed"}
    assert mark.endswith(b"}\n")


def test_a_mark_that_was_not_written_is_made_again() -> None:
    """When not even the mark was written, the next attempt has one that counts everything that is missing."""
    backlog = waiting(4, b"123\n", b"456\n")
    backlog.give_up_oldest()

    backlog.settle(backlog.marked())
    backlog.add(b"789\n", 1)
    backlog.give_up_oldest()

    mark, *rest = backlog.marked()
    assert rest == [b"789\n"]
    assert orjson.loads(mark)["data"]["count"] == 2
    assert (backlog.lost, backlog.waiting, backlog.written) == (2, 1, 0)


def test_what_was_written_is_forgotten() -> None:
    """After an attempt only the unwritten lines stay, without a mark; the mark that was written counts as a line."""
    backlog = waiting(5, b"123\n4\n56\n")
    backlog.give_up_oldest()

    backlog.settle(backlog.marked()[2:])

    assert backlog.marked() == [b"56\n"]
    assert (backlog.lost, backlog.waiting, backlog.written) == (1, 1, 2)
