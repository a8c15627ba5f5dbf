"""Opens each file of a run by its content, and makes its tables: one of a file, one of each sheet or member."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

import duckdb

from ..errors import FileError
from ..names import ALIAS, table_name
from ..sql import quote
from .arrow import load_arrow
from .delimited import Delimited, check_width
from .documents import Documents
from .kinds import kind_of
from .notes import Notes, listed, short
from .sheets import Sheets
from .unpack import DEPTH, OPENERS, UNPACKED, Budget, decompress, members

TABLES: Final = 100
"""Of a run, at most."""
DESCRIPTION: Final = 900_000
"""Bytes of the names of all tables and columns, at most: they are one event."""
WARNINGS: Final = 200
"""Of a run, at most."""

Message = dict[str, Any]


ENDINGS: Final = (".gz", ".bz2", ".zst")


@dataclass(frozen=True)
class _Part:
    """A file, or what is inside of one, and the name of its table."""

    path: Path
    name: str
    file: str
    table: str
    member: str = ""
    sheet: str = ""
    depth: int = 0

    @property
    def title(self) -> str:
        """What people call it."""
        return ", ".join(filter(None, (self.file, self.member, self.sheet)))


class Loader:
    """The tables of a run. `load` yields `{"table": ...}` and `{"warning": ...}`, and raises `FileError`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: str, names: list[str]) -> None:
        self.budget = Budget(folder, UNPACKED)
        self.first: str | None = None
        """The name of the first table."""
        self._connection = connection
        self._names = {name.lower() for name in names}
        self._count = self._described = self._warnings = 0
        self._delimited = Delimited(connection, self.budget)
        self._documents = Documents(connection, self.budget)
        self._sheets = Sheets(connection, self.budget)

    def load(self, path: str, filename: str, table: str) -> Iterator[Message]:
        """The tables of a file."""
        yield from self._open(_Part(Path(path), filename, filename, table))

    def _open(self, part: _Part) -> Iterator[Message]:
        kind = kind_of(part.path, short(part.name))
        if kind not in OPENERS and kind != "zip":
            yield from self._sheets_of(part) if kind == "sheets" else self._table_of(part, kind)
            return
        if part.depth == DEPTH:
            raise FileError("too_large", f"{short(part.name)} is compressed more than {DEPTH} times.")
        if kind == "zip":
            yield from self._members_of(part)
            return
        path = decompress(part.path, kind, short(part.name), self.budget)
        name = part.name.rpartition(".")[0] if part.name.lower().endswith(ENDINGS) else part.name
        yield from self._open(replace(part, path=path, name=name, depth=part.depth + 1))
        path.unlink(missing_ok=True)

    def _members_of(self, part: _Part) -> Iterator[Message]:
        """The files of an archive; what is no table is left out, and told, if there is one that is."""
        self._names.discard(part.table.lower())
        notes = Notes(part.title)
        skipped: list[FileError] = []
        found = 0
        for path, name in members(part.path, short(part.name), self.budget, notes):
            table = self._unused(table_name(name))
            try:
                yield from self._open(_Part(path, name, part.file, table, name, depth=part.depth + 1))
                found += 1
            except FileError as error:
                if error.code not in ("not_a_table", "empty_file"):
                    raise
                self._names.discard(table.lower())
                skipped.append(error)
        if not found:
            raise skipped[0] if skipped else FileError("empty_file", f"{short(part.name)} has no files with content.")
        if skipped:
            notes.add("file_skipped", f"Files were left out: {listed([error.message for error in skipped])}")
        yield from self._tell(notes)

    def _sheets_of(self, part: _Part) -> Iterator[Message]:
        notes = Notes(part.title)
        sheets = list(self._sheets.read(part.path, notes))
        if not sheets:
            raise FileError("empty_file", f"{short(part.name)} has no sheet with cells.")
        yield from self._tell(notes)
        if len(sheets) > 1:
            self._names.discard(part.table.lower())
        for sheet in sheets:
            several = len(sheets) > 1
            table = self._unused(table_name(f"{part.table}_{sheet.name}".replace(".", "_"))) if several else part.table
            one = replace(part, table=table, sheet=sheet.name)
            notes = Notes(one.title)
            self._sheets.load(sheet, table, notes)
            yield from self._made(one, notes)

    def _table_of(self, part: _Part, kind: str) -> Iterator[Message]:
        notes = Notes(part.title)
        if kind == "csv":
            self._delimited.load(part.path, PurePosixPath(part.name.lower()).suffix, part.table, notes)
        elif kind == "json":
            self._documents.load(part.path, part.table, notes)
        elif kind == "parquet":
            source = f"read_parquet({quote(str(part.path), chr(39))})"
            self._connection.execute(f"CREATE TABLE {quote(part.table)} AS FROM {source}")
        else:
            load_arrow(self._connection, part.path, part.table, short(part.name))
        yield from self._made(part, notes)

    # --- what is told of them --------------------------------------------------------------------------------------

    def _made(self, part: _Part, notes: Notes) -> Iterator[Message]:
        """The messages of a table that was made."""
        name = quote(part.table)
        [(rows,)] = self._connection.execute(f"SELECT count(*) FROM {name}").fetchall()  # noqa: S608  # quoted
        columns = self._connection.execute(f"DESCRIBE {name}").fetchall()
        table = {"name": part.table, "file": part.file, "rows": rows}
        if place := "/".join(filter(None, (part.member, part.sheet))):
            table["part"] = place
        table["columns"] = [{"name": column[0], "type": column[1]} for column in columns]
        self._check(part, table)
        self.first = self.first or part.table
        yield {"table": table}
        yield from self._tell(notes)

    def _check(self, part: _Part, table: Message) -> None:
        self._count += 1
        if self._count > TABLES:
            raise FileError("too_large", f"There are more than {TABLES} tables.")
        check_width(len(table["columns"]), short(part.name))
        self._described += len(json.dumps(table))
        if self._described > DESCRIPTION:
            raise FileError("too_large", f"The names of all columns have more than {DESCRIPTION:,} bytes.")

    def _tell(self, notes: Notes) -> Iterator[Message]:
        for warning in notes.messages():
            self._warnings += 1
            if self._warnings <= WARNINGS:
                yield {"warning": warning}

    def _unused(self, name: str) -> str:
        """The name, or one with a number, which no other table has."""
        number, candidate = 2, name
        while candidate.lower() in self._names or (self.first is not None and candidate.lower() == ALIAS):
            candidate, number = f"{name}_{number}", number + 1
        self._names.add(candidate.lower())
        return candidate
