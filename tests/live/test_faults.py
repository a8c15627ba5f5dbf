"""Faults with a fixed seed: what viewers see of cuts, killed workers, a full disk and a locked file.

Each test counts, for each viewer, the events that it lost, those that came twice, and its longest silence.
"""

from __future__ import annotations

import contextlib
import json
import random
import resource
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gevent
import pytest

from streaming import ManualClock
from streaming.stores.base import Store
from streaming.stores.redis.store import RedisStore
from streaming.stores.sqlite.store import SqliteStore
from tests.apps.durable import Count, Question, counting, curious
from tests.clients import Connection, Cut, Message, wait_until
from tests.figures import Figures
from tests.live.workers import JSON, STORES, Workers, check_numbers, closing, store_in, worker_of, workers
from tests.servers import free_port, redis, scratch
from tests.worlds import Stage, entered

SEED = 20_261_123
CUTS = 10
"""For each run's viewer."""

every_store = pytest.mark.parametrize("store", STORES)


@dataclass
class Viewer:
    """A viewer that is cut, comes back, and keeps count."""

    shared: Workers
    run: str
    random: random.Random
    seen: list[Message] = field(default_factory=list)
    served: list[int] = field(default_factory=list)
    silence: float = 0.0
    _heard: float = field(default_factory=time.monotonic)

    def follow(self, cuts: int, pids: list[int]) -> Viewer:
        """Sees the run through, over so many cuts, each followed by a visit to a worker at random."""
        for where in sorted(self.random.sample(range(1, 110), cuts)):
            self._visit(self.random.choice(pids), where)
        self._visit(None, None)
        return self

    def come_back(self) -> Viewer:
        """Sees the run through, however often its worker is killed."""
        while not self.seen or self.seen[-1].event != "done":
            with contextlib.suppress(Cut, ConnectionError):
                self._visit(None, None)
        return self

    def _visit(self, pid: int | None, where: int | None) -> None:
        """Reads on, to the event number `where` or to the end, and leaves in one way or the other."""
        viewer = self.shared.watch(self.run, pid, after=self.seen[-1].id if self.seen else None, timeout=20)
        self.served.append(worker_of(viewer.head))
        for message in viewer.messages():
            self._hear(message)
            if where is not None and len(self.seen) >= where:
                break
        (viewer.reset if self.random.random() < 0.5 else viewer.close)()

    def _hear(self, message: Message) -> None:
        now = time.monotonic()
        self.silence, self._heard = max(self.silence, now - self._heard), now
        self.seen.append(message)

    @property
    def switches(self) -> int:
        """How often it has changed its worker."""
        return sum(one != other for one, other in zip(self.served, self.served[1:], strict=False))


def add(figures: Figures, fault: str, tries: int, viewers: list[Viewer]) -> None:
    """Adds what the viewers of a fault saw."""
    figures.fault(fault, tries, [viewer.seen for viewer in viewers], max(viewer.silence for viewer in viewers))


@every_store
def test_cuts(store: str, long: bool, figures: Figures) -> None:
    """Cuts at random events, each followed by a random worker, over many runs at a time: no hole, no repeat.

    They are 200 in the short form, and 10,000 in the long one.
    """
    rounds, number = (10, 100) if long else (1, 20)
    with workers(store, 3) as shared:
        pids = shared.pids
        viewers: list[Viewer] = []
        with ThreadPoolExecutor(number) as pool:
            for _ in range(rounds):
                runs = [shared.start_unwatched("counting", pids[n % 3], count=110, pause=0.04) for n in range(number)]
                viewers += [Viewer(shared, run, random.Random(SEED + n)) for n, run in enumerate(runs, len(viewers))]
                list(pool.map(lambda viewer: viewer.follow(CUTS, pids), viewers[-number:]))
        add(figures, "cut, resume, other worker", sum(len(viewer.served) - 1 for viewer in viewers), viewers)
        assert sum(len(viewer.served) - 1 for viewer in viewers) == rounds * number * CUTS
        assert sum(viewer.switches for viewer in viewers) > rounds * number * CUTS / 2
        for viewer in viewers:
            check_numbers(viewer.seen)
            assert [message.event for message in viewer.seen[-2:]] == ["result", "done"]
            assert len(viewer.seen) == 113


