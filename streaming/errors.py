"""Every error that Headway raises, in one tree.

HeadwayError
├── SettingError                a setting that cannot be read; stops the start
├── RegistrationError           an operation that cannot be offered as it was declared
├── EncodeError (ValueError)    something that the wire format cannot carry; raised where it was built
├── EventTooLarge (ValueError)  an incoming event that outgrew the parser's bound
├── OperationError              an operation's own failure: its code and message reach the viewers
├── Refused                     a log or a runner that will not take what it was handed
│   ├── RunClosed               the run has had its last event
│   ├── Fenced                  another producer holds the run's lease now
│   └── StoreAway               the store does not answer
└── Problem                     a request that is answered with application/problem+json (RFC 9457)
    ├── BadRequest              400  bad_request
    ├── Unauthorized            401  unauthorized
    ├── NotFound                404  not_found
    ├── Conflict                409  conflict
    ├── TooLarge                413  too_large
    ├── UnsupportedMedia        415  unsupported_media_type
    ├── InvalidInput            422  invalid_input, with `errors`
    ├── TooMany                 429  too_many_runs, with Retry-After
    ├── NotImplementedHere      501  not_installed
    ├── Unavailable             503  unavailable, with Retry-After
    └── UpstreamProblem         as the upstream of a gateway said, with its code, or upstream_failed
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Final, TypedDict


class HeadwayError(Exception):
    """The root of the tree above."""


class SettingError(HeadwayError):
    """A setting that cannot be read; its one line names the variable, its value and what it takes."""


class RegistrationError(HeadwayError):
    """An operation that cannot be offered: a name taken twice, an input that is no pydantic model, and the like."""


class EncodeError(HeadwayError, ValueError):
    """A name, an id, a comment or data that an event stream cannot carry, or an event built of the wrong types."""


class EventTooLarge(HeadwayError, ValueError):
    """An unfinished incoming event that holds more than the parser was allowed to keep."""


class OperationError(HeadwayError):
    """What an operation raises to end its run with a code and a message that viewers may read.

    `code` is a stable word for programs, `message` a sentence for people, and `retryable` says whether the same
    input may succeed later.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Refused(HeadwayError):
    """A log or a runner will not take what it was handed."""


class RunClosed(Refused):
    """The run has had its last event."""


class Fenced(Refused):
    """The run's lease was lost to another producer."""


class StoreAway(Refused):
    """The store behind the event log does not answer."""


class FieldError(TypedDict):
    """One complaint about one field of the input: where it stands and what is wrong with it."""

    loc: list[str | int]
    msg: str


class Problem(HeadwayError):
    """A request that cannot be served, as RFC 9457 describes it to the caller."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    code: ClassVar[str] = "internal_error"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)
        self.retry_after = retry_after
        if code is not None:
            self.code = code  # type: ignore[misc]  # the class holds the default, an instance may be more exact

    def as_dict(self) -> dict[str, object]:
        """The members of the problem document (RFC 9457, section 3)."""
        document: dict[str, object] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.errors:
            document["errors"] = self.errors
        return document


class BadRequest(Problem):
    status, title, code = 400, "Bad request", "bad_request"


class Unauthorized(Problem):
    status, title, code = 401, "Unauthorized", "unauthorized"


class NotFound(Problem):
    status, title, code = 404, "Not found", "not_found"


class Conflict(Problem):
    status, title, code = 409, "Conflict", "conflict"


class TooLarge(Problem):
    status, title, code = 413, "Content too large", "too_large"


class UnsupportedMedia(Problem):
    status, title, code = 415, "Unsupported media type", "unsupported_media_type"


class InvalidInput(Problem):
    status, title, code = 422, "Invalid input", "invalid_input"


class TooMany(Problem):
    status, title, code = 429, "Too many runs", "too_many_runs"


class NotImplementedHere(Problem):
    status, title, code = 501, "Not implemented", "not_installed"


class Unavailable(Problem):
    status, title, code = 503, "Unavailable", "unavailable"


class UpstreamProblem(Problem):
    """A gateway's upstream answered with `upstream_status`; `said` is its problem document, empty where it sent none.

    It is passed on with its status and all its members. What is no refusal (a redirect) is a 502.
    """

    status, title, code = 502, "Bad gateway", "upstream_failed"

    def __init__(self, upstream_status: int, said: Mapping[str, Any], *, retry_after: int | None = None) -> None:
        code, detail = said.get("code"), said.get("detail")
        super().__init__(
            detail if isinstance(detail, str) else f"The upstream answered {upstream_status}.",
            code=code if isinstance(code, str) else None,
            retry_after=retry_after,
        )
        self.upstream_status = upstream_status
        if 400 <= upstream_status <= 599:
            self.status = upstream_status  # type: ignore[misc]  # the class holds the default
            self.title = HTTPStatus(upstream_status).phrase if upstream_status in _KNOWN else "Refused"  # type: ignore[misc]
        self._said = said

    def as_dict(self) -> dict[str, object]:
        return {**super().as_dict(), **self._said, "status": self.status, "code": self.code}


_KNOWN: Final = frozenset(HTTPStatus)
