"""The log: one line an event of note, with its fields, on one line whatever comes from outside."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from streaming import Event, OperationError, Outage, gateway, operation, progress, stream
from streaming.errors import StoreAway
from streaming.logs import Lines
from tests.apps.gateway_upstream import Upstream
from tests.apps.serving import create_app
from tests.clients import wait_until

ASYNC = {"Prefer": "respond-async"}
FORGED = "no paper\n2026-11-29T10:00:00.000Z ERROR [1] headway: forged \x1b[2J\u2028 all is lost"


@operation
def counted() -> Iterator[Event]:
    """Counts to one."""
    yield progress(done=1, total=1)


def refuse() -> Iterator[Event]:
    """Fails with a code of its own, and a message from outside."""
    yield progress("so far")
    raise OperationError("no_paper", FORGED)


@operation
def refusing() -> Iterator[Event]:
    """Fails in that way."""
    yield from refuse()


@operation
def broken() -> Iterator[Event]:
    """Fails unexpectedly."""
    yield progress("so far")
    raise LookupError(FORGED)


@operation(linger=None)
def lasting() -> Iterator[Event]:
    """Waits for its cancel."""
    import gevent

    while True:
        yield progress("still")
        gevent.sleep(0.01)


@pytest.fixture
def client(caplog: pytest.LogCaptureFixture) -> FlaskClient:
    """A client, whose requests are Ann's."""
    caplog.set_level(logging.INFO, "headway")
    config = {"HEADWAY_API_KEYS": "ann:sesame"}
    app = create_app(config, operations=[counted, refusing, broken, lasting])
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = "Bearer sesame"
    return client


