"""`async def` operations under gunicorn's gevent worker, whose process is patched, and under `flask run`."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Final

import pytest

from tests.apps.asynchronous import CAPABILITIES
from tests.apps.notes import VARIABLE, Notes
from tests.clients import Connection, wait_until
from tests.figures import Figures
from tests.live.requests import JSON, ask, names, snapshot, start, start_unwatched
from tests.servers import Server, flask_run, gunicorn

APP: Final = "tests.apps.asynchronous:app"

KINDS: Final[dict[str, Callable[..., AbstractContextManager[Server]]]] = {"gevent": gunicorn, "flask-run": flask_run}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of the server."""
    return str(request.param)


@pytest.fixture(scope="module")
def server(kind: str, notes: Notes) -> Iterator[Server]:
    """One server of each kind."""
    with KINDS[kind](APP, env={VARIABLE: str(notes.folder), "HEADWAY_DRAIN": "0"}) as started:
        yield started


@pytest.mark.parametrize("name", CAPABILITIES)
def test_what_works_in_the_loop(server: Server, name: str) -> None:
    """Waits, sockets, TLS, names, threads, child processes and the libraries that stand on them work."""
    with Connection(server) as viewer:
        start(viewer, "capable", name=name)
        *_, last, _ = viewer.until("done")
    assert last.json.get("result") == CAPABILITIES[name][1], server.log()[-3000:]


def test_an_async_generator(server: Server) -> None:
    """It yields events, gets the answer to its question, and ends with its result; it has its application and run."""
    with Connection(server) as viewer:
        run = start(viewer, "conversing")
        question = viewer.until("question")[-1].json["question"]
        answer = json.dumps({"question": question, "answer": True}).encode()
        ask(server, "POST", f"/api/runs/{run}/answer", JSON, answer)
        *_, last = viewer.until("result")
    assert last.json["result"] == {"app": "tests.apps.asynchronous", "run": run}


def test_the_catalogue(server: Server) -> None:
    """`async def` says by itself where it runs."""
    catalogue = {entry["name"]: entry for entry in ask(server, "GET", "/api/operations")["operations"]}
    assert catalogue["capable"]["runs_in"] == catalogue["conversing"]["runs_in"] == "asyncio"


def test_a_cancel(server: Server, notes: Notes, kind: str, figures: Figures) -> None:
    """It is that of the task, at once: hooks, `async with` and `finally` have run by the last event."""
    note = f"cancelled {kind}"
    with Connection(server) as viewer:
        run = start(viewer, "waiting", name=note)
        viewer.until("progress")
        begun = time.monotonic()
        ask(server, "DELETE", f"/api/runs/{run}")
        done = viewer.until("done")[-1].json
    assert (done["status"], done["reason"]) == ("cancelled", "requested")
    assert all(notes.has(f"{note} {what}") for what in ("hook", "context", "finally"))
    took = notes.when(f"{note} context") - begun
    figures.add("cancel of an async operation", f"{took * 1000:.1f} ms")
    assert took < 1


def test_a_disconnect(server: Server, notes: Notes, kind: str) -> None:
    """A viewer that leaves cancels the task."""
    viewer = Connection(server)
    start(viewer, "waiting", name=f"left {kind}")
    viewer.until("progress")
    viewer.close()
    notes.when(f"left {kind} finally")


def test_a_cancel_that_is_ignored(server: Server, notes: Notes, kind: str) -> None:
    """An operation that swallows `CancelledError` and goes on is named in the log."""
    run = start_unwatched(server, "clinging", name=kind)
    wait_until(lambda: snapshot(server, run)["status"] == "running", "it runs")
    ask(server, "DELETE", f"/api/runs/{run}")
    notes.when(f"{kind} ignored")
    wait_until(lambda: f"'clinging' (run {run}) ignores its cancel" in server.log(), "it is named")
    notes.leave(f"go {kind}")
    wait_until(lambda: snapshot(server, run)["status"] == "cancelled", "it is over")


@pytest.mark.parametrize(("place", "gevent_allows"), [("greenlet", False), ("thread", True), ("process", True)])
def test_asyncio_run(server: Server, kind: str, place: str, gevent_allows: bool) -> None:
    """In a greenlet it fails with one line that says what to do; in a thread and a process it works."""
    if (kind, place) == ("flask-run", "process"):
        pytest.skip("the same process as under gunicorn")
    with Connection(server) as viewer:
        run = start(viewer, "running", runs_in=place)
        *_, last, _ = viewer.until("done")
    if gevent_allows or kind == "flask-run":  # where a greenlet is a thread
        assert last.json.get("result") == "slept", server.log()[-3000:]
    else:
        assert last.json["code"] == "operation_failed"
        assert f"(run {run}) failed" in server.log()
        assert "\nRuntimeError: no event loop runs in a greenlet: write the operation with `async def`" in server.log()


@pytest.mark.parametrize("what", ["generator", "coroutine"])
def test_what_a_stream_refuses(server: Server, what: str) -> None:
    """`stream()` refuses at once what needs an event loop, in one line that says what to do."""
    with Connection(server) as client:
        assert client.request("GET", f"/stream/{what}").status == 500
        text = client.body().decode()
    assert "needs an event loop" in text
    assert "`async def`" in text
    assert "\n" not in text
    assert "'timeout' was never awaited" not in server.log()


def test_asyncio_run_in_a_stream(server: Server, kind: str) -> None:
    """A generator of `stream()` cannot call it either, where it runs in a greenlet."""
    with Connection(server) as viewer:
        viewer.request("GET", "/stream/run")
        assert names(viewer.until("done"))[-2] == ("error" if kind == "gevent" else "result")


def test_the_stop_of_a_worker(server: Server, kind: str, notes: Notes) -> None:
    """Tasks are cancelled, their `finally` blocks run, and the process ends by itself. The last test of a server."""
    if kind != "gevent":
        pytest.skip("`flask run` ends at once")
    with Connection(server) as viewer:
        start(viewer, "waiting", name="stopped")
        viewer.until("progress")
        os.kill(server.pid, signal.SIGTERM)
        done: dict[str, Any] = viewer.until("done")[-1].json
    assert (done["status"], done["reason"]) == ("cancelled", "shutdown")
    notes.when("stopped finally")
    wait_until(lambda: not server.running, "the server ends")
    assert "Task was destroyed" not in server.log()
