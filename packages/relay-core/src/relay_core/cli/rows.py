"""What `relay show` says about a tree, line by line, before anyone decides how it looks. No colours, no terminal."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from relay_core.events import MarkEvent
from relay_core.json_values import as_mapping, is_array
from relay_core.tree import Node, Tree, Usage, linked
from relay_core.vocabulary import Outcome
from relay_core.wording import counted

__all__ = ["Row", "Style", "duration_text", "rows", "summary", "usage_text"]

Style = str
"""``ok``, another outcome, ``open``, ``mark``, ``link``, ``input`` or ``output``."""

_TEXT_LENGTH: Final = 160


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the picture."""

    guides: tuple[bool, ...]
    """For each level above this line: whether the tree goes on there below this line."""
    branch: bool | None
    """Whether siblings follow; None for a line that hangs on no branch."""
    style: Style
    title: str
    is_scope: bool = False
    notes: tuple[str, ...] = ()
    """What is said after the title, each on its own merits."""
    duration_us: int | None = None
    span: tuple[int, int] | None = None
    """Start and end in microseconds, within `frame`; for the bar that shows what ran side by side."""
    frame: tuple[int, int] | None = None


def rows(tree: Tree, *, data: bool = False, max_depth: int | None = None) -> Iterator[Row]:
    """Yield the lines of a tree: roots that share a link together, then the marks outside of any scope.

    Args:
        tree: The tree.
        data: Whether to show inputs and outputs.
        max_depth: How many levels of scopes to show.
    """
    for group in linked(tree.roots):
        if len(group) > 1:
            yield Row((), None, "link", _link_title(group))
        for index, root in enumerate(group):
            branch = index < len(group) - 1 if len(group) > 1 else None
            yield from _Run(_frame(root), data, max_depth).rows(root, branch)
    for mark in tree.marks:
        yield _mark_row(mark, (), None)


def summary(tree: Tree) -> str:
    """Return one line that counts everything."""
    nodes = list(tree.walk())
    failed = sum(node.outcome is Outcome.ERROR for node in nodes)
    still_open = sum(node.is_open for node in nodes)
    marks = len(tree.marks) + sum(len(node.marks) for node in nodes)
    parts = [counted(len(tree.roots), "root"), counted(len(nodes), "scope"), counted(marks, "mark")]
    parts += [counted(failed, "error")] if failed else []
    parts += [f"{still_open} open"] if still_open else []
    usage: Usage = {}
    for root in tree.roots:
        for name, count in root.total_usage.items():
            usage[name] = usage.get(name, 0) + count
    return ", ".join(parts + ([usage_text(usage)] if usage else []))


def duration_text(microseconds: int) -> str:
    """Return a duration in the unit that suits it."""
    if microseconds < 1_000:
        return f"{microseconds} us"
    if microseconds < 1_000_000:
        return f"{microseconds / 1_000:.1f} ms"
    seconds = microseconds / 1_000_000
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def usage_text(usage: Usage) -> str:
    """Return token counts as ``120 + 30 tokens``: in, out, and what the cache gave."""
    given, taken = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if given is None or taken is None:
        total = usage.get("total_tokens", given or taken or 0)
        text = counted(total, "token")
    else:
        text = f"{given:,} + {taken:,} tokens"
    details = [
        f"{usage[key]:,} {word}"
        for key, word in (("cache_read_tokens", "cached"), ("reasoning_tokens", "reasoning"))
        if usage.get(key)
    ]
    return f"{text} ({', '.join(details)})" if details else text


# --- Scopes ----------------------------------------------------------------------------------------------------------


class _Run:
    """Draws one root and everything in it; without recursion, since a tree may be deep."""

    def __init__(self, frame: tuple[int, int] | None, data: bool, max_depth: int | None) -> None:
        self._frame = frame
        self._data = data
        self._max_depth = max_depth
        self._parallel: set[str] = set()

    def rows(self, root: Node, branch: bool | None) -> Iterator[Row]:
        pending: list[tuple[Node | MarkEvent, tuple[bool, ...], bool | None]] = [(root, (), branch)]
        while pending:
            part, guides, branch = pending.pop()
            if isinstance(part, MarkEvent):
                yield _mark_row(part, guides, branch)
                continue
            contents = self._contents(part)
            yield self._scope_row(part, guides, branch)
            inner = guides if branch is None else (*guides, branch)
            for style, text in _details(part, self._data):
                yield Row((*inner, bool(contents)), None, style, text)
            last = len(contents) - 1
            pending += [(inside, inner, index < last) for index, inside in reversed(list(enumerate(contents)))]

    def _contents(self, node: Node) -> list[Node | MarkEvent]:
        """Return the scopes and marks in a scope, in the order of time."""
        if self._is_cut(node):
            return list(node.marks)
        self._parallel |= _overlapping(node.children)
        return sorted([*node.children, *node.marks], key=_time)

    def _scope_row(self, node: Node, guides: tuple[bool, ...], branch: bool | None) -> Row:
        span = None
        if node.started_us is not None and self._frame is not None:
            span = (node.started_us, node.ended_us if node.ended_us is not None else self._frame[1])
        notes = list(_notes(node))
        if node.uuid in self._parallel:
            branch_index = node.metadata.get("langgraph.branch")
            notes.append("parallel" if branch_index is None else f"parallel branch {branch_index}")
        if self._is_cut(node):
            notes.append(f"{counted(sum(1 for _ in node.walk()) - 1, 'scope')} inside")
        style = "open" if node.is_open else str(node.outcome or "ok")
        return Row(guides, branch, style, _line(node.name), True, tuple(notes), node.duration_us, span, self._frame)

    def _is_cut(self, node: Node) -> bool:
        return self._max_depth is not None and node.depth + 1 >= self._max_depth and bool(node.children)


