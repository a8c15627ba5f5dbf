"""The database of one run: DuckDB in memory, the run's files as tables, and nothing else within reach.

The files are read first. Then the door is locked behind them: no file, no network, no extension, no setting, and one
statement at a time that can only read. That is DuckDB's own lock (`enable_external_access`, `lock_configuration`);
the process around it (`child`) bounds what DuckDB does not: the memory of its functions and the time of a statement.

Imported in that process only: it takes a quarter of a second, and no other worker needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from . import values
from .values import Value
from .wording import complaint, quoted

MEMORY: Final = "512MB"
"""What DuckDB may hold in memory before it writes to its folder,"""
SPILL: Final = "2GB"
"""and there."""
THREADS: Final = 2
BATCH: Final = 250
"""Rows that are fetched, and told, at once."""

CONFIGURATION: Final[dict[str, str | bool | int | float | list[str]]] = {
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "max_temp_directory_size": SPILL,
    "memory_limit": MEMORY,
    "python_enable_replacements": False,  # a name in SQL is no variable of Python's
    "threads": THREADS,
}

SESSION: Final = """
    SET TimeZone = 'UTC';
    SET enable_progress_bar = true;
    SET enable_progress_bar_print = false;
    SET progress_bar_time = 0;
    SET streaming_buffer_size = '1MB';
"""

LOCK: Final = """
    SET http_proxy = '';
    SET home_directory = '';
    SET secret_directory = '';
    SET enable_external_access = false;
    SET lock_configuration = true;
"""

TOO_LARGE: Final = "It needs more memory than a run may have."

READING: Final = frozenset({"SELECT", "MULTI"})
"""The kinds of statement that only read: DESCRIBE, SHOW and SUMMARIZE are SELECTs to DuckDB, and a PIVOT is several."""


class Refusal(Exception):
    """What the one who asked is told: a code and a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Column:
    """A column of an answer; `kind` is the family of its type (`values`)."""

    name: str
    type: str
    kind: str

    def as_dict(self) -> dict[str, str]:
        """The column as JSON."""
        return {"name": self.name, "type": self.type, "kind": self.kind}


