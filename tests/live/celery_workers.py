"""Workers of Celery beside the web workers of `workers.py`, over one store, and a Redis of its own as the broker."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from tests.clients import Address
from tests.live.workers import Workers, note_names, workers
from tests.servers import Server, children, free_port, launched, redis, scratch

APP: Final = "tests.apps.celery_fleet"
QUEUE: Final = "headway"
"""The list in the broker that has the messages."""

Pool = Literal["gevent", "prefork", "threads", "solo"]
POOLS: Final[tuple[Pool, ...]] = ("gevent", "prefork", "threads")

LEASE: Final = 1.5
"""Seconds; short, so that the tests need not wait long for a lost worker."""

START: Final = 100.0
"""Seconds in which a worker is ready; on a machine that does nothing else it takes two or three."""

STOP: Final = 30.0
"""Seconds in which a stopped worker has gone; Celery itself takes one."""

names: Final = map("celery{}".format, itertools.count())


@dataclass
class Fleet:
    """Web workers, and the broker to which they send."""

    web: Workers
    broker: Server

    @contextlib.contextmanager
    def celery(self, pool: Pool, concurrency: int = 4, **variables: str) -> Iterator[Server]:
        """A worker of Celery that is ready."""
        with scratch() as folder:
            name = next(names)
            command = [sys.executable, "-W", "ignore", "-m", "celery", "-A", APP, "worker", "-P", pool, "-n", name]
            command += ["-c", str(concurrency), "-l", "INFO", "--without-mingle", "--without-gossip"]
            log, env = folder / f"{name}.log", {**self.web.variables, **variables}
            ready = lambda _: "ready." in _read(log)  # noqa: E731
            with launched(
                name, command, Address(port=free_port()), folder, ready=ready, env=env, within=START
            ) as server:
                yield server

    def messages(self) -> int:
        """How many messages wait in the broker."""
        import redis

        with redis.Redis.from_url(self.broker.url) as client:
            waiting: Any = client.llen(QUEUE)
        return int(waiting)

    def status(self, run: str) -> tuple[str, str | None]:
        """The status of a run, and the code of its error."""
        snapshot = self.web.snapshot(run)
        return snapshot["status"], (snapshot["error"] or {}).get("code")


def belongs_to(worker: Server, pid: int) -> bool:
    """Whether a process is that of a worker, or one of its pool's."""
    return pid == worker.pid or pid in children(worker.pid)


def begun(service: Fleet, operation: str, **input: Any) -> tuple[str, str]:
    """A run that is at work, and its note."""
    note = next(note_names)
    run = service.web.start_unwatched(operation, note=note, **input)
    service.web.notes.when(f"{note}-begun-1")
    return run, note


def ended(service: Fleet, run: str) -> dict[str, Any]:
    """The last event of a run, for which this waits."""
    done: dict[str, Any] = service.web.watch(run, timeout=STOP).until("done")[-1].json
    return done


def _read(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""


@contextlib.contextmanager
def fleet(number: int = 1, **variables: str) -> Iterator[Fleet]:
    """Web workers that have no worker of Celery yet, with a short lease and a short drain."""
    with redis() as broker:
        env = {"HEADWAY_CELERY_BROKER": broker.url, "FLEET_LEASE": str(LEASE), "HEADWAY_DRAIN": "1", **variables}
        with workers("redis", number, app=f"{APP}:app", env=env) as web:
            yield Fleet(web, broker)
