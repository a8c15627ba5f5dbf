"""Runs whose worker was killed or paused: what their viewers get on every worker, and that they have one writer."""

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
from tests.worlds import assert_described

LEASE = 1.5
"""Seconds, for the tests that do not measure the real one."""

BOUND = 10.0
"""Seconds from the death of a worker to the last event of its runs."""

LOST = {"code": "producer_lost", "retryable": True}

every_store = pytest.mark.parametrize("store", STORES)


def check_lost(messages: list[Message]) -> None:
    """The events of a viewer end with the error that the producer was lost."""
    *_, error, done = messages
    assert (error.event, done.event) == ("error", "done")
    assert error.json.items() >= LOST.items()
    assert done.json["status"] == "failed"


def rest_of(viewer: Connection) -> tuple[list[Message], float]:
    """The events of a viewer up to the last, and when it came."""
    return viewer.until("done"), time.monotonic()


def outcome(shared: Workers, run: str, pid: int | None = None) -> dict[str, Any]:
    """Waits for the end of a run; its snapshot."""
    wait_until(lambda: shared.snapshot(run, pid)["status"] in ("failed", "succeeded"), "the run is over", BOUND)
    snapshot: dict[str, Any] = shared.snapshot(run, pid)
    return snapshot


@every_store
def test_a_killed_worker(store: str, figures: Figures) -> None:
    """Every viewer on every other worker gets the error within ten seconds, whether the run yields or is silent.

    A run without viewers ends as well, and an operation with retries starts again: its viewers get the `attempt`.
    """
    with workers(store, 3) as shared:
        dying, *others = shared.pids
        runs = [
            shared.start_unwatched("silent", dying),
            shared.start_unwatched("counting", dying, count=10_000, pause=0.02),
        ]
        unwatched = shared.start_unwatched("silent", dying)
        repeated = shared.start_unwatched("again", dying, note=next(note_names))
        resumed = shared.start_unwatched("paged", dying, count=4)
        viewers = [shared.watch(run, pid, timeout=BOUND) for run in runs for pid in others]
        witness = shared.watch(repeated, others[0], timeout=BOUND)
        reader = shared.watch(resumed, others[1], timeout=BOUND)
        for viewer in (*viewers, witness):
            assert viewer.message().event == "start"
        before = reader.until("delta")
        killed = time.monotonic()
        shared.kill(dying)
        with ThreadPoolExecutor(len(viewers)) as pool:
            endings = list(pool.map(rest_of, viewers))
        figures.times("from SIGKILL of a worker to the last event of its runs", [when - killed for _, when in endings])
        for messages, when in endings:
            check_lost(messages)
            check_numbers(messages, 2)
            assert when - killed < BOUND
        assert outcome(shared, unwatched)["error"].items() >= LOST.items()
        messages = witness.until("done")
        assert_described(messages[1])
        assert [message.event for message in messages] == ["progress", "attempt", "progress", "result", "done"]
        assert (messages[1].json["attempt"], messages[1].json["reason"]) == (2, "producer_lost")
        check_numbers(messages, 2)
        assert outcome(shared, repeated, shared.pids[-1])["result"] == "the second time"
        check_resumed([*before, *reader.until("done")], outcome(shared, resumed))


def check_resumed(messages: list[Message], snapshot: dict[str, Any]) -> None:
    """A run of `paged` went on at its checkpoint: it read no page twice, and its result has them all."""
    names = ["start", "partial", "partial", "delta", "attempt", "partial", "partial", "result", "done"]
    assert [message.event for message in messages] == names
    assert [message.id for message in messages] == list(range(1, len(names) + 1))
    assert messages[4].json.items() >= {"attempt": 2, "reason": "producer_lost", "after": 3}.items()
    assert snapshot["result"] == {"first": 3, "pages": [1, 2, 3, 4]}
    assert snapshot["attempt"] == 2


