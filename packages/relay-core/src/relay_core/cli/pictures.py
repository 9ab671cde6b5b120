"""Rows as text: plain for files and pipes, coloured and with a time line where rich and a terminal are there."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TextIO

from relay_core.cli.rows import Row, duration_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["draw_plain", "draw_rich"]

_BAR_WIDTH: Final = 24
_DURATION_WIDTH: Final = 12
_WIDE: Final = 100
"""Columns from which on there is room for the time line."""


@dataclass(frozen=True, slots=True)
class _Glyphs:
    """The drawing characters of one character set."""

    branch: str
    last: str
    line: str
    space: str
    styles: dict[str, str]
    separator: str


_UNICODE: Final = _Glyphs(
    "├─ ",
    "└─ ",
    "│  ",
    "   ",
    {
        "ok": "✓",
        "error": "✗",
        "cancelled": "⊘",
        "abandoned": "⊘",
        "interrupted": "‖",
        "handed_off": "→",
        "drained": "▽",
        "open": "…",
        "mark": "◆",
        "link": "∞",
        "input": "←",
        "output": "→",
    },
    " · ",
)
_ASCII: Final = _Glyphs(
    "|- ",
    "`- ",
    "|  ",
    "   ",
    {
        "ok": "+",
        "error": "x",
        "cancelled": "-",
        "abandoned": "-",
        "interrupted": "=",
        "handed_off": ">",
        "drained": "v",
        "open": "?",
        "mark": "*",
        "link": "@",
        "input": "<",
        "output": ">",
    },
    ", ",
)
_COLOURS: Final = {
    "ok": "green",
    "error": "bold red",
    "cancelled": "yellow",
    "abandoned": "yellow",
    "interrupted": "bold yellow",
    "handed_off": "cyan",
    "drained": "yellow",
    "open": "magenta",
    "mark": "blue",
    "link": "bold cyan",
    "input": "dim",
    "output": "dim",
}


def draw_plain(rows: Iterable[Row], out: TextIO) -> None:
    """Write `rows` as text, in ASCII if `out` cannot take more."""
    glyphs = _UNICODE if _takes(out, "├✓…") else _ASCII
    for row in rows:
        notes = [*row.notes, duration_text(row.duration_us)] if row.duration_us is not None else row.notes
        line = f"{_guides(row, glyphs)}{glyphs.styles[row.style]} {row.title}"
        text = f"{line}  {glyphs.separator.join(notes)}" if notes else line
        out.write(text.encode(out.encoding or "utf-8", "replace").decode(out.encoding or "utf-8") + "\n")


def draw_rich(rows: Iterable[Row], console: "Console") -> None:
    """Print `rows` in colour, one per line; in a wide terminal with the time line of each scope within its run."""
    wide = console.width >= _WIDE
    room = console.width - _DURATION_WIDTH - (_BAR_WIDTH + 2 if wide else 0)
    for row in rows:
        line = _rich_line(row)
        if row.duration_us is None:
            line.truncate(console.width, overflow="ellipsis")
        else:
            line.truncate(room, overflow="ellipsis", pad=True)
            line.append(duration_text(row.duration_us).rjust(_DURATION_WIDTH))
        if wide and row.span is not None and row.frame is not None:
            line.truncate(room + _DURATION_WIDTH, pad=True)
            begin, width = _bar(row.span, row.frame)
            line.append("  " + " " * begin)
            line.append("━" * width, style=_COLOURS[row.style])
        console.print(line, soft_wrap=True)


def _rich_line(row: Row) -> "Text":
    from rich.text import Text

    colour = _COLOURS[row.style]
    line = Text()
    line.append(_guides(row, _UNICODE), style="dim")
    line.append(_UNICODE.styles[row.style] + " ", style=colour)
    line.append(row.title, style="bold" if row.is_scope else colour)
    if row.notes:
        line.append("  " + _UNICODE.separator.join(row.notes), style="dim")
    return line


def _bar(span: tuple[int, int], frame: tuple[int, int]) -> tuple[int, int]:
    """Return where the bar of `span` begins and how long it is, in columns."""
    scale = _BAR_WIDTH / (frame[1] - frame[0])
    begin = min(int((span[0] - frame[0]) * scale), _BAR_WIDTH - 1)
    end = min(round((span[1] - frame[0]) * scale), _BAR_WIDTH)
    return begin, max(1, end - begin)


def _guides(row: Row, glyphs: _Glyphs) -> str:
    above = "".join(glyphs.line if goes_on else glyphs.space for goes_on in row.guides)
    return above if row.branch is None else above + (glyphs.branch if row.branch else glyphs.last)


def _takes(out: TextIO, text: str) -> bool:
    try:
        text.encode(out.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
