"""The contract, for the store in Redis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from streaming.stores.base import Store
from streaming.stores.redis.connection import Connection
from streaming.stores.redis.store import RedisStore
from tests.servers import Server, redis
from tests.stores.contract import StoreContract

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A Redis without persistence."""
    with redis() as server:
        yield server


class TestRedisStore(StoreContract):
    """The contract."""

    @pytest.fixture(autouse=True)
    def use(self, server: Server) -> None:
        """The server of all tests."""
        self.url = server.url

    def make(self, **options: Any) -> Store:
        """Makes a store in an empty Redis."""
        connection = Connection(self.url)
        connection.execute([("FLUSHALL",)])
        connection.close()
        return RedisStore(self.url, **options)
