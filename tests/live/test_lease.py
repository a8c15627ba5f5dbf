"""Work whose worker died or stood still is told to its viewers on every worker, and has one writer at any time."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.clients import Connection, Message, wait_until
from tests.figures import Figures
from tests.live.workers import STORES, Workers, check_numbers, note_names, run_of, workers
from tests.servers import scratch

LEASE = 1.5
"""Seconds, for the tests that do not measure the real one."""

BOUND = 10.0
"""Seconds from the death of a worker to the last event of its runs."""

LOST = {"code": "producer_lost", "retryable": True}

every_store = pytest.mark.parametrize("store", STORES)


def check_lost(messages: list[Message]) -> None:
    """The events of a viewer end by saying that the worker was lost."""
    *_, error, done = messages
    assert (error.event, done.event) == ("error", "done")
    assert error.json.items() >= LOST.items()
    assert done.json["status"] == "failed"


def rest_of(viewer: Connection) -> tuple[list[Message], float]:
    """The events of a viewer up to the end, and when that came."""
    return viewer.until("done"), time.monotonic()


def outcome(shared: Workers, run: str, pid: int | None = None) -> dict[str, Any]:
    """A finished run as it stands."""
    wait_until(lambda: shared.snapshot(run, pid)["status"] in ("failed", "succeeded"), "the run is over", BOUND)
    found: dict[str, Any] = shared.snapshot(run, pid)
    return found


@every_store
def test_a_killed_worker(store: str, figures: Figures) -> None:
    """Every viewer on every other worker is told within ten seconds, whether the run was talking or silent.

    A run that nobody watches ends as well, and an operation that may be begun anew is: its viewers see the attempt.
    """
    with workers(store, 3) as shared:
        dying, *others = shared.pids
        runs = [
            shared.start_unwatched("silent", dying),
            shared.start_unwatched("counting", dying, count=10_000, pause=0.02),
        ]
        unwatched = shared.start_unwatched("silent", dying)
        repeated = shared.start_unwatched("again", dying, note=next(note_names))
        viewers = [shared.watch(run, pid, timeout=BOUND) for run in runs for pid in others]
        witness = shared.watch(repeated, others[0], timeout=BOUND)
        for viewer in (*viewers, witness):
            assert viewer.message().event == "start"
        killed = time.monotonic()
        shared.kill(dying)
        with ThreadPoolExecutor(len(viewers)) as pool:
            endings = list(pool.map(rest_of, viewers))
        figures.times("from SIGKILL of a worker to the last event of its runs", [when - killed for _, when in endings])
        for seen, when in endings:
            check_lost(seen)
            check_numbers(seen, 2)
            assert when - killed < BOUND
        assert outcome(shared, unwatched)["error"].items() >= LOST.items()
        seen = witness.until("done")
        assert [message.event for message in seen] == ["progress", "attempt", "progress", "result", "done"]
        assert (seen[1].json["attempt"], seen[1].json["reason"]) == (2, "producer_lost")
        check_numbers(seen, 2)
        assert outcome(shared, repeated, shared.pids[-1])["result"] == "the second time"


@every_store
def test_an_attempt_that_is_lost_too(store: str) -> None:
    """An operation that may be begun anew once is not begun a third time."""
    with workers(store, 2, env={"DURABLE_LEASE": str(LEASE)}) as shared:
        run = shared.start_unwatched("stubborn", shared.pids[0])
        assert lose_producer(shared, run).until("attempt")[-1].json["attempt"] == 2
        check_lost(lose_producer(shared, run).until("done"))


def lose_producer(shared: Workers, run: str) -> Connection:
    """Kills the worker that has live runs; gives a viewer of the run on another one."""
    (producer,) = [pid for pid in shared.pids if shared.ask("GET", "/worker", pid=pid)["runs"]]
    viewer = shared.watch(run, shared.other(producer))
    shared.kill(producer)
    return viewer


@every_store
@pytest.mark.parametrize("kind", ["silent", "counting"])
def test_a_worker_that_stood_still(store: str, kind: str) -> None:
    """A worker that is stopped beyond its lease writes nothing more when it goes on, and its own viewers are told."""
    with workers(store, 2, env={"DURABLE_LEASE": str(LEASE)}) as shared:
        stalled, other = shared.pids
        note = next(note_names)
        own = [shared.start(kind, pid=stalled, count=10_000, pause=0.01, note=note)]
        run = run_of(own[0].head)
        own.append(shared.watch(run, stalled))
        elsewhere = shared.watch(run, other)
        for viewer in own:
            viewer.message()
        os.kill(stalled, signal.SIGSTOP)
        try:
            told = elsewhere.until("done")
        finally:
            os.kill(stalled, signal.SIGCONT)
        check_lost(told)
        check_numbers(told)
        for viewer in own:
            seen = viewer.until("done")
            check_numbers(seen, 2)
            check_lost(seen)
            assert seen[-1].id == told[-1].id
        shared.notes.when(note)  # its work was stopped
        wait_until(lambda: shared.ask("GET", "/worker", pid=stalled)["runs"] == 0, "the worker has let go of the run")
        assert shared.snapshot(run, stalled)["last_event_id"] == told[-1].id
        again = shared.start("counting", pid=stalled, count=3)
        assert again.until("done")[-1].json["status"] == "succeeded"


@every_store
def test_a_worker_that_stood_still_for_less(store: str) -> None:
    """A worker that is stopped for less than its lease loses nothing."""
    with workers(store, 2, env={"DURABLE_LEASE": "3"}) as shared:
        stalled, other = shared.pids
        run = shared.start_unwatched("counting", stalled, count=150, pause=0.01)
        viewers = [shared.watch(run, pid) for pid in (stalled, other)]
        for _ in range(2):
            os.kill(stalled, signal.SIGSTOP)
            time.sleep(0.5)
            os.kill(stalled, signal.SIGCONT)
            time.sleep(0.1)
        for viewer in viewers:
            seen = viewer.until("done")
            check_numbers(seen)
            assert seen[-1].json["status"] == "succeeded"


@every_store
def test_everybody_stood_still(store: str) -> None:
    """When all workers stand still beyond their leases, as on a machine that was paused, no run is lost over it."""
    with workers(store, 3, env={"DURABLE_LEASE": str(LEASE)}) as shared:
        pids = shared.pids
        runs = [shared.start_unwatched("counting", pid, count=300, pause=0.01) for pid in pids]
        fleeting = [shared.start("watched", pid=pid, count=300, pause=0.01) for pid in pids]
        viewers = [shared.watch(run, pid) for run in runs for pid in pids]
        viewers += [shared.watch(run_of(viewer.head), pids[0]) for viewer in fleeting[1:]]
        for viewer in fleeting[1:]:
            viewer.message()
            viewer.close()  # whoever watches these runs now is on another worker
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(2 * LEASE)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        for viewer in (*viewers, fleeting[0]):
            seen = viewer.until("done")
            check_numbers(seen)
            assert seen[-1].json["status"] == "succeeded"


@every_store
def test_a_restart_of_everything(store: str) -> None:
    """After all processes were killed, runs that were interrupted say so, and those that were over are what they were.

    Nobody has to ask first: a run that may be begun anew is, before any request.
    """
    with scratch() as folder:
        with workers(store, 2, env={"DURABLE_LEASE": str(LEASE)}, folder=folder) as before:
            over = before.start("counting", count=5)
            whole = over.until("done")
            live = [before.start_unwatched("counting", pid, count=10_000, pause=0.01) for pid in before.pids]
            seen = [[viewer.message() for _ in range(5)] for viewer in map(before.watch, live)]
            again = before.start_unwatched("again", note="again")
            before.notes.when("again")
            before.close_viewers()
            before.server.kill()
        with workers(store, 2, env={"DURABLE_LEASE": str(LEASE)}, folder=folder) as after:
            for run, start in zip(live, seen, strict=True):
                rest = after.watch(run, after=start[-1].id).until("done")
                check_numbers(start + rest)
                check_lost(rest)
            assert outcome(after, again)["result"] == "the second time"
            assert list(after.watch(run_of(over.head)).messages()) == whole
