"""The processes of a fleet: web workers, the workers of the producers, Redis; and what a fault does to one of them.

Each process that is killed comes back after a moment, as a supervisor starts it again; it keeps its port and files.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from tests.apps.fleet import RECORD, RUNS_IN
from tests.clients import Address, wait_until
from tests.fleet.partition import Way
from tests.servers import ROOT, STARTUP, Server, answers_http, answers_redis, environment, free_port, processes, program

APP: Final = "tests.apps.fleet"
POOLS: Final = ("gevent", "threads", "prefork")
LIFE: Final = 0.5
"""Seconds between the death of a process and its next start."""


@dataclass
class Member:
    """One process with its children, and the ways from it to others."""

    kind: str
    number: int
    command: Sequence[str]
    env: dict[str, str]
    log_path: Path
    address: Address
    ready: Callable[[Address], bool]
    ways: list[Way] = field(default_factory=list)
    supervised: bool = False
    """Whether it starts its killed children again by itself, as gunicorn does; then they are killed, and not it."""
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.start()
        # Its log is shown where the test fails.
        self._server = Server(f"{self.kind}-{self.number}", self.address, self.process, self.log_path)

    def start(self) -> None:
        """Starts it, without waiting for it."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=environment(self.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Waits until it serves."""
        wait_until(lambda: self.ready(self.address), f"{self.kind} {self.number} serves", STARTUP)

    @property
    def pids(self) -> list[int]:
        """The processes that a fault is for."""
        group = [process.pid for process in processes() if process.group == self.process.pid]
        return [pid for pid in group if pid != self.process.pid] if self.supervised else group

    def kill(self) -> None:
        """Kills it (SIGKILL), and sees that it comes back."""
        self._signal(signal.SIGKILL)
        if not self.supervised:
            self.process.wait()
            time.sleep(LIFE)
            self.start()

    def pause(self) -> None:
        """Pauses it (SIGSTOP)."""
        self._signal(signal.SIGSTOP)

    def part(self) -> None:
        """Parts it from all that it connects to."""
        for way in self.ways:
            way.part()

    def mend(self) -> None:
        """Ends a pause and a partition."""
        self._signal(signal.SIGCONT)
        for way in self.ways:
            way.heal()

    def _signal(self, number: signal.Signals) -> None:
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        """Ends it with all its children, in whatever state they are."""
        self._server.process = self.process
        self._server.kill()


@dataclass
class Fleet:
    """The members by kind, and the folder of their files."""

    folder: Path
    members: dict[str, list[Member]] = field(default_factory=dict)
    sentinel: Member | None = None
    """It has no faults of its own: `tests/stores/test_redis_sentinel.py` is about several."""

    def may_lose(self, kind: str) -> bool:
        """Whether the fleet is to survive the loss of one of these: a replica that is not in step is no replica."""
        if kind != "store" or self.sentinel is None:
            return True
        return b"master-link-status\r\n$2\r\nok\r\n" in told(self.sentinel.address, "SENTINEL REPLICAS runs")

    @property
    def record(self) -> Path:
        """The record of effects."""
        return self.folder / "record"

    @property
    def kinds(self) -> dict[str, int]:
        """How many there are of each kind."""
        return {kind: len(members) for kind, members in self.members.items()}

    def add(self, member: Member) -> Member:
        """Adds a member, which runs already."""
        self.members.setdefault(member.kind, []).append(member)
        return member

    def mend(self) -> None:
        """Ends all pauses and partitions, and waits until everything serves."""
        for members in self.members.values():
            for member in members:
                member.mend()
        for members in self.members.values():
            for member in members:
                member.wait()

    def close(self) -> None:
        """Ends all members."""
        for members in [*self.members.values(), [self.sentinel] if self.sentinel else []]:
            for member in members:
                for way in member.ways:
                    way.close()
                member.stop()


def redis(fleet: Fleet, kind: str, *options: str) -> Member:
    """A Redis that writes every command to disk before it answers."""
    address, number = Address(port=free_port()), len(fleet.members.get(kind, ()))
    folder = fleet.folder / f"{kind}-{number}"
    folder.mkdir()
    # A file, into which Sentinels have it write who its primary is.
    settings = [f"port {address.port}", f"bind {address.host}", f"dir {folder}", 'save ""', "appendonly yes"]
    (folder / "redis.conf").write_text("\n".join([*settings, "appendfsync always", *options, ""]))
    command = [program("redis-server"), str(folder / "redis.conf")]
    member = fleet.add(Member(kind, number, command, {}, folder / "log", address, answers_redis))
    member.wait()
    return member