def lines_of(client: FlaskClient, name: str, caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """The lines about a run of this operation, from its start to its end."""
    response = client.post(f"/operations/{name}")
    assert b"event: done" in response.data
    return wait_for_lines(response.headers["Run-Id"], caplog)


def wait_for_lines(run: str, caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """The two lines about a run; the second one may come after its viewers have read its end."""

    def found() -> list[logging.LogRecord]:
        return [record for record in caplog.records if getattr(record, "run", "") == run]

    wait_until(lambda: len(found()) == 2, "both lines are written")
    return found()


def said_of(name: str, caplog: pytest.LogCaptureFixture) -> list[str]:
    """The messages that begin with this."""
    return [message for message in caplog.messages if message.startswith(name)]


def test_a_run_that_succeeds(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """Its start and its end are a line each, with process, run, operation and owner."""
    started, ended = lines_of(client, "counted", caplog)
    for record in (started, ended):
        assert (record.levelname, record.process) == ("INFO", os.getpid())
        assert (vars(record)["operation"], vars(record)["owner"]) == ("counted", "ann")
    assert started.getMessage().endswith("started")
    assert (vars(ended)["status"], vars(ended)["events"]) == ("succeeded", 4)
    assert 0 <= vars(ended)["seconds"] < 60


def test_a_run_that_fails_by_an_operation_error(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """It leaves one line, a warning, with its code; what comes from outside breaks no line."""
    _, failed = lines_of(client, "refusing", caplog)
    assert (failed.levelname, vars(failed)["code"], failed.exc_info) == ("WARNING", "no_paper", None)
    assert "failed: no_paper: no paper\\n2026" in failed.getMessage()
    assert not any(sign in failed.getMessage() for sign in "\n\x1b\u2028")


def test_a_run_that_fails_unexpectedly(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """It leaves one line, an error, with its traceback."""
    _, failed = lines_of(client, "broken", caplog)
    assert failed.levelname == "ERROR"
    assert failed.exc_info is not None


def test_a_run_that_is_cancelled(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """It leaves a line with the reason."""
    run = client.post("/operations/lasting", headers=ASYNC).headers["Run-Id"]
    client.delete(f"/runs/{run}")
    assert b'"reason":"requested"' in client.get(f"/runs/{run}/events").data
    _, ended = wait_for_lines(run, caplog)
    assert (vars(ended)["status"], vars(ended)["reason"]) == ("cancelled", "requested")


def test_a_stream_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """A stream without a run leaves a line too, and one that ends well leaves none."""
    caplog.set_level(logging.INFO, "headway")
    app = Flask(__name__)
    app.add_url_rule("/good", "good", view_func=lambda: stream(iter([progress("so far")])))
    app.add_url_rule("/bad", "bad", view_func=lambda: stream(refuse()))
    client = app.test_client()
    for path in ("/good", "/bad"):
        assert client.get(path).data
    (failed,) = [record for record in caplog.records if vars(record).get("code") == "no_paper"]
    assert (vars(failed)["code"], vars(failed)["run"]) == ("no_paper", "-")


def test_a_conflict_is_no_traceback(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """Neither is any other refusal."""
    key = {"Idempotency-Key": "k", **ASYNC}
    run = client.post("/operations/lasting", headers=key).headers["Run-Id"]
    assert client.post("/operations/counted", headers=key).status_code == 409
    assert client.delete(f"/runs/{run}/events").status_code == 409
    assert client.post(f"/runs/{run}/answer", json={"question": "q", "answer": 1}).status_code == 409
    assert client.post("/operations/nothing").status_code == 404
    client.delete(f"/runs/{run}")
    about = [record for record in caplog.records if getattr(record, "run", "") == run]
    refused = [record for record in caplog.records if "a request failed" in record.getMessage()]
    assert [record for record in [*about, *refused] if record.exc_info or record.levelno > logging.INFO] == []


def test_a_message_of_several_lines(caplog: pytest.LogCaptureFixture) -> None:
    """What came from outside is escaped, an exception's text too; a stack of ours is not."""
    log = logging.getLogger("headway")
    log.warning("%s %d %s", "a\nb", 5, Lines("e\nf"))
    log.warning("%s", ValueError("a\r\nb"))
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said == ["a\\nb 5 e\nf", "a\\r\\nb"]


def test_an_outage_is_one_line_and_its_end_another(caplog: pytest.LogCaptureFixture) -> None:
    """However many parts of a process notice it, and however often they try."""
    outage = Outage("the store")
    for part in ("writer", "lease", "writer", "maintenance") * 9:
        outage.gone("no route", part)
    for part in ("lease", "writer", "listener", "maintenance", "maintenance"):
        outage.back(part)
    assert said_of("the store", caplog) == ["the store is away: no route", "the store is back"]
    assert outage.errors == 36


def test_a_server_is_found_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    """Each has an outage of its own, kept for as long as it lasts."""
    for _ in range(3):
        Outage.of("a.example").gone("refused")
        Outage.of("b.example").gone("refused")
    Outage.of("a.example").back()
    Outage.of("a.example").back()
    assert said_of("a.example", caplog) == ["a.example is away: refused", "a.example is back"]
    assert said_of("b.example", caplog) == ["b.example is away: refused"]
    Outage.of("b.example").back()
    assert not Outage._away.keys() & {"a.example", "b.example"}


def test_an_upstream_that_is_dead(caplog: pytest.LogCaptureFixture) -> None:
    """However many runs ask for it, one line says that it is away, and one that it is back."""
    with Upstream() as upstream:
        client = create_app(operations=[gateway(upstream.url, patience=5.0)]).test_client()
        for _ in range(5):
            upstream.will(lambda call: call.answer(503, b"down", "text/plain"))
            assert client.post("/operations/work").status_code == 503
        upstream.will(lambda call: call.answer(401, b"no", "text/plain"))
        assert client.post("/operations/work").status_code == 401
    said = said_of("upstream ", caplog)
    assert [" ".join(line.split()[2:4]) for line in said] == ["is away:", "is back", "answered 401:"]


def test_a_store_that_is_away(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The maintenance, which asks it every second, writes no line each time; its failures are counted."""
    monkeypatch.setattr("streaming.runs.runner.MAINTENANCE", 0.001)
    headway: Any = create_app(operations=[counted]).extensions["headway"]
    runner, tries = headway.runner, list[int]()

    def sweep() -> None:
        tries.append(1)
        if len(tries) < 20:
            raise StoreAway("no route")

    monkeypatch.setattr(runner.store, "sweep", sweep)
    wait_until(lambda: len(tries) > 25, "it is back")
    said = said_of("the store of the runs", caplog)
    assert said == ["the store of the runs is away: no route", "the store of the runs is back"]
    assert runner.store.outage.errors >= 19
