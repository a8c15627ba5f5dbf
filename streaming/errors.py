"""Every error that Headway raises, in one tree.

HeadwayError
├── SettingError                a setting that cannot be read; the application does not start
├── RegistrationError           an operation whose declaration is wrong
├── OwnerError (ValueError)     what the application gives as an owner, and is none
├── EncodeError (ValueError)    an event that the wire format cannot carry; raised where it is built
├── EventTooLarge (ValueError)  an incoming event that exceeds the parser's limit
├── Failure                     why a run fails: a code and a message
│   ├── OperationError          an operation's failure, with a code and a message for its viewers
│   └── RunFailed               a run ended in `error`; raised where its result is waited for
├── RunCancelled                a run was cancelled, by anyone; raised there too
├── Refused                     an event that cannot be appended to a run's event log
│   ├── RunClosed               the run is over, or its grammar does not allow the event
│   ├── Fenced                  another worker has taken the run over
│   ├── StoreAway               the store does not answer
│   └── StoreFull               the live runs take more bytes than they may
└── Problem                     a request that is refused with application/problem+json (RFC 9457)
    ├── BadRequest              400  bad_request
    ├── Unauthorized            401  unauthorized
    ├── Forbidden               403  forbidden
    ├── NotFound                404  not_found
    ├── BodyTimeout             408  body_timeout
    ├── Conflict                409  conflict
    ├── TooLarge                413  too_large
    ├── UnsupportedMedia        415  unsupported_media_type
    ├── Misdirected             421  misdirected_request
    ├── InvalidInput            422  invalid_input, with `errors`
    ├── TooMany                 429  too_many_runs, with Retry-After
    ├── BodyConsumed            500  body_consumed
    ├── NotImplementedHere      501  not_installed
    ├── Unavailable             503  unavailable, with Retry-After
    └── UpstreamProblem         the answer of a gateway's upstream: its status and code, or upstream_failed
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Final, TypedDict


class HeadwayError(Exception):
    """The root of the tree above. All of them can be pickled, so that a pool of processes hands them on."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, self.__dict__)


def _restored(cls: type[HeadwayError], args: tuple[Any, ...], state: dict[str, Any]) -> HeadwayError:
    """An error as it was, without a call of its constructor, whose arguments are not `args`."""
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class SettingError(HeadwayError):
    """A setting that cannot be read. The message is one line: the variable, its value and what it takes."""


class RegistrationError(HeadwayError):
    """A wrong declaration: two operations with one name, an input that is not a pydantic model, and the like."""


class OwnerError(HeadwayError, ValueError):
    """What `authorize`, or code that starts a run, gives as its owner, and no store can keep as one."""


class EncodeError(HeadwayError, ValueError):
    """A name, an id, a comment or data that an event stream cannot carry, or a value of the wrong type."""


class EventTooLarge(HeadwayError, ValueError):
    """An incoming event that is larger than the parser's `max_bytes`."""


class Failure(HeadwayError):
    """Why a run fails: `code` is a stable word for programs, `message` a sentence for people.

    `retryable` is true where the same input may succeed later.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class OperationError(Failure):
    """Raise it in an operation to fail the run with a code and a message that viewers may read.

    `code` is a stable word for programs, `message` a sentence for people. `retryable` is true where the same input
    may succeed later.
    """


class RunFailed(Failure):
    """The run ended in `error`; `retryable` says whether the same input may succeed later."""


class RunCancelled(HeadwayError):
    """The run was cancelled; `reason` is `requested`, `disconnected`, `timeout` or `shutdown`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the run was cancelled: {self.reason or 'no reason was given'}"


class Refused(HeadwayError):
    """An event cannot be appended to the event log of its run."""


class RunClosed(Refused):
    """The run is over, or its grammar does not allow the event."""


class Fenced(Refused):
    """Another worker has taken the run over."""


class StoreAway(Refused):
    """The store does not answer."""


