"""Hints between the workers of an sqlite file: what reaches another worker without a poll, and what polls instead."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import gevent
import gevent.event
import pytest

from streaming import event
from streaming.stores.shared import SharedStore
from streaming.stores.sqlite import file as sqlite
from streaming.stores.sqlite.hints import MAX_PATH, Hints
from streaming.stores.sqlite.store import SqliteStore
from tests.stores.contract import run_info, until
from tests.stores.shared_contract import MakeWorker, ids, start_run, watching, workers

NAMES = [f"{number:016x}" for number in range(4)]


@pytest.fixture
def no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reaches another worker does so by a hint."""
    monkeypatch.setattr(sqlite, "SLOW_POLL", 600.0)
    monkeypatch.setattr(sqlite, "POLL", 600.0)
    monkeypatch.setattr("streaming.stores.shared.REFRESH", 600.0)


@pytest.fixture(params=["short", "long"])
def worker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeWorker]:
    """Makes the store of a worker, in one file whose path a socket's address has room for, or not."""
    folder = tmp_path if request.param == "short" else tmp_path / ("x" * MAX_PATH)
    with workers(partial(SqliteStore, folder / "runs.db")) as make:
        yield make
    assert not [each for each in folder.iterdir() if stat.S_ISSOCK(each.stat().st_mode) or each.is_dir()]


def hints_of(store: SharedStore) -> Hints:
    """The hints of a worker."""
    hints: Hints = store.driver._hints  # type: ignore[attr-defined]
    return hints


@pytest.mark.usefixtures("no_poll")
def test_what_a_hint_brings(worker: MakeWorker) -> None:
    """Events to viewers on another worker; to the producer there its viewers, an answer and a cancel."""
    store, other = worker(), worker()
    producer = start_run(store)
    with watching(other, "r") as seen:
        for _ in range(3):
            producer.write(event("tick"))
            until(lambda: ids(seen) == list(range(1, producer.recorder.last + 1)), "the viewer sees an event")
        other.count("r", +1)
        until(lambda: store.control("r").viewers == 1, "the viewer counts")
        other.answer("r", "q", b"1")
        until(lambda: store.control("r").answers == {"q": b"1"}, "the answer comes")
        other.cancel("r", "requested")
        until(lambda: store.control("r").cancel == "requested", "the cancel comes")


@pytest.mark.usefixtures("no_poll")
def test_a_queued_run_is_hinted(worker: MakeWorker) -> None:
    """To a worker without runs, which then asks for it."""
    store, idle = worker(), worker()
    told = gevent.event.Event()
    idle.watch_queue(told.set)
    gevent.sleep(0.05)
    told.clear()
    store.create(run_info("r"), queued=True)
    assert told.wait(10)


def test_a_worker_without_hints(worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one lives, such as one of the release before, the others poll as it does; its events come to them."""
    alone = worker()
    assert hints_of(alone).reliable
    with monkeypatch.context() as patched:
        patched.setattr(Hints, "_bind", partial(fail, OSError("no sockets here")))
        without = worker()
    alone.watch_queue(lambda: None)
    until(lambda: not hints_of(alone).reliable, "the other one is seen")
    assert not hints_of(without).reliable
    producer = start_run(without)
    with watching(alone, "r") as seen:
        producer.write(event("tick"))
        until(lambda: ids(seen) == [1, 2], "the viewer sees both")
    without.close()
    until(lambda: hints_of(alone).reliable, "it has gone")


def fail(error: Exception, *_: object) -> None:
    """Raises an error."""
    raise error


# One socket


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., tuple[Hints, list[int]]]]:
    """Makes the hints of a worker, with a list that grows with each hint that it gets."""
    with contextlib.ExitStack() as stack:

        def make(number: int, *runs: str) -> tuple[Hints, list[int]]:
            got: list[int] = []
            hints = Hints(str(tmp_path / "runs.db"), NAMES[number], runs.__contains__, lambda: got.append(1))
            stack.callback(hints.close)
            return hints, got

        yield make


Make = Callable[..., tuple[Hints, list[int]]]


def test_other_runs_wake_nobody(make: Make) -> None:
    """A hint about runs that are not here is dropped; one about the queue, or about very many, is not."""
    (hints, _), (_, got) = make(0), make(1, "mine")
    until(lambda: NAMES[1] in hints._peers, "they have met")
    hints.send(["others", "more"])
    hints.send([])
    gevent.sleep(0.01)
    assert not got
    for changed in (["others", "mine"], ["*"], map(str, range(1000))):
        hints.send(changed)
        until(lambda: got, "the hint comes")
        got.clear()


def test_hints_that_find_no_room(make: Make) -> None:
    """The sender does not wait; the receiver looks at everything, as some may be lost."""
    (hints, _), (_, got) = make(0), make(1, "mine")
    until(lambda: NAMES[1] in hints._peers, "they have met")
    for number in range(1000):
        hints.send([f"other {number}"])
    assert not got
    until(lambda: got, "the receiver looks")
    if hints._missed:  # the queue of the system is shorter than that
        gevent.sleep(0.01)
        got.clear()
        hints.send(["other"])
        until(lambda: got, "the next hint is for everything")
    assert not hints._missed


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """A path that is short enough for a socket, wherever temporary files are."""
    folder = os.open(path.parent, os.O_PATH)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def test_a_dead_workers_socket_is_removed(make: Make, tmp_path: Path) -> None:
    """By the next worker that starts."""
    dead = tmp_path / ".runs.db-workers" / NAMES[3]
    make(0)
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as left, short(dead) as path:
        left.bind(path)
    assert dead.exists()
    hints, _ = make(1)
    assert not dead.exists()
    until(lambda: list(hints._peers) == [NAMES[0]], "the living one is met")


def test_a_socket_that_somebody_removes(make: Make, tmp_path: Path) -> None:
    """It is made again, and the others are greeted again."""
    (hints, _), (other, got) = make(0), make(1, "mine")
    until(lambda: hints._peers and other._peers, "they have met")
    path = tmp_path / ".runs.db-workers" / NAMES[1]
    path.unlink()
    hints.send(["mine"])
    assert not hints._peers
    other.check(NAMES[:2])
    until(lambda: hints._peers and other.reliable, "they have met again")
    hints.send(["mine"])
    until(lambda: got, "the hint comes")


def test_what_is_no_hint(make: Make, tmp_path: Path) -> None:
    """Other datagrams are ignored, and name no file."""
    hints, got = make(0, "mine")
    own = tmp_path / ".runs.db-workers" / NAMES[0]
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as stranger, short(own) as path:
        for text in (b"", b"\xff", b"hello ../../x", b"runs", b"other mine", b"x" * 60_000):
            stranger.sendto(text, path)
            gevent.sleep(0.001)
    assert not got
    assert not hints._peers