def failover(fleet: Fleet) -> str:
    """A primary, a replica and a Sentinel; gives the URL of the store. What goes to a Redis goes over one way."""
    first = 0
    for _ in range(2):
        way = Way()
        announced = ["replica-announce-ip 127.0.0.1", f"replica-announce-port {way.port}"]
        node = redis(fleet, "store", *announced, *([f"replicaof 127.0.0.1 {first}"] if first else ()))
        way.target, node.ways = node.address.port, [way]
        first = first or way.port
    watched = [f"sentinel monitor runs 127.0.0.1 {first} 1", "sentinel down-after-milliseconds runs 1000"]
    watched += ["sentinel failover-timeout runs 5000"]
    address, folder = Address(port=free_port()), fleet.folder / "sentinel"
    folder.mkdir()
    settings = [f"port {address.port}", f"bind {address.host}", f"dir {folder}", *watched, ""]
    (folder / "sentinel.conf").write_text("\n".join(settings))
    command = [program("redis-server"), str(folder / "sentinel.conf"), "--sentinel"]
    fleet.sentinel = Member("sentinel", 0, command, {}, folder / "log", address, answers_redis)
    fleet.sentinel.wait()
    return f"redis+sentinel://127.0.0.1:{address.port}/runs/0"


def told(address: Address, command: str) -> bytes:
    """The beginning of a Redis's reply; nothing where it does not answer."""
    with contextlib.suppress(OSError), address.connect(timeout=5) as connection:
        connection.sendall(f"{command}\r\n".encode())
        return connection.recv(65536)
    return b""


def url(way: Way) -> str:
    """The URL of a Redis at the end of a way."""
    return f"redis://127.0.0.1:{way.port}/0"


class Places(NamedTuple):
    """Where a process finds what it needs: the settings, and the ways that they name."""

    env: dict[str, str]
    ways: list[Way]


def places(store: Member | str, broker: Member | None) -> Places:
    """Those of a new process, which has ways of its own; a store behind Sentinels has its own instead."""
    to_store = [] if isinstance(store, str) else [Way(store.address.port)]
    to_broker = [] if broker is None else [Way(broker.address.port)]
    env = {"HEADWAY_STORE": store if isinstance(store, str) else url(to_store[0])}
    if to_broker:
        env |= {"HEADWAY_CELERY_BROKER": url(to_broker[0]), RUNS_IN: "celery"}
    return Places({**env, **LIMITS}, to_store + to_broker)


LIMITS: Final = {"HEADWAY_MAX_RUNS_PER_CLIENT": "10000", "HEADWAY_MAX_RUNS": "1000", "HEADWAY_HEARTBEAT": "2"}
"""Settings that let one client have all runs of a test, and viewers notice soon that nobody is there."""


def web(fleet: Fleet, number: int, found: Places) -> Member:
    """A gunicorn of one worker; without a broker it runs its operations itself."""
    address = Address(port=free_port())
    command = [sys.executable, "-m", "gunicorn", f"{APP}:app", "-w", "1", "-b", f"{address.host}:{address.port}"]
    env, log = {**found.env, RECORD: str(fleet.record)}, fleet.folder / f"web-{number}.log"
    return fleet.add(Member("web", number, command, env, log, address, answers_http, found.ways, supervised=True))


def worker(fleet: Fleet, number: int, found: Places, pool: str, slots: int) -> Member:
    """A worker of Celery."""
    command = [sys.executable, "-m", "celery", "-A", APP, "worker", "-P", pool, "-c", str(slots), "-l", "INFO"]
    env, log = {**found.env, RECORD: str(fleet.record)}, fleet.folder / f"worker-{number}.log"
    name = ["-n", f"{number}@fleet"]
    return fleet.add(Member("worker", number, command + name, env, log, Address(), lambda _: is_ready(log), found.ways))


def is_ready(log: Path) -> bool:
    """Whether a worker of Celery has said so."""
    return " ready." in log.read_text(errors="replace")


@contextlib.contextmanager
def fleet_of(kind: str, folder: Path, runs: int) -> Iterator[Fleet]:
    """Two web workers that run the operations themselves (`web`), or for which three workers of Celery do (`celery`).

    The store is a Redis, with `failover` a primary and a replica with a Sentinel. Celery's broker is a Redis of its
    own, and its workers have a pool each: gevent, threads and prefork. The first two have room for all `runs`.
    """
    fleet = Fleet(folder)
    try:
        store = failover(fleet) if kind == "failover" else redis(fleet, "store")
        broker = None if kind == "web" else redis(fleet, "broker")
        for number in range(2):
            web(fleet, number, places(store, broker))
        for number, pool in enumerate(() if broker is None else POOLS):
            worker(fleet, number, places(store, broker), pool, 4 if pool == "prefork" else runs)
        fleet.mend()
        yield fleet
    finally:
        fleet.close()
