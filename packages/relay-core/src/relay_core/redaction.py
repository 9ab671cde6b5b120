"""Values under credential-like keys leave the record: JSON in, JSON out, at any depth and in JSON within strings.

Nearly every document is clean, so most of this file is about seeing that quickly, in the bytes, without parsing.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from relay_core.accelerator import native

__all__ = ["DEFAULT_KEYS", "REDACTED", "Redactor"]

DEFAULT_KEYS: tuple[str, ...] = (
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "api_key",
    "api-key",
    "apikey",
    "*-api-key",
    "password",
    "passwd",
    "secret",
    "client_secret",
    "access_token",
    "refresh_token",
    "id_token",
    "auth_token",
    "private_key",
)
"""The keys whose values are redacted by default: whole keys, in any case; `*` stands for any text."""

REDACTED = "[redacted]"
"""What is recorded in the place of a credential."""

_kind_of: Callable[[object], type[Any]] = type
_numbered: Callable[[Any], Iterable[tuple[Any, Any]]] = enumerate
_FAILED = b'{"$error":"relay_core.Redactor"}'
_PREFIX = 6
_SAFE_DEPTH = 64
_PLAIN = re.compile(r"[a-z0-9_-]+")
_RARE_STARTS = {b"-": ord("-"), b"\\\\": ord("\\")}
"""How a pattern may begin, and which byte that is."""
_ESCAPED_ASCII = re.compile(rb"\\u00(?:2[dD]|[3-7])")


class Redactor:
    """Replaces the values under certain keys by `"[redacted]"`. Immutable; any thread.

    Args:
        keys: Whole keys, in any case, whose values are credentials; `*` stands for any text: `*-api-key`.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        patterns = sorted({key.lower() for key in keys if key})
        exact = [key for key in patterns if "*" not in key]
        wild = [key for key in patterns if "*" in key]
        self._exact = frozenset(exact)
        self._wild = re.compile("|".join(map(_wildcard, wild)), re.DOTALL) if wild else None
        hints = [_ESCAPED_ASCII, *_exact_hints(exact), *map(_wild_hint, wild)] if patterns else []
        guards = [_guard(hint) for hint in hints]
        self._guarded = tuple((byte, hint.search) for byte, hint in zip(guards, hints, strict=True) if byte is not None)
        self._searches = tuple(hint.search for byte, hint in zip(guards, hints, strict=True) if byte is None)
        spelled = "|".join([*map(re.escape, exact), *(_wildcard(key).replace(".*", r'[^"\\]*') for key in wild)])
        self._scanner = _scanner(exact, wild)
        self._opening = re.compile(rf'"(?:{spelled})"\s*:\s*', re.IGNORECASE)

    def redact(self, document: bytes) -> bytes:
        """Return the document without credentials; the same object if it holds none. Never raises an `Exception`.

        Strings that hold a JSON object or array are redacted, too, and written anew without whitespace. Of a string
        that starts like one and is cut off, the rest from the first credential on is dropped.

        Args:
            document: Valid JSON. Where it is not, and looks as if there was a credential in it, nothing of it is kept.
        """
        if not self.is_suspicious(document):
            return document
        try:
            root = [orjson.loads(document)]
            return _dumps(root[0], depth) if (depth := self._scrub(root)) else document
        except Exception:  # not JSON, too deep, no memory: nothing may slip through
            return _FAILED

    def are_suspicious(self, documents: list[bytes]) -> bool:
        """Whether there may be a credential in any of several documents; a look at each would cost more."""
        if self._scanner is None:
            return self.is_suspicious(b"\n".join(documents))
        return bool(self._scanner.search(documents))

    def is_suspicious(self, documents: bytes) -> bool:
        """Whether there may be a credential: the keys themselves, or an escape that may hide one.

        Args:
            documents: A JSON document, or several that are joined by newlines.
        """
        if self._scanner is not None:
            return self.are_suspicious([documents])
        for byte, search in self._guarded:
            # Whether the byte is there at all can be said for a fifth of the price of a search.
            if byte in documents and search(documents):
                return True
        for search in self._searches:  # noqa: SIM110 - `any` would cost as much as the searches
            if search(documents):
                return True
        return False

    def _is_credential(self, key: str) -> bool:
        key = key.lower()
        return key in self._exact or (self._wild is not None and self._wild.fullmatch(key) is not None)

    def _scrub(self, root: list[Any]) -> int:
        """Redact a tree in place; return how deep it is if anything changed, else 0."""
        deepest, changed = 0, False
        verdicts: dict[str, bool] = {}
        stack: list[tuple[Any, int]] = [(root, 0)]
        while stack:
            node, depth = stack.pop()
            deepest = max(deepest, depth)
            for key, value in _entries(node):
                new, kind = value, _kind_of(value)
                if isinstance(key, str) and key not in verdicts:
                    verdicts[key] = self._is_credential(key)
                if verdicts.get(key):
                    new = value if value == REDACTED else REDACTED
                elif kind is str:
                    new = self._scrub_text(value)
                elif kind is dict or kind is list:
                    stack.append((value, depth + 1))
                if new is not value:
                    node[key] = new
                    changed = True
        return deepest + 1 if changed else 0

    def _scrub_text(self, text: str) -> str:
        """Redact JSON that a string holds."""
        start = text.lstrip(" \t\r\n\ufeff")[:1]
        if not start or start not in '{["' or not self.is_suspicious(text.encode("utf-8", "surrogatepass")):
            return text
        try:
            root = [json.loads(text.strip("\ufeff"))]
        except (ValueError, RecursionError):
            found = self._opening.search(text)
            return text if found is None else f'{text[: found.end()]}"{REDACTED}"'
        if not self._scrub(root):
            return text
        return json.dumps(root[0], ensure_ascii=text.isascii(), separators=(",", ":"))


