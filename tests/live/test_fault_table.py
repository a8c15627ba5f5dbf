"""The table of faults: what the viewers of six runs see of each.

Two viewers of each run follow it through the fault, and come back whenever their stream ends without its last event.
Each viewer comes to an end: it gets the last event, or learns that its run is no more (404). No event comes twice, and
none is missing unless a `reset` says so. The short form has two of the faults; others have tests of their own in
`test_faults.py`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from redis import Redis

from tests.apps.notes import Notes
from tests.clients import Connection, Cut, Message, wait_until
from tests.figures import Figures
from tests.live.test_faults import full_disk, locked
from tests.live.workers import Workers, workers
from tests.servers import Server, free_port, redis, scratch

pytestmark = pytest.mark.live

RUNS: Final = 6
EVENTS: Final = 63
PATIENCE: Final = 40.0
"""Seconds after which a viewer without an end counts as hung."""


@dataclass
class Witness:
    """A viewer that comes back until it knows how its run has ended.

    `ended` says how: the status of its last event, `read` where nothing is left to send (204), `gone` (404),
    `no server`, or `hung`.
    """

    shared: Workers
    run: str
    seen: list[Message] = field(default_factory=list)
    ended: str = ""
    silence: float = 0.0
    _heard: float = field(default_factory=time.monotonic)

    def follow(self, until: float) -> Witness:
        """Follows the run until it knows its end, at the latest until that moment (monotonic)."""
        while not self.ended and time.monotonic() < until:
            try:
                self._visit()
            except ConnectionRefusedError:
                if self.shared.server.process.poll() == -signal.SIGKILL:
                    self.ended = "no server"
            except (Cut, OSError):
                pass
            time.sleep(0.1)
        self.ended = self.ended or "hung"
        return self

    def _visit(self) -> None:
        after = next((str(message.id) for message in reversed(self.seen)), "0")
        with Connection(self.shared.server, timeout=5.0) as viewer:
            head = viewer.request("GET", f"/runs/{self.run}/events", {"Last-Event-ID": after})
            if head.status in (204, 404):
                self.ended = {204: "read", 404: "gone"}[head.status]
            if head.status != 200:
                return
            for message in viewer.messages():
                now = time.monotonic()
                self.silence, self._heard = max(self.silence, now - self._heard), now
                self.seen.append(message)
                if message.event == "done":
                    self.ended = str(message.json["status"])
                    return

    def holes(self) -> list[int]:
        """How many events are missing at each hole, negative where a `reset` tells of it.

        Those that a viewer has seen, and that a store has lost, are such a hole too.
        """
        found, last = [], 0
        for message in self.seen:
            number = message.id or 0
            if message.event == "reset":
                found.append(-abs(number - last))
            elif number > last + 1:
                found.append(number - last - 1)
            last = number if message.event == "reset" else max(number, last)
        return [hole for hole in found if hole]

    def repeated(self) -> int:
        """How many events came twice."""
        numbers = [message.id for message in self.seen if message.event != "reset"]
        return len(numbers) - len(set(numbers))


@dataclass
class Service(Workers):
    """Workers, and how to start others over the same store."""

    start_server: Callable[[], Server] = field(kw_only=True)


class Fault(NamedTuple):
    """What is done to a store and its workers, and how runs may end after it."""

    store: str
    do: Callable[[Workers], None]
    endings: frozenset[str] = frozenset({"succeeded"})
    env: dict[str, str] = {}  # noqa: RUF012  # never changed

    @property
    def name(self) -> str:
        """What the table calls it."""
        return f"{self.store}: {self.do.__name__.replace('_', ' ')}"


LOST: Final = frozenset({"succeeded", "failed", "gone", "cancelled"})
"""How runs end whose worker or store is lost."""

FAULTS: Final[list[Fault]] = []


def fault(*stores: str, endings: frozenset[str] = frozenset({"succeeded"}), **env: str) -> Callable[[Any], Any]:
    """Adds a row for each store."""

    def add(do: Callable[[Workers], None]) -> Callable[[Workers], None]:
        FAULTS.extend(Fault(store, do, endings, env) for store in stores)
        return do

    return add


def server_of(shared: Workers) -> Any:
    """The Redis of a test."""
    return Redis.from_url((shared.folder / "url").read_text())


def hold(seconds: float = 2.5) -> None:
    """Lets a fault last."""
    time.sleep(seconds)


# Workers


@fault("sqlite", "redis", endings=LOST)
def worker_killed(shared: Workers) -> None:
    """SIGKILL."""
    shared.kill(shared.pids[0])


@fault("memory", endings=LOST)
def only_worker_killed(shared: Workers) -> None:
    """SIGKILL: its runs are no more."""
    for pid in shared.pids:
        shared.kill(pid)


@fault("sqlite", "redis")
def worker_paused_for_less_than_a_lease(shared: Workers) -> None:
    """SIGSTOP, SIGCONT."""
    pid = shared.pids[0]
    shared.pause(pid)
    hold(0.7)
    os.kill(pid, signal.SIGCONT)


@fault("sqlite", "redis", endings=LOST)
def worker_paused_for_longer_than_a_lease(shared: Workers) -> None:
    """SIGSTOP, SIGCONT: it is fenced."""
    pid = shared.pids[0]
    shared.pause(pid)
    hold(4)
    os.kill(pid, signal.SIGCONT)


@fault("sqlite", "redis", endings=LOST, HEADWAY_DRAIN="1")
def worker_stopped(shared: Workers) -> None:
    """SIGTERM."""
    os.kill(shared.pids[0], signal.SIGTERM)


@fault("sqlite", HEADWAY_DRAIN="10")
def all_workers_reloaded(shared: Workers) -> None:
    """SIGHUP to the arbiter."""
    os.kill(shared.server.pid, signal.SIGHUP)


@fault("sqlite", endings=LOST | {"no server"}, HEADWAY_DRAIN="8")
def arbiter_killed(shared: Workers) -> None:
    """SIGKILL: its workers drain, and nobody serves any more those who come back."""
    os.kill(shared.server.pid, signal.SIGKILL)


@fault("sqlite")
def no_descriptors(shared: Workers) -> None:
    """The workers can open no further file or connection for a while."""
    pids = shared.pids
    for pid in pids:
        used = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, 4096))
    hold()
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (4096, 4096))


@fault("memory", HEADWAY_STORE_BYTES="40000")
def store_full_in_memory(shared: Workers) -> None:
    """The runs have more frames than the store may hold."""
    hold()


# The file


@fault("sqlite")
def disk_full(shared: Workers) -> None:
    """No file grows any more."""
    with full_disk(shared.pids, shared.folder):
        hold()


@fault("sqlite")
def file_locked(shared: Workers) -> None:
    """Another program writes for long."""
    with locked(shared.pids, shared.folder):
        hold()


@fault("sqlite")
def file_made_read_only(shared: Workers) -> None:
    """Its mode forbids writing, which those who have it open do not notice."""
    file = shared.folder / "runs.db"
    file.chmod(0o400)
    hold()
    file.chmod(0o600)


def delete_files(shared: Workers) -> None:
    """The database and its companions."""
    for file in shared.folder.glob("runs.db*"):
        file.unlink()


def restart(shared: Workers, *, reload: bool = True) -> None:
    """What the operator does then."""
    wait_until(lambda: shared.ask("GET", "/health/ready").get("code") == "store_away", "the workers are not ready")
    hold(1)
    if reload:
        os.kill(shared.server.pid, signal.SIGHUP)
    else:
        assert isinstance(shared, Service)
        shared.server.stop()
        shared.server = shared.start_server()


@fault("sqlite", endings=LOST, HEADWAY_DRAIN="1")
def file_deleted(shared: Workers) -> None:
    """And then the service restarted."""
    delete_files(shared)
    restart(shared)


@fault("sqlite", endings=LOST | {"read"}, HEADWAY_DRAIN="1")
def file_replaced(shared: Workers) -> None:
    """By an older copy, and then the service restarted."""
    copy = shared.folder / "copy.db"
    file = sqlite3.connect(shared.folder / "runs.db")
    with contextlib.closing(file), contextlib.closing(sqlite3.connect(copy)) as target:
        file.backup(target)
    hold(0.5)
    delete_files(shared)
    copy.rename(shared.folder / "runs.db")
    restart(shared)


@fault("sqlite", endings=LOST, HEADWAY_DRAIN="1")
def log_deleted(shared: Workers) -> None:
    """The write-ahead log alone, and then the service restarted."""
    (shared.folder / "runs.db-wal").unlink()
    restart(shared, reload=False)


@fault("sqlite")
def file_moved_and_back(shared: Workers) -> None:
    """It is away for a while."""
    files = list(shared.folder.glob("runs.db*"))
    for file in files:
        file.rename(file.with_name(f"away-{file.name}"))
    hold()
    for file in files:
        file.with_name(f"away-{file.name}").rename(file)


# Redis


@fault("redis")
def every_connection_closed(shared: Workers) -> None:
    """Again and again."""
    server = server_of(shared)
    for _ in range(10):
        server.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        time.sleep(0.1)


@fault("redis")
def no_reply(shared: Workers) -> None:
    """CLIENT PAUSE."""
    server_of(shared).execute_command("CLIENT", "PAUSE", 2500, "ALL")
    hold()


@fault("redis")
def out_of_memory(shared: Workers) -> None:
    """Every write is refused."""
    server = server_of(shared)
    server.config_set("maxmemory", 1)
    hold()
    server.config_set("maxmemory", 0)


@fault("redis")
def replica_for_a_while(shared: Workers) -> None:
    """Every write is refused."""
    server = server_of(shared)
    server.replicaof("127.0.0.1", free_port())
    hold()
    server.replicaof("NO", "ONE")


@fault("redis")
def emptied(shared: Workers) -> None:
    """FLUSHALL: producers write their runs again."""
    server_of(shared).flushall()


@fault("redis", endings=LOST)
def emptied_and_a_worker_killed(shared: Workers) -> None:
    """The runs of the worker are no more."""
    os.kill(shared.pids[0], signal.SIGKILL)
    server_of(shared).flushall()


@fault("redis", endings=LOST)
def evicts_keys_that_expire(shared: Workers) -> None:
    """As `volatile-*` does: the leases."""
    server = server_of(shared)
    for _ in range(5):
        for key in server.scan_iter("headway:lease:*"):
            server.delete(key)
        time.sleep(0.2)


@fault("redis", endings=LOST)
def evicts_events(shared: Workers) -> None:
    """As `allkeys-*` does: the streams of events."""
    server = server_of(shared)
    for key in server.scan_iter("headway:run:*:events"):
        server.delete(key)


@fault("redis")
def trims_events(shared: Workers) -> None:
    """Another program cuts the streams to their last entries, and into holes."""
    server = server_of(shared)
    for key in server.scan_iter("headway:run:*:events"):
        server.xtrim(key, maxlen=3, approximate=False)
        (entry, *_) = server.xrevrange(key, count=2)[1:]
        server.xdel(key, entry[0])


@fault("redis", endings=LOST)
def policy_changed(shared: Workers) -> None:
    """Workers start nothing meanwhile."""
    server = server_of(shared)
    server.config_set("maxmemory-policy", "allkeys-lru")
    server.config_set("maxmemory", "1gb")
    hold()
    server.config_set("maxmemory", 0)


SHORT: Final = {"sqlite: file deleted", "redis: trims events"}


@contextlib.contextmanager
def serving(fault: Fault) -> Iterator[Workers]:
    """Two workers (one in memory) over a store whose URL is noted for the fault."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch())
        env = {"HEADWAY_HEARTBEAT": "0.5", **fault.env}
        if fault.store == "memory":
            env["HEADWAY_STORE"] = "memory:"
        else:
            env["DURABLE_LEASE"] = "1.5"
        if fault.store == "redis":
            server = stack.enter_context(redis())
            env["HEADWAY_STORE"] = server.url
            (folder / "url").write_text(server.url)
        number = 1 if fault.store == "memory" else 2

        def start() -> Server:
            return stack.enter_context(workers("sqlite", number, env=env, folder=folder)).server

        yield Service(start(), number, Notes(folder), folder, start_server=start)


