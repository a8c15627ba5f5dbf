"""What stops when a viewer leaves or a run is cancelled, for work of each kind, and what does not."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.apps.notes import VARIABLE, Notes
from tests.clients import Connection, Message, request_bytes, wait_until
from tests.figures import Figures
from tests.servers import Server, children, gunicorn

APP = "tests.apps.stopping:app"

KINDS = ("silent", "thread", "sleeping", "burning")
"""A greenlet, a thread in C code, a process that sleeps, and one that computes."""

PLACES = ("greenlet", "thread", "process")

note_names = map("note{}".format, itertools.count())


@pytest.fixture(scope="module")
def server(notes: Notes) -> Iterator[Server]:
    """One gunicorn with one worker."""
    with serve(notes) as started:
        yield started


def serve(notes: Notes, **env: str) -> contextlib.AbstractContextManager[Server]:
    """A gunicorn of one worker whose operations leave these notes."""
    return gunicorn(APP, env={VARIABLE: str(notes.folder), "HEADWAY_MAX_RUNS_PER_CLIENT": "1000", **env})


present: list[Connection] = []


@pytest.fixture(autouse=True)
def goodbye() -> Iterator[None]:
    """Disconnects the viewers of a test at its end."""
    yield
    while present:
        present.pop().socket.close()


def connect(server: Server) -> Connection:
    """A viewer's connection."""
    present.append(Connection(server))
    return present[-1]


def watch(server: Server, operation: str, note: str = "", place: str = "greenlet") -> Connection:
    """A run's first viewer."""
    viewer = connect(server)
    viewer.send(starting(operation, note, place))
    assert viewer.response().status == 200
    return viewer


def join(server: Server, run: str) -> Connection:
    """Another viewer of a run."""
    viewer = connect(server)
    assert viewer.request("GET", f"/runs/{run}/events").status == 200
    return viewer


def starting(operation: str, note: str = "", place: str = "greenlet") -> bytes:
    """The request that starts a run; `place` is for operations that run in any executor."""
    body = json.dumps({"note": note, "place": place}).encode()
    return request_bytes("POST", f"/operations/{operation}", {"Content-Type": "application/json"}, body)


def at_work(viewer: Connection) -> Message:
    """The first event after `start`, which shows that the operation runs."""
    assert viewer.message().event == "start"
    return viewer.message()


def run_of(viewer: Connection) -> str:
    """The id of the run that the viewer started."""
    return viewer.head.headers["run-id"]


def begin(server: Server, operation: str, note: str = "") -> str:
    """Starts a run without a viewer."""
    answer = httpx.post(
        f"{server.url}/operations/{operation}", json={"note": note}, headers={"Prefer": "respond-async"}
    )
    assert answer.status_code == 202
    return str(answer.json()["id"])


def snapshot(server: Server, run: str) -> dict[str, Any]:
    """The snapshot of a run."""
    answer: dict[str, Any] = httpx.get(f"{server.url}/runs/{run}").json()
    return answer


def ending(server: Server, run: str) -> dict[str, Any]:
    """The `done` of a run, once it is over."""
    done: dict[str, Any] = join(server, run).until("done")[-1].json
    return done


# The last viewer leaves


@pytest.mark.parametrize("kind", KINDS)
def test_work_stops_when_its_only_viewer_goes(
    server: Server, notes: Notes, kind: str, long: bool, figures: Figures
) -> None:
    """With linger 0 the `finally` of any kind of work has run within 100 ms after its only viewer has left."""
    delays = [delay(server, notes, kind) for _ in range(100 if long else 10)]
    figures.times("from a viewer's close to the end of its operation", delays)
    assert statistics.median(delays) < 0.1
    assert max(delays) < 5


def delay(server: Server, notes: Notes, kind: str) -> float:
    """Seconds from the close of a run's only viewer to the end of its operation's `finally`."""
    note = next(note_names)
    viewer = watch(server, kind, note)
    at_work(viewer)
    gone = time.monotonic()
    viewer.close()
    took = notes.when(note) - gone
    assert ending(server, run_of(viewer)).items() >= {"status": "cancelled", "reason": "disconnected"}.items()
    return took


@pytest.mark.parametrize("place", PLACES)
def test_work_that_waits_for_an_answer_stops_too(server: Server, notes: Notes, place: str) -> None:
    """An open question does not keep a run: it stops with its viewer, wherever it runs."""
    note = next(note_names)
    viewer = watch(server, "asking", note, place)
    assert at_work(viewer).event == "question"
    gone = time.monotonic()
    viewer.close()
    assert notes.when(note) - gone < 5


