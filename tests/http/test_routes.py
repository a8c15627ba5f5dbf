"""The routes: what each answers, to whom, and what it refuses.

The requests come from Flask's test client, in both worlds: with the hub in the thread that serves, and beside it.
"""

from __future__ import annotations

import json
import os
import re
import resource
import threading
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from flask import Flask, Response, abort, g, request
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from streaming import Headway, MemoryStore, RegistrationError, SettingError
from streaming.errors import StoreAway, Unauthorized
from streaming.http import extension, listing
from streaming.http.heartbeat import Heartbeat
from streaming.http.problems import problem_response
from streaming.settings import Settings
from streaming.stores.base import EVICT_AFTER, Store
from tests import sample_operations as sample
from tests.apps.serving import create_app, offered
from tests.clients import Message, parse_frames
from tests.worlds import World, assert_described, assert_grammatical, ending

SNAPSHOT = [
    "id",
    "operation",
    "status",
    "created",
    "updated",
    "last_event_id",
    "progress",
    "result",
    "error",
    "question",
    "viewers",
    "attempt",
    "input",
    "usage",
    "files",
]
ASYNC = {"Prefer": "respond-async"}
PROBLEM = "application/problem+json"

Make = Callable[..., "Api"]


class Api:
    """A client of one application."""

    def __init__(self, world: World, app: Flask, prefix: str = "") -> None:
        self.world = world
        self.app = app
        self.prefix = prefix
        self.client: FlaskClient = app.test_client()
        self.headers: dict[str, str] = {}
        self._responses: list[TestResponse] = []

    @property
    def headway(self) -> Headway:
        """The extension."""
        extension: Headway = self.app.extensions["headway"]
        return extension

    def ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any) -> TestResponse:
        """The response to a request; of a stream the first bytes only, until the test reads on."""
        headers = {**self.headers, **(headers or {})}
        response = self.client.open(self.prefix + path, method=method, headers=headers, **options)
        self._responses.append(response)
        return response

    def get(self, path: str, **options: Any) -> TestResponse:
        """GET."""
        return self.ask("GET", path, **options)

    def start(self, operation: str = "scripted", *acts: str, **options: Any) -> str:
        """Starts a run without a stream, and gives its id."""
        response = self.ask("POST", f"/operations/{operation}", json={"acts": acts}, headers=ASYNC, **options)
        assert response.status_code == 202, response.text
        return str(response.headers["Run-Id"])

    def snapshot(self, run: str) -> dict[str, Any]:
        """A run's snapshot."""
        snapshot: dict[str, Any] = self.get(f"/runs/{run}").get_json()
        return snapshot

    def until(self, run: str, status: str) -> dict[str, Any]:
        """A run's snapshot, once its status is this."""
        self.world.until(lambda: self.headway.runner.store.find(run).status == status, status)  # type: ignore[union-attr]
        return self.snapshot(run)

    def close(self) -> None:
        """Closes the streams that the test has left open, as a server does, and the runs."""
        for response in self._responses:
            response.close()
        self.headway.close()


@pytest.fixture
def world(world: World) -> Iterator[World]:
    """Each world in turn; its worker is shared by all tests, so none may leave a stream open in it."""
    yield world
    assert not world.worker.part(Heartbeat).viewers


@pytest.fixture
def make(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes applications, and closes them at the end."""
    for variable in [name for name in os.environ if name.startswith("HEADWAY_")]:
        monkeypatch.delenv(variable)
    apis: list[Api] = []

    def make(config: dict[str, Any] | None = None, **options: Any) -> Api:
        apis.append(Api(world, create_app(config, **options), options.get("url_prefix") or ""))
        return apis[-1]

    yield make
    for api in apis:
        api.close()


@pytest.fixture
def api(make: Make) -> Api:
    """An application with the default settings."""
    return make()


def events_of(response: TestResponse) -> list[Message]:
    """The events of a whole stream, which begins with `retry`."""
    assert response.status_code == 200, response.text
    body = response.data
    assert body.startswith(b"retry: 2000\n\n")
    assert b"\r" not in body
    messages = parse_frames(body.removeprefix(b"retry: 2000\n\n"))
    for message in messages:
        assert_described(message)
    return messages


def assert_problem(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal (RFC 9457), without any internals of the server."""
    assert response.status_code == status, response.text
    assert response.content_type == PROBLEM
    problem: dict[str, Any] = json.loads(response.data)
    assert (
        {"type", "title", "status", "detail", "code"}
        <= set(problem)
        <= {"type", "title", "status", "detail", "code", "errors"}
    )
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, "about:blank")
    assert problem["title"]
    assert problem["detail"]
    assert "Traceback" not in response.text
    for error in problem.get("errors", []):
        assert set(error) == {"loc", "msg"}
    return problem


# Preferences


@pytest.mark.parametrize(
    ("preferred", "operation", "linger", "applied"),
    [
        ("linger=60", "scripted", 60, "linger=60"),
        ('Linger = "60"', "scripted", 60, "linger=60"),
        ("linger=60", "patient", 60, "linger=60"),
        ("linger=5", "patient", 30, "linger=5"),
        ("linger=9999", "scripted", 300, "linger=300"),
        ("linger=60", "lasting", None, "linger=60"),
        ("linger=soon", "scripted", 0, None),
        ("linger=-1", "scripted", 0, None),
        ("linger", "scripted", 0, None),
        ("wait=10", "scripted", 0, None),
    ],
)
def test_a_run_lingers_as_its_caller_prefers(
    api: Api, preferred: str, operation: str, linger: float | None, applied: str | None
) -> None:
    """At least as long as it prefers, up to a maximum; an invalid preference is ignored."""
    body = {"acts": ["wait"]} if operation == "scripted" else {}
    headers = {"Prefer": f"respond-async, {preferred}"}
    response = api.ask("POST", f"/operations/{operation}", json=body, headers=headers)
    run = response.headers["Run-Id"]
    record = api.world.call(api.headway.runner.store.find, run)
    assert record
    assert record.info.linger == linger
    assert response.headers["Preference-Applied"] == ", ".join(filter(None, ["respond-async", applied]))
    api.ask("DELETE", f"/runs/{run}")


# The catalogue


def test_the_catalogue(api: Api) -> None:
    """It has every operation, with the members of the contract."""
    response = api.get("/operations")
    assert response.content_type == "application/json"
    entries = {entry["name"]: entry for entry in response.get_json()["operations"]}
    assert set(entries) == {operation.name for operation in offered()}
    assert entries["patient"] == {
        "name": "patient",
        "title": "Patient",
        "description": "Work that lingers for half a minute.",
        "input": {
            "description": "The input of an operation that takes none.",
            "properties": {},
            "title": "NoInput",
            "type": "object",
        },
        "linger": 30,
        "runs_in": "greenlet",
    }
    assert (entries["lasting"]["linger"], entries["plain_wish"]["linger"]) == (None, 0.0)
    assert entries["dying"]["runs_in"] == "process"
    assert entries["scripted"]["input"]["properties"]["acts"]["type"] == "array"