def watch_through(fault: Fault) -> list[Witness]:
    """What the viewers of the runs see of a fault."""
    with serving(fault) as shared:
        pids = itertools.cycle(shared.pids)
        runs = [shared.start_unwatched("counting", next(pids), count=EVENTS - 3, pause=0.05) for _ in range(RUNS)]
        witnesses = [Witness(shared, run) for run in runs * 2]
        until = time.monotonic() + PATIENCE
        with ThreadPoolExecutor(len(witnesses)) as pool:
            following = [pool.submit(witness.follow, until) for witness in witnesses]
            wait_until(lambda: all(len(witness.seen) > 5 for witness in witnesses), "all viewers are under way")
            fault.do(shared)
            witnesses += (Witness(shared, run) for run in runs)  # who come later see the same
            following += (pool.submit(witness.follow, until) for witness in witnesses[-RUNS:])
            for each in following:
                each.result()
        return witnesses


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The faults of the form."""
    if "fault" in metafunc.fixturenames:
        faults = [fault for fault in FAULTS if fault.name in SHORT or metafunc.config.getoption("--long")]
        metafunc.parametrize("fault", faults, ids=[fault.name for fault in faults])


@pytest.mark.usefixtures("long")
def test_a_fault(fault: Fault, figures: Figures) -> None:
    """Every viewer comes to its end, and knows of each event that it has missed."""
    witnesses = watch_through(fault)
    holes = [hole for witness in witnesses for hole in witness.holes()]
    repeated = sum(witness.repeated() for witness in witnesses)
    lost, told = -sum(hole for hole in holes if hole < 0), sum(hole < 0 for hole in holes)
    endings = sorted({witness.ended for witness in witnesses})
    hung = sum(witness.ended == "hung" for witness in witnesses)
    silence = max(witness.silence for witness in witnesses)
    figures.add(
        "",
        f"{len(witnesses)} viewers, lost {lost} (told {told} times), repeated {repeated}, untold "
        f"{sum(hole > 0 for hole in holes)}, hung {hung}, longest silence {silence:.1f} s, {'/'.join(endings)}",
    )
    assert not [hole for hole in holes if hole > 0]
    assert not repeated
    assert {*endings} <= fault.endings, endings