def test_work_goes_on_while_one_of_two_viewers_stays(server: Server, notes: Notes) -> None:
    """When the first of two viewers leaves, the run continues; when the last one leaves, it stops."""
    note = next(note_names)
    first = watch(server, "silent", note)
    at_work(first)
    second = join(server, run_of(first))
    at_work(second)
    assert snapshot(server, run_of(first))["viewers"] == 2
    first.close()
    wait_until(lambda: snapshot(server, run_of(first))["viewers"] == 1, "the first viewer is not counted any more")
    another_run_comes_and_goes(server, notes)
    assert snapshot(server, run_of(first))["status"] == "running"
    second.close()
    notes.when(note)


def another_run_comes_and_goes(server: Server, notes: Notes) -> None:
    """Takes long enough to show a run that was stopped by mistake."""
    delay(server, notes, "silent")


def test_work_that_nobody_has_watched_has_not_been_left(server: Server, notes: Notes) -> None:
    """A run started without a stream continues to its end, even with linger 0; who asks for it is no viewer."""
    note = next(note_names)
    run = begin(server, "patient", note)
    assert httpx.head(f"{server.url}/runs/{run}/events").status_code == 200
    assert snapshot(server, run)["viewers"] == 0
    another_run_comes_and_goes(server, notes)
    notes.leave(f"go {note}")
    assert ending(server, run)["status"] == "succeeded"


def test_work_lingers(server: Server, notes: Notes) -> None:
    """After its last viewer has left a run continues for its linger, and then it stops."""
    note = next(note_names)
    viewer = watch(server, "lingering", note)
    at_work(viewer)
    gone = time.monotonic()
    viewer.close()
    assert 0.3 <= notes.when(note) - gone < 10
    assert ending(server, run_of(viewer))["reason"] == "disconnected"


def test_a_viewer_that_comes_back_saves_its_run(server: Server, notes: Notes) -> None:
    """A run with a viewer again within its linger continues, and lingers again after that one."""
    note = next(note_names)
    viewer = watch(server, "lingering", note)
    at_work(viewer)
    viewer.close()
    again = join(server, run_of(viewer))
    at_work(again)
    time.sleep(0.6)  # twice the linger: that of the first viewer would be over by now
    assert snapshot(server, run_of(viewer))["status"] == "running"
    gone = time.monotonic()
    again.close()
    assert notes.when(note) - gone >= 0.3


def test_work_that_needs_no_viewer(server: Server, notes: Notes) -> None:
    """With linger None a run continues without viewers, and can still be cancelled."""
    note = next(note_names)
    viewer = watch(server, "lasting", note)
    at_work(viewer)
    viewer.close()
    wait_until(lambda: snapshot(server, run_of(viewer))["viewers"] == 0, "the viewer is not counted any more")
    another_run_comes_and_goes(server, notes)
    assert snapshot(server, run_of(viewer))["status"] == "running"
    httpx.delete(f"{server.url}/runs/{run_of(viewer)}")
    notes.when(note)


# A cancel on request


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancel_stops_silent_work(server: Server, notes: Notes, kind: str) -> None:
    """DELETE stops silent work of any kind, its `finally` runs, and its viewer gets the reason."""
    note = next(note_names)
    viewer = watch(server, kind, note)
    at_work(viewer)
    asked = time.monotonic()
    answer = httpx.delete(f"{server.url}/runs/{run_of(viewer)}")
    assert answer.status_code == 202
    assert answer.json()["status"] in ("cancelling", "cancelled")
    rest = viewer.until("done")
    assert len(rest) == 1
    assert rest[0].json.items() >= {"status": "cancelled", "reason": "requested"}.items()
    assert notes.when(note) - asked < 5
    repeated = httpx.delete(f"{server.url}/runs/{run_of(viewer)}")
    assert (repeated.status_code, repeated.json()["status"]) == (200, "cancelled")


@pytest.mark.parametrize("place", PLACES)
def test_the_last_event_waits_for_the_tidying_up(server: Server, notes: Notes, place: str) -> None:
    """A slow `finally` runs to its end, and `done` comes after it."""
    note = next(note_names)
    viewer = watch(server, "tidying", note, place)
    at_work(viewer)
    httpx.delete(f"{server.url}/runs/{run_of(viewer)}")
    assert viewer.until("done")[-1].json["reason"] == "requested"
    assert notes.has(note)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancel_that_comes_at_once(server: Server, kind: str, long: bool) -> None:
    """Work that is cancelled before or while it starts is stopped as well, with everything that it started."""
    for _ in range(100 if long else 10):
        run = begin(server, kind)
        asked = time.monotonic()
        httpx.delete(f"{server.url}/runs/{run}")
        assert ending(server, run)["reason"] == "requested"
        assert time.monotonic() - asked < 2


