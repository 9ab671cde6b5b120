"""How `relay show` draws what it says."""

import io
from typing import Any

import pytest
from rich.console import Console

from relay_core.cli.pictures import draw_plain, draw_rich
from relay_core.cli.rows import Row

ROWS = [
    Row((), None, "ok", "root", True, ("agent",), 2_000_000, (0, 100), (0, 100)),
    Row((), True, "error", "a", True, ("tool", "error"), 500, (50, 75), (0, 100)),
    Row((True, False), None, "error", "KeyError: no"),
    Row((True,), False, "mark", "m", notes=('{"a":1}',)),
    Row((), False, "open", "b", True, ("llm",), None, (99, 100), (0, 100)),
]


def plain(encoding: str) -> list[str]:
    """Return the lines of the plain picture."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    draw_plain(ROWS, out)
    out.seek(0)
    return out.read().splitlines()


def test_plain() -> None:
    """A file gets guides, glyphs and notes, without a colour."""
    assert plain("utf-8") == [
        "✓ root  agent · 2.00 s",
        "├─ ✗ a  tool · error · 500 us",
        "│     ✗ KeyError: no",
        '│  └─ ◆ m  {"a":1}',
        "└─ … b  llm",
    ]


def test_ascii() -> None:
    """Where the encoding knows no box, ASCII has to do."""
    assert plain("ascii") == [
        "+ root  agent, 2.00 s",
        "|- x a  tool, error, 500 us",
        "|     x KeyError: no",
        '|  `- * m  {"a":1}',
        "`- ? b  llm",
    ]


def test_what_the_encoding_lacks_is_replaced() -> None:
    """A name that cannot be encoded does not stop the picture."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    draw_plain([Row((), None, "ok", "Bogotá → Wien")], out)
    out.seek(0)

    assert out.read() == "+ Bogotá ? Wien\n"


def rich_lines(width: int, **options: Any) -> list[str]:
    """Return the lines of the picture in a terminal of `width`."""
    out = io.StringIO()
    draw_rich(ROWS, Console(file=out, width=width, **options))
    return out.getvalue().splitlines()


def test_a_wide_terminal_shows_what_ran_when() -> None:
    """Each scope has a bar within the time of its run, beneath each other."""
    lines = rich_lines(100)

    assert [line[76:].rstrip() for line in lines] == ["━" * 24, " " * 12 + "━" * 6, "", "", " " * 23 + "━"]
    assert lines[0][:76].split() == ["✓", "root", "agent", "2.00", "s"]
    assert {len(line) for line in lines} <= set(range(101))


@pytest.mark.parametrize("width", [20, 40, 99])
def test_a_narrow_terminal_is_never_exceeded(width: int) -> None:
    """Without room for bars there are none, and long lines end in an ellipsis."""
    lines = rich_lines(width)

    assert all(len(line) <= width for line in lines)
    assert not any("━" in line for line in lines)
    assert lines[0].endswith("2.00 s")


def test_colours_are_for_terminals() -> None:
    """A terminal gets colours."""
    assert any("\x1b[" in line for line in rich_lines(100, force_terminal=True, color_system="standard"))