@every_store
def test_workers_that_are_killed(store: str, long: bool, figures: Figures) -> None:
    """However often workers are killed, every viewer of every run comes to an end, without hole or repeat.

    Three are killed in the short form, and thirty in the long one.
    """
    rounds, picks, viewers = (10 if long else 1), random.Random(SEED), list[Viewer]()
    with workers(store, 3, env={"DURABLE_LEASE": "1.5"}) as shared, ThreadPoolExecutor(30) as pool:
        for _ in range(rounds):
            runs = [shared.start_unwatched("counting", shared.pids[n % 3], count=200, pause=0.02) for n in range(30)]
            viewers += [Viewer(shared, run, random.Random(SEED + n)) for n, run in enumerate(runs, len(viewers))]
            following = [pool.submit(viewer.come_back) for viewer in viewers[-30:]]
            for _ in range(3):
                time.sleep(0.5)
                shared.kill(picks.choice(shared.pids))
            for each in following:
                each.result()
        add(figures, "SIGKILL of a worker", 3 * rounds, viewers)
        endings = [viewer.seen[-1].json["status"] for viewer in viewers]
        assert "failed" in endings
        for viewer, ending in zip(viewers, endings, strict=True):
            check_numbers(viewer.seen)
            last = viewer.seen[-2]
            assert (ending, last.event) in (("succeeded", "result"), ("failed", "error"))
            assert ending == "succeeded" or last.json["code"] == "producer_lost"
            assert viewer.silence < 10


def silent_run(shared: Workers) -> Connection:
    """The viewer of a run that says nothing more: it gets heartbeats."""
    viewer = shared.watch(shared.start_unwatched("silent", shared.pids[0]), shared.pids[1])
    viewer.until("progress")
    return viewer


@contextlib.contextmanager
def under_way(shared: Workers, **input: Any) -> Iterator[list[Viewer]]:
    """Two viewers of each of six runs, which are amid their events in the block, and have seen the end after it."""
    runs = [shared.start_unwatched("counting", shared.pids[n % 2], pause=0.04, **input) for n in range(6)]
    viewers = [Viewer(shared, run, random.Random(SEED + n)) for n, run in enumerate(runs * 2)]
    with ThreadPoolExecutor(len(viewers)) as pool:
        following = [pool.submit(viewer.follow, 0, []) for viewer in viewers]
        wait_until(lambda: all(len(viewer.seen) > 10 for viewer in viewers), "all viewers are under way")
        yield viewers
        for each in following:
            each.result()


# Redis


@pytest.mark.parametrize("persistent", [True, False], ids=["kept", "lost"])
def test_a_redis_that_is_killed(persistent: bool, figures: Figures) -> None:
    """While it is away starts are refused and heartbeats go on; back with its data or without, nothing is missing."""
    with contextlib.ExitStack() as stack:
        folder, port = stack.enter_context(scratch()), free_port()
        first = stack.enter_context(redis(persistent=persistent, folder=folder, port=port))
        env = {"HEADWAY_STORE": first.url, "HEADWAY_HEARTBEAT": "0.5"}
        shared = stack.enter_context(workers("redis", 2, env=env))
        heartbeats = silent_run(shared)
        with under_way(shared, count=100) as viewers:
            first.kill()
            assert refused(shared) < 4
            heartbeats.comment()
            stack.enter_context(redis(persistent=persistent, folder=folder, port=port))
        add(figures, "SIGKILL of Redis", 1, viewers)
        for viewer in viewers:
            check_numbers(viewer.seen)
            assert (len(viewer.seen), viewer.seen[-1].json["status"]) == (103, "succeeded")
        for viewer in viewers:  # and whoever comes later sees the same
            check_numbers(shared.watch(viewer.run, after=0).until("done"))
        wait_until(lambda: shared.ask("GET", "/health/ready").get("status") == "ready", "the store is ready again")


# The file of sqlite


@contextlib.contextmanager
def full_disk(pids: list[int], folder: Path) -> Iterator[None]:
    """Lets the processes write no file beyond the size that the store's largest one has (setrlimit(2))."""
    most = max(path.stat().st_size for path in folder.glob("runs.db*"))
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)


