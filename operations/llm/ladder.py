"""Requests to servers that do not take all of the API's optional parameters.

A server that answers 400 or 422 gets less: instead of a JSON schema the word that JSON is wanted, then that in a
message alone; no parameter that its error names, or no optional one. What it takes is remembered, by server and model,
once it has answered. A prompt that is too long for the context, or that a filter refuses, would be so with less, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson

from . import errors
from .connection import sdk

if TYPE_CHECKING:
    import openai

Request = dict[str, Any]
Refused = frozenset[str]
"""Names of parameters that the server does not take; `json_schema` and `json_object` are kinds of `response_format`."""
Answer = TypeVar("Answer")

OPTIONAL: Final = (
    "stream_options",
    "temperature",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "top_logprobs",
    "logprobs",
)
FORMATS: Final = ("json_schema", "json_object")
_ABOUT_FORMAT: Final = re.compile(r"response_?format|json_?(?:schema|object)|structured|guided|grammar", re.IGNORECASE)
_NOT_ABOUT_PARAMETERS: Final = frozenset(
    {"content_filter", "content_policy_violation", "model_not_found", "invalid_api_key", "insufficient_quota"}
)
_STATUSES: Final = (400, 422)
MAX_TRIES: Final = 10

_known: dict[tuple[str, str], Refused] = {}


def accepted(server: str, request: Request, send: Callable[[Request], Answer]) -> Answer:
    """What `send` returns for the request, or for less of it. Raises the first error of the server if it takes none."""
    openai = sdk()
    key = (server, request["model"])
    waiting = [_known.get(key, frozenset())]
    seen: set[Refused] = set()
    first: Exception | None = None
    while waiting and len(seen) < MAX_TRIES:
        refused = waiting.pop(0)
        if refused in seen:
            continue
        seen.add(refused)
        sent = without(request, refused)
        try:
            answer = send(sent)
        except openai.APIStatusError as error:
            first = first or error
            if error.status_code not in _STATUSES or not _may_be_about_parameters(error):
                raise
            named = _named(error, sent)
            waiting = [refused | {named}] if named else waiting or list(_lower(request, refused))
            continue
        if refused:
            _known[key] = refused
        return answer
    assert first is not None  # the loop has sent the request
    raise first


def _may_be_about_parameters(error: openai.APIStatusError) -> bool:
    return not errors.is_about_context(error) and error.code not in _NOT_ABOUT_PARAMETERS


def _named(error: openai.APIStatusError, sent: Mapping[str, Any]) -> str | None:
    """The parameter that an error names, as its `param` or in its text, which may lead deeper: `body.stop.0`."""
    format_now = (sent.get("response_format") or {}).get("type")
    for text in (error.param, errors.text_of(error)):
        words = re.findall(r"[A-Za-z_]+", text or "")
        if name := next((name for name in OPTIONAL if name in words and name in sent), None):
            return name
        if format_now and _ABOUT_FORMAT.search(text or ""):
            return str(format_now)
    return None


def _lower(request: Request, refused: Refused) -> Iterator[Refused]:
    """What to try for an error that names nothing: without the schema, without the others, without both."""
    formats = refused | set(FORMATS) if "response_format" in request else refused
    others = refused | {name for name in OPTIONAL if name in request}
    if "response_format" in request:
        yield refused | {FORMATS[0]}
        yield formats
    yield others
    yield formats | others


def without(request: Request, refused: Refused) -> Request:
    """The request without what a server refuses, or with another parameter in its place.

    OpenAI's reasoning models require `max_completion_tokens`, which other servers do not know.
    """
    rest = {name: value for name, value in request.items() if name not in refused}
    if "max_tokens" in refused and "max_tokens" in request and "max_completion_tokens" not in refused:
        rest["max_completion_tokens"] = request["max_tokens"]
    if "response_format" in request and refused & set(FORMATS):
        rest["messages"] = _with_schema(request)
        del rest["response_format"]
        if "json_object" not in refused:
            rest["response_format"] = {"type": "json_object"}
    return rest


def _with_schema(request: Request) -> list[Mapping[str, Any]]:
    """The messages with the schema in a system message: some servers take no second one."""
    schema = orjson.dumps(request["response_format"]["json_schema"]["schema"]).decode()
    text = f"Answer with JSON alone that satisfies this schema: {schema}"
    first, *rest = request["messages"]
    if first["role"] == "system":
        return [{**first, "content": f"{first['content']}\n\n{text}"}, *rest]
    return [{"role": "system", "content": text}, first, *rest]