# Starting


def test_a_run_with_its_stream(api: Api) -> None:
    """A POST answers with the events of the run, and the address of the run."""
    response = api.ask("POST", "/operations/scripted", json={"acts": ["progress", "delta"]})
    messages = events_of(response)
    assert_grammatical(messages)
    assert [message.event for message in messages] == ["start", "progress", "delta", "result", "done"]
    run = messages[0].json["run"]
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache, no-transform"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert (response.headers["Run-Id"], response.headers["Location"]) == (run, f"/runs/{run}")
    assert "Content-Length" not in response.headers


def test_the_first_bytes_come_at_once(api: Api) -> None:
    """The first event comes before the operation has done anything."""
    response = api.ask("POST", "/operations/scripted", json={"acts": ["wait"]})
    first = next(iter(response.iter_encoded()))
    assert first.startswith(b"retry: 2000\n\nid: 1\nevent: start\ndata: {")
    response.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Prefer": "respond-async"},
        {"Prefer": "wait=10, Respond-Async"},
        {"Prefer": "respond-async, wait=10"},
        {"Prefer": "respond-async;foo=bar"},
        {"Accept": "application/json"},
        {"Accept": "application/json;q=0.5"},
        {"Accept": "application/json; charset=utf-8"},
        {"Accept": "application/json", "Prefer": "wait=10"},
    ],
    ids=str,
)
def test_a_run_without_a_stream(api: Api, headers: dict[str, str]) -> None:
    """With this preference, or if only JSON is accepted, the answer is the run's snapshot."""
    response = api.ask("POST", "/operations/scripted", json={"acts": ["wait"]}, headers=headers)
    assert response.status_code == 202
    assert response.content_type == "application/json"
    snapshot = response.get_json()
    assert list(snapshot) == SNAPSHOT
    assert (snapshot["operation"], snapshot["status"], snapshot["viewers"]) == ("scripted", "running", 0)
    assert response.headers["Run-Id"] == snapshot["id"]
    assert re.fullmatch(r"r[\w-]{16,}", snapshot["id"]), "an id that begins with `-` is an option to a command line"
    assert response.headers["Location"] == f"/runs/{snapshot['id']}"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Accept": "*/*"},
        {"Accept": "text/event-stream"},
        {"Accept": "application/json, text/event-stream"},
        {"Prefer": "wait=5"},
    ],
    ids=str,
)
def test_other_preferences(api: Api, headers: dict[str, str]) -> None:
    """The answer is the stream."""
    response = api.ask("POST", "/operations/plain", json={}, headers=headers)
    assert ending(events_of(response)) == ("succeeded", None)


@pytest.mark.parametrize(
    "options", [{}, {"content_type": "application/json"}, {"data": b"", "content_type": "text/plain"}]
)
def test_an_empty_body(api: Api, options: dict[str, Any]) -> None:
    """It is an input without any field, whatever its media type is."""
    response = api.ask("POST", "/operations/scripted", **options)
    assert ending(events_of(response)) == ("succeeded", None)


@pytest.mark.parametrize(
    "body", [b"{", b"{'acts': []}", b'{"acts": []} x', b"\xff\xfe", b'"\xff"', b"{}{}", b"undefined", b"{,}"]
)
def test_a_body_that_is_not_json(api: Api, body: bytes) -> None:
    """It is refused, and no run starts."""
    response = api.ask("POST", "/operations/scripted", data=body, content_type="application/json")
    assert_problem(response, 400, "invalid_json")
    assert api.get("/runs").get_json() == {"runs": []}


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"acts": 5}, ["acts"]),
        ({"acts": ["progress", 5]}, ["acts", 1]),
        ({"runs_in": "cloud"}, ["runs_in"]),
        ([], []),
        (None, []),
        ("text", []),
    ],
)
def test_an_input_that_does_not_fit(api: Api, body: Any, loc: list[str | int]) -> None:
    """The error names the field, and what is wrong."""
    response = api.ask("POST", "/operations/scripted", data=json.dumps(body), content_type="application/json")
    problem = assert_problem(response, 422, "invalid_input")
    assert [error["loc"] for error in problem["errors"]] == [loc]
    assert problem["errors"][0]["msg"]


def test_several_errors_at_once(api: Api) -> None:
    """All are reported, each once."""
    problem = assert_problem(
        api.ask("POST", "/operations/scripted", json={"acts": 1, "runs_in": 2, "file": 3}), 422, "invalid_input"
    )
    assert [error["loc"] for error in problem["errors"]] == [["acts"], ["runs_in"], ["file"]]


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "text/json", "", "application/octet-stream"])
def test_a_body_of_another_kind(api: Api, kind: str) -> None:
    """A body that is neither JSON nor a form is refused."""
    response = api.ask("POST", "/operations/scripted", data=b"{}", content_type=kind)
    assert_problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/vnd.api+json", "Application/JSON"])
def test_json_by_another_name(api: Api, kind: str) -> None:
    """Parameters, suffixes and letter case make no difference."""
    response = api.ask("POST", "/operations/scripted", data=b"{}", content_type=kind, headers=ASYNC)
    assert response.status_code == 202


def test_an_unknown_operation(api: Api) -> None:
    """It is not found, whatever the body is."""
    assert_problem(api.ask("POST", "/operations/nothing", data=b"{"), 404, "operation_not_found")


def test_a_body_that_is_too_large(make: Make) -> None:
    """A body up to the limit is accepted, a larger one refused."""
    api = make({"HEADWAY_MAX_BODY": 100})
    largest = json.dumps({"acts": [], "file": ""}).replace('""', '"' + "x" * 100 + '"')[:98] + '"}'
    assert len(largest) == 100
    assert api.ask("POST", "/operations/scripted", data=largest, content_type="application/json").status_code == 200
    response = api.ask("POST", "/operations/scripted", data=largest + " ", content_type="application/json")
    problem = assert_problem(response, 413, "too_large")
    assert "100 bytes" in problem["detail"]


# Snapshots


def test_snapshots_of_a_run(api: Api) -> None:
    """They show a run at work, while it waits for an answer, and at its end."""
    run = api.start("scripted", "progress", "ask")
    waiting = api.until(run, "waiting")
    assert list(waiting) == SNAPSHOT
    assert waiting["progress"].items() >= {"message": "A step", "done": 1, "total": 2}.items()
    question = waiting["question"]
    assert set(question) == {"question", "prompt", "schema", "expires"}
    assert (question["prompt"], question["schema"], question["expires"]) == ("Go on?", {"type": "boolean"}, None)
    assert (waiting["result"], waiting["error"], waiting["last_event_id"]) == (None, None, 3)
    api.ask("POST", f"/runs/{run}/answer", json={"question": question["question"], "answer": True})
    over = api.until(run, "succeeded")
    assert (over["question"], over["result"], over["last_event_id"]) == (None, {"acts": 2}, 7)
    assert over["created"] <= over["updated"]


def test_a_snapshot_of_a_failure(api: Api) -> None:
    """It has the error that the viewers got."""
    failed = api.until(api.start("scripted", "refuse"), "failed")
    assert failed["error"] == {"code": "no_pages", "message": "The document has no pages.", "retryable": True}
    assert failed["result"] is None


@pytest.mark.parametrize("path", ["/runs/unknown", "/runs/unknown/events"])
def test_an_unknown_run(api: Api, path: str) -> None:
    """Neither its snapshot nor its events are found."""
    assert_problem(api.get(path), 404, "run_not_found")


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/runs/unknown"), ("POST", "/runs/unknown/answer")])
def test_an_unknown_run_cannot_be_changed(api: Api, method: str, path: str) -> None:
    """It can be neither cancelled nor answered."""
    assert_problem(api.ask(method, path, json={"question": "q2", "answer": 1}), 404, "run_not_found")


# Streams


@pytest.fixture
def finished(api: Api) -> str:
    """A run that has ended: start, progress, delta, result, done."""
    run = api.start("scripted", "progress", "delta")
    api.until(run, "succeeded")
    return run


def test_a_stream_of_what_is_over(api: Api, finished: str) -> None:
    """All events are sent again, and the stream ends."""
    messages = events_of(api.get(f"/runs/{finished}/events"))
    assert_grammatical(messages)
    assert len(messages) == 5


@pytest.mark.parametrize("after", range(5))
def test_a_stream_goes_on_after_an_event(api: Api, finished: str, after: int) -> None:
    """`Last-Event-ID` is honoured in the header and in the query."""
    by_header = events_of(api.get(f"/runs/{finished}/events", headers={"Last-Event-ID": str(after)}))
    by_query = events_of(api.get(f"/runs/{finished}/events?last_event_id={after}"))
    assert by_header == by_query
    assert [message.id for message in by_header] == list(range(after + 1, 6))


def test_the_header_goes_before_the_query(api: Api, finished: str) -> None:
    """An `EventSource` that comes back sends the header with the URL that it was made with."""
    response = api.get(f"/runs/{finished}/events?last_event_id=1", headers={"Last-Event-ID": "3"})
    assert [message.id for message in events_of(response)] == [4, 5]


def test_nothing_is_left_of_what_is_over(api: Api, finished: str) -> None:
    """204 tells an `EventSource` not to come back."""
    response = api.get(f"/runs/{finished}/events", headers={"Last-Event-ID": "5"})
    assert (response.status_code, response.data) == (204, b"")


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "6", "1 2", "0x1", "١", "99999999999999999999999", "1e2", "null"])
def test_a_wrong_last_event_id(api: Api, finished: str, value: str) -> None:
    """One that is not the number of an event of this run is refused."""
    problem = assert_problem(
        api.get(f"/runs/{finished}/events", query_string={"last_event_id": value}), 400, "bad_request"
    )
    assert problem["errors"][0]["loc"] == ["Last-Event-ID"]


@pytest.mark.parametrize("value", ["", "0", "000"])
def test_a_last_event_id_of_none(api: Api, finished: str, value: str) -> None:
    """A viewer that has seen nothing gets everything."""
    response = api.get(f"/runs/{finished}/events", query_string={"last_event_id": value})
    assert len(events_of(response)) == 5


def test_a_stream_of_what_is_live(api: Api) -> None:
    """Past events come at once, new ones as they happen, and the viewer counts as long as it reads."""
    run = api.start("scripted", "progress", "ask", "delta")
    question = api.until(run, "waiting")["question"]["question"]
    response = api.get(f"/runs/{run}/events", headers={"Last-Event-ID": "1"})
    pieces = iter(response.iter_encoded())
    first = next(pieces)
    assert api.snapshot(run)["viewers"] == 1
    api.ask("POST", f"/runs/{run}/answer", json={"question": question, "answer": False})
    whole = parse_frames((first + b"".join(pieces)).removeprefix(b"retry: 2000\n\n"))
    response.close()
    assert [message.id for message in whole] == list(range(2, 9))
    assert ending(whole) == ("succeeded", None)
    assert api.snapshot(run)["viewers"] == 0


def test_a_viewer_that_leaves(api: Api) -> None:
    """With a linger of 0 a run stops when the stream that started it is closed."""
    response = api.ask("POST", "/operations/scripted", json={"acts": ["wait"]})
    next(iter(response.iter_encoded()))
    response.close()
    run = response.headers["Run-Id"]
    api.until(run, "cancelled")
    messages = events_of(api.get(f"/runs/{run}/events"))
    assert ending(messages) == ("cancelled", "disconnected")


def test_a_viewer_that_leaves_before_it_has_read(api: Api) -> None:
    """The run stops, although the viewer has not read a byte."""
    response = api.ask("POST", "/operations/scripted", json={"acts": ["wait"]})
    response.close()
    api.until(response.headers["Run-Id"], "cancelled")


def test_a_viewer_that_does_not_count(api: Api) -> None:
    """`?watch=0`: a run with a linger of 0 goes on when it is left, as one that nobody has watched yet."""
    run = api.start("scripted", "wait")
    response = api.ask("GET", f"/runs/{run}/events?watch=0")
    next(iter(response.iter_encoded()))
    assert api.snapshot(run)["viewers"] == 0
    response.close()
    assert api.until(run, "running")["viewers"] == 0
    refused = api.get(f"/runs/{run}/events?watch=no")
    assert (refused.status_code, refused.get_json()["errors"][0]["loc"]) == (400, ["watch"])
    api.ask("DELETE", f"/runs/{run}")


def test_head_is_no_viewer(api: Api) -> None:
    """HEAD has the headers of the stream and no body, and does not affect the run."""
    run = api.start("scripted", "wait")
    response = api.ask("HEAD", f"/runs/{run}/events")
    assert (response.status_code, response.data) == (200, b"")
    assert response.headers["Content-Type"] == "text/event-stream"
    response.close()
    assert api.until(run, "running")["viewers"] == 0


def test_a_gap_is_told(make: Make) -> None:
    """If events that a viewer has not seen are gone, it gets a `reset` with the snapshot in their place."""
    api = make(log=MemoryStore(keep_bytes=4000))
    run = api.start("scripted", "many")
    api.until(run, "succeeded")
    reset, *rest = events_of(api.get(f"/runs/{run}/events", headers={"Last-Event-ID": "7"}))
    assert reset.event == "reset"
    assert list(reset.json) == ["timestamp", "snapshot"]
    assert list(reset.json["snapshot"]) == SNAPSHOT
    assert reset.json["snapshot"]["status"] == "succeeded"
    assert reset.id == (rest[0].id or 0) - 1
    assert [message.id for message in rest] == list(range(rest[0].id or 0, 3004))
    assert rest[-1].event == "done"


def test_no_gap_where_there_is_none(make: Make) -> None:
    """A viewer that has seen the events that are gone gets no `reset`."""
    api = make(log=MemoryStore(keep_bytes=4000))
    run = api.start("scripted", "many")
    api.until(run, "succeeded")
    messages = events_of(api.get(f"/runs/{run}/events", headers={"Last-Event-ID": "3000"}))
    assert [message.id for message in messages] == [3001, 3002, 3003]


def test_frames_that_make_room_are_a_gap(make: Make) -> None:
    """Where all runs take as many bytes as they may, a viewer of a live run that needs dropped frames is told."""
    api = make(log=MemoryStore(store_bytes=200_000))
    run = api.start("scripted", "many", "wait")
    api.world.until(lambda: api.headway.runner.store.find(run).fold.last_event_id >= 3001, "all are written")  # type: ignore[union-attr]
    response = api.get(f"/runs/{run}/events", headers={"Last-Event-ID": "7"}, buffered=False)
    reset, *rest = parse_frames(next(response.iter_encoded()))
    assert reset.event == "reset"
    assert reset.json["snapshot"]["status"] == "running"
    assert rest[0].id == (reset.id or 0) + 1 > 1000
    response.close()


def test_events_that_a_store_has_lost_with_their_producer(make: Make) -> None:
    """A viewer that has seen more than the store has of an adopted run gets a `reset`, and goes on from there."""
    api = make()
    run = api.start("plain")
    last = api.until(run, "succeeded")["last_event_id"]
    headers = {"Last-Event-ID": str(last + 2)}
    assert api.get(f"/runs/{run}/events", headers=headers).status_code == 400
    api.headway.runner.store._runs[run].attempt = 2  # type: ignore[attr-defined]
    (reset,) = events_of(api.get(f"/runs/{run}/events", headers=headers))
    assert (reset.event, reset.id) == ("reset", last)
    assert reset.json["snapshot"]["status"] == "succeeded"
    assert api.get(f"/runs/{run}/events", headers={"Last-Event-ID": str(last)}).status_code == 204


# Cancels


def test_a_cancel(api: Api) -> None:
    """It is accepted while the run is live; afterwards it only answers with the snapshot, however often."""
    run = api.start("scripted", "wait")
    first = api.ask("DELETE", f"/runs/{run}")
    assert (first.status_code, list(first.get_json())) == (202, SNAPSHOT)
    assert first.get_json()["status"] in ("cancelling", "cancelled")
    api.until(run, "cancelled")
    for _ in range(2):
        again = api.ask("DELETE", f"/runs/{run}")
        assert (again.status_code, again.get_json()["status"]) == (200, "cancelled")
    assert ending(events_of(api.get(f"/runs/{run}/events"))) == ("cancelled", "requested")


def test_a_cancel_that_takes_its_time(api: Api, tmp_path: Any) -> None:
    """Until the operation has stopped, the run is cancelling, also in the answer to another cancel."""
    release = tmp_path / "release"
    run = api.ask("POST", "/operations/stubborn", json={"file": str(release)}, headers=ASYNC).headers["Run-Id"]
    api.world.until(lambda: api.headway.runner.store.find(run).fold.progress, "it is at work")  # type: ignore[union-attr]
    for _ in range(2):
        response = api.ask("DELETE", f"/runs/{run}")
        assert (response.status_code, response.get_json()["status"]) == (202, "cancelling")
    assert [entry["id"] for entry in api.get("/runs?status=cancelling").get_json()["runs"]] == [run]
    release.touch()
    api.until(run, "cancelled")


def test_a_cancel_after_the_end(api: Api, finished: str) -> None:
    """It changes nothing."""
    response = api.ask("DELETE", f"/runs/{finished}")
    assert (response.status_code, response.get_json()["status"]) == (200, "succeeded")


# Answers


@pytest.fixture
def asking(api: Api) -> tuple[str, str]:
    """A run that waits for an answer, and its question."""
    run = api.start("scripted", "ask")
    return run, api.until(run, "waiting")["question"]["question"]


def test_an_answer(api: Api, asking: tuple[str, str]) -> None:
    """It is accepted with the run's snapshot, and the run goes on with it."""
    run, question = asking
    response = api.ask("POST", f"/runs/{run}/answer", json={"question": question, "answer": True})
    assert (response.status_code, list(response.get_json())) == (202, SNAPSHOT)
    assert api.until(run, "succeeded")["question"] is None


def test_an_answer_that_does_not_fit(api: Api, asking: tuple[str, str]) -> None:
    """It is checked against the question's schema, and the question stays open."""
    run, question = asking
    response = api.ask("POST", f"/runs/{run}/answer", json={"question": question, "answer": "yes"})
    problem = assert_problem(response, 422, "invalid_answer")
    assert problem["errors"] == [{"loc": ["answer"], "msg": "'yes' is not of type 'boolean'"}]
    assert api.snapshot(run)["status"] == "waiting"


def test_an_answer_to_another_question(api: Api, asking: tuple[str, str]) -> None:
    """A question that is not open cannot be answered, nor a run without a question."""
    run, _ = asking
    others: list[Any] = ["q99", 2, None, {}]
    for question in others:
        response = api.ask("POST", f"/runs/{run}/answer", json={"question": question, "answer": True})
        assert_problem(response, 409, "question_not_open")
    other = api.start("scripted", "wait")
    response = api.ask("POST", f"/runs/{other}/answer", json={"question": "q2", "answer": True})
    assert_problem(response, 409, "question_not_open")


def test_a_second_answer(api: Api, asking: tuple[str, str]) -> None:
    """Only the first counts."""
    run, question = asking
    api.ask("POST", f"/runs/{run}/answer", json={"question": question, "answer": True})
    response = api.ask("POST", f"/runs/{run}/answer", json={"question": question, "answer": False})
    assert response.status_code == 409
    messages = events_of(api.get(f"/runs/{run}/events"))
    assert [message.json["answer"] for message in messages if message.event == "answer"] == [True]


def test_an_answer_too_late(api: Api) -> None:
    """A question that has expired is no longer open."""
    run = api.start("scripted", "ask_briefly")
    api.until(run, "failed")
    question = next(message for message in events_of(api.get(f"/runs/{run}/events")) if message.event == "question")
    response = api.ask("POST", f"/runs/{run}/answer", json={"question": question.json["question"], "answer": True})
    assert_problem(response, 409, "question_not_open")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"5", b'"x"', b"{}", b'{"question":"q2"}', b'{"answer":1}', b"\xff"]
)
def test_an_invalid_answer(api: Api, asking: tuple[str, str], body: bytes) -> None:
    """The refusal shows the form of an answer."""
    run, _ = asking
    problem = assert_problem(api.ask("POST", f"/runs/{run}/answer", data=body), 400, "bad_request")
    assert '{"question": ID, "answer": ...}' in problem["detail"]


def test_an_answer_that_is_too_large(make: Make) -> None:
    """The limit on bodies applies to answers, too."""
    api = make({"HEADWAY_MAX_BODY": 100})
    run = api.start("scripted", "ask")
    question = api.until(run, "waiting")["question"]["question"]
    response = api.ask("POST", f"/runs/{run}/answer", json={"question": question, "answer": "x" * 100})
    assert_problem(response, 413, "too_large")


# Lists


def test_the_runs_of_a_caller(api: Api) -> None:
    """They are listed newest first, with filters and pages."""
    runs = [api.start("scripted", "wait"), api.start("plain"), api.start("scripted", "refuse"), api.start("scripted")]
    for run, status in zip(runs[1:], ("succeeded", "failed", "succeeded"), strict=True):
        api.until(run, status)

    def listed(**query: Any) -> list[str]:
        return [entry["id"] for entry in api.get("/runs", query_string=query).get_json()["runs"]]

    assert listed() == runs[::-1]
    assert listed(operation="plain") == [runs[1]]
    assert listed(status="succeeded") == [runs[3], runs[1]]
    assert listed(status="running", operation="scripted") == [runs[0]]
    assert listed(limit=2) == [runs[3], runs[2]]
    assert listed(limit=2, before=runs[2]) == [runs[1], runs[0]]
    assert listed(before="unknown") == listed(operation="unknown") == []
    (entry,) = api.get("/runs?limit=1&fields=result").get_json()["runs"]
    assert entry == api.snapshot(runs[3])
    del entry["result"]
    assert api.get("/runs?limit=1").get_json()["runs"] == [entry]


def test_a_list_of_large_results(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list has no results unless it is asked for them; with them a page ends before it grows too large."""
    monkeypatch.setattr(listing, "RESULT_BYTES", 1000)
    runs = [api.start("plain") for _ in range(5)]
    for run in runs:
        api.until(run, "succeeded")
    sizes = len(api.get(f"/runs/{runs[0]}").data)
    page = api.get("/runs?fields=result").get_json()["runs"]
    assert [entry["id"] for entry in page] == runs[: -1 - 1000 // sizes : -1]
    assert all("result" in entry for entry in page)
    monkeypatch.setattr(listing, "RESULT_BYTES", 1)
    assert len(api.get("/runs?fields=result").get_json()["runs"]) == 1
    assert len(api.get("/runs").get_json()["runs"]) == 5
    problem = assert_problem(api.get("/runs?fields=results"), 400, "bad_request")
    assert problem["errors"][0]["loc"] == ["fields"]


@pytest.mark.parametrize(
    "limit", ["0", "-1", "101", "x", "", "1.5", "000000000101", "00000000112345", "1" * 5000, "0" * 5000 + "1"]
)
def test_a_wrong_limit(api: Api, limit: str) -> None:
    """A page has 1 to 100 runs."""
    problem = assert_problem(api.get("/runs", query_string={"limit": limit}), 400, "bad_request")
    assert problem["errors"][0]["loc"] == ["limit"]


def test_a_wrong_status(api: Api) -> None:
    """The refusal lists the statuses."""
    problem = assert_problem(api.get("/runs?status=lost"), 400, "bad_request")
    assert "cancelling" in problem["detail"]


# Health


def test_health(api: Api) -> None:
    """A worker that serves is alive and ready; one that drains is alive, and not ready."""
    assert [api.get(f"/health/{kind}").status_code for kind in ("live", "ready")] == [200, 200]
    api.headway.runner.draining = True
    assert api.get("/health/live").status_code == 200
    response = api.get("/health/ready")
    assert_problem(response, 503, "draining")
    assert response.headers["Retry-After"] == "1"


class AwayLog(MemoryStore):
    """A store that does not answer."""

    def ready(self, *_: Any, **__: Any) -> Any:
        raise StoreAway("a secret of the server's")

    find = create = page = live = ready


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health/ready"),
        ("GET", "/runs"),
        ("GET", "/runs/x"),
        ("GET", "/runs/x/events"),
        ("DELETE", "/runs/x"),
        ("POST", "/operations/plain"),
    ],
)
def test_a_store_that_does_not_answer(make: Make, method: str, path: str) -> None:
    """The answer is 503 with Retry-After, without details."""
    api = make(log=AwayLog())
    response = api.ask(method, path)
    assert_problem(response, 503, "store_away")
    assert int(response.headers["Retry-After"]) > 0
    assert "secret" not in response.text
    assert api.get("/health/live").status_code == 200


# Limits


def assert_retry(response: TestResponse, status: int, code: str) -> None:
    """A refusal with Retry-After."""
    assert_problem(response, status, code)
    assert int(response.headers["Retry-After"]) > 0


def test_a_worker_with_too_many_runs(make: Make) -> None:
    """Beyond HEADWAY_MAX_RUNS a start is a 503, until a run has ended."""
    api = make({"HEADWAY_MAX_RUNS": 1})
    run = api.start("scripted", "wait")
    assert_retry(api.ask("POST", "/operations/plain"), 503, "too_many_runs")
    api.ask("DELETE", f"/runs/{run}")
    api.until(run, "cancelled")
    api.world.until(lambda: api.headway.runner.live == 0, "there is room")
    assert api.ask("POST", "/operations/plain").status_code == 200


def test_a_client_with_too_many_runs(make: Make) -> None:
    """Beyond HEADWAY_MAX_RUNS_PER_CLIENT a start is a 429; that of another client is not."""
    api = make({"HEADWAY_MAX_RUNS_PER_CLIENT": 1, "HEADWAY_API_KEYS": "ann:k1,ann:k2,bob:k3"})
    api.headers = {"Authorization": "Bearer k1"}
    api.start("scripted", "wait")
    for key in ("k1", "k2"):
        response = api.ask("POST", "/operations/plain", headers={"Authorization": f"Bearer {key}"})
        assert_retry(response, 429, "too_many_runs")
    assert api.ask("POST", "/operations/plain", headers={"Authorization": "Bearer k3"}).status_code == 200


def test_clients_without_keys(make: Make) -> None:
    """Without keys each address is a client."""
    api = make({"HEADWAY_MAX_RUNS_PER_CLIENT": 1})
    api.start("scripted", "wait", environ_base={"REMOTE_ADDR": "192.0.2.1"})
    response = api.ask("POST", "/operations/plain", environ_base={"REMOTE_ADDR": "192.0.2.1"})
    assert_retry(response, 429, "too_many_runs")
    other = api.ask("POST", "/operations/plain", environ_base={"REMOTE_ADDR": "192.0.2.2"})
    assert other.status_code == 200


def test_a_worker_with_too_many_streams(make: Make) -> None:
    """Beyond HEADWAY_MAX_STREAMS a stream or a start with one is a 503; snapshots still work."""
    api = make({"HEADWAY_MAX_STREAMS": 1})
    response = api.ask("POST", "/operations/scripted", json={"acts": ["wait"]})
    run = response.headers["Run-Id"]
    assert_retry(api.get(f"/runs/{run}/events"), 503, "unavailable")
    assert_retry(api.ask("POST", "/operations/plain"), 503, "unavailable")
    assert len(api.get("/runs").get_json()["runs"]) == 1
    assert api.start("plain")
    response.close()
    api.until(run, "cancelled")
    assert api.get(f"/runs/{run}/events").status_code == 200


def test_a_process_that_may_open_few_files(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It has fewer streams, of which its start warns, so that health checks and cancels still find a file."""
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (257, 4096))
    api = make()
    response = api.ask("POST", "/operations/scripted", json={"acts": ["wait"]})
    assert [message for message in caplog.messages if "files for 1 streams only" in message]
    run = response.headers["Run-Id"]
    assert_retry(api.get(f"/runs/{run}/events"), 503, "unavailable")
    assert api.get("/health/ready").status_code == 200
    assert api.ask("DELETE", f"/runs/{run}").status_code == 202
    response.close()


def test_a_store_that_is_full(make: Make) -> None:
    """Where live runs take all of HEADWAY_STORE_BYTES, a start is a 503 that says when to come back."""
    api = make({"HEADWAY_STORE_BYTES": 3000})
    run = api.start("scripted", "wait")
    assert_retry(api.ask("POST", "/operations/plain"), 503, "store_full")
    assert_retry(api.ask("POST", "/operations/plain", headers=ASYNC), 503, "store_full")
    assert api.get(f"/runs/{run}").get_json()["status"] == "running"
    api.ask("DELETE", f"/runs/{run}")
    api.until(run, "cancelled")
    api.headway.runner.store._ended[run] -= EVICT_AFTER  # type: ignore[attr-defined]
    assert api.start("plain")


# Idempotency


def test_a_request_that_is_sent_twice(api: Api) -> None:
    """The same key and body join the same run, with its stream or its snapshot, live or ended."""
    options: dict[str, Any] = {"json": {"acts": ["ask"]}, "headers": {"Idempotency-Key": "k"}}
    first = api.ask("POST", "/operations/scripted", json=options["json"], headers={**options["headers"], **ASYNC})
    again = api.ask("POST", "/operations/scripted", json=options["json"], headers={**options["headers"], **ASYNC})
    run = first.headers["Run-Id"]
    assert (again.status_code, again.headers["Run-Id"]) == (202, run)
    stream = api.ask("POST", "/operations/scripted", **options)
    assert stream.headers["Run-Id"] == run
    question = api.until(run, "waiting")["question"]["question"]
    api.ask("POST", f"/runs/{run}/answer", json={"question": question, "answer": True})
    assert_grammatical(events_of(stream))
    assert_grammatical(events_of(api.ask("POST", "/operations/scripted", **options)))
    assert len(api.get("/runs").get_json()["runs"]) == 1


@pytest.mark.parametrize(
    ("path", "body"), [("/operations/scripted", {"acts": ["delta"]}), ("/operations/plain", {"acts": ["progress"]})]
)
def test_a_key_with_another_request(api: Api, path: str, body: dict[str, Any]) -> None:
    """Another body, or another operation, is a conflict."""
    headers = {"Idempotency-Key": "k", **ASYNC}
    api.ask("POST", "/operations/scripted", json={"acts": ["progress"]}, headers=headers)
    assert_problem(api.ask("POST", path, json=body, headers=headers), 409, "idempotency_conflict")


def test_keys_of_two_owners(make: Make) -> None:
    """The same key of another owner is another key."""
    api = make({"HEADWAY_API_KEYS": "ann:k1,bob:k2"})
    headers = {"Idempotency-Key": "k", **ASYNC}
    first = api.ask("POST", "/operations/plain", headers={"Authorization": "Bearer k1", **headers})
    second = api.ask("POST", "/operations/plain", headers={"Authorization": "Bearer k2", **headers})
    assert first.headers["Run-Id"] != second.headers["Run-Id"]


# Owners


@pytest.fixture
def owned(make: Make) -> Api:
    """An application with keys, and a client with the key of Ann."""
    api = make({"HEADWAY_API_KEYS": "ann:k1,bob:k2"})
    api.headers = {"Authorization": "Bearer k1"}
    return api


BOB = {"Authorization": "Bearer k2"}

ROUTES = [
    ("GET", "/operations"),
    ("POST", "/operations/plain"),
    ("GET", "/runs"),
    ("GET", "/runs/x"),
    ("DELETE", "/runs/x"),
    ("GET", "/runs/x/events"),
    ("POST", "/runs/x/answer"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "presented", ["", "Bearer", "Bearer ", "Bearer k", "Bearer k1k", "Basic k1", "k1", "Bearer ann:k1", "Bearer ключ"]
)
def test_every_route_requires_a_key(owned: Api, method: str, path: str, presented: str) -> None:
    """Without a valid one the answer is 401."""
    response = owned.ask(method, path, headers={"Authorization": presented})
    assert_problem(response, 401, "unauthorized")
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_health_requires_no_key(owned: Api) -> None:
    """A load balancer has none."""
    for kind in ("live", "ready"):
        assert owned.get(f"/health/{kind}", headers={"Authorization": ""}).status_code == 200


@pytest.mark.parametrize("presented", ["Bearer k1", "bearer k1", "BEARER  k1 "])
def test_a_key_lets_in(owned: Api, presented: str) -> None:
    """The scheme is read in any letter case (RFC 9110, section 11.1)."""
    assert owned.get("/operations", headers={"Authorization": presented}).status_code == 200


def test_a_run_is_its_owners(owned: Api) -> None:
    """For everyone else it does not exist, and is in no list."""
    run = owned.start("scripted", "ask")
    question = owned.until(run, "waiting")["question"]["question"]
    body = {"question": question, "answer": True}
    for method, path in [("GET", ""), ("GET", "/events"), ("HEAD", "/events"), ("DELETE", ""), ("POST", "/answer")]:
        response = owned.ask(method, f"/runs/{run}{path}", json=body if method == "POST" else None, headers=BOB)
        assert response.status_code == 404
    assert owned.get("/runs", headers=BOB).get_json() == {"runs": []}
    assert owned.get(f"/runs?before={run}", headers=BOB).get_json() == {"runs": []}
    assert owned.snapshot(run)["status"] == "waiting"
    assert [entry["id"] for entry in owned.get("/runs").get_json()["runs"]] == [run]


def test_a_callback_names_the_owner(make: Make) -> None:
    """`authorize` takes the request, and returns the owner of its runs."""
    api = make(authorize=lambda request: request.headers.get("X-User"))
    run = api.ask("POST", "/operations/plain", headers={"X-User": "ann", **ASYNC}).headers["Run-Id"]
    assert api.get(f"/runs/{run}", headers={"X-User": "ann"}).status_code == 200
    assert_problem(api.get(f"/runs/{run}", headers={"X-User": "bob"}), 404, "run_not_found")
    assert_problem(api.get(f"/runs/{run}"), 401, "unauthorized")
    assert api.get("/health/live").status_code == 200


def test_a_callback_goes_before_the_keys(make: Make) -> None:
    """With `authorize` the setting has no effect."""
    api = make({"HEADWAY_API_KEYS": "ann:k1"}, authorize=lambda _: "carl")
    assert api.get("/runs").status_code == 200


def test_a_callback_may_raise_a_problem(make: Make) -> None:
    """The problem is the answer."""

    def authorize(request: Any) -> str:
        raise Unauthorized("Your trial is over.", code="trial_over")

    problem = assert_problem(make(authorize=authorize).get("/runs"), 401, "trial_over")
    assert problem["detail"] == "Your trial is over."


# Browsers of other origins


@pytest.mark.parametrize("origin", [None, "https://a.example"])
def test_no_origin_is_allowed_by_default(api: Api, origin: str | None) -> None:
    """Without the setting there are no headers for other origins."""
    response = api.get("/operations", headers={"Origin": origin} if origin else {})
    assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ("https://a.example,https://b.example", "https://b.example", "https://b.example"),
        ("https://a.example", "https://b.example", None),
        ("https://a.example", "http://a.example", None),
        ("https://a.example", "https://a.example.evil.test", None),
        ("https://a.example", "null", None),
        ("*", "https://b.example", "*"),
    ],
)
def test_origins_that_may_call(make: Make, origins: str, origin: str, allowed: str | None) -> None:
    """Exactly those of the setting, on every answer: streams, refusals and preflights. Others may not start runs."""
    api = make({"HEADWAY_CORS_ORIGINS": origins, "HEADWAY_API_KEYS": "ann:k1"})
    key = {"Authorization": "Bearer k1", "Origin": origin}
    stream = api.ask("POST", "/operations/plain", headers=key)
    refusal = api.get("/runs/x", headers={"Origin": origin})
    preflight = api.ask(
        "OPTIONS", "/operations/plain", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
    )
    assert [stream.status_code, refusal.status_code, preflight.status_code] == [200 if allowed else 403, 401, 200]
    for response in (stream, refusal, preflight):
        assert response.headers.get("Access-Control-Allow-Origin") == allowed
        if allowed:
            assert {"Location", "Run-Id", "Retry-After"} <= words(response, "Access-Control-Expose-Headers")
        if allowed != "*":
            assert "Origin" in words(response, "Vary")
    stream.close()
    if allowed:
        wanted = {"Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Prefer"}
        assert wanted <= words(preflight, "Access-Control-Allow-Headers")
        assert {"GET", "POST", "DELETE"} <= words(preflight, "Access-Control-Allow-Methods")


def words(response: TestResponse, header: str) -> set[str]:
    """The members of a header."""
    return {word.strip() for word in response.headers.get(header, "").split(",")}


# Inside another application


def test_under_a_prefix(make: Make) -> None:
    """Every route moves there, and `Location` has the prefix."""
    api = make(url_prefix="/api/v1")
    response = api.ask("POST", "/operations/plain", headers=ASYNC)
    run = response.headers["Run-Id"]
    assert response.headers["Location"] == f"/api/v1/runs/{run}"
    assert api.client.get(response.headers["Location"]).get_json()["id"] == run
    assert api.client.get("/operations").status_code == 404


def test_under_a_path_of_the_server(api: Api) -> None:
    """`Location` has the path under which the server mounts the application (PEP 3333, SCRIPT_NAME)."""
    response = api.ask("POST", "/operations/plain", headers=ASYNC, environ_overrides={"SCRIPT_NAME": "/tools"})
    assert response.headers["Location"] == f"/tools/runs/{response.headers['Run-Id']}"


def test_init_app(world: World, make: Make) -> None:
    """The extension can be made first, and mounted later, with a prefix."""
    app = Flask(__name__)
    headway = Headway(operations=offered())
    headway.init_app(app, url_prefix="/api")
    api = Api(world, app, "/api")
    assert app.extensions["headway"] is headway
    assert ending(events_of(api.ask("POST", "/operations/plain"))) == ("succeeded", None)
    api.close()


def test_one_extension_in_several_applications(world: World, make: Make) -> None:
    """Each application has its own settings and its own runs: the keys of one apply to it alone."""
    headway = Headway(operations=offered())
    closed, opened = Flask("closed"), Flask("opened")
    closed.config["HEADWAY_API_KEYS"] = "ann:k1"
    headway.init_app(closed)
    headway.init_app(opened, url_prefix="/api")
    first, second = Api(world, closed), Api(world, opened, "/api")
    assert_problem(first.get("/runs"), 401, "unauthorized")
    run = second.start("plain")
    first.headers = {"Authorization": "Bearer k1"}
    assert_problem(first.get(f"/runs/{run}"), 404, "run_not_found")
    assert second.snapshot(run)["id"] == run
    first.close()
    second.close()


def test_two_applications_in_one_process(make: Make) -> None:
    """They do not share runs or settings."""
    first, second = make({"HEADWAY_MAX_RUNS": 1}), make(operations=[sample.plain])
    run = first.start("scripted", "wait")
    assert_problem(second.get(f"/runs/{run}"), 404, "run_not_found")
    assert_problem(second.ask("POST", "/operations/scripted"), 404, "operation_not_found")
    assert second.ask("POST", "/operations/plain").status_code == 200


def test_many_first_requests_at_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """They share one store, however long it takes to open, and every run is found in it."""

    def slowly(settings: Settings) -> Store:
        gevent.sleep(0.02)
        return MemoryStore()

    monkeypatch.setattr(extension, "open_store", slowly)
    api = make()
    gate, runs = threading.Barrier(8), list[str]()

    def first() -> None:
        gate.wait(10)
        runs.append(api.app.test_client().post("/operations/plain", headers=ASYNC).headers["Run-Id"])

    threads = [threading.Thread(target=first) for _ in range(8)]
    for thread in threads:
        thread.start()
    api.world.until(lambda: len(runs) == 8, "all have started")
    for thread in threads:
        thread.join()
    assert {api.get(f"/runs/{run}").status_code for run in runs} == {200}


def test_checks_of_the_host(make: Make) -> None:
    """A `before_request` of the application applies to every route."""
    api = make()

    @api.app.before_request
    def check() -> Response | None:
        return None if request.headers.get("X-Token") == "t" else Response("no entry", 403)

    for method, path in [*ROUTES, ("GET", "/health/live")]:
        assert api.ask(method, path).status_code == 403
    assert api.get("/operations", headers={"X-Token": "t"}).status_code == 200


def test_refusals_of_the_host(make: Make) -> None:
    """If a check of the application aborts, its status is that of the answer, as a problem."""
    api = make()
    api.app.before_request(lambda: abort(403, "Not today."))
    problem = assert_problem(api.get("/operations"), 403, "forbidden")
    assert problem["detail"] == "Not today."


class NotLoggedIn(Exception):
    """Raised by the login check of an application."""


def test_error_handlers_of_the_host(make: Make) -> None:
    """An exception of the application's own check goes to the application's own handler."""
    api = make()

    @api.app.before_request
    def check() -> None:
        raise NotLoggedIn

    @api.app.errorhandler(NotLoggedIn)
    def login(error: NotLoggedIn) -> Response:
        return Response("log in first", 302, {"Location": "/login"})

    response = api.get("/operations")
    assert (response.status_code, response.headers["Location"]) == (302, "/login")


def test_authorize_follows_the_checks_of_the_host(make: Make) -> None:
    """It can read what they have set."""
    api = make(authorize=lambda _: g.user)

    @api.app.before_request
    def check() -> None:
        g.user = "ann"

    assert api.get("/runs").status_code == 200


# Errors


@pytest.mark.parametrize("config", [{}, {"TESTING": True}, {"DEBUG": True}, {"PROPAGATE_EXCEPTIONS": True}], ids=str)
def test_an_unexpected_error(make: Make, config: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """It is a problem without details, which go to the log, in every configuration."""

    def authorize(request: Any) -> str:
        raise RuntimeError("a secret of the server's")

    response = make(config, authorize=authorize).get("/runs")
    assert_problem(response, 500, "internal_error")
    assert "secret" not in response.text
    assert "a secret of the server's" in caplog.text


class BrokenLog(MemoryStore):
    """A store with an error in it."""

    def find(self, run: str) -> Any:
        raise ZeroDivisionError("a secret of the server's")


def test_an_error_in_a_route(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """The same."""
    response = make({"TESTING": True}, log=BrokenLog()).get("/runs/x")
    assert_problem(response, 500, "internal_error")
    assert "secret" not in response.text
    assert "ZeroDivisionError" in caplog.text


def test_a_problem_has_the_headers_of_its_error(make: Make) -> None:
    """The answer to a wrong method lists the right ones (RFC 9110, section 15.5.6)."""
    api = make()
    api.app.register_error_handler(HTTPException, problem_response)
    for method, path, allowed in [
        ("PUT", "/runs/x", {"GET", "HEAD", "DELETE", "OPTIONS"}),
        ("GET", "/operations/plain", {"POST", "OPTIONS"}),
        ("POST", "/health/live", {"GET", "HEAD", "OPTIONS"}),
    ]:
        response = api.ask(method, path)
        assert_problem(response, 405, "method_not_allowed")
        assert words(response, "Allow") == allowed


def test_a_path_that_is_not_there(make: Make) -> None:
    """In a service it is a problem like all others."""
    api = make()
    api.app.register_error_handler(HTTPException, problem_response)
    assert_problem(api.get("/nothing"), 404, "not_found")
    assert_problem(api.get("/runs/x/y/z"), 404, "not_found")


# Settings


@pytest.mark.parametrize(
    "key",
    [
        {"HEADWAY_MAX_RUNS": "many"},
        {"HEADWAY_STORE": "postgres://x"},
        {"HEADWAY_API_KEYS": 5},
        {"HEADWAY_HEARTBEAT": 0},
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_read(make: Make, key: dict[str, Any]) -> None:
    """It stops the start with one line that names it."""
    ((name, value),) = key.items()
    with pytest.raises(SettingError, match=f"^{name} is .*; it takes ") as caught:
        make(key)
    assert "\n" not in str(caught.value)
    assert name == "HEADWAY_API_KEYS" or repr(value) in str(caught.value)


def test_settings_from_the_environment(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """They have their full names; the configuration of the application takes precedence."""
    monkeypatch.setenv("HEADWAY_LINGER", "7")
    monkeypatch.setenv("HEADWAY_RETENTION", "60")
    api = make({"HEADWAY_RETENTION": 120})
    assert (api.headway.settings.linger, api.headway.settings.retention) == (7.0, 120.0)
    monkeypatch.setenv("HEADWAY_DRAIN", "soon")
    with pytest.raises(SettingError, match=r"^HEADWAY_DRAIN is 'soon'; it takes "):
        make()


def test_settings_of_the_embedding_code(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyword of `Headway` is a default, with less precedence than either."""
    assert make(linger=9.0).headway.settings.linger == 9.0
    monkeypatch.setenv("HEADWAY_LINGER", "7")
    assert make(linger=9.0).headway.settings.linger == 7.0


def test_operations_are_checked_at_the_start(make: Make) -> None:
    """An application with a wrong operation does not start."""
    with pytest.raises(RegistrationError, match="two operations are named 'plain'"):
        make(operations=[sample.plain, sample.plain])


# The service


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Flask]:
    """Makes the application of `app.py` with some variables."""
    for variable in [name for name in os.environ if name.startswith("HEADWAY_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HEADWAY_STORE", "memory:")
    import app

    def create(**variables: str) -> Flask:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return app.create_app()

    return create


def test_the_service_reports_a_wrong_setting(service: Callable[..., Flask], capsys: pytest.CaptureFixture[str]) -> None:
    """It exits with one line and without a traceback; gunicorn does not start another worker after it."""
    with pytest.raises(SystemExit) as caught:
        service(HEADWAY_MAX_BODY="64MB")
    assert caught.value.code == 3
    assert re.fullmatch(r"headway: HEADWAY_MAX_BODY is '64MB'; it takes bytes, .*\n", capsys.readouterr().err)


def test_the_service_answers_in_problems(world: World, service: Callable[..., Flask]) -> None:
    """Unknown paths and wrong methods are problems there."""
    api = Api(world, service())
    assert_problem(api.get("/nothing"), 404, "not_found")
    assert_problem(api.ask("PUT", "/runs"), 405, "method_not_allowed")
    api.close()


@pytest.mark.parametrize(("value", "there"), [("", False), ("0", False), ("1", True)])
def test_the_service_simulates_on_request(world: World, service: Callable[..., Flask], value: str, there: bool) -> None:
    """`simulate` is only offered with HEADWAY_SIMULATE=1."""
    api = Api(world, service(HEADWAY_SIMULATE=value))
    names = [entry["name"] for entry in api.get("/operations").get_json()["operations"]]
    assert "extract" in names
    assert ("simulate" in names) == there
    api.close()
