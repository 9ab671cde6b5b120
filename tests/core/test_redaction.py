"""Credentials leave the record, wherever they are; everything else stays as it is."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay_core.redaction import DEFAULT_KEYS, REDACTED, Redactor

pytestmark = pytest.mark.usefixtures("implementation")

KEYS = [key.replace("*", "x-goog") for key in DEFAULT_KEYS]


def redacted(value: object, keys: tuple[str, ...] = DEFAULT_KEYS) -> Any:
    """Redact a document and decode it."""
    return orjson.loads(Redactor(keys).redact(orjson.dumps(value)))


@pytest.mark.parametrize("key", KEYS)
def test_every_default_key_in_any_case_at_any_depth(key: str) -> None:
    """The whole key counts, whatever its case, and whatever its value is."""
    for spelled in (key, key.upper(), key.title()):
        for value in ("s", 1, None, True, ["s"], {"a": "s"}):
            tree = {"a": [1, {spelled: value, "b": "c"}]}
            assert {"a": [1, {spelled: REDACTED, "b": "c"}]} == redacted(tree)


@pytest.mark.parametrize(
    "key",
    [
        "token",
        "tokens",
        "max_tokens",
        "api_keys",
        "secretary",
        "my_password",
        "description",
        "key",
        "cookies",
        "idtoken",
    ],
)
def test_other_keys_are_no_credentials(key: str) -> None:
    """Token counts and keys that only contain the words stay; the document is the same object."""
    document = orjson.dumps({key: "value", "inner": json.dumps({key: "value"})})

    assert Redactor(DEFAULT_KEYS).redact(document) is document


@pytest.mark.parametrize(
    "value",
    [
        *("password", ["secret", "api_key"], {"name": "password"}, 'say "password" and "secret": x', "", 0, None),
        *('{"a": "password"}', "[redacted]", '{"password": "[redacted]"}', {"password": REDACTED}),
    ],
)
def test_values_that_are_words_stay(value: object) -> None:
    """A credential's name as a value is none, and what was redacted already needs no second time."""
    document = orjson.dumps({"data": value})

    assert Redactor(DEFAULT_KEYS).redact(document) is document


