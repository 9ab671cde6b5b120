"""Lines of a JSONL file."""

from pathlib import Path

import pytest

from relay_core.jsonl_lines import Problem, scan, what_is_wrong


def test_lines_come_with_number_bytes_and_object(tmp_path: Path) -> None:
    """Blank lines are left out but counted; what is no object comes without one."""
    (tmp_path / "run.jsonl").write_bytes(b'{"a": 1}\n\n[1]\n  \n{"a": 2}\n{"a"')

    lines = list(scan(tmp_path / "run.jsonl"))

    assert lines == [
        (1, b'{"a": 1}\n', {"a": 1}),
        (3, b"[1]\n", None),
        (5, b'{"a": 2}\n', {"a": 2}),
        (6, b'{"a"', None),
    ]


def test_a_last_line_without_newline_may_be_whole(tmp_path: Path) -> None:
    """A complete object at the end of the file counts, newline or not."""
    (tmp_path / "run.jsonl").write_bytes(b'{"a": 1}')

    assert [fields for _, _, fields in scan(tmp_path / "run.jsonl")] == [{"a": 1}]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"a"', "torn line: the file ends before the line does"),
        (b'{"a"\n', "torn line: it holds no complete JSON object"),
        (b"[1]\n", "the line is no JSON object"),
        (b"\xff\x00\n", "the line is no JSON object"),
    ],
)
def test_what_is_wrong_says_torn_or_foreign(line: bytes, message: str) -> None:
    """A line that begins like an object is torn; any other is foreign."""
    assert what_is_wrong(line) == message


def test_problems_sort_by_line_and_read_well() -> None:
    """Problems are values that sort by line; as text they name line and severity."""
    late, early = Problem(10, "error", "b"), Problem(9, "warning", "a")

    assert sorted([late, early]) == [early, late]
    assert str(early) == "line 9: warning: a"
