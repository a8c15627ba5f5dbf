"""The errors of a client, in one tree.

HeadwayError
└── ClientError
    ├── RequestRefused          the service answered with a problem (RFC 9457); nothing was changed
    │   ├── Unauthorized        401, 403  the key is missing, or not accepted
    │   ├── NotFound            404       no such operation, or no such run for this caller
    │   ├── Conflict            409       an Idempotency-Key used with another body, or a question that is closed
    │   ├── InvalidInput        400, 422  with `errors`, which name the fields
    │   └── Overloaded          429, 503  with `retry_after`
    ├── Unreachable             no answer came from the URL
    ├── NotAStream              the answer is no event stream, or holds an event that is too large
    ├── Interrupted             the stream was cut and could not be resumed; the run may go on
    ├── Left                    `result()` was called after `disconnect()`
    ├── RunFailed               the run ended in `error`
    └── RunCancelled            the run was cancelled, by anyone
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx
import orjson

from .. import errors
from ..errors import FieldError, HeadwayError
from ..protocol.retry_after import parse_retry_after

RETRYABLE: Final = frozenset({408, 425, 429})
"""Client errors (4xx) after which the same request may succeed (RFC 9110, section 15.5.9; RFC 8470; RFC 6585)."""


class ClientError(HeadwayError):
    """The base of all errors of `streaming.client`; `transient` says whether the same request may succeed later."""

    transient = False


class RequestRefused(ClientError):
    """The service answered with a problem document, or a proxy in front of it with an error of its own.

    `status` is the HTTP status, `code` a stable word for programs ("" where the answer is no problem document), `title`
    and `detail` are for people, `errors` names the invalid fields, and `retry_after` is in seconds. `response` is the
    answer itself, its body read; `None` after pickling, as its request may carry a key.
    """

    response: httpx.Response | None = None

    def __init__(
        self,
        status: int,
        *,
        title: str,
        detail: str,
        code: str,
        errors: Sequence[FieldError],
        retry_after: float | None,
    ) -> None:
        super().__init__(status, code, detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.code = code
        self.errors: list[FieldError] = list(errors)
        self.retry_after = retry_after
        self.transient: bool = status in RETRYABLE or (status >= 500 and status != 501)

    def __str__(self) -> str:
        message = f"{self.status} {self.title}: {self.detail}" if self.detail else f"{self.status} {self.title}"
        fields = [f"{'.'.join(map(str, error['loc'])) or 'input'}: {error['msg']}" for error in self.errors]
        return "; ".join([message, *fields])

    def __reduce__(self) -> tuple[Any, ...]:
        restored, (cls, args, state) = super().__reduce__()
        return restored, (cls, args, {**state, "response": None})


class Unauthorized(RequestRefused):
    """401 or 403."""


class NotFound(RequestRefused):
    """404: there is no such operation or run, or none that this caller may see."""


class Conflict(RequestRefused):
    """409: the Idempotency-Key was used with another body, or the question is already answered."""


class InvalidInput(RequestRefused):
    """400 or 422: the input is invalid; `errors` names the fields."""


class Overloaded(RequestRefused):
    """429 or 503: try again after `retry_after` seconds."""


class Unreachable(ClientError):
    """No answer came: nothing listens there, the connection broke, or it was silent for too long."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message)
        self.transient = transient


class NotAStream(ClientError):
    """The answer is a success, but not the expected one: another service's page, or an event beyond `max_event`."""

    code = "not_an_event_stream"

    def __init__(self, message: str, *, status: int = 200, transient: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.transient = transient


class Interrupted(ClientError):
    """The stream ended without `done`, and all attempts to resume it failed.

    The run may go on: `watch(run, after=last_event_id)` continues from there.
    """

    def __init__(self, message: str, *, run: str, last_event_id: int) -> None:
        super().__init__(message)
        self.run = run
        self.last_event_id = last_event_id


class Left(ClientError):
    """`disconnect()` was called before the run was over."""


class RunFailed(ClientError, errors.RunFailed):
    """The run ended in `error`; `retryable` says whether the same input may succeed later."""


class RunCancelled(ClientError, errors.RunCancelled):
    """The run was cancelled; `reason` is `requested`, `disconnected`, `timeout` or `shutdown`."""


_BY_STATUS: Final[dict[int, type[RequestRefused]]] = {
    400: InvalidInput,
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    409: Conflict,
    422: InvalidInput,
    429: Overloaded,
    503: Overloaded,
}


def refusal_in(response: httpx.Response) -> RequestRefused:
    """The error for an answer that is no success, whose body is read."""
    error = refusal(response.status_code, response.reason_phrase, response.headers, response.content)
    error.response = response
    return error


def refusal(status: int, reason: str, headers: Mapping[str, str], body: bytes) -> RequestRefused:
    """The error for a status that is no success; the names in `headers` are not case-sensitive."""
    document = _document(body)
    detail = _text(document.get("detail"))
    if 300 <= status < 400:
        detail = f"the service is at {headers.get('location', 'another URL')}"
    return _BY_STATUS.get(status, RequestRefused)(
        status,
        title=_text(document.get("title")) or reason,
        detail=detail,
        code=_text(document.get("code")),
        errors=[error for error in _list(document.get("errors")) if {"loc", "msg"} <= set(error)],
        retry_after=parse_retry_after(headers.get("retry-after", ""), time.time()),
    )


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