@pytest.mark.parametrize("indent", [None, 0, 4, "\t"])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\n", "\t : \n")])
def test_json_within_strings(indent: int | str | None, separators: tuple[str, str]) -> None:
    """The arguments of a tool call are a string: it is redacted and written anew."""
    arguments = json.dumps(
        {"url": "x", "Password": {"a": [1]}, "n": [{"api-key": "k"}]}, indent=indent, separators=separators
    )
    call = {"tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}

    text = redacted(call)["tool_calls"][0]["function"]["arguments"]

    assert {"url": "x", "Password": REDACTED, "n": [{"api-key": REDACTED}]} == json.loads(text)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_strings_within_strings(depth: int) -> None:
    """Each level of JSON within JSON is opened, also where a string holds only another string."""
    text = {"secret": "s", "id": 1}
    for _ in range(depth):
        text = json.dumps(text)  # type: ignore[assignment]

    found = redacted([text])[0]
    for _ in range(depth):
        found = json.loads(found)

    assert {"secret": REDACTED, "id": 1} == found


def test_text_around_is_kept_exactly() -> None:
    """Strings without a credential keep their whitespace; numbers in opened ones keep their digits."""
    document = {
        "a": '{"x" :  1}',
        "b": '{"id": 123456789012345678901234567890, "password": 1, "t": "é"}',
        "c": '[1, "naïve \\u00e9"',
        "password": 1,
    }

    assert {
        "a": '{"x" :  1}',
        "b": '{"id":123456789012345678901234567890,"password":"[redacted]","t":"é"}',
        "c": '[1, "naïve \\u00e9"',
        "password": REDACTED,
    } == redacted(document)


def test_a_string_that_is_cut_off_keeps_nothing_after_the_credential() -> None:
    """JSON that was shortened cannot be opened: from the first credential on it is dropped."""
    assert {"text": '{"a": 1, "password": "[redacted]"'} == redacted({"text": '{"a": 1, "password": "hunt'})
    assert {"text": '{"a": 1, "pass'} == redacted({"text": '{"a": 1, "pass'})


@pytest.mark.parametrize(
    "document",
    [
        b'{"pass\\u0077ord": 1}',
        b'{"\\u0070assword" : "x"}',
        b'{"a": "{\\"p\\\\u0061ssword\\": 1}"}',
        b'{"API\\u005fKEY":1}',
    ],
)
def test_escapes_cannot_hide_a_key(document: bytes) -> None:
    """Documents from elsewhere may spell a key with escapes."""
    assert REDACTED.encode() in Redactor(DEFAULT_KEYS).redact(document)


def test_documents_from_elsewhere_may_have_whitespace() -> None:
    """Whitespace around keys, colons and values makes no difference."""
    assert b'{"a":[{"password":"[redacted]"}]}' == Redactor(DEFAULT_KEYS).redact(
        b' {"a" :\n[ { "password"\t: "x" } ] } '
    )


def test_deep_documents() -> None:
    """A credential below two hundred levels is found, and the document is still valid."""
    tree: Any = {"password": "s"}
    for _ in range(250):
        tree = [tree]

    document = Redactor(DEFAULT_KEYS).redact(json.dumps(tree).encode())

    assert document == json.dumps(tree).replace('"s"', f'"{REDACTED}"').replace(" ", "").encode()


@pytest.mark.parametrize("document", [b'{"password": nope}', b'{"password"', b'{"password": 1}' + b"[" * 2000])
def test_what_cannot_be_read_is_not_let_through(document: bytes) -> None:
    """Where a document looks as if it held a credential and is not valid, nothing of it is kept."""
    assert b'{"$error":"relay_core.Redactor"}' == Redactor(DEFAULT_KEYS).redact(document)


def test_keys_of_ones_own() -> None:
    """Any list of keys: short ones, with characters beyond ASCII, with quotes and slashes, with stars anywhere."""
    keys = ("pw", "Contraseña", 'a"b', "a/b", "*secret*", "x-*", "ключ")
    tree = {
        "PW": 1,
        "CONTRASEÑA": 2,
        'a"B': 3,
        "a/b": 4,
        "MySecrets": 5,
        "X-Any": 6,
        "КЛЮЧ": 7,
        "password": 8,
        "pws": 9,
    }
    tree |= {"text": json.dumps({"contraseña": 1, 'a"b': 2})}

    found = redacted(tree, keys)

    assert {8, 9} == {value for key, value in found.items() if value != REDACTED and key != "text"}
    assert {"contraseña": REDACTED, 'a"b': REDACTED} == json.loads(found["text"])


@pytest.mark.parametrize("keys", [(), ("",)])
def test_no_keys_no_redaction(keys: tuple[str, ...]) -> None:
    """An empty list switches it off."""
    document = b'{"password": "x"}'

    assert Redactor(keys).redact(document) is document


def test_a_star_alone_is_every_key() -> None:
    """Everything under any key goes."""
    assert {"a": REDACTED, "b": REDACTED} == redacted({"a": 1, "b": {"c": 1}}, ("*",))
    assert [1, "x"] == redacted([1, "x"], ("*",))


KEYS = ["-x", "--", "\\n", "a-b", "*-key", "*--*", "pass", 'q"', "ü"]
TEXTS = st.text(alphabet='-x\\"abnkeypsqüÜ _*', max_size=6) | st.sampled_from(KEYS) | st.just("X-API-KEY")
TREES = st.recursive(TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))


@given(st.lists(TREES, min_size=1, max_size=5), st.lists(st.sampled_from(KEYS), max_size=3), st.booleans())
def test_many_documents_at_once(trees: list[Any], keys: list[str], ascii_only: bool) -> None:
    """A look at several documents sees every credential that a look at one of them would."""
    redactor = Redactor(keys)
    documents = [json.dumps(tree, ensure_ascii=ascii_only).encode() for tree in trees]

    if any(redactor.redact(document) is not document for document in documents):
        assert redactor.is_suspicious(b"\n".join(documents))


@given(TREES, st.lists(st.sampled_from(KEYS), max_size=3), st.booleans())
def test_the_first_look_misses_nothing(tree: Any, keys: list[str], ascii_only: bool) -> None:
    """No tree with a credential in it is taken for clean, whatever the keys and the text begin with."""
    redactor = Redactor(keys)

    def holds_credential(node: Any) -> bool:
        if isinstance(node, dict):
            return any(redactor._is_credential(key) or holds_credential(value) for key, value in node.items())
        return isinstance(node, list) and any(map(holds_credential, node))

    document = json.dumps(tree, ensure_ascii=ascii_only).encode()

    assert redactor.is_suspicious(document) or not holds_credential(tree)