class Database:
    """One DuckDB in memory, which writes what does not fit there to `folder`.

    `interrupt` and `progress` may be called while another thread waits in one of the other methods, which raise
    `Refusal` for what is wrong with a file or a statement.
    """

    def __init__(self, folder: str) -> None:
        self._root = duckdb.connect(":memory:", config={**CONFIGURATION, "temp_directory": folder})
        self._loading = self._cursor()
        self._asking = self._cursor()  # of its own: its progress begins anew
        self._busy = self._loading
        self._ours = {folder: "its folder"}

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        cursor = self._root.cursor()
        cursor.execute(SESSION)
        return cursor

    # --- files ---------------------------------------------------------------------------------------------------

    def load(self, path: str, filename: str, kind: str, table: str) -> dict[str, Any]:
        """Makes a table of a file; gives its name, columns and number of rows."""
        self._ours[path] = filename
        reading = [f"{READERS[kind]}({quoted(path, chr(39))}{options})" for options in OPTIONS[kind]]
        for number, reader in enumerate(reading, 1):
            try:
                self._loading.execute(f"CREATE TABLE {quoted(table)} AS FROM {reader}")
                break
            except duckdb.Error as error:
                if number == len(reading) or not isinstance(error, WRONG_FILE):
                    raise self._refused(error, "unreadable_file", about=f"{filename} could not be read: ") from error
        return {"name": table, "file": filename, **self._described(table)}

    def lock(self, first: str, alias: str) -> None:
        """Names the first table a second time, and lets nothing else in from here on."""
        if first.lower() != alias:
            self._loading.execute(f"CREATE VIEW {quoted(alias)} AS FROM {quoted(first)}")
        self._loading.execute(LOCK)
        self._busy = self._asking

    def _described(self, table: str) -> dict[str, Any]:
        name = quoted(table)
        [(rows,)] = self._loading.execute(f"SELECT count(*) FROM {name}").fetchall()  # noqa: S608  # quoted
        described = self._loading.execute(f"DESCRIBE {name}").fetchall()
        return {"rows": rows, "columns": [{"name": column[0], "type": column[1]} for column in described]}

    # --- statements ----------------------------------------------------------------------------------------------

    def columns(self, sql: str) -> list[Column]:
        """The columns that a statement gives; it is checked in whole, and not run."""
        try:
            described = self._asking.execute(f"FROM (\n{sql}\n) LIMIT 0").description or []
        except duckdb.Error as error:
            raise self._refused(error, "wrong_sql", lines_above=1) from error
        names = values.distinct(column[0] for column in described)
        types = [(str(column[1]), column[1].id) for column in described]
        return [
            Column(name, type_name, values.column_kind(type_name, type_id))
            for name, (type_name, type_id) in zip(names, types, strict=True)
        ]

    def rows(self, sql: str, columns: list[Column], limit: int) -> Iterator[list[dict[str, Value]]]:
        """The first `limit` rows, in batches, as objects of JSON values."""
        converters = [(column.name, values.converter(column.kind)) for column in columns]
        wrapped = values.wrapped(sql, [(column.name, column.kind) for column in columns], limit)
        try:
            self._asking.execute(wrapped)
            while batch := self._asking.fetchmany(BATCH):
                yield [
                    {
                        name: None if value is None else convert(value)
                        for (name, convert), value in zip(converters, row, strict=True)
                    }
                    for row in batch
                ]
        except duckdb.Error as error:
            raise self._refused(error, "wrong_sql", lines_above=1) from error

    def _refused(self, error: duckdb.Error, code: str, *, about: str = "", lines_above: int = 0) -> Exception:
        """What is told of an error of DuckDB's; one that is its own fault is given back as it is."""
        if isinstance(error, duckdb.FatalException | duckdb.InternalException):
            return error
        if isinstance(error, duckdb.InterruptException):
            return Refusal("interrupted", "It was stopped.")
        if isinstance(error, duckdb.OutOfMemoryException):
            return Refusal("too_large", TOO_LARGE)
        said = complaint(error, self._ours, lines_above)
        if values.TOO_LONG in said:
            column = said.partition(values.TOO_LONG)[2]
            return Refusal("too_large", f"A value of {column} has more than {values.VALUE_BYTES:,} bytes: take a part.")
        if isinstance(error, duckdb.PermissionException) and code == "wrong_sql":
            return Refusal("not_allowed", f"A statement reads the tables of its run and nothing else. {said}")
        return Refusal(code, about + said)

    def progress(self) -> float:
        """How far the statement is, in percent by DuckDB's own reckoning; -1 while it has none."""
        return self._busy.query_progress()

    def interrupt(self) -> None:
        """Has whatever is running end in `interrupted`; it may have to be said again, when it comes in between."""
        self._busy.interrupt()


READERS: Final = {"csv": "read_csv", "json": "read_json", "parquet": "read_parquet"}

OPTIONS: Final = {
    "csv": ("", ", sample_size = -1"),  # types are guessed from the first rows; where these mislead, from all
    "json": (", maximum_object_size = 67108864", ", maximum_object_size = 67108864, sample_size = -1"),
    "parquet": ("",),
}

WRONG_FILE: Final = (duckdb.ConversionException, duckdb.InvalidInputException)


def one_statement(sql: str) -> str:
    """`sql` without what follows its one statement. Raises `Refusal` with `wrong_sql` or `not_a_query`."""
    try:
        found = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise Refusal("wrong_sql", complaint(error, {})) from error
    if len(found) != 1:
        raise Refusal("not_a_query", "One statement is run at a time." if found else "There is no statement in it.")
    if found[0].type.name not in READING:
        raise Refusal(
            "not_a_query", f"{found[0].type.name} is not run here, only statements that read: SELECT, WITH, FROM ..."
        )
    if found[0].named_parameters:
        raise Refusal("wrong_sql", "The statement has parameters, and there is nothing to put in their place.")
    return _without_tail(sql)


def _without_tail(sql: str) -> str:
    """`sql` without the semicolons and comments at its end: it is to stand in brackets."""
    encoded = sql.encode()
    end = len(encoded)
    for start, kind in reversed(duckdb.tokenize(sql)):
        if kind != duckdb.token_type.comment and encoded[start:end].strip() != b";":
            break
        end = start
    return encoded[:end].decode()
