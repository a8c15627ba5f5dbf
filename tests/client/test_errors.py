"""The errors of the client, and those made from a refusal."""

from __future__ import annotations

import copy
import json
import pickle
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from streaming import HeadwayError, OperationError
from streaming.client import (
    ClientError,
    Conflict,
    InvalidInput,
    NotFound,
    Overloaded,
    RequestRefused,
    RunFailed,
    Unauthorized,
    errors,
)
from streaming.client.errors import refusal, refusal_in


def test_the_tree_in_the_docstring() -> None:
    """The docstring of `errors` names every class, below its base class."""
    drawn = re.findall(r"^(\W*)([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)[1:]
    parents: list[tuple[int, str]] = []
    for indent, name in drawn:
        parents = [(depth, parent) for depth, parent in parents if depth < len(indent)]
        if parents:
            assert issubclass(getattr(errors, name), getattr(errors, parents[-1][1])), name
        parents.append((len(indent), name))
    classes = {
        name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, ClientError)
    }
    assert {name for _, name in drawn} - {"HeadwayError"} == classes


@pytest.mark.parametrize(
    ("status", "cls", "transient"),
    [
        (400, InvalidInput, False),
        (401, Unauthorized, False),
        (403, Unauthorized, False),
        (404, NotFound, False),
        (409, Conflict, False),
        (413, RequestRefused, False),
        (422, InvalidInput, False),
        (429, Overloaded, True),
        (500, RequestRefused, True),
        (501, RequestRefused, False),
        (503, Overloaded, True),
    ],
)
def test_a_refusal_has_the_type_of_its_status(status: int, cls: type[RequestRefused], transient: bool) -> None:
    """And says whether the same request may succeed later."""
    error = refusal(status, "A reason", {}, b"")
    assert type(error) is cls
    assert error.transient == transient


def test_a_problem_names_the_fields() -> None:
    """The text of the error has what a person needs to correct the input."""
    problem = {"title": "Invalid input", "detail": "no", "code": "invalid_input"}
    body = json.dumps({**problem, "errors": [{"loc": ["pages", 0], "msg": "too many"}, "rubbish", {}]}).encode()
    error = refusal(422, "Unprocessable", {}, body)
    assert str(error) == "422 Invalid input: no; pages.0: too many"
    assert (error.code, error.errors) == ("invalid_input", [{"loc": ["pages", 0], "msg": "too many"}])


@pytest.mark.parametrize("body", [b"", b"<h1>Bad gateway</h1>", b"[]", b"null", b'{"detail": 3, "errors": 4}', b"\xff"])
def test_a_refusal_need_not_be_a_problem_document(body: bytes) -> None:
    """A proxy may answer anything."""
    error = refusal(502, "Bad Gateway", {}, body)
    assert (str(error), error.code, error.errors) == ("502 Bad Gateway", "", [])


def test_a_failed_run_is_no_failure_of_the_operation_that_watches_it() -> None:
    """What another service says of a run is not shown to the viewers of the caller's."""
    error = RunFailed("broken", "It broke.", retryable=True)
    assert (str(error), error.code, error.message, error.retryable) == (
        "broken: It broke.",
        "broken",
        "It broke.",
        True,
    )
    assert not isinstance(error, OperationError)


def kinds_of_error(root: type[BaseException]) -> Iterator[type[BaseException]]:
    """A class and all below it."""
    yield root
    for below in root.__subclasses__():
        yield from kinds_of_error(below)


@pytest.mark.parametrize(
    "kind", sorted(set(kinds_of_error(HeadwayError)), key=lambda kind: f"{kind.__module__}.{kind}")
)
def test_every_error_can_be_pickled(kind: type[HeadwayError]) -> None:
    """A pool of processes hands it on as it was, whatever its constructor takes; so does `copy`."""
    error = kind.__new__(kind, "broken", "It broke.")
    error.__dict__.update({"detail": "no", "title": "None", "errors": [], "retryable": True, "reason": "requested"})
    error.__dict__.update({"status": 404, "message": "It broke.", "code": "broken"})
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(same), same.args, str(same)) == (kind, error.args, str(error))
        assert {**vars(same), "response": None} == {**vars(error), "response": None}


def test_a_pickled_refusal_has_no_key() -> None:
    """The answer is that of a request with headers, so it stays in its process."""
    request = httpx.Request("GET", "http://service.test", headers={"Authorization": "Bearer a-secret"})
    error = refusal_in(httpx.Response(404, json={"code": "run_not_found", "detail": "no"}, request=request))
    assert error.response is not None
    pickled = pickle.dumps(error)
    assert b"a-secret" not in pickled
    same = pickle.loads(pickled)
    assert (type(same), same.status, same.code, same.response) == (NotFound, 404, "run_not_found", None)


def test_retry_after_is_a_number_or_a_date() -> None:
    """Either becomes seconds from now."""
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 50 < (refusal(503, "", {"retry-after": in_a_minute}, b"").retry_after or 0) <= 60
    assert refusal(429, "", {"retry-after": "7"}, b"").retry_after == 7
    assert refusal(503, "", {}, b"").retry_after is None
