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
from typing import Final

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
        for members in self.members.values():
            for member in members:
                for way in member.ways:
                    way.close()
                member.stop()


def redis(fleet: Fleet, kind: str) -> Member:
    """A Redis that writes every command to disk before it answers."""
    address, folder = Address(port=free_port()), fleet.folder / kind
    folder.mkdir()
    command = [program("redis-server"), "--port", str(address.port), "--bind", address.host, "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
    member = fleet.add(Member(kind, 0, command, {}, folder / "log", address, answers_redis))
    member.wait()
    return member


def url(way: Way, database: int = 0) -> str:
    """The URL of a Redis at the end of a way."""
    return f"redis://127.0.0.1:{way.port}/{database}"


def web(fleet: Fleet, number: int, store: Member, broker: Member | None = None) -> Member:
    """A gunicorn of one worker; without a broker it runs its operations itself."""
    address, ways = Address(port=free_port()), [Way(store.address.port)]
    env = {"HEADWAY_STORE": url(ways[0])}
    if broker is not None:
        ways.append(Way(broker.address.port))
        env = celery(*ways)
    command = [sys.executable, "-m", "gunicorn", f"{APP}:app", "-w", "1", "-b", f"{address.host}:{address.port}"]
    env |= {RECORD: str(fleet.record), **limits()}
    log = fleet.folder / f"web-{number}.log"
    return fleet.add(Member("web", number, command, env, log, address, answers_http, ways, supervised=True))


def limits() -> dict[str, str]:
    """Settings that let one client have all runs of a test."""
    return {"HEADWAY_MAX_RUNS_PER_CLIENT": "10000", "HEADWAY_MAX_RUNS": "1000", "HEADWAY_HEARTBEAT": "2"}


def worker(fleet: Fleet, number: int, store: Member, broker: Member, pool: str, slots: int) -> Member:
    """A worker of Celery."""
    ways = [Way(store.address.port), Way(broker.address.port)]
    command = [sys.executable, "-m", "celery", "-A", APP, "worker", "-P", pool, "-c", str(slots), "-l", "INFO"]
    env = celery(*ways) | {RECORD: str(fleet.record), **limits()}
    log = fleet.folder / f"worker-{number}.log"
    name = ["-n", f"{number}@fleet"]
    return fleet.add(Member("worker", number, command + name, env, log, Address(), lambda _: is_ready(log), ways))


def is_ready(log: Path) -> bool:
    """Whether a worker of Celery has said so."""
    return " ready." in log.read_text(errors="replace")


def celery(store: Way, broker: Way) -> dict[str, str]:
    """The settings of a process that runs its operations in the workers of Celery, or is one of them."""
    return {"HEADWAY_STORE": url(store), "HEADWAY_CELERY_BROKER": url(broker), RUNS_IN: "celery"}


@contextlib.contextmanager
def fleet_of(kind: str, folder: Path, runs: int) -> Iterator[Fleet]:
    """Two web workers on one Redis: they run the operations (`web`), or three workers of Celery do (`celery`).

    Celery's broker is a Redis of its own, and its workers have a pool each: gevent, threads and prefork. Each of
    the first two has room for all `runs`.
    """
    fleet = Fleet(folder)
    try:
        store = redis(fleet, "store")
        if kind == "web":
            for number in range(2):
                web(fleet, number, store)
        else:
            broker = redis(fleet, "broker")
            for number in range(2):
                web(fleet, number, store, broker)
            for number, pool in enumerate(POOLS):
                worker(fleet, number, store, broker, pool, 4 if pool == "prefork" else runs)
        fleet.mend()
        yield fleet
    finally:
        fleet.close()
