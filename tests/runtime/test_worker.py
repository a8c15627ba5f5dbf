"""The worker: what exists once in a process, where it is made, and how calls get into its hub."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import ClassVar

import gevent
import pytest

from streaming.runtime.hub import native_ident
from streaming.runtime.worker import Worker
from tests.worlds import World, entered

THREADS = 8


@pytest.fixture
def worker(world: World) -> Worker:
    """A worker without parts."""
    return Worker(world.worker.hub, native=world.worker.native)


class Part:
    """A part that keeps who made it, and in which thread."""

    closed: ClassVar[list[object]] = []

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.thread = native_ident()

    def close(self) -> None:
        """Notes the order."""
        Part.closed.append(type(self))


class Upper(Part):
    """A part that needs another."""

    def __init__(self, worker: Worker) -> None:
        worker.part(Part)
        super().__init__(worker)


class Plain:
    """A part with nothing to close."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker


def test_a_part_exists_once(worker: Worker) -> None:
    """Each caller gets the same one; another worker has another."""
    part = worker.part(Part)
    assert worker.part(Part) is part
    assert part.worker is worker
    assert worker.part(Upper) is not part
    assert Worker(worker.hub, native=worker.native).part(Part) is not part


def test_a_part_is_made_once_in_the_hub() -> None:
    """Threads that ask for it at the same moment get one part, which was made in the thread of the hub."""
    with entered("hub beside") as world:
        worker = Worker(world.worker.hub, native=True)
        together = Barrier(THREADS)

        def ask(_: int) -> Part:
            together.wait()
            return worker.part(Part)

        with ThreadPoolExecutor(THREADS) as pool:
            parts = set(pool.map(ask, range(THREADS)))
        (part,) = parts
        assert part.thread == worker.ident != native_ident()


def test_parts_are_closed_in_reverse_order(worker: Worker) -> None:
    """A part is closed before those that it needs; one without a `close` is dropped."""
    Part.closed.clear()
    upper, plain = worker.part(Upper), worker.part(Plain)
    worker.close()
    assert Part.closed == [Upper, Part]
    worker.close()
    assert Part.closed == [Upper, Part]
    assert worker.part(Upper) is not upper
    assert worker.part(Plain) is not plain


def test_a_fork_has_a_worker_of_its_own() -> None:
    """A process that was forked from a worker makes its own on first use, and keeps it."""
    before = Worker.current()
    pid = os.fork()
    if pid == 0:
        after = Worker.current()
        os._exit(0 if after is not before and after is Worker.current() and after.pid == os.getpid() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert Worker.current() is before


def test_a_worker_is_installed_for_a_block(worker: Worker) -> None:
    """It is the worker of the process in the block, and the one before it is afterwards, also after an error."""
    before = Worker.current()
    with worker.installed() as installed:
        assert installed is worker is Worker.current()
        other = Worker(worker.hub)
        with pytest.raises(ZeroDivisionError), other.installed():
            raise_from(other)
        assert Worker.current() is worker
    assert Worker.current() is before


def raise_from(worker: Worker) -> None:
    """Fails in a block in which a worker is installed."""
    assert Worker.current() is worker
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("setup", "where"),
    [
        ("", "a thread beside"),
        ("from gevent import monkey; monkey.patch_all()", "here"),
        ("import gevent; current = gevent.spawn(current).get", "here"),
    ],
    ids=["native threads", "patched", "a greenlet"],
)
def test_the_first_caller_decides_where_the_hub_is(setup: str, where: str) -> None:
    """In a patched process, or in a greenlet, it is the caller's own; elsewhere it runs in a thread beside."""
    code = f"from streaming.runtime.worker import Worker; current = Worker.current; {setup or 'pass'}\n"
    code += "worker = current()\nprint('a thread beside' if worker.native and not worker.here else 'here')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == where


def test_a_call_runs_in_the_hub(worker: Worker) -> None:
    """It may wait there; the caller gets what it returns, or raises."""

    def call(value: int) -> tuple[int, int]:
        gevent.sleep(0.001)
        return value, native_ident()

    assert worker.call(call, 5) == (5, worker.ident)
    with pytest.raises(ValueError, match="invalid literal"):
        worker.call(int, "five")


def test_a_call_may_end_its_greenlet() -> None:
    """`SystemExit` in the hub is raised in the thread that called, and ends nothing else."""
    with entered("hub beside") as world:
        with pytest.raises(SystemExit):
            world.worker.call(sys.exit, 3)
        assert world.worker.call(native_ident) == world.worker.ident
