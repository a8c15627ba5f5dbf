"""The bytes of a stream on its connection, and what each of several viewers of a run gets of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any, Final

import pytest

from streaming import RegistrationError, stream
from streaming.http.heartbeat import Heartbeat
from streaming.runtime.worker import Worker
from tests.apps.notes import VARIABLE, Notes
from tests.apps.streams import SECRET, create_app
from tests.clients import Connection, Cut, Message, parse_frames, request_bytes, wait_until
from tests.live.requests import APP, JSON, ask, inside, names, snapshot, start, start_unwatched, watch
from tests.servers import Server, gunicorn

STAMP: Final = rb'"timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"'

OWN_EVENTS: Final = """\
id: 2
event: progress
data: {STAMP,"message":"Page 1","done":1,"total":2,"unit":"pages"}

id: 3
event: delta
data: {STAMP,"text":"Once upon","channel":"text"}

id: 4
event: delta
data: {STAMP,"text":"Hm.","channel":"thinking"}

id: 5
event: partial
data: {STAMP,"key":"title","value":"Größe\\u2028"}

id: 6
event: note
data: {STAMP,"colour":"blue"}

id: 7
event: plain
data: one line
data: and another

"""

REPORT: Final = f"""\
retry: 2000

id: 1
event: start
data: {{STAMP,"operation":"report"}}

{OWN_EVENTS}id: 8
event: result
data: {{STAMP,"result":{{"pages":2}}}}

id: 9
event: done
data: {{STAMP,"status":"succeeded","elapsed":SECONDS}}

"""


@pytest.fixture(scope="module")
def server(notes: Notes) -> Iterator[Server]:
    """The application, as it is deployed."""
    with gunicorn(APP, env={VARIABLE: str(notes.folder)}) as started:
        yield started


@pytest.fixture(scope="module")
def forgetful() -> Iterator[Server]:
    """The application with a store that keeps some eight thousand bytes of a run."""
    with gunicorn("tests.apps.streams:forgetful()") as started:
        yield started


def body(server: Server, path: str) -> bytes:
    """The whole body of a response."""
    with Connection(server) as client:
        client.request("GET", path)
        return client.body()


def without_times(stream: bytes) -> str:
    """A stream with a word in place of each timestamp and duration."""
    stream = re.sub(STAMP, b"STAMP", stream)
    return re.sub(rb'"elapsed":\d+(\.\d{1,3})?\}', b'"elapsed":SECONDS}', stream).decode()


def chunks(server: Server, path: str) -> list[bytes]:
    """The chunks of a response (RFC 9112, section 7.1): gunicorn makes one of each block."""
    with Connection(server) as client:
        client.send(request_bytes("GET", path))
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            received += client.socket.recv(65536)
    rest, chunks = received.partition(b"\r\n\r\n")[2], []
    while size := int(rest.partition(b"\r\n")[0], 16):
        rest = rest.partition(b"\r\n")[2]
        chunks.append(rest[:size])
        rest = rest[size + 2 :]
    return chunks


# Bytes


def test_the_head(server: Server) -> None:
    """The head of a stream is exactly that of the contract, without a length."""
    with Connection(server) as viewer:
        head = viewer.request("GET", "/report")
    assert head.status == 200
    assert head.headers["content-type"] == "text/event-stream"
    assert head.headers["cache-control"] == "no-cache, no-transform"
    assert head.headers["x-accel-buffering"] == "no"
    assert "content-length" not in head.headers


def test_the_bytes_of_a_stream(server: Server) -> None:
    """`stream()` writes `retry` once, then frames of id, event and data in this order, LF only, from start to done."""
    assert without_times(body(server, "/report")) == REPORT


def test_the_bytes_without_a_lifecycle(server: Server) -> None:
    """`lifecycle=False` writes the generator's own events, numbered from 1, and nothing else."""
    own = re.sub(r"^id: (\d)", lambda match: f"id: {int(match[1]) - 1}", OWN_EVENTS, flags=re.MULTILINE)
    assert without_times(body(server, "/bare")) == "retry: 2000\n\n" + own


def test_the_bytes_of_a_run(server: Server) -> None:
    """The stream of a run also has its id in `start`, and is the same for later viewers."""
    with Connection(server) as viewer:
        run = start(viewer, "pour", count=1, size=9)
        first = viewer.body()
    assert without_times(first) == (
        "retry: 2000\n\n"
        f'id: 1\nevent: start\ndata: {{STAMP,"run":"{run}","operation":"pour"}}\n\n'
        'id: 2\nevent: delta\ndata: {STAMP,"text":"00000000 ","channel":"text"}\n\n'
        'id: 3\nevent: result\ndata: {STAMP,"result":1}\n\n'
        'id: 4\nevent: done\ndata: {STAMP,"status":"succeeded","elapsed":SECONDS}\n\n'
    )
    assert body(server, f"/api/runs/{run}/events") == first


