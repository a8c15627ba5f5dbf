"""SIGTERM to a worker with open streams: they end with `done`, and gunicorn exits at once instead of waiting."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Final

import pytest

from tests.apps.notes import VARIABLE, Notes
from tests.clients import Connection, Message, wait_until
from tests.live.requests import APP, snapshot, start, start_unwatched
from tests.servers import Server, gunicorn

PATIENT: Final = ["--graceful-timeout", "60"]
"""The time for which gunicorn alone would wait for an open stream."""

PLAIN: Final = "tests.apps.plain:app"
KINDS: Final = {"gevent": [], "gevent_pywsgi": [], "gthread": ["--threads", "8"]}


@pytest.fixture
def notes(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    """What operations and tests tell each other."""
    return Notes(tmp_path_factory.mktemp("notes"))


@contextlib.contextmanager
def serving(notes: Notes, kind: str, *, drain: float, app: str = APP) -> Iterator[Server]:
    """A worker whose runs have `drain` seconds to finish.

    gunicorn's sync worker waits for its stream in a call that signals do not interrupt (`siginterrupt`): it notices its
    stop with the next heartbeat.
    """
    env = {VARIABLE: str(notes.folder), "HEADWAY_DRAIN": str(drain), "HEADWAY_HEARTBEAT": "0.5"}
    with gunicorn(app, worker_class=kind, env=env, args=[*KINDS.get(kind, []), *PATIENT]) as server:
        yield server


def ending(viewer: Connection) -> tuple[str, str | None]:
    """The status and the reason in the `done` of a stream."""
    done = viewer.until("done")[-1].json
    return done["status"], done.get("reason")


def terminate(server: Server, *viewers: Connection) -> None:
    """Stops the server, whose streams end at once as cancelled."""
    stopped = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert [ending(viewer) for viewer in viewers] == [("cancelled", "shutdown")] * len(viewers)
    assert server.process.wait(30) == 0
    assert time.monotonic() - stopped < 15


def drained(server: Server, viewer: Connection, let_it_finish: Callable[[], object]) -> None:
    """Stops the server, whose stream then succeeds, and which exits right after it."""
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not server.address.is_open(), "it no longer listens")
    stopped = time.monotonic()
    let_it_finish()
    assert ending(viewer) == ("succeeded", None)
    assert server.process.wait(30) == 0
    assert time.monotonic() - stopped < 15


@pytest.mark.parametrize("kind", KINDS)
def test_streams_end_and_the_worker_exits(notes: Notes, kind: str) -> None:
    """Runs in every executor and `stream()` end as cancelled by the shutdown, and their `finally` blocks run."""
    with serving(notes, kind, drain=0.2) as server, ExitStack() as stack:
        viewers = [stack.enter_context(Connection(server)) for _ in range(4)]
        start(viewers[0], "pour", count=1, pause=3600, note="run")
        start(viewers[1], "simulate", steps=1, interval=3600, runs_in="thread")
        start(viewers[2], "simulate", steps=1, interval=3600, runs_in="process")
        viewers[3].request("GET", "/silent?note=stream")
        start_unwatched(server, "pour", count=1, pause=3600, note="alone")
        for viewer, event in zip(viewers, ("delta", "progress", "progress", "progress"), strict=True):
            viewer.until(event)
        terminate(server, *viewers)
    for note in ("run", "stream", "alone"):
        assert notes.has(note)
    assert "graceful timeout" not in server.log()
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("kind", ["gevent", "gevent_pywsgi"])
def test_runs_may_finish(notes: Notes, kind: str) -> None:
    """A run that ends within `HEADWAY_DRAIN` succeeds, and the worker exits right after it."""
    with serving(notes, kind, drain=30) as server, Connection(server) as viewer:
        start(viewer, "gated", count=1, note="slowly")
        viewer.until("start")
        drained(server, viewer, lambda: notes.leave("slowly 1"))


def test_a_viewer_that_lags_gets_the_end_too(notes: Notes) -> None:
    """A viewer that is far behind when its run is stopped gets every event up to `done`."""
    with serving(notes, "gevent", drain=0.2) as server, Connection(server, receive_buffer=32_768) as viewer:
        run = start(viewer, "pour", count=100_000, size=10_000, pause=0.001)
        wait_until(lambda: snapshot(server, run)["last_event_id"] > 1000, "the viewer lags")
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not server.address.is_open(), "it no longer listens")
        seen: list[Message] = list(viewer.messages())
        assert [message.id for message in seen] == list(range(1, len(seen) + 1))
        assert len(seen) > 1000
        assert (seen[-1].event, seen[-1].json["reason"]) == ("done", "shutdown")
        assert server.process.wait(30) == 0


def test_one_request_at_a_time(notes: Notes) -> None:
    """gunicorn's sync worker exits although it is busy with a stream."""
    with serving(notes, "sync", drain=0.2) as server, Connection(server) as viewer:
        start(viewer, "pour", count=1, pause=3600, note="single")
        viewer.until("delta")
        terminate(server, viewer)
    assert notes.has("single")


def test_streams_without_an_extension(notes: Notes) -> None:
    """An application that only calls `stream()` is drained as well."""
    with serving(notes, "gevent", drain=0.2, app=PLAIN) as server, Connection(server) as viewer:
        viewer.request("GET", "/patient?note=plain")
        viewer.until("progress")
        terminate(server, viewer)
    assert notes.has("plain")


@pytest.mark.parametrize("app", ["with the extension", "plain"])
def test_streams_may_finish(notes: Notes, app: str) -> None:
    """`stream()` has as long as a run to finish."""
    path = "/patient?note=slowly" if app == "plain" else "/gated?note=slowly"
    with (
        serving(notes, "gevent", drain=30, app=PLAIN if app == "plain" else APP) as server,
        Connection(server) as viewer,
    ):
        viewer.request("GET", path)
        assert viewer.message().event == "start"
        drained(server, viewer, lambda: notes.leave("go slowly" if app == "plain" else "slowly 1"))
