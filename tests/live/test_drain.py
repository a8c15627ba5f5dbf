"""A worker that is told to stop takes no new runs, lets the live ones finish, and sends its viewers to another one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from tests.clients import Connection, Cut, Message, parse_frame, wait_until
from tests.figures import Figures
from tests.live.workers import JSON, STORES, Workers, check_numbers, note_names, run_of, worker_of, workers
from tests.servers import processes, scratch

every_store = pytest.mark.parametrize("store", STORES)

GRACE = 10.0
"""Seconds that a stop may take after the runs that it waits for; gunicorn's graceful timeout is 13 and more."""


def stop(shared: Workers, pid: int) -> None:
    """Stops one worker; gunicorn starts another in its place."""
    os.kill(pid, signal.SIGTERM)


def frames(viewer: Connection) -> list[Message]:
    """All frames up to the clean end of a stream, `retry` and comments too."""
    messages = []
    while (frame := viewer.frame()) is not None:
        messages.append(parse_frame(frame))
    return messages


def is_draining(clients: list[Connection]) -> bool:
    """Whether a worker answers that it is draining; one that stops answers once on each connection."""
    client = clients.pop()
    status = client.request("GET", "/health/ready").status
    problem = client.body()
    return status == 503 and b'"draining"' in problem


@pytest.fixture(scope="module", params=STORES)
def shared(request: pytest.FixtureRequest) -> Iterator[Workers]:
    """Two workers whose runs have half a minute to finish."""
    with workers(request.param, 2, env={"HEADWAY_DRAIN": "30"}) as started:
        yield started


def test_a_stopping_worker_takes_no_new_runs(shared: Workers) -> None:
    """While it drains it answers a start with 503 and Retry-After, and is alive, but not ready."""
    pid = shared.pids[0]
    clients = [shared.connect(pid) for _ in range(100)]
    run = shared.start_unwatched("counting", pid, count=15, pause=0.1)
    stop(shared, pid)
    wait_until(lambda: is_draining(clients), "the worker is draining")
    starter, prober, asker, *_ = clients
    head = starter.request("POST", "/operations/counting", JSON, b"{}")
    assert (head.status, head.headers["retry-after"]) == (503, "1")
    assert b'"draining"' in starter.body()
    assert prober.request("GET", "/health/live").status == 200
    head = asker.request("GET", f"/runs/{run}")
    assert head.status == 200
    assert b'"running"' in asker.body()
    assert shared.watch(run).until("done")[-1].json["status"] == "succeeded"
    wait_until(lambda: pid not in shared.pids, "the worker has exited")


def test_the_arbiter_is_killed(long: bool) -> None:
    """Its workers drain as on SIGTERM: viewers are told, `finally` blocks run, and all processes end."""
    for worker_class in ("gevent", "gevent_pywsgi", "gthread") if long else ("gevent",):
        with workers("sqlite", 2, env={"HEADWAY_DRAIN": "0.2"}, args=["-k", worker_class]) as shared:
            pids, note = shared.pids, next(note_names)
            viewer = shared.start("silent", pids[0], note=note)
            viewer.until("progress")
            os.kill(shared.server.pid, signal.SIGKILL)
            assert viewer.until("done")[-1].json["reason"] == "shutdown"
            assert shared.notes.has(note)
            wait_until(lambda pids=pids: not any(each.pid in pids for each in processes()), "the workers have exited")  # type: ignore[misc]


def test_runs_finish(shared: Workers) -> None:
    """Live runs end by themselves, watched here, elsewhere, or not at all, and then the worker exits."""
    pid = shared.pids[0]
    runs = [shared.start_unwatched("counting", pid, count=20, pause=0.1) for _ in range(3)]
    own = shared.start("watched", pid=pid, count=20, pause=0.1)
    viewers = [own, shared.watch(runs[0], pid), shared.watch(runs[1], shared.other(pid))]
    began = time.monotonic()
    stop(shared, pid)
    for viewer in viewers:
        seen = viewer.until("done")
        check_numbers(seen)
        assert (len(seen), seen[-1].json["status"]) == (23, "succeeded")
    wait_until(lambda: pid not in shared.pids, "the worker has exited")
    assert time.monotonic() - began < 2 + GRACE
    for run in runs:
        assert shared.snapshot(run)["status"] == "succeeded"


