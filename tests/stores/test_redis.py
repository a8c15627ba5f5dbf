"""The contract, for the store in Redis with a key prefix, and what a prefix keeps apart."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from streaming import event
from streaming.errors import SettingError
from streaming.stores.base import Store
from streaming.stores.redis.connection import Connection
from streaming.stores.redis.store import RedisStore
from streaming.stores.redis.url import read_url
from tests.servers import Server, redis
from tests.stores.contract import StoreContract, run_info, until
from tests.stores.queue_contract import QueueContract
from tests.stores.redis_user import limited
from tests.stores.shared_contract import COUNT, crash, ids, read_all, soon, start_run, watching

pytestmark = pytest.mark.live

PREFIX = "staging:"

store_numbers = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A Redis without persistence."""
    with redis() as server:
        yield server


class TestRedisStore(StoreContract, QueueContract):
    """The contract, kept by a user who may use no key outside the prefix."""

    @pytest.fixture(autouse=True)
    def use(self, server: Server) -> Iterator[None]:
        """The server of all tests."""
        self.url, self.admin = limited(server, PREFIX), Connection(server.url)
        self.admin.execute([("FLUSHALL",)])  # the key that a connection without the prefix leaves
        yield
        (keys,) = self.admin.execute([("KEYS", "*")])
        self.admin.close()
        assert not [key for key in keys if not key.startswith(PREFIX.encode())]

    def make(self, **options: Any) -> Store:
        """Makes a store with a prefix of its own, so that it is empty, whatever another one is still writing."""
        return RedisStore(f"{self.url}{next(store_numbers)}:", **options)


# Prefixes


def test_stores_with_different_prefixes(server: Server, worker: Callable[..., RedisStore]) -> None:
    """They share nothing: runs, owners' limits, idempotency keys, the queue, the dead, secrets and inboxes."""
    plain, one, two = (worker(f"{server.url}{option}", lease=0.3) for option in ("", "?prefix=a", "?prefix=a:b/"))
    producers = [start_run(store, owner="ann", key="k", digest="d") for store in (plain, one, two)]
    for count, producer in enumerate(producers):
        producer.write(*(event("tick") for _ in range(count + 1)))
    plain.create(run_info("queued", owner="ann"), queued=True)
    with watching(worker(f"{server.url}?prefix=a:b/"), "r") as seen:
        producers[2].write(event("tick"))
        soon(lambda: ids(seen) == [1, 2, 3, 4, 5], "the viewer of one store sees what its producer writes")
    assert [len(read_all(store, "r")) for store in (plain, one, two)] == [2, 3, 5]
    assert [store.live("ann") for store in (plain, one, two)] == [2, 1, 1]
    assert [store.queued(COUNT, 1) for store in (plain, one, two)] == [["queued"], [], []]
    assert one.find("queued") is None
    assert len({store.secret() for store in (plain, one, two)}) == 3
    crash(one)
    heir = worker(f"{server.url}?prefix=a", lease=0.3)
    until(lambda: [record.info.id for record in heir.adopt_orphans()] == ["r"], "its own store adopts the run")
    assert not [record for store in (plain, two) for record in store.adopt_orphans()]


@pytest.mark.parametrize("prefix", ["a*", "a b", "[a]", "'", "a%0A", "headway:", "x:headway:y:", "a" * 101])
def test_a_prefix_that_cannot_be_used(prefix: str) -> None:
    """It would be a pattern in an ACL, or the beginning of another store's keys."""
    with pytest.raises(SettingError, match="HEADWAY_STORE has the prefix"):
        read_url(f"redis://127.0.0.1:1/0?prefix={prefix}")