@pytest.mark.long
@every_store
def test_takeovers(store: str, figures: Figures) -> None:
    """Half of all runs go on within seven seconds of the SIGKILL of their worker, and 99 of 100 within ten."""
    times: list[float] = []
    with workers(store, 3) as shared:
        for number in range(20):
            producer = shared.pids[number % 3]
            runs = [shared.start_unwatched("paged", producer, count=4) for _ in range(5)]
            viewers = [shared.watch(run, shared.other(producer), timeout=2 * BOUND) for run in runs]
            for viewer in viewers:
                viewer.until("delta")
            killed = time.monotonic()
            shared.kill(producer)
            with ThreadPoolExecutor(len(viewers)) as pool:
                times += [when - killed for when in pool.map(resumed_at, viewers)]
    figures.times("from SIGKILL of a worker to the next attempt of its runs", times)
    assert sorted(times)[len(times) // 2] < 7
    assert sorted(times)[len(times) * 99 // 100] < BOUND


def resumed_at(viewer: Connection) -> float:
    """When a viewer gets the next attempt."""
    viewer.until("attempt")
    return time.monotonic()


@every_store
def test_an_attempt_that_is_lost_too(store: str) -> None:
    """An operation with one retry does not start a third time."""
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
    """A worker that is paused beyond its lease writes nothing afterwards, and its own viewers get the same events."""
    with workers(store, 2, env={"DURABLE_LEASE": str(LEASE)}) as shared:
        paused, other = shared.pids
        note = next(note_names)
        own = [shared.start(kind, pid=paused, count=10_000, pause=0.01, note=note)]
        run = run_of(own[0].head)
        own.append(shared.watch(run, paused))
        elsewhere = shared.watch(run, other)
        for viewer in own:
            viewer.message()
        shared.pause(paused)
        try:
            messages = elsewhere.until("done")
        finally:
            os.kill(paused, signal.SIGCONT)
        check_lost(messages)
        check_numbers(messages)
        for viewer in own:
            rest = viewer.until("done")
            check_numbers(rest, 2)
            check_lost(rest)
            assert rest[-1].id == messages[-1].id
        shared.notes.when(note)  # its work was stopped
        wait_until(lambda: shared.ask("GET", "/worker", pid=paused)["runs"] == 0, "the worker has stopped the run")
        assert shared.snapshot(run, paused)["last_event_id"] == messages[-1].id
        again = shared.start("counting", pid=paused, count=3)
        assert again.until("done")[-1].json["status"] == "succeeded"


@every_store
def test_a_worker_that_stood_still_for_less(store: str) -> None:
    """A worker that is paused for less than its lease loses nothing."""
    with workers(store, 2, env={"DURABLE_LEASE": "3"}) as shared:
        paused, other = shared.pids
        run = shared.start_unwatched("counting", paused, count=150, pause=0.01)
        viewers = [shared.watch(run, pid) for pid in (paused, other)]
        for _ in range(2):
            shared.pause(paused)
            time.sleep(0.5)
            os.kill(paused, signal.SIGCONT)
            time.sleep(0.1)
        for viewer in viewers:
            messages = viewer.until("done")
            check_numbers(messages)
            assert messages[-1].json["status"] == "succeeded"


@every_store
def test_everybody_stood_still(store: str) -> None:
    """When all workers are paused beyond their leases, as on a machine that was suspended, no run is lost."""
    with workers(store, 3, env={"DURABLE_LEASE": str(LEASE)}) as shared:
        pids = shared.pids
        runs = [shared.start_unwatched("counting", pid, count=300, pause=0.01) for pid in pids]
        fleeting = [shared.start("watched", pid=pid, count=300, pause=0.01) for pid in pids]
        viewers = [shared.watch(run, pid) for run in runs for pid in pids]
        viewers += [shared.watch(run_of(viewer.head), pids[0]) for viewer in fleeting[1:]]
        for viewer in fleeting[1:]:
            viewer.message()
            viewer.close()  # the viewers that are left are on another worker
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(2 * LEASE)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        for viewer in (*viewers, fleeting[0]):
            messages = viewer.until("done")
            check_numbers(messages)
            assert messages[-1].json["status"] == "succeeded"


@every_store
def test_a_restart_of_everything(store: str) -> None:
    """After all processes were killed, interrupted runs have failed, and runs that were over are the same.

    A run with retries starts again before any request.
    """
    with scratch() as folder:
        with workers(store, 2, env={"DURABLE_LEASE": str(LEASE)}, folder=folder) as before:
            over = before.start("counting", count=5)
            messages = over.until("done")
            live = [before.start_unwatched("counting", pid, count=10_000, pause=0.01) for pid in before.pids]
            starts = [[viewer.message() for _ in range(5)] for viewer in map(before.watch, live)]
            again = before.start_unwatched("again", note="again")
            before.notes.when("again")
            before.close_viewers()
            before.server.kill()
        with workers(store, 2, env={"DURABLE_LEASE": str(LEASE)}, folder=folder) as after:
            for run, start in zip(live, starts, strict=True):
                rest = after.watch(run, after=start[-1].id).until("done")
                check_numbers(start + rest)
                check_lost(rest)
            assert outcome(after, again)["result"] == "the second time"
            assert list(after.watch(run_of(over.head)).messages()) == messages
