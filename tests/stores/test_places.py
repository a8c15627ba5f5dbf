"""The contract's tests of files, for each store with its files in a shared folder and in an object store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from streaming.settings import Settings
from streaming.stores import open_store
from streaming.stores.base import Store
from streaming.stores.memory import MemoryStore
from streaming.stores.redis.connection import Connection
from streaming.stores.redis.store import RedisStore
from streaming.stores.sqlite.store import SqliteStore
from tests.object_store import BUCKET, ObjectStore, object_store
from tests.servers import Server, redis
from tests.stores.contract import FilesContract

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A Redis for all tests."""
    with redis() as server:
        yield server


@pytest.fixture(scope="module")
def bucket() -> Iterator[ObjectStore]:
    """An object store for all tests."""
    with object_store() as store:
        yield store


class InPlace(FilesContract):
    """The tests, for one store in both places."""

    kind: ClassVar[type[Store]]
    url: str

    @pytest.fixture(autouse=True, params=["file", "s3"])
    def places(
        self, request: pytest.FixtureRequest, bucket: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The places, empty."""
        bucket.empty()
        for name, value in bucket.variables.items():
            monkeypatch.setenv(name, value)
        self.files = f"s3://{BUCKET}/files" if request.param == "s3" else (tmp_path / "shared").as_uri()

    def make(self, **options: Any) -> Store:
        """The store that the settings say, with these options."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in options.items():
                patch.setitem(self.kind.__init__.__kwdefaults__ or {}, name, value)
            return open_store(Settings(store=self.url, files=self.files))


class TestMemory(InPlace):
    """Runs in memory."""

    kind = MemoryStore
    url = "memory:"


class TestSqlite(InPlace):
    """Runs in sqlite."""

    kind = SqliteStore

    @pytest.fixture(autouse=True)
    def path(self, tmp_path: Path) -> None:
        """The file of the store."""
        self.url = f"sqlite:///{tmp_path}/runs.db"


class TestRedis(InPlace):
    """Runs in Redis."""

    kind = RedisStore

    @pytest.fixture(autouse=True)
    def database(self, server: Server) -> None:
        """The server of all tests, empty."""
        connection = Connection(server.url)
        connection.execute([("FLUSHALL",)])
        connection.close()
        self.url = server.url
