"""What middleware is handed: copies one level deep, so that an edit in place stays with who made it.

An intercept that hands its copy on unchanged has not replaced anything: the call goes on with the caller's own object.
"""

from typing import Any, cast

from relay_core.codecs import LLMRequest
from relay_core.json_values import detached, is_array, is_object

__all__ = ["detached_request", "shallow", "shallow_request", "taken", "taken_request"]


def shallow(value: Any) -> Any:
    """Return a copy of a plain dict or list; anything else itself."""
    if type(value) is dict or type(value) is list:
        return cast("Any", value).copy()
    return value


def taken(returned: Any, given: Any, original: Any) -> Any:
    """Return what an intercept's answer means: `original` if it returned the copy `given` without an edit."""
    return original if returned is given and _untouched(given, original) else returned


def shallow_request(request: LLMRequest) -> LLMRequest:
    """Return a request with headers and content copied one level deep."""
    return LLMRequest(shallow(request.headers), shallow(request.content))


def taken_request(returned: LLMRequest, given: LLMRequest, original: LLMRequest) -> LLMRequest:
    """Do as `taken`, for headers and content."""
    headers = taken(returned.headers, given.headers, original.headers)
    content = taken(returned.content, given.content, original.content)
    if headers is original.headers and content is original.content:
        return original
    return LLMRequest(headers, content)


def detached_request(request: LLMRequest) -> LLMRequest:
    """Return a request that shares no dict and no list with this one."""
    return LLMRequest(detached(request.headers), detached(request.content))


def _untouched(given: Any, original: Any) -> bool:
    if is_object(given):
        return list(given) == list(original) and all(given[key] is original[key] for key in given)
    if is_array(given):
        return len(given) == len(original) and all(map(_is, given, original))
    return True


def _is(one: object, other: object) -> bool:
    return one is other
