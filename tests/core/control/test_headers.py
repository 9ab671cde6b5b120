"""Which headers may be recorded."""

import pytest

from relay_core.control.headers import recordable


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "proxy-authorization",
        "Cookie",
        "set-cookie",
        "api-key",
        "X-API-Key",
        "x-goog-api-key",
        "apikey",
        "x_api_key",
        "x-auth-token",
        "X-Amz-Security-Token",
        "x-client-secret",
        "password",
        "x-hub-signature",
    ],
)
def test_credentials_are_left_out(name: str) -> None:
    """A header that carries a credential is not recorded, whatever its case."""
    assert {"a": "1"} == recordable({name: "s3cret", "a": "1"})


@pytest.mark.parametrize("name", ["x-ratelimit-remaining-tokens", "openai-organization", "tokenizer", "x-keyboard"])
def test_other_headers_stay(name: str) -> None:
    """Words that only look like credentials stay."""
    assert {name: "1"} == recordable({name: "1"})
