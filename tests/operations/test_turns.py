"""Turns at a kind of work: limits, order, places in the queue, and what becomes of those who leave or die.

Each test has a folder of temporary files of its own, and so queues of its own. Processes are real ones; that the whole
service bounds its work is tried in `tests/live/test_analyze_live.py`.
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
    turn.take()
    print("taken", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def own_queues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Queues that no other test stands in."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("HEADWAY_TURNS", "model=1,analytics=2")
    return tmp_path


@contextmanager
def holders(kind: str, number: int = 1) -> Iterator[ExitStack]:
    """As many turns of a kind, taken one after another; `pop_all` or the end of the block gives them back."""
    with ExitStack() as held:
        for _ in range(number):
            held.enter_context(Turn(kind)).take()
        yield held


@contextmanager
def other_process() -> Iterator[subprocess.Popen[str]]:
    """A process that has the turn of the model until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "taken\n"
            yield process
        finally:
            process.kill()


def said(event: Event) -> tuple[int, int]:
    """`done` and `total` of a progress."""
    return event.data["done"], event.data["total"]


def tickets(folder: Path, kind: str) -> int:
    """How many tickets of a kind there are."""
    return sum(path.name.isdecimal() for path in folder.glob(f"headway-turns-*/{kind}/*"))


def stand_in(folder: Path, number: int) -> bool:
    """Whether so many stand in a queue, at work or waiting."""
    return sum(path.name.isdecimal() for path in folder.iterdir()) == number


def test_nobody_waits_where_there_is_no_queue(own_queues: Path) -> None:
    """Up to the limit turns come at once and without a word, and leave nothing behind."""
    with Turn("analytics") as first, Turn("analytics") as second:
        assert list(first.wait()) == []
        assert list(second.wait()) == []
        assert tickets(own_queues, "analytics") == 2
    assert tickets(own_queues, "analytics") == 0


def test_kinds_do_not_wait_for_each_other() -> None:
    """A machine full of models takes analytics."""
    with holders("model"), Turn("analytics") as turn:
        assert list(turn.wait()) == []


def test_the_place_in_the_queue_is_told_as_it_changes() -> None:
    """One who waits hears its place, each move up, and that its turn has come."""
    with holders("analytics", 2) as first, Turn("analytics") as second, Turn("analytics") as third:
        waiting, behind = second.wait(), third.wait()
        assert next(waiting).data["message"] == "Waiting for a turn: place 1 in the queue."
        told = next(behind)
        assert (told.data["message"], said(told)) == ("Waiting for a turn: place 2 in the queue.", (0, 2))
        assert (told.data["step"], told.data["unit"]) == ("queue", "places")
        first.close()
        assert said(next(waiting)) == (1, 1)
        assert said(next(behind)) == (2, 2)
        assert next(waiting, None) is next(behind, None) is None


def test_first_come_first_served() -> None:
    """Ten threads have their turns one at a time, in the order in which they came."""
    served: list[int] = []
    most = 0
    at_work = 0

    def work(number: int) -> None:
        nonlocal most, at_work
        with Turn("model") as turn:
            turn.take()
            at_work += 1
            most = max(most, at_work)
            served.append(number)
            at_work -= 1

    with ThreadPoolExecutor(10) as pool, holders("model") as held:
        folder = turns.folder() / "model"
        for number in range(10):
            pool.submit(work, number)
            wait_until(partial(stand_in, folder, number + 2), "it stands in the queue")
        held.close()
    assert (served, most) == (list(range(10)), 1)


def test_a_limit_holds_under_a_rush() -> None:
    """Forty threads that come at once are never more than two at work."""
    at_work: list[int] = []
    counts: list[int] = []

    def work(number: int) -> None:
        with Turn("analytics") as turn:
            turn.take()
            at_work.append(number)
            counts.append(len(at_work))
            threading.Event().wait(0.001)
            at_work.remove(number)

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(work, range(40)))
    assert len(counts) == 40
    assert max(counts) <= 2


def test_processes_wait_for_each_other() -> None:
    """A turn that another process has is waited for, and comes when that gives it back."""
    with other_process() as other, Turn("model") as turn:
        waiting = turn.wait()
        assert said(next(waiting)) == (0, 1)
        assert other.stdin is not None
        other.stdin.close()
        assert said(next(waiting)) == (1, 1)


def test_the_dead_give_their_turn_back(own_queues: Path) -> None:
    """A process that is killed holds up nobody, and its ticket is cleared away."""
    with other_process() as other, Turn("model") as turn:
        waiting = turn.wait()
        next(waiting)
        other.kill()
        assert said(next(waiting)) == (1, 1)
        assert tickets(own_queues, "model") == 1


def test_one_who_leaves_is_out_of_the_queue_at_once() -> None:
    """Whoever stands behind moves up, and nobody waits for one who has gone."""
    with holders("model"), Turn("model") as leaver, Turn("model") as behind:
        waiting = leaver.wait()
        next(waiting)
        after = behind.wait()
        assert said(next(after)) == (0, 2)
        waiting.close()
        leaver.__exit__()
        assert said(next(after)) == (1, 2)