def test_timestamps(server: Server) -> None:
    """The timestamp of an event is the time at which it was recorded."""
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    stamps = [datetime.fromisoformat(stamp.decode()) for stamp in re.findall(STAMP, body(server, "/paced?flush=each"))]
    assert len(stamps) == 12
    assert stamps == sorted(stamps)
    assert before <= stamps[0] < stamps[-1] <= datetime.now(UTC)


def test_start_comes_at_once(server: Server, notes: Notes) -> None:
    """Before the operation has yielded anything."""
    with Connection(server) as viewer:
        start(viewer, "gated", count=1, note="late")
        assert viewer.message().event == "start"
        notes.leave("late 1")
        assert [message.event for message in viewer.messages()] == ["progress", "result", "done"]


# Failures


@pytest.mark.parametrize("how", ["unexpected", "exit", "rubbish", "no-json"])
def test_nothing_internal_leaks(server: Server, how: str) -> None:
    """An unexpected failure has a fixed message with a reference, under which the log has the details."""
    stream = body(server, f"/failing?how={how}")
    *_, error, done = parse_frames(stream)
    assert names(parse_frames(stream)) == ["start", "delta", "error", "done"]
    assert (error.json["code"], error.json["retryable"], done.json["status"]) == ("operation_failed", False, "failed")
    for internal in (SECRET, "Traceback", "Error(", "streams.py", "Exit", "object at"):
        assert internal not in stream.decode()
    (reference,) = re.findall(r"\b[0-9a-f]{8}\b", error.json["message"])
    assert "Traceback" in server.log().partition(reference)[2].partition("reference")[0]


def test_an_operations_own_error(server: Server) -> None:
    """`OperationError` reaches the viewer as it was raised."""
    *_, error, done = parse_frames(body(server, "/failing?how=told"))
    expected = {"code": "out_of_paper", "message": "The printer has no paper.", "retryable": True}
    assert {key: error.json[key] for key in expected} == expected
    assert done.json["status"] == "failed"


def test_a_failure_without_a_lifecycle(server: Server) -> None:
    """With `lifecycle=False` a failure ends the stream after the generator's own events, without an `error`."""
    assert [message.event for message in parse_frames(body(server, "/failing?how=unexpected&bare"))] == ["delta"]


# The request's context


def test_the_context_of_the_request(server: Server) -> None:
    """Under `stream_with_context` a generator can read its request to the end, also with a slow view."""
    for slow in ("", "&slow"):
        messages = parse_frames(body(server, f"/context?word=hello{slow}"))
        assert names(messages) == ["start", "asked", "asked", "result", "done"]
        assert [message.json.get("path", message.json.get("word")) for message in messages[1:3]] == [
            "/context",
            "hello",
        ]


# Flush control


def test_each(server: Server) -> None:
    """`flush="each"` writes every event alone."""
    written = chunks(server, "/paced?flush=each")
    assert [len(parse_frames(chunk)) for chunk in written] == [1] * 12


def test_ready(server: Server) -> None:
    """`flush="ready"` writes pending events together, and never waits for more."""
    written = [len(parse_frames(chunk)) for chunk in chunks(server, "/paced?flush=ready&burst=300")]
    assert sum(written) == 903
    assert len(written) < 30
    assert set(accumulate(written)) >= {1, 301, 601, 901}, "nothing is pending while the generator waits"


def test_seconds(server: Server) -> None:
    """A number of seconds collects events across the generator's waits; the last events do not wait."""
    written = chunks(server, "/paced?flush=30&pause=0.01")
    assert [len(parse_frames(chunk)) for chunk in written] == [1, 11]


def test_seconds_pass(server: Server) -> None:
    """Collected events are written after these seconds, although no more come."""
    with Connection(server) as viewer:
        viewer.request("GET", "/paced?flush=0.05&pause=3600")
        assert [viewer.message().event for _ in range(4)] == ["start", "delta", "delta", "delta"]


@pytest.mark.parametrize("policy", ["ready", "30"])
def test_flush_now(server: Server, policy: str) -> None:
    """`yield flush()` writes pending events, whatever the policy is."""
    written = [
        len(parse_frames(chunk)) for chunk in chunks(server, f"/paced?flush={policy}&pause=0.01&burst=30&now=40")
    ]
    assert 1 + 40 in accumulate(written)
    assert len(written) < 30


