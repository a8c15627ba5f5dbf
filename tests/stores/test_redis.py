"""The event log in Redis, against the contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from streaming.stores.base import Store
from streaming.stores.redis.connection import Wire
from streaming.stores.redis.store import RedisStore
from tests.servers import Server, redis
from tests.stores.contract import EventLogContract

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A Redis without persistence."""
    with redis() as server:
        yield server


class TestRedisLog(EventLogContract):
    """It keeps the contract."""

    @pytest.fixture(autouse=True)
    def there(self, server: Server) -> None:
        """Where the runs of one test are."""
        self.url = server.url

    def make(self, **said: Any) -> Store:
        """In a Redis that holds nothing yet."""
        wire = Wire(self.url)
        wire.ask([("FLUSHALL",)])
        wire.close()
        return RedisStore(self.url, **said)
