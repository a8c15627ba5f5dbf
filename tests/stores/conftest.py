"""The workers of one Redis: a module has the fixture `server`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from streaming.stores.redis.connection import Connection
from streaming.stores.redis.store import RedisStore
from tests.servers import Server
from tests.stores.shared_contract import MakeWorker, workers


@pytest.fixture
def direct(server: Server) -> Iterator[Connection]:
    """A connection of the test itself; Redis is empty at its start."""
    connection = Connection(server.url)
    connection.execute([("FLUSHALL",)])
    yield connection
    connection.close()


@pytest.fixture
def worker(server: Server, direct: Connection) -> Iterator[MakeWorker]:
    """Makes the store of a worker."""

    def open_store(url: str = server.url, **options: Any) -> RedisStore:
        return RedisStore(url, **options)

    with workers(open_store) as make:
        yield make
