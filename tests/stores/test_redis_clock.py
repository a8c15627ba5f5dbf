"""A Redis whose clock, by which keys expire, is set forward and back.

libfaketime (https://github.com/wolfcw/libfaketime) gives this one server a wall clock of its own.
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
from tests.stores.shared_contract import crash, ids, read_all, soon, start_run

pytestmark = pytest.mark.live

LEASE: Final = 1.0
DAY: Final = 86_400


@dataclass
class Shifted:
    """A Redis with a clock that can be set."""

    url: str
    file: Path

    def shift(self, seconds: int) -> None:
        """Sets its clock to so many seconds from the machine's; it reads the file each time."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.rename(self.file)


def libraries() -> str:
    """The paths of libfaketime and libc for `LD_PRELOAD`.

    With libc first, Redis does not use jemalloc, which needs the time before libfaketime is ready.
    """
    program("faketime")
    return f"{next(Path('/usr/lib').rglob('libfaketime.so.1'))} libc.so.6"


@pytest.fixture
def server() -> Iterator[Shifted]:
    """A Redis without persistence, whose clock is right at first."""
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
        with launched("redis", [*command, "--save", ""], address, folder, ready=answers_redis, env=env) as redis:
            yield shifted
        # libfaketime deletes them where its process ends by itself, and this one is killed.
        for shared in Path("/dev/shm").glob(f"*faketime_s[eh]m_{redis.pid}"):
            shared.unlink()


@pytest.fixture
def worker(server: Shifted) -> Iterator[Callable[[], RedisStore]]:
    """Makes the store of a worker."""
    with contextlib.ExitStack() as stack:

        def make() -> RedisStore:
            store = RedisStore(server.url, lease=LEASE)
            stack.callback(store.close)
            return store

        yield make


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_live_runs_go_on(server: Shifted, worker: Callable[[], RedisStore], jump: int) -> None:
    """No worker takes another for dead, viewers on other workers count, and each event is seen once."""
    store, other = worker(), worker()
    producer = start_run(store)
    other.count("r", +1)
    soon(lambda: store.control("r").viewers == 1, "the viewer counts")
    counts: list[int] = []
    unwatch = store.watch("r", lambda: counts.append(store.control("r").viewers))
    until(lambda: store._leases_reliable and other._leases_reliable, "both rely on leases")
    server.shift(jump)
    for _ in range(int(3 * LEASE / 0.05)):
        assert not store.adopt_orphans()
        assert not other.adopt_orphans()
        store._refresh(["r"])
        producer.write(event("tick"))
        gevent.sleep(0.05)
    assert store.abandon("r") is False
    unwatch()
    assert 0 not in counts
    assert ids(read_all(other, "r")) == list(range(1, producer.recorder.last + 1))
    assert store.control("r").lost is None


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_a_dead_worker_is_found_all_the_same(server: Shifted, worker: Callable[[], RedisStore], jump: int) -> None:
    """The runs of a worker that died before the jump are adopted within three leases after it."""
    dead, other = worker(), worker()
    start_run(dead)
    until(lambda: other._leases_reliable, "the other relies on leases")
    crash(dead)
    server.shift(jump)
    adopted: list[str] = []

    def adopt() -> bool:
        adopted.extend(record.info.id for record in other.adopt_orphans())
        return bool(adopted)

    assert not adopt()
    with gevent.Timeout(3 * LEASE + 1, AssertionError("the run was not adopted")):
        until(adopt, "the run is adopted")
    assert adopted == ["r"]


def test_a_cancel_after_a_jump_back(server: Shifted, worker: Callable[[], RedisStore]) -> None:
    """A worker gets a message whose time is before that of the last one."""
    store, other = worker(), worker()
    for run in ("r1", "r2"):
        start_run(store, run)
    other.cancel("r1", "requested")
    soon(lambda: store.control("r1").cancel == "requested", "the first cancel arrives")
    server.shift(-DAY)
    other.cancel("r2", "requested")
    soon(lambda: store.control("r2").cancel == "requested", "the second cancel arrives")