@contextlib.contextmanager
def locked(pids: list[int], folder: Path) -> Iterator[None]:
    """Holds the file as another program may, which writes into it for long."""
    with contextlib.closing(sqlite3.connect(folder / "runs.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def refused(shared: Workers) -> float:
    """Seconds after which a start is refused, as the contract says."""
    began = time.monotonic()
    with closing(shared.connect()) as client:
        head = client.request("POST", "/operations/counting", {**JSON, "Prefer": "respond-async"}, b'{"count": 1}')
        problem = json.loads(client.body())
    assert (head.status, problem["code"]) == (503, "store_away")
    assert int(head.headers["retry-after"]) > 0
    return time.monotonic() - began


@pytest.mark.parametrize("fault", [full_disk, locked])
def test_a_file_that_takes_nothing(fault: type, long: bool, figures: Figures) -> None:
    """While the file cannot be written, starts are refused, streams live on, and afterwards nothing is missing.

    The time is longer than a lease: no run is lost on account of it, nor is a viewer that comes while it lasts.
    """
    seconds = 15.0 if long else 4.0
    env = {"DURABLE_LEASE": "1.5", "HEADWAY_HEARTBEAT": "0.5"}
    with workers("sqlite", 2, env=env) as shared:
        heartbeats = silent_run(shared)
        with under_way(shared, count=150, size=300) as viewers, fault(shared.pids, shared.folder):
            began = time.monotonic()
            waits = [refused(shared)]
            heartbeats.comment()
            late = shared.watch(viewers[0].run)
            assert late.message().event == "start"
            assert shared.snapshot(viewers[1].run)["status"] == "running"
            time.sleep(max(0, began + seconds - time.monotonic()))
        add(figures, "sqlite cannot write its file", 1, viewers)
        figures.times("a start is refused", waits)
        assert max(waits) < 4
        for viewer in viewers:
            check_numbers(viewer.seen)
            assert (len(viewer.seen), viewer.seen[-1].json["status"]) == (153, "succeeded")
            assert viewer.silence > 1  # it did feel it
        wait_until(lambda: shared.ask("GET", "/health/ready").get("status") == "ready", "the store is ready again")
        assert shared.start("counting", count=2).until("done")[-1].json["status"] == "succeeded"


def test_a_run_that_outgrows_its_store() -> None:
    """A run that says more than can be held while the disk is full fails, once it can be said, without a hole."""
    with workers("sqlite", 1) as shared:
        run = shared.start_unwatched("counting", count=100_000, size=20_000, pause=0.005)
        viewer = Viewer(shared, run, random.Random(SEED))
        with ThreadPoolExecutor(1) as pool:
            following = pool.submit(viewer.follow, 0, [])
            wait_until(lambda: viewer.seen, "the viewer is under way")
            with full_disk(shared.pids, shared.folder):
                wait_until(lambda: shared.ask("GET", "/worker")["runs"] == 0, "the run has been given up", 20)
            following.result()
        check_numbers(viewer.seen)
        error, done = viewer.seen[-2:]
        assert (error.json["code"], error.json["retryable"]) == ("operation_failed", True)
        assert done.json["status"] == "failed"


def test_many_workers_that_start_at_once() -> None:
    """Workers that start together over a file that is not there yet all come to serve it."""
    with workers("sqlite", 6) as shared:
        for pid in shared.pids:
            shared.start_unwatched("counting", pid, count=1)
        assert len(shared.ask("GET", "/runs")["runs"]) == 6
        assert "headway" not in shared.server.log().lower().replace(str(shared.folder).lower(), "")
        assert "Traceback" not in shared.server.log()


# A clock that jumps


@pytest.mark.parametrize("store", ["memory", "sqlite", "redis"])
@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_a_clock_that_jumps(store: str, jump: float, tmp_path: Path) -> None:
    """When the wall clock jumps, live runs go on, and questions stay open for as long as they were to."""
    clock = ManualClock()
    with contextlib.ExitStack() as started, entered("own hub") as world:
        url = "" if store == "memory" else started.enter_context(store_in(store, tmp_path))
        stage = world.call(lambda: Stage(world, counting, curious, clock=clock, store=_store(url, clock)))
        run = stage.start(counting, Count(count=50, pause=0.01))
        asking = stage.start(curious, Question(within=100))
        world.until(lambda: _status(stage, asking) == "waiting", "the question is open")
        clock.jump(jump)
        world.call(stage.store.sweep)
        messages = stage.events(run)
        assert [message.id for message in messages] == list(range(1, 54))
        assert messages[-1].json["status"] == "succeeded"
        assert 0 <= messages[-1].json["elapsed"] < 60
        clock.advance(99)
        world.call(gevent.sleep, 0.05)
        assert world.call(_status, stage, asking) == "waiting"
        clock.advance(2)
        world.until(lambda: _status(stage, asking) == "failed", "the question has expired")
        stage.close()


def _status(stage: Stage, run: str) -> str:
    record = stage.store.find(run)
    assert record is not None
    return record.status


def _store(url: str, clock: ManualClock) -> Store | None:
    if url.startswith("redis:"):
        return RedisStore(url, clock=clock)
    return SqliteStore(url.removeprefix("sqlite:///"), clock=clock) if url else None


def test_leases_do_not_look_at_the_clock() -> None:
    """What a store says of workers is in a time that does not jump: nothing in it reads the wall clock for a lease."""
    with workers("sqlite", 2) as shared:
        wait_until(lambda: len(_expires(shared.folder)) == 2, "both workers have a lease")
        assert all(abs(moment - time.monotonic()) < 10 for moment in _expires(shared.folder))


def _expires(folder: Path) -> list[float]:
    with contextlib.closing(sqlite3.connect(folder / "runs.db")) as file:
        return [moment for (moment,) in file.execute("SELECT expires FROM workers")]
