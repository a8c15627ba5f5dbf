"""Loads files as the database process does, in this process."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operations.analytics.database import Database
from operations.errors import CodedError


@dataclass
class Loaded:
    """The tables of files, and what was said of them."""

    tables: list[dict[str, Any]]
    warnings: list[dict[str, Any]]
    database: Database

    def rows(self, sql: str = "FROM data") -> list[list[Any]]:
        """The rows of a statement, as JSON has them."""
        columns = self.database.columns(sql)
        return [list(row.values()) for batch in self.database.rows(sql, columns, 100_000) for row in batch]

    @property
    def names(self) -> list[str]:
        """The columns of the first table."""
        return [column["name"] for column in self.tables[0]["columns"]]

    @property
    def types(self) -> list[str]:
        """Their types."""
        return [column["type"] for column in self.tables[0]["columns"]]

    @property
    def codes(self) -> list[str]:
        """The codes of the warnings."""
        return [warning["code"] for warning in self.warnings]


Load = Callable[..., Loaded]


def load_in(folder: Path, content: str | bytes, filename: str = "a.csv") -> Loaded:
    """The tables of one file. Raises `CodedError`."""
    number = len(list(folder.iterdir()))
    path, own = folder / f"{number}-file", folder / f"{number}-own"
    own.mkdir()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    database = Database(str(own))
    files = [{"path": str(path), "filename": filename, "table": "a"}]
    messages = list(database.load(files, "data"))
    return Loaded(
        [message["table"] for message in messages if "table" in message],
        [message["warning"] for message in messages if "warning" in message],
        database,
    )


def code_of(load: Load, content: str | bytes, filename: str = "a.csv") -> tuple[str, str]:
    """The code and the message of the refusal of a file."""
    try:
        load(content, filename)
    except CodedError as error:
        return error.code, error.message
    raise AssertionError(f"{filename} was read")


def zipped(members: dict[str, str | bytes]) -> bytes:
    """A ZIP archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()