def _entries(node: Any) -> Iterable[tuple[Any, Any]]:
    return node.items() if _kind_of(node) is dict else _numbered(node)


def _dumps(tree: object, depth: int) -> bytes:
    """Encode a tree; orjson is not to be trusted with a deep one."""
    if depth <= _SAFE_DEPTH:
        return orjson.dumps(tree)
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()


def _wildcard(key: str) -> str:
    return ".*".join(map(re.escape, key.split("*")))


def _exact_hints(keys: list[str]) -> list[re.Pattern[bytes]]:
    """Return patterns, one of which is found wherever one of the keys is.

    Plain keys share one. It starts with a quote, for which the search is fast, then tries each of the next characters
    against those that any key has there, and only then the keys themselves.
    """
    plain = [key for key in keys if _PLAIN.fullmatch(key)]
    hints = [_compiled(rf'"{_any_case(key)}\\*"') for key in keys if key not in plain]
    if plain:
        length = min(_PREFIX, *map(len, plain))
        columns = "".join(
            f"[{_both_cases(''.join(sorted(set(column))))}]"
            for column in zip(*(key[:length] for key in plain), strict=True)
        )
        rests: dict[str, list[str]] = {}
        for key in plain:
            rests.setdefault(key[:length], []).append(_any_case(key[length:]))
        words = "|".join(f'(?<="{_any_case(start)})(?:{"|".join(rest)})' for start, rest in rests.items())
        hints.append(_compiled(rf'"{columns}(?:{words})\\*"'))
    return hints


def _scanner(exact: list[str], wild: list[str]) -> Any:
    """Return what looks for the keys natively, or None where that is not installed or cannot."""
    parts = [max(key.split("*"), key=len) for key in wild]
    if native is None or not all(_PLAIN.fullmatch(text) and len(text) > 1 for text in (*exact, *parts)):
        return None
    ends = [key.endswith(part) for key, part in zip(wild, parts, strict=True)]
    return native.Scanner(tuple(exact), tuple(zip(parts, ends, strict=True)))


def _wild_hint(key: str) -> re.Pattern[bytes]:
    """Return a pattern for the longest part of a key with wildcards."""
    part = max(key.split("*"), key=len)
    return _compiled(_any_case(part) + (r'\\*"' if key.endswith(part) else "") if part else '"')


def _guard(hint: re.Pattern[bytes]) -> int | None:
    """Return the byte that all matches begin with; None, where there are several, or it is in every document."""
    return next((byte for start, byte in _RARE_STARTS.items() if hint.pattern.startswith(start)), None)


def _any_case(text: str) -> str:
    return "".join(f"[{_both_cases(char)}]" if _PLAIN.fullmatch(char) and char != "-" else _odd(char) for char in text)


def _both_cases(chars: str) -> str:
    return "".join(re.escape(char + char.upper() if char.isalpha() else char) for char in chars)


def _odd(char: str) -> str:
    """Return a pattern for a character with unknown cases or escapes in JSON."""
    return "-" if char == "-" else r"(?:.|\n){1,14}?"


def _compiled(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode("ascii"))