def test_viewers_are_sent_away(shared: Workers) -> None:
    """Viewers of another worker's runs get a `retry`, each another one; their runs wait for them."""
    leaving, staying = shared.pids
    viewers, firsts = [], []
    for _ in range(20):
        first = shared.start("watched", pid=staying, count=10_000, pause=0.1)
        viewers.append(shared.watch(run_of(first.head), leaving))
        firsts.append(first)
    for first, viewer in zip(firsts, viewers, strict=True):
        viewer.message()
        first.close()  # nobody else watches the run: it has no linger
    stop(shared, leaving)
    with ThreadPoolExecutor(len(viewers)) as pool:
        seen = list(pool.map(frames, viewers))
    retries = [each[-1].retry for each in seen]
    assert all(retry is not None and 500 <= retry < 3000 for retry in retries)
    assert len(set(retries)) > 10
    wait_until(lambda: leaving not in shared.pids, "the worker has exited")
    for first, before in zip(firsts, seen, strict=True):
        last = max(message.id for message in before if message.id is not None)
        again = shared.watch(run_of(first.head), after=last)
        assert again.message().id == last + 1
        assert shared.snapshot(run_of(first.head))["status"] == "running"


def test_nobody_is_refused_meanwhile(shared: Workers) -> None:
    """A viewer that comes while a worker stops gets its stream: an `EventSource` that is refused never returns."""
    leaving, staying = shared.pids
    run = shared.start_unwatched("counting", staying, count=10_000, pause=0.1)
    gate = next(note_names)
    busy = shared.start_unwatched("counting", leaving, count=10, pause=0.1, gate=gate)
    kept_alive, *clients = [shared.connect(leaving) for _ in range(100)]
    stop(shared, leaving)
    wait_until(lambda: is_draining(clients), "the worker is draining")
    assert view(kept_alive, run) == leaving
    shared.notes.leave(gate)
    while leaving in shared.pids:
        for client in [shared.connect() for _ in range(8)]:  # at once: either worker gets some, while it accepts
            view(client, run)
    assert shared.snapshot(busy)["status"] == "succeeded"
    shared.ask("DELETE", f"/runs/{run}")


def view(client: Connection, run: str) -> int:
    """Checks that the client gets the stream of a run; gives the worker that it gets it from."""
    assert client.request("GET", f"/runs/{run}/events").status == 200
    assert client.message().event == "start"
    client.close()
    return worker_of(client.head)


@pytest.mark.parametrize("worker_class", ["gevent", "gevent_pywsgi"])
def test_a_new_connection_without_a_request(worker_class: str) -> None:
    """A client that has just connected when a worker stops has a second for its request, and is answered."""
    with workers("sqlite", 1, args=["-k", worker_class]) as shared:
        (pid,) = shared.pids
        shared.ask("GET", "/worker")
        clients = [shared.connect() for _ in range(5)]
        stop(shared, pid)
        time.sleep(0.5)  # the worker is idle, and notices the stop meanwhile
        for client in clients:
            assert client.request("GET", "/health/live").status == 200


@every_store
def test_what_is_left_is_cancelled(store: str) -> None:
    """After `HEADWAY_DRAIN` seconds the other runs end as `cancelled` and `shutdown`, with their `finally` and `done`.

    SIGTERM to the master ends everything, long before gunicorn would cut it, and the store keeps the ends.
    """
    with scratch() as folder:
        with workers(store, 2, env={"HEADWAY_DRAIN": "1"}, folder=folder) as shared:
            notes = [next(note_names) for _ in range(4)]
            own = [shared.start("silent", pid=pid, note=note) for pid, note in zip(shared.pids, notes, strict=False)]
            unwatched = shared.start_unwatched("silent", shared.pids[0], note=notes[2])
            talking = shared.start("watched", pid=shared.pids[1], note=notes[3], count=10_000, pause=0.01)
            for viewer in own:
                viewer.until("progress")
            began = time.monotonic()
            assert shared.server.stop() == 0
            assert 1 <= time.monotonic() - began < 1 + GRACE
            for viewer in (*own, talking):
                done = viewer.until("done")[-1]
                assert (done.json["status"], done.json["reason"]) == ("cancelled", "shutdown")
            assert all(map(shared.notes.has, notes))
            assert "graceful timeout" not in shared.server.log()
            runs = [run_of(viewer.head) for viewer in (*own, talking)]
        with workers(store, 1, folder=folder) as after:
            for run in (*runs, unwatched):
                done = after.watch(run).until("done")[-1].json
                assert (done["status"], done["reason"]) == ("cancelled", "shutdown")


