"""The lines that a file has not taken yet."""

import orjson

from relay_core.jsonl_backlog import Backlog


def test_nothing_is_given_up_within_the_limit() -> None:
    """Lines that fit into the limit stay, in order, and need no mark."""
    backlog = Backlog(6)
    backlog.lines += [b"123", b"456"]

    backlog.give_up_oldest()

    assert (backlog.marked(), backlog.lost) == ([b"123", b"456"], 0)


def test_the_oldest_are_given_up_and_a_mark_says_so() -> None:
    """Beyond the limit the oldest lines go, are counted, and a mark stands where they are missing."""
    backlog = Backlog(6)
    backlog.lines += [b"1", b"234", b"567"]

    backlog.give_up_oldest()

    mark, *rest = backlog.marked()
    assert (rest, backlog.lost) == ([b"234", b"567"], 1)
    assert orjson.loads(mark)["name"] == "relay.events_dropped"
    assert orjson.loads(mark)["data"] == {"count": 1, "reason": "sink_failed"}


def test_a_mark_that_was_not_written_is_made_again() -> None:
    """When not even the mark was written, the next attempt has one that counts everything that is missing."""
    backlog = Backlog(3)
    backlog.lines += [b"123", b"456"]
    backlog.give_up_oldest()

    backlog.settle(backlog.marked())
    backlog.lines += [b"789"]
    backlog.give_up_oldest()

    mark, *rest = backlog.marked()
    assert rest == [b"789"]
    assert orjson.loads(mark)["data"]["count"] == 2


def test_what_was_written_is_forgotten() -> None:
    """After an attempt only the unwritten lines stay, without a mark."""
    backlog = Backlog(3)
    backlog.lines += [b"123", b"4", b"56"]
    backlog.give_up_oldest()

    backlog.settle(backlog.marked()[2:])

    assert backlog.marked() == [b"56"]
