"""A viewer that comes back, on any worker, sees every event once, or is told plainly what it missed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from tests.clients import Connection, Message, wait_until
from tests.figures import Figures
from tests.live.workers import STORES, Workers, check_numbers, closing, run_of, worker_of, workers


@pytest.fixture(scope="module", params=STORES)
def shared(request: pytest.FixtureRequest) -> Iterator[Workers]:
    """Three workers over one store."""
    with workers(request.param, 3) as started:
        yield started


def finished(shared: Workers, count: int = 5) -> str:
    """A run that is over, of `count` numbers."""
    viewer = shared.start("counting", count=count)
    viewer.until("done")
    return run_of(viewer.head)


def take(viewer: Connection, number: int) -> list[Message]:
    """The next events of a viewer."""
    return [viewer.message() for _ in range(number)]


def test_a_viewer_goes_on_where_it_stopped_on_every_worker(shared: Workers) -> None:
    """A live run is read in pieces from one worker after the other, with the header, without hole or repeat."""
    first = shared.start("counting", pid=shared.pids[0], count=40, pause=0.02)
    run, seen = run_of(first.head), take(first, 4)
    for pid in (*shared.pids, *shared.pids):
        viewer = shared.watch(run, pid, after=seen[-1].id)
        assert worker_of(viewer.head) == pid
        seen += take(viewer, 4)
        viewer.reset()
    seen += shared.watch(run, after=seen[-1].id).until("done")
    check_numbers(seen)
    assert len(seen) == 43  # start, the numbers, result and done


def test_a_viewer_says_in_the_query_where_it_stopped(shared: Workers) -> None:
    """`last_event_id` in the query does what the header does; the header, which browsers keep up to date, wins."""
    run = finished(shared)
    for pid in shared.pids:
        with closing(shared.connect(pid)) as viewer:
            viewer.request("GET", f"/runs/{run}/events?last_event_id=4")
            assert [message.id for message in viewer.messages()] == [5, 6, 7, 8]
        with closing(shared.connect(pid)) as viewer:
            viewer.request("GET", f"/runs/{run}/events?last_event_id=4", {"Last-Event-ID": "6"})
            assert [message.id for message in viewer.messages()] == [7, 8]


def age(message: Message) -> float:
    """Seconds since an event was made."""
    return time.time() - datetime.fromisoformat(message.json["timestamp"]).timestamp()


def test_nothing_is_left_to_send(shared: Workers) -> None:
    """Whoever has seen the last event of a run is told so with 204, on every worker."""
    run = finished(shared)
    for pid in shared.pids:
        with closing(shared.connect(pid)) as viewer:
            assert viewer.request("GET", f"/runs/{run}/events", {"Last-Event-ID": "8"}).status == 204
            assert viewer.body() == b""


@pytest.mark.parametrize("rubbish", ["9", "-1", "1.0", "one", "0x1", "١", "1 2", "9" * 30, "%00", "1;2"])
def test_rubbish_is_refused(shared: Workers, rubbish: str) -> None:
    """An id that is none of the run's is answered with 400 and a problem, in the header and in the query alike."""
    run = finished(shared)
    with closing(shared.connect()) as viewer:
        head = viewer.request("GET", f"/runs/{run}/events", {"Last-Event-ID": rubbish})
        assert (head.status, head.headers["content-type"]) == (400, "application/problem+json")
    if rubbish.isascii() and " " not in rubbish:
        with closing(shared.connect()) as viewer:
            assert viewer.request("GET", f"/runs/{run}/events?last_event_id={rubbish}").status == 400


def test_many_viewers_of_one_run(shared: Workers) -> None:
    """Sixteen viewers on each of three workers, half of whom come late, all see the same run."""
    first = shared.start("counting", count=30, pause=0.02)
    viewers = [shared.watch(run_of(first.head), pid) for pid in shared.pids for _ in range(8)]
    take(first, 15)
    viewers += [shared.watch(run_of(first.head), pid) for pid in shared.pids for _ in range(8)]
    with ThreadPoolExecutor(len(viewers)) as pool:
        for seen in pool.map(lambda viewer: viewer.until("done"), viewers):
            check_numbers(seen)
            assert len(seen) == 33


def test_an_event_is_seen_on_another_worker(shared: Workers, long: bool, figures: Figures) -> None:
    """A viewer on another worker sees an event within a tenth of a second."""
    here, there, *_ = shared.pids
    count = 1000 if long else 50
    viewer = shared.watch(shared.start_unwatched("counting", here, count=count, pause=0.02), there)
    ages = [age(message) for message in viewer.messages()][1:]
    figures.times("from an event to its viewer on another worker", ages)
    assert statistics.median(ages) < 0.1


def test_a_viewer_after_the_end(shared: Workers) -> None:
    """A finished run is read from its first event to its last on every worker, and so is its end alone."""
    run = finished(shared, count=200)
    for pid in shared.pids:
        seen = list(shared.watch(run, pid).messages())
        check_numbers(seen)
        assert len(seen) == 203
        assert [message.event for message in shared.watch(run, pid, after=201).messages()] == ["result", "done"]


def test_a_run_that_nobody_here_knows(shared: Workers) -> None:
    """A run that does not exist is 404 for every route and on every worker."""
    for method, path in (("GET", ""), ("GET", "/events"), ("DELETE", ""), ("GET", "/events?last_event_id=3")):
        with closing(shared.connect()) as client:
            assert client.request(method, f"/runs/nobody-knows-it{path}").status == 404


def is_forgotten(forgetful: Workers, run: str, pid: int, seen: list[Message]) -> bool:
    """Whether a viewer that comes after event 2 is told of a gap; `seen` is what it gets.

    A worker that has been reading a run has more in its memory than the store keeps, for a while: then there is no gap.
    """
    seen[:] = forgetful.watch(run, pid, after=2).messages()
    forgetful.close_viewers()
    if seen[0].event == "reset":
        return True
    check_numbers(seen, 3)
    time.sleep(0.2)
    return False


@pytest.mark.parametrize("store", STORES)
def test_a_gap_is_told(store: str) -> None:
    """A viewer that missed what the store has dropped gets a snapshot first, on any worker, and what follows it."""
    with workers(store, 2, env={"DURABLE_KEEP": "20000"}) as forgetful:
        writer = forgetful.pids[0]
        run = run_of(forgetful.start("counting", pid=writer, count=300, size=200, pause=0.001).head)
        for pid in forgetful.pids:
            forgetful.watch(run, pid).until("done")
            forgetful.close_viewers()
            seen: list[Message] = []
            wait_until(lambda pid=pid, seen=seen: is_forgotten(forgetful, run, pid, seen), "its worker has forgotten")  # type: ignore[misc]
            reset, *rest = seen
            assert reset.json["snapshot"]["id"] == run
            assert reset.json["snapshot"]["last_event_id"] == 303
            assert reset.id is not None
            assert 3 <= reset.id < 303
            check_numbers(rest, reset.id + 1)
            assert rest[-1].event == "done"