@pytest.mark.parametrize(("store", "worker_class"), [("sqlite", "gevent"), ("redis", "gevent_pywsgi")])
def test_an_idle_worker_exits_at_once(store: str, worker_class: str) -> None:
    """With nothing but kept-alive connections, it exits in little more than gunicorn's own second."""
    args = ["-k", worker_class, "--keep-alive", "60"]
    with workers(store, 2, env={"HEADWAY_DRAIN": "20"}, args=args) as shared:
        shared.start("counting", count=3).until("done")
        for pid in shared.pids:
            for _ in range(5):
                shared.connect(pid)
        began = time.monotonic()
        assert shared.server.stop() == 0
        assert time.monotonic() - began < GRACE
        assert "Traceback" not in shared.server.log()


@dataclass
class Follower:
    """A viewer that reconnects, as an `EventSource` does, until it has seen the end."""

    shared: Workers
    run: str
    viewer: Connection
    seen: list[Message] = field(default_factory=list)
    visits: int = 1
    silence: float = 0.0
    served: set[int] = field(default_factory=set)
    _retry: float = 2.0

    def follow(self) -> Follower:
        """Reads the run to its end."""
        while not self._read():
            time.sleep(self._retry)
            self._come_back()
        return self

    def _read(self) -> bool:
        self.served.add(worker_of(self.viewer.head))
        try:
            return self._read_frames()
        except (Cut, ConnectionError):
            return False

    def _read_frames(self) -> bool:
        last = time.monotonic()
        while (frame := self.viewer.frame()) is not None:
            message = parse_frame(frame)
            if message.retry is not None:
                self._retry = message.retry / 1000
            if message.event:
                self.silence = max(self.silence, time.monotonic() - last)
                last = time.monotonic()
                self.seen.append(message)
                if message.event == "done":
                    return True
        return False

    def _come_back(self) -> None:
        self.visits += 1
        while True:
            try:
                self.viewer = self.shared.watch(self.run, after=self.seen[-1].id)
                return
            except (Cut, ConnectionError):
                time.sleep(0.1)


@every_store
def test_a_reload_under_five_hundred_streams(store: str, figures: Figures) -> None:
    """`kill -HUP` of the master loses and repeats no event, also for viewers that the worker must send away."""
    with workers(store, 2, env={"HEADWAY_DRAIN": "30"}) as shared:
        old = shared.pids
        heads = [
            shared.start("watched", pid=old[number % 2], count=(20, 60)[number % 2], pause=0.1, gate="all are there")
            for number in range(50)
        ]
        followers = [
            Follower(shared, run_of(head.head), shared.watch(run_of(head.head))) for head in heads for _ in range(9)
        ]
        followers += [Follower(shared, run_of(head.head), head) for head in heads]
        assert len(followers) == 500
        with ThreadPoolExecutor(len(followers)) as pool:
            reading = [pool.submit(follower.follow) for follower in followers]
            shared.notes.leave("all are there")
            os.kill(shared.server.pid, signal.SIGHUP)
            done = [each.result() for each in reading]
        silence = max(follower.silence for follower in done)
        figures.fault("SIGHUP under 500 streams", 1, [follower.seen for follower in done], silence)
        for follower in done:
            check_numbers(follower.seen)
            assert follower.seen[-1].json["status"] == "succeeded"
        assert any(follower.visits > 1 for follower in done)
        assert any(follower.served - set(old) for follower in done)
        wait_until(lambda: not set(old) & set(shared.pids), "the old workers have exited")
