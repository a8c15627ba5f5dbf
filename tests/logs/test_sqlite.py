"""The event log in an sqlite file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streaming.logs.base import EventLog
from streaming.logs.sqlite import SqliteLog
from tests.logs.contract import EventLogContract


class TestSqliteLog(EventLogContract):
    """It keeps the contract."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        """A folder for the files of one test."""
        self.tmp_path = tmp_path
        self.files = 0

    def make(self, **said: Any) -> EventLog:
        """In a file of its own."""
        self.files += 1
        return SqliteLog(self.tmp_path / f"{self.files}.db", **said)