def test_an_operation_that_computes_delays_no_event(server: Server, notes: Notes) -> None:
    """Each event is delivered before the operation computes on, in a greenlet too."""
    with Connection(server) as viewer:
        start(viewer, "burning", count=3, note="burnt")
        for number in range(1, 4):
            assert viewer.until("progress")[-1].json["done"] == number
            notes.leave(f"burnt {number}")
        assert viewer.until("done")[-1].json["status"] == "succeeded"


def test_an_operation_that_computes_lets_others_in(server: Server) -> None:
    """At each event the worker looks at its sockets: it answers requests, and notices disconnects."""
    viewer = Connection(server)
    run = start(viewer, "simulate", steps=1000, interval=0, burn=0.2)
    before = viewer.until("progress")[-1].json["done"]
    assert snapshot(server, run)["progress"]["done"] - before < 8
    viewer.close()
    wait_until(lambda: snapshot(server, run)["status"] == "cancelled", "the run is cancelled")
    assert snapshot(server, run)["progress"]["done"] < 100


def test_a_generator_that_never_waits(server: Server) -> None:
    """A generator without a pause lets other requests in, and stops with its viewer."""
    viewer = Connection(server)
    viewer.request("GET", "/endless")
    with ThreadPoolExecutor(1) as reader:
        read = reader.submit(lambda: [viewer.message().id for _ in range(20_000)])
        assert len(parse_frames(body(server, "/report"))) == 9
        assert read.result() == list(range(1, 20_001))
    viewer.reset()
    wait_until(lambda: inside(server)["viewers"] == 0, "the stream has ended")


def test_a_response_that_is_dropped(server: Server, notes: Notes) -> None:
    """A stream that the application replaces has no viewer, so its work stops, or does not even start."""
    with Connection(server) as client:
        client.request("GET", "/silent?note=thrown", {"X-Replace": "yes"})
        assert client.body() == b"instead"
    body = b'{"count": 1, "pause": 3600, "note": "thrown run"}'
    with Connection(server) as client:
        client.request("POST", "/api/operations/pour", {**JSON, "X-Replace": "yes"}, body)
        assert client.body() == b"instead"
    notes.when("thrown run")
    assert not notes.has("thrown")
    wait_until(lambda: inside(server)["viewers"] == 0, "no stream is open")


@pytest.mark.parametrize("seconds", [0, -1, math.nan])
@pytest.mark.parametrize("name", ["heartbeat", "send_timeout"])
def test_seconds_are_above_zero(name: str, seconds: float) -> None:
    """A heartbeat or a send timeout without a pause is refused at the call."""
    options: dict[str, Any] = {name: seconds}
    with create_app().test_request_context(), pytest.raises(RegistrationError, match=f"{name}={seconds}"):
        stream(iter(()), **options)


def test_the_applications_own_clean_up(server: Server, notes: Notes) -> None:
    """`Response.call_on_close` of the application works as usual, beside the stream's own end, and on HEAD."""
    viewer = Connection(server)
    viewer.request("GET", "/silent?note=ended&closing=closed")
    viewer.until("progress")
    assert not notes.has("closed")
    viewer.close()
    notes.when("ended")
    notes.when("closed")
    with Connection(server) as client:
        client.request("HEAD", "/silent?note=headless&closing=head")
    notes.when("head")
    assert not notes.has("headless")


def test_flasks_test_client() -> None:
    """Flask's test client reads whole streams and runs, and can close them in the middle."""
    client = create_app().test_client()
    assert without_times(client.get("/report").data) == REPORT
    assert names(parse_frames(client.post("/api/operations/pour", json={"count": 1}).data))[-1] == "done"
    with client.get("/endless", buffered=False) as response:
        first: Any = next(iter(response.response))
        assert first.startswith(b"retry: 2000\n\nid: 1\nevent: start\n")
    wait_until(lambda: not Worker.current().part(Heartbeat).viewers, "the stream has ended")


# Several viewers of one run


def test_viewers_see_the_same_whenever_they_come(server: Server, notes: Notes) -> None:
    """Two viewers, one of them late, get the same events up to the end, and count meanwhile."""
    with Connection(server) as early, Connection(server) as late:
        run = start(early, "gated", count=2, note="shared")
        notes.leave("shared 1")
        seen = early.until("progress")
        watch(late, run)
        assert late.until("progress") == seen
        assert snapshot(server, run)["viewers"] == 2
        notes.leave("shared 2")
        assert list(early.messages()) == list(late.messages())
    wait_until(lambda: snapshot(server, run)["viewers"] == 0, "nobody watches")


