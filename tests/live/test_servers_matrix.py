"""The same stream from every kind of server: gevent's own, gunicorn's workers, and servers without greenlets.

gunicorn's `sync` worker serves one request at a time: tests with a second one during a stream are skipped there.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.apps.notes import VARIABLE, Notes
from tests.apps.streams import SECRET
from tests.clients import Connection, Cut, request_bytes, wait_until
from tests.live.requests import APP, JSON, ask, inside, names, snapshot, start, start_unwatched, watch
from tests.servers import Server, flask_run, gunicorn, pywsgi

if TYPE_CHECKING:
    from tests.conftest import Certificate

Options = dict[str, Any]

KINDS: Final[dict[str, Callable[[Options], AbstractContextManager[Server]]]] = {
    "gevent": lambda options: gunicorn(APP, **options),
    "gevent-tls": lambda options: gunicorn(APP, **options),
    "gevent_pywsgi": lambda options: gunicorn(APP, worker_class="gevent_pywsgi", **options),
    "gevent_pywsgi-tls": lambda options: gunicorn(APP, worker_class="gevent_pywsgi", **options),
    "pywsgi": lambda options: pywsgi(APP, **options),
    "pywsgi-unpatched": lambda options: pywsgi(APP, patched=False, **options),
    "flask-run": lambda options: flask_run(APP, **options),
    "gthread": lambda options: gunicorn(APP, worker_class="gthread", args=["--threads", "8"], **options),
    "sync": lambda options: gunicorn(APP, worker_class="sync", **options),
}
ONE_AT_A_TIME: Final = "sync"


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of the server."""
    return str(request.param)


@pytest.fixture(scope="module")
def server(kind: str, notes: Notes, certificate: Certificate) -> Iterator[Server]:
    """One server of each kind."""
    env = {VARIABLE: str(notes.folder), "HEADWAY_HEARTBEAT": "0.2", "HEADWAY_SEND_TIMEOUT": "1"}
    tls: Options = {"certfile": certificate.certfile, "keyfile": certificate.keyfile} if kind.endswith("-tls") else {}
    with KINDS[kind]({"env": env, **tls}) as started:
        yield started


@pytest.fixture
def several(kind: str) -> None:
    """For tests with a request during a stream."""
    if kind == ONE_AT_A_TIME:
        pytest.skip("gunicorn's sync worker serves one request at a time")


def test_a_stream_without_a_run(server: Server) -> None:
    """`stream()` sends its events with the grammar around them."""
    with Connection(server) as viewer:
        head = viewer.request("GET", "/report")
        assert head.headers["content-type"] == "text/event-stream"
        assert names(list(viewer.messages())) == [
            "start", "progress", "delta", "delta", "partial", "note", "plain", "result", "done",
        ]  # fmt: skip


def test_a_run(server: Server) -> None:
    """A POST answers with the run's stream, and the run can be read afterwards."""
    with Connection(server) as viewer:
        run = start(viewer, "pour", count=3)
        assert names(list(viewer.messages())) == ["start", "delta", "delta", "delta", "result", "done"]
    ended = snapshot(server, run)
    assert (ended["status"], ended["result"], ended["last_event_id"]) == ("succeeded", 3, 6)


def test_a_run_in_a_process_and_a_thread(server: Server) -> None:
    """The other executors stream the same way."""
    for place in ("thread", "process"):
        with Connection(server) as viewer:
            start(viewer, "simulate", steps=2, interval=0, runs_in=place)
            assert names(list(viewer.messages())) == ["start", "progress", "progress", "result", "done"]


def test_resume(server: Server) -> None:
    """`Last-Event-ID` resumes after that event; after the last one there is nothing to send."""
    with Connection(server) as viewer:
        run = start(viewer, "pour", count=3)
        list(viewer.messages())
    with Connection(server) as viewer:
        watch(viewer, run, after=4)
        assert [message.id for message in viewer.messages()] == [5, 6]
    with Connection(server) as viewer:
        assert watch(viewer, run, after=6) == 204


def test_http_1_0(server: Server, kind: str) -> None:
    """A client of HTTP/1.0 gets no chunks: its stream ends with the connection, after `done`."""
    if kind == "flask-run":
        pytest.skip("werkzeug's server sends chunks to every client")
    with Connection(server) as viewer:
        viewer.send(request_bytes("GET", "/report").replace(b" HTTP/1.1", b" HTTP/1.0"))
        assert "transfer-encoding" not in viewer.response().headers
        assert names(list(viewer.messages()))[-2:] == ["result", "done"]


def test_head_does_no_work(server: Server, notes: Notes, kind: str) -> None:
    """HEAD is answered with the head of the stream; its generator does not start, and nothing stays open."""
    with Connection(server) as client:
        head = client.request("HEAD", f"/silent?note=head-{kind}")
        assert (head.status, head.headers["content-type"]) == (200, "text/event-stream")
        assert client.body() == b""
    assert inside(server)["viewers"] == 0
    assert not notes.has(f"head-{kind}")


def test_head_is_no_viewer(server: Server) -> None:
    """HEAD on a run's stream does not count as a viewer, with which the run would stop."""
    run = start_unwatched(server, "pour", count=2, pause=0.05)
    with Connection(server) as client:
        assert client.request("HEAD", f"/api/runs/{run}/events").headers["content-type"] == "text/event-stream"
    with Connection(server) as viewer:
        watch(viewer, run)
        assert viewer.until("done")[-1].json["status"] == "succeeded"


def test_streams_follow_one_another_on_a_connection(server: Server) -> None:
    """A connection that stays open carries the next request after a stream has ended."""
    with Connection(server) as viewer:
        viewer.request("GET", "/report")
        list(viewer.messages())
        if viewer.head.headers.get("connection") == "close":
            pytest.skip("this server closes after every response")
        viewer.request("HEAD", "/report")
        viewer.request("GET", "/bare")
        assert len(list(viewer.messages())) == 6


