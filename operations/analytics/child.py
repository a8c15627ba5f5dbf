"""The process in which DuckDB runs: one a run, which the service can always end.

DuckDB bounds the memory of its tables and sorts, not that of its functions (`repeat('x', 4000000000)` takes four
gigabytes, and cannot be interrupted meanwhile). So it has a process, with a bound on its address space, that can be
killed, and that a crash does not reach beyond.

It takes lines of JSON on its standard input, and answers in lines on its standard output:

    {"load": [{"path", "filename", "kind", "table"}], "alias": NAME}
        -> {"loaded": TABLE} each, {"end": true}
    {"sql": SQL, "limit": ROWS}
        -> {"columns": [...]}, {"rows": [...]} in batches, {"end": true}
    {"interrupt": true}
        -> {"refused": "interrupted", ...} from what is running, if anything is

and meanwhile {"progress": PERCENT}, or {"refused": CODE, "message": TEXT} in place of the end. When its input ends, it
ends too. Each command is at work in a thread, while the main thread listens and watches its progress.
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
from typing import Any, Final

from .database import TOO_LARGE, Database, Refusal, one_statement

ADDRESS_SPACE: Final = 2 << 30
"""Bytes: DuckDB's own limit, twice over for what it does not count, and what the process has before it begins."""

FILE_SIZE: Final = 2 << 30
COLUMNS: Final = 1_000
"""Of a file, and of an answer."""
ROW_BYTES: Final = 1 << 20
PORTION_BYTES: Final = 256 << 10
"""Of JSON: each portion becomes one event."""
NICE: Final = 5
"""How far it stands back behind the workers, whose streams are to flow while it computes (nice(2))."""
LOOK_AFTER: Final = 0.1
"""Seconds between two looks at the progress."""
NEARLY: Final = 99
"""The most percent that are told before the end: DuckDB may reckon that it is done long before that."""
OOM_SCORE: Final = b"500"


class Child:
    """The main thread of the process."""

    def __init__(self, folder: str) -> None:
        self._database = Database(folder)
        self._writing = threading.Lock()
        self._unread = b""
        self._interrupted = False
        self._told = 0
        self._woken, self._wake = os.pipe()

    def serve(self) -> None:
        """Does what it is told until its input ends."""
        for command in self._commands():
            work = threading.Thread(target=self._perform, args=(self._work_of(command),), daemon=True)
            self._told = 0
            self._interrupted = False
            work.start()
            if not self._watch(work):
                return

    def _commands(self) -> Iterator[dict[str, Any]]:
        while True:
            while b"\n" not in self._unread:
                if not self._listen():
                    return
            line, _, self._unread = self._unread.partition(b"\n")
            command = json.loads(line)
            if "interrupt" not in command:  # one that came late is for what has ended
                yield command

    def _listen(self) -> bytes:
        data = os.read(0, 65536)
        self._unread += data
        return data

    def _watch(self, work: threading.Thread) -> bool:
        """Waits for the end of the work; gives whether anybody is left to tell."""
        while True:
            ready, _, _ = select.select([0, self._woken], [], [], LOOK_AFTER)
            if self._woken in ready:
                os.read(self._woken, 1)
                return True
            if ready and not self._listen():
                self._stop(work)
                return False
            self._interrupted |= self._is_told_to_stop()
            if self._interrupted:  # again and again: the first may have come before the work had begun
                self._database.interrupt()
            else:
                self._tell_progress()

    def _is_told_to_stop(self) -> bool:
        return b'"interrupt"' in self._unread[: self._unread.rfind(b"\n") + 1]  # nothing else is said meanwhile

    def _stop(self, work: threading.Thread) -> None:
        for _ in range(10):
            self._database.interrupt()
            work.join(LOOK_AFTER)

    def _tell_progress(self) -> None:
        percent = min(int(self._database.progress()), NEARLY)
        if percent > self._told:
            self._told = percent
            self._say({"progress": percent})

    def _work_of(self, command: dict[str, Any]) -> Callable[[], None]:
        if "load" in command:
            return lambda: self._load(command["load"], command["alias"])
        return lambda: self._ask(command["sql"], command["limit"])

    def _perform(self, work: Callable[[], None]) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody is there any more
            self._say(self._outcome(work))
        os.write(self._wake, b".")

    def _outcome(self, work: Callable[[], None]) -> dict[str, Any]:
        """How a command has ended."""
        try:
            work()
        except Refusal as refusal:
            return {"refused": refusal.code, "message": refusal.message}
        except MemoryError:
            return {"refused": "too_large", "message": TOO_LARGE}
        except BrokenPipeError:
            raise
        except BaseException:  # noqa: BLE001  # nobody else is there to tell of it
            traceback.print_exc()
            return {"failed": True}
        return {"end": True}

    def _load(self, files: list[dict[str, str]], alias: str) -> None:
        for file in files:
            self._told = 0
            loaded = self._database.load(**file)
            _check_columns(loaded["columns"])
            self._say({"loaded": loaded})
        self._database.lock(files[0]["table"], alias)

    def _ask(self, sql: str, limit: int) -> None:
        statement = one_statement(sql)
        columns = self._database.columns(statement)
        _check_columns(columns)
        self._say({"columns": [column.as_dict() for column in columns]})
        for batch in self._database.rows(statement, columns, limit):
            for portion in _portions(batch):
                self._say({"rows": portion})

    def _say(self, message: dict[str, Any]) -> None:
        line = memoryview(json.dumps(message).encode() + b"\n")
        with self._writing:
            while line:
                line = line[os.write(1, line) :]


def _check_columns(columns: Sequence[Any]) -> None:
    if len(columns) > COLUMNS:
        raise Refusal("too_large", f"There are {len(columns):,} columns, and {COLUMNS:,} at the most are taken.")


def _portions(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The rows in as many portions as keep each near `PORTION_BYTES`."""
    portion: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        length = len(json.dumps(row))
        if length > ROW_BYTES:
            raise Refusal("too_large", f"A row has more than {ROW_BYTES:,} bytes: take less of it.")
        if portion and size + length > PORTION_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(row)
        size += length
    yield portion


def main(folder: str) -> None:
    """The life of the process; `folder` is its own, and goes with it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, FILE_SIZE))
    os.nice(NICE)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb") as score:
        score.write(OOM_SCORE)
    try:
        Child(folder).serve()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        sys.stderr.flush()
        os._exit(0)  # a thread may be deep in DuckDB still
