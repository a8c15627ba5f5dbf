"""The clock of the machine that Redis runs on is set forward and back, by which all its keys expire.

libfaketime (https://github.com/wolfcw/libfaketime) gives that one server a wall clock of its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import gevent
import pytest

from streaming import event
from streaming.stores.redis.store import RedisStore
from tests.clients import Address
from tests.servers import answers_redis, free_port, launched, program, scratch
from tests.stores.contract import until
from tests.stores.test_redis_workers import crash, numbers, producing, soon, told

pytestmark = pytest.mark.live

LEASE: Final = 1.0
DAY: Final = 86_400


@dataclass
class Shifted:
    """A Redis, and how far its clock is from everybody else's."""

    url: str
    file: Path

    def shift(self, seconds: int) -> None:
        """Sets its clock, which it looks at anew each time."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.rename(self.file)


def libraries() -> str:
    """libfaketime, wherever this machine keeps it.

    libc comes with it, so that memory is libc's: jemalloc, which Redis uses, asks for the time before libfaketime is
    ready to tell it.
    """
    program("faketime")
    return f"{next(Path('/usr/lib').rglob('libfaketime.so.1'))} libc.so.6"


@pytest.fixture
def server() -> Iterator[Shifted]:
    """A Redis without persistence, whose clock is right so far."""
    address = Address(port=free_port())
    with scratch() as folder:
        shifted = Shifted(f"redis://{address.host}:{address.port}/0", folder / "shift")
        shifted.shift(0)
        env = {
            "LD_PRELOAD": libraries(),
            "FAKETIME_TIMESTAMP_FILE": str(shifted.file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        command = [program("redis-server"), "--port", str(address.port), "--bind", address.host, "--dir", str(folder)]
        with launched("redis", [*command, "--save", ""], address, folder, ready=answers_redis, env=env):
            yield shifted


@pytest.fixture
def worker(server: Shifted) -> Iterator[Callable[[], RedisStore]]:
    """Makes the log of a worker."""
    with contextlib.ExitStack() as made:

        def make() -> RedisStore:
            log = RedisStore(server.url, lease=LEASE)
            made.callback(log.close)
            return log

        yield make


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_live_runs_go_on(server: Shifted, worker: Callable[[], RedisStore], jump: int) -> None:
    """No worker takes another for dead, viewers elsewhere count, and each event is seen once."""
    log, other = worker(), worker()
    producer = producing(log)
    other.count("r", +1)
    soon(lambda: log.control("r").viewers == 1, "the viewer counts")
    counts: list[int] = []
    unwatch = log.watch("r", lambda: counts.append(log.control("r").viewers))
    until(lambda: log._settled and other._settled, "both could judge")
    server.shift(jump)
    for _ in range(int(3 * LEASE / 0.05)):
        assert not log.orphans()
        assert not other.orphans()
        log._look_at(["r"])
        producer.write(event("tick"))
        gevent.sleep(0.05)
    assert log.abandon("r") is False
    unwatch()
    assert 0 not in counts
    assert numbers(told(other, "r")) == list(range(1, producer.recorder.last + 1))
    assert log.control("r").lost is None


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_a_dead_worker_is_found_all_the_same(server: Shifted, worker: Callable[[], RedisStore], jump: int) -> None:
    """The runs of a worker that died before the jump are taken over within three leases after it."""
    dead, other = worker(), worker()
    producing(dead)
    until(lambda: other._settled, "the other could judge")
    crash(dead)
    server.shift(jump)
    adopted: list[str] = []

    def found() -> bool:
        adopted.extend(record.info.id for record in other.orphans())
        return bool(adopted)

    assert not found()
    with gevent.Timeout(3 * LEASE + 1, AssertionError("the run is nobody's")):
        until(found, "the run is taken over")
    assert adopted == ["r"]


def test_a_cancel_after_a_jump_back(server: Shifted, worker: Callable[[], RedisStore]) -> None:
    """A message to a worker is heard though it bears an older moment than the one before."""
    log, other = worker(), worker()
    for run in ("r1", "r2"):
        producing(log, run)
    other.cancel("r1", "requested")
    soon(lambda: log.control("r1").cancel == "requested", "the first cancel is heard")
    server.shift(-DAY)
    other.cancel("r2", "requested")
    soon(lambda: log.control("r2").cancel == "requested", "the second cancel is heard")
