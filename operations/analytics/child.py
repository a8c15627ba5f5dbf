"""The process in which DuckDB runs, one for each run; the service can always kill it.

DuckDB limits the memory of its tables and sorts, but not of its functions (`repeat('x', 4000000000)` takes four
gigabytes, and cannot be interrupted). So it runs in its own process with a limited address space, where a crash harms
nothing else.

The process reads lines of JSON from standard input, and writes lines of JSON to standard output:

    {"load": [{"path", "filename", "table"}], "alias": NAME}
        -> {"table": TABLE} for each, {"warning": {...}} for what should be known of it, {"files": READ}, {"end": true}
    {"sql": SQL, "limit": ROWS}
        -> {"columns": [...]}, {"rows": [...]} in batches, {"end": true}
    {"interrupt": true}
        -> {"error": "interrupted", ...} from the command that runs, if any

{"progress": PERCENT} may come before the end, and {"error": CODE, "message": TEXT} instead of it. The process exits at
the end of its input. A thread runs each command, while the main thread reads input and reports progress.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import shutil
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from ..errors import CodedError
from ..processes import limit_process
from .database import TOO_LARGE, Column, Database, DatabaseError, one_statement
from .files.loader import DESCRIPTION

ADDRESS_SPACE: Final = 3 << 30
"""Bytes: DuckDB's own limit, more for memory that it does not count, and the process itself.

A table of 9,000 columns needs as much, of which it touches a tenth.
"""

FILE_SIZE: Final = 2 << 30
COLUMNS: Final = 10_000
"""Of an answer, at most."""
ROW_BYTES: Final = 1_000_000
BATCH_BYTES: Final = 256 << 10
"""Of JSON: each batch becomes one event, and so does a row that is longer."""
POLL_SECONDS: Final = 0.1
"""Between two looks at the progress."""
MAX_PERCENT: Final = 99
"""Before the end: DuckDB may report 100 percent long before it is done."""


class Child:
    """The main thread of the process."""

    def __init__(self, folder: str) -> None:
        self._database = Database(folder)
        self._write_lock = threading.Lock()
        self._unread = b""
        self._interrupted = False
        self._percent = 0
        self._wake_read, self._wake_write = os.pipe()

    def serve(self) -> None:
        """Runs commands until the end of the input."""
        for command in self._commands():
            thread = threading.Thread(target=self._run, args=(self._work_of(command),), daemon=True)
            self._percent = 0
            self._interrupted = False
            thread.start()
            if not self._watch(thread):
                return

    def _commands(self) -> Iterator[dict[str, Any]]:
        while True:
            while b"\n" not in self._unread:
                if not self._read():
                    return
            line, _, self._unread = self._unread.partition(b"\n")
            command = json.loads(line)
            if "interrupt" not in command:  # a late one is for a command that has ended
                yield command

    def _read(self) -> bytes:
        data = os.read(0, 65536)
        self._unread += data
        return data

    def _watch(self, thread: threading.Thread) -> bool:
        """Waits for the end of a command; returns whether the input is still open."""
        while True:
            ready, _, _ = select.select([0, self._wake_read], [], [], POLL_SECONDS)
            if self._wake_read in ready:
                os.read(self._wake_read, 1)
                return True
            if ready and not self._read():
                self._stop(thread)
                return False
            self._interrupted |= self._has_interrupt()
            if self._interrupted:  # repeated: the first one may come before the statement has begun
                self._database.interrupt()
            else:
                self._send_progress()

    def _has_interrupt(self) -> bool:
        return b'"interrupt"' in self._unread[: self._unread.rfind(b"\n") + 1]  # nothing else comes during a command

    def _stop(self, thread: threading.Thread) -> None:
        for _ in range(10):
            self._database.interrupt()
            thread.join(POLL_SECONDS)

    def _send_progress(self) -> None:
        percent = min(int(self._database.progress()), MAX_PERCENT)
        if percent > self._percent:
            self._percent = percent
            self._send({"progress": percent})

    def _work_of(self, command: dict[str, Any]) -> Callable[[], None]:
        if "load" in command:
            return lambda: self._load(command["load"], command["alias"])
        return lambda: self._ask(command["sql"], command["limit"])

    def _run(self, work: Callable[[], None]) -> None:
        with contextlib.suppress(BrokenPipeError):  # the service has gone
            self._send(self._outcome(work))
        os.write(self._wake_write, b".")

    def _outcome(self, work: Callable[[], None]) -> dict[str, Any]:
        """The last message of a command."""
        try:
            work()
        except CodedError as error:
            return {"error": error.code, "message": error.message}
        except MemoryError:
            return {"error": "too_large", "message": TOO_LARGE}
        except BrokenPipeError:
            raise
        except BaseException:  # noqa: BLE001  # nothing above would report it
            traceback.print_exc()
            return {"failed": True}
        return {"end": True}

    def _load(self, files: list[dict[str, str]], alias: str) -> None:
        for message in self._database.load(files, alias):
            if "files" in message:
                self._percent = 0
            self._send(message)

    def _ask(self, sql: str, limit: int) -> None:
        statement = one_statement(sql)
        columns = self._database.columns(statement)
        _check_columns(columns)
        self._send({"columns": [asdict(column) for column in columns]})
        for batch in self._database.rows(statement, columns, limit):
            for part in _split(batch):
                self._send({"rows": part})

    def _send(self, message: dict[str, Any]) -> None:
        line = memoryview(json.dumps(message).encode() + b"\n")
        with self._write_lock:
            while line:
                line = line[os.write(1, line) :]


def _check_columns(columns: Sequence[Column]) -> None:
    if len(columns) > COLUMNS:
        raise DatabaseError("too_large", f"There are {len(columns):,} columns, more than {COLUMNS:,}.")
    if len(json.dumps([asdict(column) for column in columns])) > DESCRIPTION:
        message = f"The names and types of the columns have more than {DESCRIPTION:,} bytes."
        raise DatabaseError("too_large", message)


def _split(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The rows in parts of about `BATCH_BYTES`."""
    part: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        length = len(json.dumps(row))
        if length > ROW_BYTES:
            raise DatabaseError("too_large", f"A row has more than {ROW_BYTES:,} bytes: select less of it.")
        if part and size + length > BATCH_BYTES:
            yield part
            part, size = [], 0
        part.append(row)
        size += length
    yield part


def main(folder: str) -> None:
    """Runs the process; `folder` is its own, and is removed at its end."""
    limit_process({resource.RLIMIT_AS: ADDRESS_SPACE, resource.RLIMIT_FSIZE: FILE_SIZE})
    try:
        Child(folder).serve()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        sys.stderr.flush()
        os._exit(0)  # a thread may still be inside DuckDB
