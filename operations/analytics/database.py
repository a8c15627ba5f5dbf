"""The database of one run: DuckDB in memory, with the run's files as tables and access to nothing else.

The files are read first. Then DuckDB is locked (`enable_external_access`, `lock_configuration`): statements run one at
a time, can only read, and reach no file, network, extension or setting. The process (`child`) limits what DuckDB does
not: the memory of its functions and the time of a statement.

Only that process imports this module: it takes a quarter of a second, and no worker needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from ..errors import CodedError
from . import values
from .files.loader import Loader
from .sql import error_message, quote
from .values import Value

MEMORY: Final = "512MB"
"""What DuckDB holds in memory before it writes to its folder, at most."""
SPILL: Final = "2GB"
"""What it writes there, at most."""
THREADS: Final = 2
BATCH: Final = 250
"""Rows that are fetched at once."""

CONFIGURATION: Final[dict[str, str | bool | int | float | list[str]]] = {
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "max_temp_directory_size": SPILL,
    "memory_limit": MEMORY,
    "python_enable_replacements": False,  # a name in SQL is not a Python variable
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

TOO_LARGE: Final = "The statement or file needs more memory than a run may have."

READ_ONLY: Final = frozenset({"SELECT", "MULTI"})
"""The types of statements that only read: to DuckDB, DESCRIBE, SHOW and SUMMARIZE are SELECTs, a PIVOT is several."""


class DatabaseError(CodedError):
    """A wrong file or statement; `code` and `message` are for the user."""


@dataclass(frozen=True)
class Column:
    """A column of an answer; `kind` is the family of its type (`values`)."""

    name: str
    type: str
    kind: str


class Database:
    """One DuckDB in memory, which spills to `folder`.

    `interrupt` and `progress` may be called while another thread is inside one of the other methods, which raise
    `DatabaseError` for a wrong file or statement.
    """

    def __init__(self, folder: str) -> None:
        self._root = duckdb.connect(":memory:", config={**CONFIGURATION, "temp_directory": folder})
        self._load_cursor = self._cursor()
        self._query_cursor = self._cursor()  # separate, so that its progress begins at zero
        self._busy = self._load_cursor
        self._folder = folder
        self._paths: dict[str, str] = {}

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        cursor = self._root.cursor()
        cursor.execute(SESSION)
        return cursor

    # --- files ---------------------------------------------------------------------------------------------------

    def load(self, files: Sequence[Mapping[str, str]], alias: str) -> Iterator[dict[str, Any]]:
        """Makes the tables of the files, gives the first one its second name, and locks the database.

        Yields `{"table": ...}`, `{"warning": ...}`, and the number of `files` that were read. A file is `{"path",
        "filename", "table"}`.
        """
        loader = Loader(self._load_cursor, self._folder, [file["table"] for file in files])
        for number, file in enumerate(files):
            self._paths[file["path"]] = file["filename"]
            try:
                yield from loader.load(**file)
                yield {"files": number + 1}
            except duckdb.Error as error:
                self._paths |= {str(path): file["filename"] for path in loader.budget.files}
                prefix = f"{file['filename']} could not be read: "
                raise self._error(error, "unreadable_file", prefix=prefix) from error
        self._lock(loader.first or "", alias)

    def _lock(self, first: str, alias: str) -> None:
        if first.lower() != alias:
            self._load_cursor.execute(f"CREATE VIEW {quote(alias)} AS FROM {quote(first)}")
        self._load_cursor.execute(LOCK)
        self._busy = self._query_cursor

    # --- statements ----------------------------------------------------------------------------------------------

    def columns(self, sql: str) -> list[Column]:
        """The columns of a statement, which DuckDB checks and does not run."""
        try:
            columns = self._query_cursor.execute(f"FROM (\n{sql}\n) LIMIT 0").description or []
        except duckdb.Error as error:
            raise self._error(error, "wrong_sql", lines_above=1) from error
        names = values.distinct(column[0] for column in columns)
        types = [(str(column[1]), column[1].id) for column in columns]
        return [
            Column(name, type_name, values.column_kind(type_name, type_id))
            for name, (type_name, type_id) in zip(names, types, strict=True)
        ]

    def rows(self, sql: str, columns: list[Column], limit: int) -> Iterator[list[dict[str, Value]]]:
        """The first `limit` rows, in batches, as objects of JSON values."""
        converters = [(column.name, values.converter(column.kind)) for column in columns]
        statement = values.wrap(sql, [(column.name, column.kind) for column in columns], limit)
        try:
            self._query_cursor.execute(statement)
            while batch := self._query_cursor.fetchmany(BATCH):
                yield [
                    {
                        name: None if value is None else convert(value)
                        for (name, convert), value in zip(converters, row, strict=True)
                    }
                    for row in batch
                ]
        except duckdb.Error as error:
            raise self._error(error, "wrong_sql", lines_above=1) from error

    def _error(self, error: duckdb.Error, code: str, *, prefix: str = "", lines_above: int = 0) -> Exception:
        """The `DatabaseError` for an error of DuckDB; an internal error of DuckDB is returned unchanged."""
        if isinstance(error, duckdb.FatalException | duckdb.InternalException):
            return error
        if isinstance(error, duckdb.InterruptException):
            return DatabaseError("interrupted", "The statement was stopped.")
        if isinstance(error, duckdb.OutOfMemoryException):
            return DatabaseError("too_large", TOO_LARGE)
        message = error_message(error, {**self._paths, self._folder: "its folder"}, lines_above)
        if values.TOO_LONG in message:
            column = message.partition(values.TOO_LONG)[2]
            limit = f"{values.VALUE_BYTES:,} bytes"
            return DatabaseError("too_large", f"A value of {column} has more than {limit}: select a part of it.")
        if isinstance(error, duckdb.PermissionException) and code == "wrong_sql":
            return DatabaseError("not_allowed", f"A statement can only read the tables of its run. {message}")
        return DatabaseError(code, prefix + message)

    def progress(self) -> float:
        """DuckDB's estimate of the progress in percent; -1 while it has none."""
        return self._busy.query_progress()

    def interrupt(self) -> None:
        """Interrupts the statement that runs, which then raises `interrupted`. Has no effect before one begins."""
        self._busy.interrupt()


def one_statement(sql: str) -> str:
    """`sql` without what follows its one statement. Raises `DatabaseError` with `wrong_sql` or `not_a_query`."""
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise DatabaseError("wrong_sql", error_message(error, {})) from error
    if len(statements) != 1:
        message = "Only one statement is allowed." if statements else "There is no statement."
        raise DatabaseError("not_a_query", message)
    name = statements[0].type.name
    if name not in READ_ONLY:
        raise DatabaseError("not_a_query", f"{name} is not allowed, only statements that read: SELECT, WITH, FROM ...")
    if statements[0].named_parameters:
        raise DatabaseError("wrong_sql", "The statement has parameters, for which there are no values.")
    return _without_tail(sql)


def _without_tail(sql: str) -> str:
    """`sql` without the semicolons and comments at its end, so that it fits into parentheses."""
    encoded = sql.encode()
    end = len(encoded)
    for start, kind in reversed(duckdb.tokenize(sql)):
        if kind != duckdb.token_type.comment and encoded[start:end].strip() != b";":
            break
        end = start
    return encoded[:end].decode()