def test_a_cancel_reaches_what_a_greenlet_waits_for(server: Server, notes: Notes) -> None:
    """The hook around a wait is called before the wait is interrupted, which removes the hook."""
    note = next(note_names)
    viewer = watch(server, "pooled", note)
    at_work(viewer)
    viewer.close()
    notes.when(note)


def test_work_that_ends_by_itself_is_not_cancelled(server: Server, notes: Notes) -> None:
    """A hook is not called where the operation has ended without a cancel."""
    note = next(note_names)
    assert watch(server, "hooked", note).until("done")[-1].json["status"] == "succeeded"
    another_run_comes_and_goes(server, notes)
    assert not notes.has(note)


@pytest.mark.parametrize("kind", KINDS)
def test_viewers_that_go_at_once(server: Server, kind: str) -> None:
    """Work whose viewer leaves before it has started is stopped as well, and as fast."""
    viewers = [connect(server) for _ in range(20)]
    for viewer in viewers:
        viewer.send(starting(kind))
        viewer.close()
    gone = time.monotonic()
    wait_until(lambda: not live_runs(server), "all of them have been stopped")
    assert time.monotonic() - gone < 3  # ten times what it takes on an idle machine: 20 forks, and their ends


def live_runs(server: Server) -> int:
    """How many live runs the worker has."""
    return int(httpx.get(f"{server.url}/inside").json()["runs"])


def test_a_stream_that_its_host_throws_away_is_no_viewer(server: Server, notes: Notes) -> None:
    """Where the application fails after the stream was made, its run stops when the response is collected."""
    note, viewer = next(note_names), connect(server)
    body = json.dumps({"note": note}).encode()
    headers = {"Content-Type": "application/json", "Throw-Away": "1"}
    assert viewer.request("POST", "/operations/patient", headers, body).status == 500
    viewer.body()
    live_runs(server)  # which collects garbage
    notes.when(note)
    viewer.send(starting("silent"))
    viewer.response()
    at_work(viewer)


# Children


def test_a_child_that_ignores_sigterm_is_killed(server: Server) -> None:
    """One that has replaced its signal handler and one that never returns from C code are ended by SIGKILL."""
    viewers = [watch(server, kind) for kind in ("ignoring", "stuck")]
    pids = [at_work(viewer).json["value"] for viewer in viewers]
    for viewer in viewers:
        httpx.delete(f"{server.url}/runs/{run_of(viewer)}")
    for viewer in viewers:
        assert viewer.until("done")[-1].json["reason"] == "requested"
    assert not [pid for pid in pids if is_alive(pid)]


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie (state Z, proc(5))."""
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def test_a_childs_own_child_goes_with_it(server: Server) -> None:
    """A process that an operation's process has started and not waited for ends with the run."""
    viewer = watch(server, "parent")
    pid = at_work(viewer).json["value"]
    assert is_alive(pid)
    viewer.close()
    wait_until(lambda: not is_alive(pid), "the child's child is gone")


@pytest.mark.parametrize("killed", ["worker", "master"])
def test_children_die_with_their_worker(notes: Notes, killed: str) -> None:
    """When a worker is killed, or drains because its master was, its fork server ends, and every child."""
    with serve(notes, HEADWAY_DRAIN="1") as server:
        viewers = [watch(server, kind) for kind in ("sleeping", "burning", "ignoring", "parent")]
        pids = [at_work(viewer).json["value"] for viewer in viewers]
        (worker,) = server.worker_pids()
        (fork_server,) = children(worker)
        assert set(children(fork_server)) >= set(pids[:3])
        os.kill(worker if killed == "worker" else server.pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, [fork_server, *pids])), "the fork server and the children are gone")


def test_a_fork_server_that_is_lost_is_replaced(notes: Notes) -> None:
    """Runs whose fork server is killed fail, their children end, and the next run gets a new one."""
    with serve(notes) as server:
        viewer = watch(server, "sleeping")
        pid = at_work(viewer).json["value"]
        (fork_server,) = children(server.worker_pids()[0])
        os.kill(fork_server, signal.SIGKILL)
        assert viewer.until("done")[-1].json["status"] == "failed"
        wait_until(lambda: not is_alive(pid), "the child is gone")
        again = watch(server, "sleeping")
        assert at_work(again).event == "partial"


def test_stray_output_of_a_child_is_not_in_its_stream(server: Server) -> None:
    """Output of a child or of its own child goes to the log, and its events come as they were yielded."""
    events = [(message.event, message.json.get("value")) for message in watch(server, "printing").messages()]
    assert events == [
        ("start", None),
        ("partial", 1),
        ("partial", 2),
        ("partial", 3),
        ("result", None),
        ("done", None),
    ]
    for stray in ("stray print 3", "stray write", "stray child", "stray text"):
        assert stray in server.log()
