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
    └── Unavailable             503  unavailable, with Retry-After
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypedDict


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


class Unavailable(Problem):
    status, title, code = 503, "Unavailable", "unavailable"