def test_heartbeats(server: Server) -> None:
    """A silent stream gets comments, with a run and without."""
    with Connection(server) as viewer:
        viewer.request("GET", "/silent?heartbeat=0.1")
        assert [viewer.comment(), viewer.comment()] == ["keep-alive", "keep-alive"]
    with Connection(server) as viewer:
        start(viewer, "pour", count=1, pause=3600)
        assert [viewer.comment(), viewer.comment()] == ["keep-alive", "keep-alive"]


@pytest.mark.parametrize("way", ["close", "reset"])
def test_a_viewer_that_leaves_stops_the_work(server: Server, notes: Notes, kind: str, way: str) -> None:
    """The `finally` of a silent generator runs once its viewer has left, by a close or a reset."""
    note = f"left by {way} {kind}"
    viewer = Connection(server)
    start(viewer, "pour", count=1, pause=3600, note=note)
    viewer.until("delta")
    assert not notes.has(note)
    getattr(viewer, way)()
    notes.when(note)


def test_a_stream_that_is_left_stops_its_work(server: Server, notes: Notes, kind: str) -> None:
    """The same without a run."""
    viewer = Connection(server)
    viewer.request("GET", f"/silent?note=streamed-{kind}&heartbeat=3600")
    viewer.until("progress")
    viewer.close()
    notes.when(f"streamed-{kind}")


def test_a_viewer_that_reads_nothing_is_cut(server: Server) -> None:
    """After the send timeout its stream is cut, and no longer open at the server."""
    with Connection(server, receive_buffer=32_768) as viewer:
        run = start(viewer, "lasting", count=200, size=100_000)
        wait_until(lambda: inside(server)["viewers"] == 0, "the viewer is cut")
        with pytest.raises((Cut, ConnectionError, ssl.SSLError)):
            list(viewer.messages())
    wait_until(lambda: snapshot(server, run)["status"] == "succeeded", "the run goes on to its end")


def test_an_error_in_the_middle(server: Server) -> None:
    """A generator that fails ends its stream with `error` and `done`."""
    with Connection(server) as viewer:
        viewer.request("GET", "/failing?how=unexpected")
        assert names(list(viewer.messages())) == ["start", "delta", "error", "done"]


def test_the_context_of_the_request(server: Server) -> None:
    """`stream_with_context` keeps the request for the generator, in any thread, for many at once."""

    def words(number: int) -> list[dict[str, Any]]:
        with Connection(server) as viewer:
            viewer.request("GET", f"/context?word=w{number}")
            asked = [message.json for message in viewer.until("done") if message.event == "asked"]
            return [{key: value for key, value in data.items() if key != "timestamp"} for data in asked]

    with ThreadPoolExecutor(6) as clients:
        assert list(clients.map(words, range(24))) == [[{"path": "/context"}, {"word": f"w{n}"}] for n in range(24)]


@pytest.mark.usefixtures("several")
def test_cancel(server: Server) -> None:
    """DELETE ends the run for its viewers, with the reason."""
    with Connection(server) as viewer:
        run = start(viewer, "pour", count=1, pause=3600)
        viewer.until("delta")
        assert ask(server, "DELETE", f"/api/runs/{run}")["status"] in ("cancelling", "cancelled")
        done = viewer.until("done")[-1].json
    assert (done["status"], done["reason"]) == ("cancelled", "requested")
    assert [ask(server, "DELETE", f"/api/runs/{run}")["status"] for _ in range(2)] == ["cancelled"] * 2


@pytest.mark.usefixtures("several")
def test_a_question(server: Server) -> None:
    """An answer in another request reaches the operation."""
    with Connection(server) as viewer:
        run = start(viewer, "curious")
        question = viewer.until("question")[-1].json["question"]
        answer = json.dumps({"question": question, "answer": True}).encode()
        ask(server, "POST", f"/api/runs/{run}/answer", JSON, answer)
        assert [message.event for message in viewer.messages()] == ["answer", "result", "done"]
    assert snapshot(server, run)["result"] is True


@pytest.mark.usefixtures("several")
def test_runs_are_listed(server: Server) -> None:
    """Every server has the list of runs, newest first."""
    with Connection(server) as viewer:
        run = start(viewer, "pour", count=0)
        list(viewer.messages())
    assert ask(server, "GET", "/api/runs?limit=1")["runs"][0]["id"] == run


@pytest.mark.usefixtures("several")
def test_many_streams_at_once(server: Server) -> None:
    """Six viewers of one run see the same, and once they have left none is counted."""
    with Connection(server) as first:
        run = start(first, "lasting", count=20, pause=0.01)
        others = [Connection(server) for _ in range(5)]
        for viewer in others:
            watch(viewer, run)
        seen = [list(viewer.messages()) for viewer in (first, *others)]
        assert names(seen[0])[-1] == "done"
        assert all(messages == seen[0] for messages in seen)
        for viewer in others:
            viewer.close()
    wait_until(lambda: snapshot(server, run)["viewers"] == 0, "nobody watches")


def test_the_log_has_no_other_errors(server: Server, kind: str) -> None:
    """After all of the above, the only exception in the log is the one that a test provoked."""
    if kind == "gevent_pywsgi-tls":
        pytest.skip("gevent.pywsgi logs each write to a TLS connection that has been cut")
    log = server.log()
    endings = {trace.strip().splitlines()[-1] for trace in re.findall(r"Traceback .*?\n(?=\S)[^\n]*", log, re.DOTALL)}
    assert endings <= {f"ValueError: {SECRET}"}
    assert not [line for line in log.splitlines() if "ignores its cancel" in line or "did not take" in line]