class StoreFull(Refused):
    """The live runs take more bytes than they may, and this is the largest one."""


class FieldError(TypedDict):
    """What is wrong with one field of the input, and the path to it."""

    loc: list[str | int]
    msg: str


class Problem(HeadwayError):
    """A request that is refused, and what its problem document (RFC 9457) says.

    `retry_after` is in seconds.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    code: ClassVar[str] = "internal_error"

    def __init_subclass__(cls, *, status: int | None = None, title: str | None = None, code: str | None = None) -> None:
        super().__init_subclass__()
        cls.status = cls.status if status is None else status
        cls.title = cls.title if title is None else title
        cls.code = cls.code if code is None else code

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
        self.errors: list[FieldError] = list(errors)
        self.retry_after = retry_after
        if code is not None:
            self.code = code  # type: ignore[misc]  # the class holds the default

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


class BadRequest(Problem, status=400, title="Bad request", code="bad_request"):
    """The request cannot be read."""


class Unauthorized(Problem, status=401, title="Unauthorized", code="unauthorized"):
    """The request has no key or token, or one that is not known."""


class Forbidden(Problem, status=403, title="Forbidden", code="forbidden"):
    """The request may not do this."""


class NotFound(Problem, status=404, title="Not found", code="not_found"):
    """There is no such thing, or it is not the caller's."""


class BodyTimeout(Problem, status=408, title="Request timeout", code="body_timeout"):
    """The body took too long to arrive."""


class Conflict(Problem, status=409, title="Conflict", code="conflict"):
    """What is there does not allow the request."""


class TooLarge(Problem, status=413, title="Content too large", code="too_large"):
    """The body is too large."""


class UnsupportedMedia(Problem, status=415, title="Unsupported media type", code="unsupported_media_type"):
    """The body is of a type that is not read here."""


class Misdirected(Problem, status=421, title="Misdirected request", code="misdirected_request"):
    """The request names a host that is not served."""


class InvalidInput(Problem, status=422, title="Invalid input", code="invalid_input"):
    """The input does not fit its schema."""


class TooMany(Problem, status=429, title="Too many requests", code="too_many_runs"):
    """The client has as many as it may."""


class BodyConsumed(Problem, code="body_consumed"):
    """Code of the application, such as a `before_request`, has read the body and kept nothing of it."""

    def __init__(self) -> None:
        super().__init__(
            "The application has read the body of this request before, and kept nothing of it: `request.get_data()` "
            "and `request.form` keep it, `request.stream` and `cache=False` do not."
        )


class NotImplementedHere(Problem, status=501, title="Not implemented", code="not_installed"):
    """What the route needs is not installed."""


class Unavailable(Problem, status=503, title="Unavailable", code="unavailable"):
    """It may be tried again later."""


class UpstreamProblem(Problem, status=502, title="Bad gateway", code="upstream_failed"):
    """A gateway's upstream answered with `upstream_status`; `document` is its problem document, empty if it sent none.

    Its status and all its members are passed on. A status below 400 (a redirect) becomes a 502.
    """

    def __init__(self, upstream_status: int, document: Mapping[str, Any], *, retry_after: int | None = None) -> None:
        code, detail = document.get("code"), document.get("detail")
        super().__init__(
            detail if isinstance(detail, str) else f"The upstream answered {upstream_status}.",
            code=code if isinstance(code, str) else None,
            retry_after=retry_after,
        )
        self.upstream_status = upstream_status
        self.explained: bool = isinstance(detail, str)
        if 400 <= upstream_status <= 599:
            self.status = upstream_status  # type: ignore[misc]  # the class holds the default
            self.title = HTTPStatus(upstream_status).phrase if upstream_status in _REGISTERED else "Refused"  # type: ignore[misc]
        self._document = document

    def as_dict(self) -> dict[str, object]:
        return {**super().as_dict(), **self._document, "status": self.status, "code": self.code}


_REGISTERED: Final = frozenset(HTTPStatus)
