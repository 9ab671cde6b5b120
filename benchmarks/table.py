"""Prints results as a table in plain text."""

from collections.abc import Sequence

__all__ = ["print_table"]


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print `rows` under `head`; numbers to the right."""
    texts = [[_text(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [list(head), *texts]) for column in range(len(head))]
    print(f"\n{title}")
    print("  ".join(name.ljust(width) if not index else name.rjust(width) for index, (name, width) in _numbered(head, widths)))
    for row in texts:
        print("  ".join(cell.ljust(width) if not index else cell.rjust(width) for index, (cell, width) in _numbered(row, widths)))


def _numbered(cells: Sequence[str], widths: Sequence[int]) -> list[tuple[int, tuple[str, int]]]:
    return list(enumerate(zip(cells, widths, strict=True)))


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:,.2f}" if cell < 100 else f"{cell:,.0f}"
    return str(cell)
