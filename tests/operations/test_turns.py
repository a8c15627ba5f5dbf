"""Turns: limits, order, places in the queue, and runs that leave the queue or die.

Each test has its own folder of temporary files, and so its own queues. Processes are real; the queue of the whole
service is tested in `tests/live/test_analyze_live.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import pytest
from pydantic import BaseModel

from operations import turns
from operations.settings import ServiceSettings
from operations.turns import Turn
from streaming import Event, SettingError, operation
from tests.clients import wait_until
from tests.worlds import PLACES, Place, Stage, entered

HOLDER = """
import sys
from operations.turns import Turn
with Turn("model", limit=1) as turn:
    turn.acquire()
    print("acquired", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def queues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Queues of one test."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("HEADWAY_TURNS", "model=1,analytics=2")
    return tmp_path


@contextmanager
def hold(kind: str, number: int = 1) -> Iterator[ExitStack]:
    """Holds turns of a kind until `close`, or until the block ends."""
    with ExitStack() as held:
        for _ in range(number):
            held.enter_context(Turn(kind)).acquire()
        yield held


@contextmanager
def other_process() -> Iterator[subprocess.Popen[str]]:
    """A process that holds the turn of the model until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "acquired\n"
            yield process
        finally:
            process.kill()


def done_and_total(event: Event) -> tuple[int, int]:
    """`done` and `total` of a progress."""
    return event.data["done"], event.data["total"]


def tickets(folder: Path, kind: str) -> int:
    """The number of tickets of a kind."""
    return sum(path.name.isdecimal() for path in folder.glob(f"headway-turns-*/{kind}/*"))


def has_tickets(folder: Path, number: int) -> bool:
    """Whether a queue has this number of tickets."""
    return sum(path.name.isdecimal() for path in folder.iterdir()) == number


def test_no_wait_without_a_queue(queues: Path) -> None:
    """Up to the limit a turn comes at once and without an event, and nothing remains of it."""
    with Turn("analytics") as first, Turn("analytics") as second:
        assert list(first.wait()) == []
        assert list(second.wait()) == []
        assert tickets(queues, "analytics") == 2
    assert tickets(queues, "analytics") == 0


def test_kinds_do_not_wait_for_each_other() -> None:
    """The limit of models does not apply to analytics."""
    with hold("model"), Turn("analytics") as turn:
        assert list(turn.wait()) == []


def test_each_new_place_in_the_queue_is_progress() -> None:
    """A wait yields the place, each change of it, and the end of the queue."""
    with hold("analytics", 2) as first, Turn("analytics") as second, Turn("analytics") as third:
        waiting, behind = second.wait(), third.wait()
        assert next(waiting).data["message"] == "Waiting for a turn: place 1 in the queue."
        event = next(behind)
        assert (event.data["message"], done_and_total(event)) == ("Waiting for a turn: place 2 in the queue.", (0, 2))
        assert (event.data["step"], event.data["unit"]) == ("queue", "places")
        first.close()
        assert done_and_total(next(waiting)) == (1, 1)
        assert done_and_total(next(behind)) == (2, 2)
        assert next(waiting, None) is next(behind, None) is None


def test_first_come_first_served() -> None:
    """Ten threads get their turns one at a time, in the order in which they queued."""
    served: list[int] = []
    most = 0
    active = 0

    def work(number: int) -> None:
        nonlocal most, active
        with Turn("model") as turn:
            turn.acquire()
            active += 1
            most = max(most, active)
            served.append(number)
            active -= 1

    with ThreadPoolExecutor(10) as pool, hold("model") as held:
        folder = turns.folder() / "model"
        for number in range(10):
            pool.submit(work, number)
            wait_until(partial(has_tickets, folder, number + 2), "it is in the queue")
        held.close()
    assert (served, most) == (list(range(10)), 1)


def test_the_limit_of_many_threads() -> None:
    """Of forty threads that start at once, at most two are active."""
    active: list[int] = []
    counts: list[int] = []

    def work(number: int) -> None:
        with Turn("analytics") as turn:
            turn.acquire()
            active.append(number)
            counts.append(len(active))
            threading.Event().wait(0.001)
            active.remove(number)

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(work, range(40)))
    assert len(counts) == 40
    assert max(counts) <= 2


def test_processes_wait_for_each_other() -> None:
    """The turn comes when the other process releases it."""
    with other_process() as other, Turn("model") as turn:
        waiting = turn.wait()
        assert done_and_total(next(waiting)) == (0, 1)
        assert other.stdin is not None
        other.stdin.close()
        assert done_and_total(next(waiting)) == (1, 1)


def test_a_killed_process_releases_its_turn(queues: Path) -> None:
    """The turn is free, and the ticket of the process is deleted."""
    with other_process() as other, Turn("model") as turn:
        waiting = turn.wait()
        next(waiting)
        other.kill()
        assert done_and_total(next(waiting)) == (1, 1)
        assert tickets(queues, "model") == 1


def test_leaving_the_queue() -> None:
    """The next ones move up at once."""
    with hold("model"), Turn("model") as leaver, Turn("model") as behind:
        waiting = leaver.wait()
        next(waiting)
        after = behind.wait()
        assert done_and_total(next(after)) == (0, 2)
        waiting.close()
        leaver.__exit__()
        assert done_and_total(next(after)) == (1, 2)


def test_a_deleted_gate() -> None:
    """If the file is deleted, new numbers are still higher than those of the tickets."""
    with hold("model") as held, Turn("model") as turn:
        (turns.folder() / "model" / "gate").unlink()
        waiting = turn.wait()
        assert done_and_total(next(waiting)) == (0, 1)
        held.close()
        assert done_and_total(next(waiting)) == (1, 1)


def test_a_folder_that_is_a_link_is_not_used(queues: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Turns are then counted in this process, with a warning."""
    real = turns.folder()
    real.rmdir()
    (queues / "elsewhere").mkdir()
    real.symlink_to(queues / "elsewhere")
    with hold("model"), Turn("model") as turn:
        assert done_and_total(next(turn.wait())) == (0, 1)
    assert list((queues / "elsewhere").iterdir()) == []
    assert "each worker counts turns by itself" in caplog.text


@pytest.mark.parametrize(
    "value", ["model", "model=", "model=0", "model=-1", "model=two", "=2", "mo/del=2", "model=10001"]
)
def test_limits_that_cannot_be_read(value: str) -> None:
    """The error names the variable, its value, and what it takes."""
    with pytest.raises(SettingError, match=rf"^HEADWAY_TURNS is '{value}'; it takes KIND=NUMBER"):
        ServiceSettings.read({"HEADWAY_TURNS": value})


def test_the_setting_decides_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kinds without a setting keep their own limit, and any word is a kind."""
    assert Turn("of-my-own", limit=7).limit == 7
    assert Turn("model", limit=7).limit == 1  # the fixture's setting
    monkeypatch.setenv("HEADWAY_TURNS", " model=9, mine=3,")
    assert [Turn(kind).limit for kind in ("model", "mine", "analytics")] == [9, 3, turns.LIMITS["analytics"]]
    with pytest.raises(ValueError, match="is not a kind of work"):
        Turn("../model")


class Queues(BaseModel):
    """The folder of the queues, for a child, whose parent does not know the fixtures of this test."""

    folder: str


@operation
def greenlet_worker(input: Queues) -> Iterator[Event]:
    """Waits for the model."""
    tempfile.tempdir = input.folder
    with Turn("model", limit=1) as turn:
        yield from turn.wait()


@operation(runs_in="thread")
def thread_worker(input: Queues) -> Iterator[Event]:
    """The same in a thread."""
    yield from greenlet_worker(input)


@operation(runs_in="process")
def process_worker(input: Queues) -> Iterator[Event]:
    """The same in a process."""
    os.environ["HEADWAY_TURNS"] = "model=1"
    yield from greenlet_worker(input)


EnterStage = Callable[[Place], tuple[Stage, Any]]
WORKERS = {"greenlet": greenlet_worker, "thread": thread_worker, "process": process_worker}


@pytest.fixture
def enter_stage() -> Iterator[EnterStage]:
    """Makes a runner in a world, and returns the operation above that runs in the place."""
    with ExitStack() as stack:

        def enter(place: Place) -> tuple[Stage, Any]:
            world = stack.enter_context(entered(place.world))
            stage = Stage(world, *WORKERS.values())
            stack.callback(stage.close)
            return stage, WORKERS[place.runs_in]

        yield enter


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_runs_wait_in_every_place(place: Place, enter_stage: EnterStage, queues: Path) -> None:
    """In a greenlet, a thread and a process, a run reports its place, and continues when its turn comes."""
    stage, worker = enter_stage(place)
    with hold("model") as held:
        run = stage.start(worker, Queues(folder=str(queues)))
        assert stage.until(run, "progress")[-1].json["message"].endswith("place 1 in the queue.")
        held.close()
        assert [message.event for message in stage.events(run)] == ["start", "progress", "progress", "result", "done"]


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_cancel_ends_a_wait(place: Place, enter_stage: EnterStage, queues: Path) -> None:
    """A run that is cancelled while it waits ends, and leaves the queue."""
    stage, worker = enter_stage(place)
    with hold("model"):
        run = stage.start(worker, Queues(folder=str(queues)))
        stage.until(run, "progress")
        stage.cancel(run)
        assert stage.events(run)[-1].json["reason"] == "requested"
        with Turn("model") as turn:
            assert done_and_total(next(turn.wait())) == (0, 1)
        assert tickets(queues, "model") == 1


def test_a_wait_does_not_block_the_hub() -> None:
    """Another greenlet runs meanwhile."""
    with hold("model") as held:
        done: list[str] = []

        def wait() -> None:
            with Turn("model") as turn:
                turn.acquire()
                done.append("waiter")

        waiter = gevent.spawn(wait)
        gevent.sleep(0)
        done.append("other")
        held.close()
        waiter.join(10)
    assert done == ["other", "waiter"]