def _overlapping(siblings: list[Node]) -> set[str]:
    """Return the uuids of those of `siblings`, which are in the order of their starts, that ran side by side."""
    found: set[str] = set()
    latest: Node | None = None
    for node in siblings:
        if node.duration_us is None:
            continue
        if latest is not None and latest.overlaps(node):
            found |= {latest.uuid, node.uuid}
        if latest is None or (node.ended_us or 0) > (latest.ended_us or 0):
            latest = node
    return found


def _notes(node: Node) -> Iterator[str]:
    yield node.category
    if node.start is None:
        yield "start missing"
    if node.is_open:
        yield "not ended"
    elif node.outcome not in (None, Outcome.OK):
        yield str(node.outcome)
    if node.parent is None and node.parent_uuid is not None:
        yield "parent elsewhere"
    yield from _model_notes(node)
    yield from _graph_notes(node)


def _model_notes(node: Node) -> Iterator[str]:
    if node.model_name and node.model_name != node.name:
        yield _line(node.model_name)
    if node.usage:
        yield usage_text(node.usage)
    elif node.parent is None and (usage := node.total_usage):
        yield usage_text(usage)
    if node.tool_call_id:
        yield _line(node.tool_call_id)


def _graph_notes(node: Node) -> Iterator[str]:
    """What relay-langgraph notes about a node; other integrations may write the same keys."""
    if "langgraph.node" not in node.metadata:
        return
    step, attempt = node.metadata.get("langgraph.step"), node.metadata.get("langgraph.attempt")
    above = node.parent.metadata.get("langgraph.step") if node.parent is not None else None
    if step is not None and step != above:
        yield f"step {step}"
    if isinstance(attempt, int) and attempt > 1:
        failed = node.metadata.get("langgraph.previous_error")
        yield _line(f"attempt {attempt} after {failed}" if failed else f"attempt {attempt}")


def _details(node: Node, data: bool) -> Iterator[tuple[Style, str]]:
    if data and node.input is not None:
        yield "input", _json(node.input)
    if data and node.output is not None:
        yield "output", _json(node.output)
    if node.error is not None and all(child.error != node.error for child in node.children):
        yield "error", _line(node.error)


# --- Marks and links -------------------------------------------------------------------------------------------------


def _mark_row(mark: MarkEvent, guides: tuple[bool, ...], branch: bool | None) -> Row:
    data = mark.data
    fields = as_mapping(data)
    if "checkpoint_id" in fields:  # of all that a graph's mark says, what the human was asked, or how it goes on
        interrupts = fields.get("interrupts")
        asked = [as_mapping(it).get("value") for it in interrupts] if is_array(interrupts) else []
        data = asked or fields.get("status")
    notes = [] if data is None else [_json(data)]
    severity = [mark.severity] if mark.severity else []
    return Row(guides, branch, "mark", _line(mark.name), notes=(*severity, *notes))


def _link_title(group: list[Node]) -> str:
    threads = sorted({link[0] for root in group for link in root.links if link[0]})
    return f"thread {', '.join(map(_line, threads))}" if threads else "joined runs"


def _frame(root: Node) -> tuple[int, int] | None:
    """Return when a root and everything in it began and ended, if it took any time."""
    times = {event.timestamp_us for node in root.walk() for event in (node.start, node.end) if event is not None}
    return (min(times), max(times)) if len(times) > 1 else None


def _time(part: Node | MarkEvent) -> int:
    if isinstance(part, MarkEvent):
        return part.timestamp_us
    return part.started_us if part.started_us is not None else (part.ended_us or 0)


# --- Text ------------------------------------------------------------------------------------------------------------


def _json(value: Any) -> str:
    return _line(value if isinstance(value, str) else orjson.dumps(value).decode())


def _line(text: str) -> str:
    """Return `text` on one line, shortened, without anything that a terminal would obey."""
    shown = "".join(char if char.isprintable() else " " for char in text[: _TEXT_LENGTH + 1])
    shown = " ".join(shown.split())
    return shown if len(shown) <= _TEXT_LENGTH else shown[: _TEXT_LENGTH - 1] + "…"
