"""The store in an sqlite file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import pytest

from streaming.stores.base import Store
from streaming.stores.shared import SharedStore
from streaming.stores.sqlite import file as sqlite
from streaming.stores.sqlite.store import SqliteStore
from tests.stores.contract import StoreContract, run_info
from tests.stores.shared_contract import MakeWorker, SharedStoreContract, workers


class TestSqliteStore(StoreContract):
    """The contract."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        """The folder for the files of one test."""
        self.tmp_path = tmp_path
        self.files = 0

    def make(self, **options: Any) -> Store:
        """Makes a store in a new file."""
        self.files += 1
        return SqliteStore(self.tmp_path / f"{self.files}.db", **options)


class TestSqliteWorkers(SharedStoreContract):
    """The contract of several workers."""

    @pytest.fixture
    def worker(self, tmp_path: Path) -> Iterator[MakeWorker]:
        """Makes the store of a worker, in one file."""
        self.file = tmp_path / "shared.db"
        with workers(partial(SqliteStore, self.file)) as make:
            yield make

    def lose(self, store: SharedStore, run: str) -> None:
        """Deletes the rows of a run."""
        with contextlib.closing(sqlite3.connect(self.file, isolation_level=None)) as connection:
            connection.execute("DELETE FROM runs WHERE id = ?", (run,))


def test_a_close_during_a_poll(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is closed at any moment of a poll logs nothing."""
    monkeypatch.setattr(sqlite, "POLL", 0.0)
    for number in range(30):
        store = SqliteStore(tmp_path / "runs.db")
        store.create(run_info(f"r{number}"))
        gevent.sleep(0.0001 * number)
        store.close()
    assert not caplog.records
