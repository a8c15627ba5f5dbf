"""How long a run continues without viewers on any worker, and a cancel through any worker."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.clients import Connection, wait_until
from tests.figures import Figures
from tests.live.workers import STORES, Workers, note_names, run_of, workers

LEASE = 1.5
"""Seconds; short, so that the tests need not wait long for a lost worker."""


@pytest.fixture(scope="module", params=STORES)
def shared(request: pytest.FixtureRequest) -> Iterator[Workers]:
    """Two workers over one store."""
    with workers(request.param, 2, env={"DURABLE_LEASE": str(LEASE)}) as started:
        yield started


def ended(shared: Workers, run: str, pid: int | None = None) -> tuple[str, str | None]:
    """Waits for the end of a run; its status and, if it was cancelled, the reason."""
    done = shared.watch(run, pid).until("done")[-1].json
    return done["status"], done.get("reason")


def begun(shared: Workers, operation: str, pid: int) -> tuple[Connection, str, str]:
    """A run under way on a worker: its viewer, its id, and the note that it leaves at its end."""
    note = next(note_names)
    viewer = shared.start(operation, pid=pid, note=note)
    viewer.until("progress")
    return viewer, run_of(viewer.head), note


def test_the_last_viewer_of_all_workers_takes_the_run_along(shared: Workers) -> None:
    """With linger 0 a run continues while it has a viewer on any worker, and stops with the last one."""
    here, there = shared.pids
    first, run, note = begun(shared, "fleeting", here)
    second = shared.watch(run, there)
    second.until("progress")
    wait_until(lambda: shared.snapshot(run, here)["viewers"] == 2, "the second viewer is counted")
    first.close()
    wait_until(lambda: shared.snapshot(run, there)["viewers"] == 1, "the first viewer is not counted any more")
    assert shared.snapshot(run)["status"] == "running"
    gone = time.monotonic()
    second.close()
    assert shared.notes.when(note) - gone < 1
    assert ended(shared, run) == ("cancelled", "disconnected")


def test_a_viewer_that_comes_back_on_another_worker_saves_its_run(shared: Workers) -> None:
    """A run with a viewer again within its linger, on another worker, continues, and lingers again after that one."""
    here, there = shared.pids
    first, run, note = begun(shared, "lingering", here)
    first.close()
    second = shared.watch(run, there)
    second.until("progress")
    time.sleep(1.5)  # the linger after the first viewer would be over by now
    assert shared.snapshot(run, here)["status"] == "running"
    gone = time.monotonic()
    second.close()
    assert shared.notes.when(note) - gone >= 0.9
    assert ended(shared, run, there) == ("cancelled", "disconnected")


def test_a_run_without_a_linger_needs_nobody(shared: Workers) -> None:
    """With linger None a run continues after its last viewer on any worker has left."""
    here, there = shared.pids
    first, run, _ = begun(shared, "silent", here)
    second = shared.watch(run, there)
    second.until("progress")
    first.close()
    second.close()
    wait_until(lambda: shared.snapshot(run)["viewers"] == 0, "neither is counted any more")
    time.sleep(0.2)
    assert shared.snapshot(run)["status"] == "running"
    shared.ask("DELETE", f"/runs/{run}")


@pytest.mark.parametrize("kind", ["fleeting", "lingering", "silent"])
def test_a_cancel_from_any_worker(shared: Workers, kind: str, long: bool, figures: Figures) -> None:
    """A silent run stops within a second of a DELETE on another worker, which shows `cancelling` until then."""
    here, there = shared.pids
    times = []
    for _ in range(50 if long else 5):
        viewer, run, note = begun(shared, kind, here)
        asked = time.monotonic()
        snapshot = shared.ask("DELETE", f"/runs/{run}", pid=there)
        assert snapshot["status"] in ("cancelling", "cancelled")
        times.append(shared.notes.when(note) - asked)
        done = viewer.until("done")[-1].json
        assert (done["status"], done["reason"]) == ("cancelled", "requested")
        assert shared.ask("DELETE", f"/runs/{run}", pid=there)["status"] == "cancelled"
    figures.times("from a DELETE on another worker to the end of its run", times)
    assert max(times) < 1


def test_a_cancel_shows_until_it_has_come(shared: Workers) -> None:
    """While the worker of a run is paused, every other one shows `cancelling`; it is cancelled afterwards."""
    here, there = shared.pids
    viewer, run, note = begun(shared, "silent", here)
    shared.pause(here)
    try:
        assert shared.ask("DELETE", f"/runs/{run}", pid=there)["status"] == "cancelling"
        assert shared.snapshot(run, there)["status"] == "cancelling"
    finally:
        os.kill(here, signal.SIGCONT)
    shared.notes.when(note)
    assert viewer.until("done")[-1].json["reason"] == "requested"


def test_a_killed_worker_takes_its_viewers_out_of_the_count(shared: Workers) -> None:
    """A run whose only viewer was on a worker that is killed stops once that worker's lease has expired."""
    here, there = shared.pids
    first, run, note = begun(shared, "fleeting", here)
    shared.watch(run, there).until("progress")
    wait_until(lambda: shared.snapshot(run, here)["viewers"] == 2, "the second viewer is counted")
    first.close()
    wait_until(lambda: shared.snapshot(run, here)["viewers"] == 1, "the first viewer is not counted any more")
    killed = time.monotonic()
    shared.kill(there)
    assert 0 < shared.notes.when(note) - killed < LEASE + 4
    assert ended(shared, run) == ("cancelled", "disconnected")
