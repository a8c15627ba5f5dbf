"""Problem documents (RFC 9457): every error of a request as `application/problem+json`."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import orjson
from flask import Response, g, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from ..errors import Problem, StoreAway, TooLarge, Unauthorized, Unavailable, UpstreamProblem
from ..protocol.sse import comment, retry
from ..runs.observers import Observer, Refused
from .answers import Answer
from .deadline import missed_deadline
from .preferences import is_event_source

log: Final = logging.getLogger("headway")

PASSING: Final = (429, 503)
"""The refusals after which an `EventSource` is to come back: a limit, a worker that is full, a store that is away."""
RETRY_AFTER: Final = 2
"""Seconds after which it does so, where the problem does not say."""

STREAM_HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


def guarded(view: Callable[..., Any]) -> Callable[..., Any]:
    """`view` with every error answered by a problem, whatever the host application does with its own."""

    @wraps(view)
    def wrapped(**arguments: Any) -> Any:
        try:
            return view(**arguments)
        except Exception as error:  # noqa: BLE001  # logged there, unless it is for the caller
            return problem_response(error)

    return wrapped


def problem_response(error: Exception) -> Response:
    """Any exception as a problem document; the text of one that is not for callers only goes to the log."""
    error = missed_deadline() or error  # the reader of the body only knows that it broke off
    if isinstance(error, HTTPException):
        problem = _problem_of(error)
    elif isinstance(error, StoreAway):
        problem = Unavailable("the store of the runs does not answer", code="store_away", retry_after=2)
    elif isinstance(error, Problem):
        problem = error
    else:
        log.error("a request failed", exc_info=error)
        problem = Problem("The server failed to answer this request.")
    g.headway_problem = problem
    if problem.status in PASSING and is_event_source(request):
        return _come_back(problem)
    response = Answer(orjson.dumps(problem.as_dict()), problem.status)
    if isinstance(error, HTTPException):
        response.headers.extend(error.get_headers())  # such as `Allow`, which 405 requires
    response.content_type = "application/problem+json"
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(problem.retry_after)
    if problem.status == Unauthorized.status:
        response.headers.setdefault("WWW-Authenticate", "Bearer")
    return response


def count_refusal(response: Response, observer: Observer) -> Response:
    """Notifies the observer of the refusal that the response to the current request is, once."""
    problem: Problem | None = g.pop("headway_problem", None)
    if problem is not None:
        # An upstream may send any code, and metrics keep each that they have seen.
        code = UpstreamProblem.code if isinstance(problem, UpstreamProblem) else problem.code
        observer.refused(Refused(code, problem.status))
    return response


def _come_back(problem: Problem) -> Response:
    """A stream that only says when to come back, spread so that not all do so at once; a comment has the reason."""
    seconds = problem.retry_after or RETRY_AFTER
    wait = retry(int(seconds * random.uniform(1000, 1250)))  # noqa: S311  # spread, not secret
    return Answer(wait + comment(problem.code), headers=STREAM_HEADERS)


def _problem_of(error: HTTPException) -> Problem:
    if isinstance(error, RequestEntityTooLarge):
        return TooLarge(error.description or error.name)
    problem = Problem(error.description or error.name, code=error.name.lower().replace(" ", "_"))
    problem.status = error.code or 500  # type: ignore[misc]  # the class holds the default
    problem.title = error.name  # type: ignore[misc]
    return problem
