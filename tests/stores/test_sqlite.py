"""The event log in an sqlite file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gevent
import pytest

from streaming.stores.base import Store
from streaming.stores.sqlite import store as sqlite
from streaming.stores.sqlite.store import SqliteStore
from tests.stores.contract import EventLogContract, opened


class TestSqliteLog(EventLogContract):
    """It keeps the contract."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        """A folder for the files of one test."""
        self.tmp_path = tmp_path
        self.files = 0

    def make(self, **said: Any) -> Store:
        """In a file of its own."""
        self.files += 1
        return SqliteStore(self.tmp_path / f"{self.files}.db", **said)


def test_a_close_is_no_trouble(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is closed while others are looked at says nothing, at whatever moment that is."""
    monkeypatch.setattr(sqlite, "POLL", 0.0)
    for number in range(30):
        log = SqliteStore(tmp_path / "runs.db")
        log.create(opened(f"r{number}"))
        gevent.sleep(0.0001 * number)
        log.close()
    assert not caplog.records