def test_a_gate_that_was_swept_away() -> None:
    """Where somebody tidies up the temporary files, new numbers still come after those that are there."""
    with holders("model") as held, Turn("model") as turn:
        (turns.folder() / "model" / "gate").unlink()
        waiting = turn.wait()
        assert said(next(waiting)) == (0, 1)
        held.close()
        assert said(next(waiting)) == (1, 1)


def test_somebody_elses_folder_is_not_used(own_queues: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A link that lies where the queues go is not followed: turns are then counted in this process, and it says so."""
    real = turns.folder()
    real.rmdir()
    (own_queues / "elsewhere").mkdir()
    real.symlink_to(own_queues / "elsewhere")
    with holders("model"), Turn("model") as turn:
        assert said(next(turn.wait())) == (0, 1)
    assert list((own_queues / "elsewhere").iterdir()) == []
    assert "counted in each worker by itself" in caplog.text


@pytest.mark.parametrize(
    "value", ["model", "model=", "model=0", "model=-1", "model=two", "=2", "mo/del=2", "model=10001"]
)
def test_limits_that_cannot_be_read(value: str) -> None:
    """The error names the variable, its value, and what it takes."""
    with pytest.raises(SettingError, match=rf"^HEADWAY_TURNS is '{value}'; it takes KIND=NUMBER"):
        ServiceSettings.read({"HEADWAY_TURNS": value})


def test_limits_are_what_the_setting_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kinds that are not named keep their own limit, and any word is a kind."""
    assert Turn("of-my-own", limit=7).limit == 7
    assert Turn("model", limit=7).limit == 1  # the fixture's setting
    monkeypatch.setenv("HEADWAY_TURNS", " model=9, mine=3,")
    assert [Turn(kind).limit for kind in ("model", "mine", "analytics")] == [9, 3, turns.LIMITS["analytics"]]
    with pytest.raises(ValueError, match="a kind of work is"):
        Turn("../model")


class Among(BaseModel):
    """Where the queues are: a child was forked by a process that knows nothing of the fixtures here."""

    folder: str


@operation
def greenlet_worker(input: Among) -> Iterator[Event]:
    """Waits for the model."""
    tempfile.tempdir = input.folder
    with Turn("model", limit=1) as turn:
        yield from turn.wait()


@operation(runs_in="thread")
def thread_worker(input: Among) -> Iterator[Event]:
    """The same in a thread."""
    yield from greenlet_worker(input)


@operation(runs_in="process")
def process_worker(input: Among) -> Iterator[Event]:
    """The same in a process."""
    os.environ["HEADWAY_TURNS"] = "model=1"
    yield from greenlet_worker(input)


Staged = Callable[[Place], tuple[Stage, Any]]
WORKERS = {"greenlet": greenlet_worker, "thread": thread_worker, "process": process_worker}


@pytest.fixture
def staged() -> Iterator[Staged]:
    """A runner in some world, and the operation above that runs in that place."""
    with ExitStack() as left:

        def enter(place: Place) -> tuple[Stage, Any]:
            world = left.enter_context(entered(place.world))
            stage = Stage(world, *WORKERS.values())
            left.callback(stage.close)
            return stage, WORKERS[place.runs_in]

        yield enter


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_runs_wait_wherever_they_are_at_work(place: Place, staged: Staged, own_queues: Path) -> None:
    """In a greenlet, a thread or a process, a run says that it waits, and goes on when its turn comes."""
    stage, worker = staged(place)
    with holders("model") as held:
        run = stage.start(worker, Among(folder=str(own_queues)))
        assert stage.until(run, "progress")[-1].json["message"].endswith("place 1 in the queue.")
        held.close()
        assert [message.event for message in stage.events(run)] == ["start", "progress", "progress", "result", "done"]


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_cancel_ends_a_wait(place: Place, staged: Staged, own_queues: Path) -> None:
    """A run that is cancelled while it waits ends, and stands in nobody's way."""
    stage, worker = staged(place)
    with holders("model"):
        run = stage.start(worker, Among(folder=str(own_queues)))
        stage.until(run, "progress")
        stage.cancel(run)
        assert stage.events(run)[-1].json["reason"] == "requested"
        with Turn("model") as turn:
            assert said(next(turn.wait())) == (0, 1)
        assert tickets(own_queues, "model") == 1


def test_the_hub_goes_on_while_a_greenlet_waits() -> None:
    """A wait in a greenlet is nobody else's."""
    with holders("model") as held:
        done: list[str] = []

        def wait() -> None:
            with Turn("model") as turn:
                turn.take()
                done.append("waiter")

        waiter = gevent.spawn(wait)
        gevent.sleep(0)
        done.append("other")
        held.close()
        waiter.join(10)
    assert done == ["other", "waiter"]
