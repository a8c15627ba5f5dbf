"""Several workers with one Redis: each store here is a worker's, with its own connections and lease."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest

from streaming import ManualClock
from streaming.stores.redis.connection import Connection
from streaming.stores.redis.store import RedisStore
from streaming.stores.shared import SharedStore
from tests.servers import Server, redis
from tests.stores.queue_contract import SharedQueueContract
from tests.stores.redis_user import limited
from tests.stores.shared_contract import MakeWorker, SharedStoreContract, start_run, workers

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A Redis without persistence."""
    with redis() as server:
        yield server


class TestRedisWorkers(SharedStoreContract, SharedQueueContract):
    """The contract, kept by a user who may do no more than docs/stores.md says."""

    @pytest.fixture
    def worker(self, server: Server, direct: Connection) -> Iterator[MakeWorker]:
        """Makes the store of a worker."""
        with workers(partial(RedisStore, limited(server))) as make:
            yield make

    @pytest.fixture(autouse=True)
    def use(self, direct: Connection) -> None:
        """The connection with which a run is lost."""
        self.direct = direct

    def lose_events(self, store: SharedStore, run: str, last: Sequence[int]) -> None:
        """Deletes entries of the stream."""
        self.direct.execute([("XDEL", f"headway:run:{run}:events", f"{number}-0") for number in (999, *last)])

    def lose_tail(self, store: SharedStore, run: str, last: int) -> None:
        """Makes the stream again without its last entries, and sets the hash back."""
        key = f"headway:run:{run}:events"
        ((*entries,),) = self.direct.execute([("XRANGE", key, "-", f"{last}-0")])
        self.direct.execute([("DEL", key), *(("XADD", key, name, *fields) for name, fields in entries)])
        self.direct.execute([("HSET", f"headway:run:{run}", "last", last)])

    def lose(self, store: SharedStore, run: str) -> None:
        """Deletes the keys of a run."""
        self.direct.execute([("DEL", *(f"headway:run:{run}{part}" for part in ("", ":events", ":viewers")))])


# What stays in Redis


def test_a_live_run_never_expires(worker: Callable[..., RedisStore], direct: Connection) -> None:
    """No key of a live run has a time to live, and after its end each key has the retention."""
    producer = start_run(worker(retention=100), owner="ann", key="k", digest="d")
    store = producer.store
    store.count("r", +1)
    store.answer("r", "q2", b"1")
    keys = [f"headway:run:r{part}" for part in ("", ":events", ":answers", ":viewers")] + ["headway:key:3:ann:k"]
    store.flush()
    assert direct.execute([("PTTL", key) for key in keys]) == [-1] * 5
    producer.end()
    store.count("r", -1)
    store.flush()
    lives = [life for life in direct.execute([("PTTL", key) for key in keys]) if life != -2]  # no viewers: no such key
    assert len(lives) == 4
    assert all(90_000 < life <= 100_000 for life in lives)


def test_nothing_stays(worker: Callable[..., RedisStore], direct: Connection) -> None:
    """After the retention, and without workers, Redis has the number of runs, its version, and nothing else."""
    clock = ManualClock()
    store, other = worker(clock=clock, retention=10), worker(clock=clock)
    for number in range(5):
        producer = start_run(store, f"r{number}", owner="ann", key=f"k{number}", digest="d")
        other.count(producer.run, +1)
        other.answer(producer.run, "q2", b"1")
        other.count(producer.run, -1)
        producer.end()
    clock.advance(100)
    store.sweep()
    for each in (store, other):
        each.close()
    kept = direct.execute([("KEYS", "headway:*")])[0]
    assert set(kept) <= {b"headway:number", b"headway:version"} | {
        b"headway:key:3:ann:k%d" % number for number in range(5)
    }
    lives = direct.execute([("PTTL", key) for key in kept if b"key" in key])
    assert all(0 < life <= 10_000 for life in lives)


def test_lists_are_made_in_slices(
    worker: Callable[..., RedisStore], direct: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first page of runs that no list has yet, or of many whose keys have expired, takes several short scripts."""
    monkeypatch.setattr("streaming.stores.redis.driver.LIST_RUNS", 3)
    store = worker()
    for number in range(10):
        start_run(store, f"r{number}").end("failed" if number % 2 else "succeeded")
    kept = direct.execute([("KEYS", "headway:list*")])[0]
    assert kept
    direct.execute([("DEL", *kept)])

    def listed(**filters: str) -> list[str]:
        page = store.page(owner="", limit=4, **{"operation": None, "status": None, "before": None, **filters})
        return [record.info.id for record in page]

    assert listed(status="failed") == ["r9", "r7", "r5", "r3"]
    assert listed(status="failed", before="r3") == ["r1"]
    assert listed(operation="count", before="r3") == ["r2", "r1", "r0"]
    direct.execute([("DEL", *(f"headway:run:r{number}" for number in range(2, 10)))])
    assert listed(status="failed") == ["r1"]
    assert listed() == ["r1", "r0"]


def test_a_long_sweep_goes_on(worker: Callable[..., RedisStore], direct: Connection) -> None:
    """Where more runs have expired than one script deletes, the next sweep does not wait."""
    clock = ManualClock()
    store = worker(clock=clock, retention=10)
    start_run(store).end()
    runs = [part for number in range(600) for part in (1, f"x{number} ")]
    direct.execute([("ZADD", "headway:expires", *runs), ("ZADD", "headway:ended", *runs)])
    for left in (101, 0):
        clock.advance(5.5)
        store.sweep()
        assert direct.execute([("ZCARD", "headway:expires")]) == [left]