def test_a_run_that_one_of_two_viewers_leaves(server: Server, notes: Notes) -> None:
    """A run goes on for the viewer that stays, and stops with the last one."""
    with Connection(server) as stays:
        goes = Connection(server)
        run = start(goes, "pour", count=1, pause=3600, note="left alone")
        watch(stays, run)
        stays.until("delta")
        goes.until("delta")
        goes.close()
        wait_until(lambda: snapshot(server, run)["viewers"] == 1, "one has left")
        assert snapshot(server, run)["status"] == "running"
        stays.close()
    notes.when("left alone")
    wait_until(lambda: snapshot(server, run)["status"] == "cancelled", "the run is cancelled")
    last = list_of(server, run)[-1].json
    assert (last["status"], last["reason"]) == ("cancelled", "disconnected")


def list_of(server: Server, run: str) -> list[Message]:
    """All events of a run that has ended."""
    return parse_frames(body(server, f"/api/runs/{run}/events"))


@pytest.mark.parametrize("after", [0, 1, 5, 11])
def test_resume(server: Server, after: int) -> None:
    """After `Last-Event-ID`, in the header or the query, a viewer of an ended run gets the events that follow."""
    run = start_unwatched(server, "pour", count=9)
    wait_until(lambda: snapshot(server, run)["status"] == "succeeded", "the run ends")
    with Connection(server) as viewer:
        assert watch(viewer, run, after=after) == 200
        assert [message.id for message in viewer.messages()] == list(range(after + 1, 13))
    messages = parse_frames(body(server, f"/api/runs/{run}/events?last_event_id={after}"))
    assert [message.id for message in messages] == list(range(after + 1, 13))


def test_resume_while_it_runs(server: Server, notes: Notes) -> None:
    """A viewer that lost its connection misses nothing, and sees nothing twice."""
    with Connection(server) as viewer:
        run = start(viewer, "gated", count=3, note="resumed")
        notes.leave("resumed 1")
        seen = viewer.until("progress")
        viewer.reset()
    notes.leave("resumed 2")
    with Connection(server) as again:
        watch(again, run, after=len(seen))
        notes.leave("resumed 3")
        seen += again.until("done")
    assert names(seen) == ["start", "progress", "progress", "progress", "result", "done"]


def test_nothing_is_left_to_send(server: Server) -> None:
    """After the last event the answer is 204, with which an `EventSource` stops reconnecting."""
    with Connection(server) as viewer:
        run = start(viewer, "pour", count=1)
        last = viewer.until("done")[-1].id
    with Connection(server) as viewer:
        assert watch(viewer, run, after=last) == 204
        assert viewer.body() == b""


def test_a_gap_is_told(forgetful: Server) -> None:
    """If events are gone, the viewer gets a `reset` with the snapshot first, and then every event that is kept."""
    run = start_unwatched(forgetful, "lasting", count=200, size=100)
    wait_until(lambda: snapshot(forgetful, run)["status"] == "succeeded", "the run ends")
    for after in (None, 5):
        with Connection(forgetful) as viewer:
            watch(viewer, run, after=after)
            reset, *rest = viewer.messages()
        assert (reset.event, reset.json["snapshot"]) == ("reset", {**snapshot(forgetful, run), "viewers": 1})
        assert re.fullmatch(STAMP, f'"timestamp":"{reset.json["timestamp"]}"'.encode())
        assert [message.id for message in rest] == list(range(rest[0].id or 0, 204))
        assert (reset.id, rest[0].id) > (5, 100)
        assert reset.id == (rest[0].id or 0) - 1


def test_no_gap_no_reset(forgetful: Server) -> None:
    """A viewer that has seen the events that are gone gets no `reset`."""
    run = start_unwatched(forgetful, "lasting", count=200, size=100)
    wait_until(lambda: snapshot(forgetful, run)["status"] == "succeeded", "the run ends")
    with Connection(forgetful) as viewer:
        watch(viewer, run, after=190)
        assert [message.id for message in viewer.messages()] == list(range(191, 204))


def test_a_stream_that_breaks_off_has_no_done(notes: Notes) -> None:
    """The viewers of a worker that dies get no `done`, and an incomplete response."""
    with gunicorn(APP, env={VARIABLE: str(notes.folder)}) as server, Connection(server) as viewer:
        start(viewer, "gated", count=1, note="never")
        viewer.until("start")
        server.kill()
        with pytest.raises((Cut, ConnectionError)):
            viewer.until("done")


def test_the_runs_of_a_worker(server: Server) -> None:
    """They are listed, newest first, page by page."""
    runs = [start_unwatched(server, "pour", count=0) for _ in range(3)]
    newest = ask(server, "GET", "/api/runs?limit=2")["runs"]
    assert [run["id"] for run in newest] == runs[:0:-1]
    older = ask(server, "GET", f"/api/runs?limit=1&before={runs[1]}")["runs"]
    assert [run["id"] for run in older] == runs[:1]
