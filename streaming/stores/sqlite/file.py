"""The file of the sqlite store: its schema, its statements, and the threads that run them.

sqlite's calls block the hub, and its busy wait sleeps in C. So a worker has one thread that writes, a batch at a time
as one transaction (`BEGIN IMMEDIATE`; write-ahead log), one that reads, and that of its lease. Leases are in the
machine's monotonic time, which does not jump and is the same in every process.

After a transaction a worker sends the others a hint (`hints`), who look at the columns `appended` and `asked` to see
which runs have changed. Every `POLL` seconds, or every `SLOW_POLL` where hints are known to come, a worker checks
`PRAGMA data_version` to see whether others have committed something.

A crash of the processes loses nothing that was committed. A power failure may lose the last transactions
(`synchronous=NORMAL`).

A file that is deleted or replaced while it is in use is no longer the one that other workers open: this worker writes
nothing more, and is not ready, until the file is back where it was (`check`). So are its `-wal` and `-shm`, without
which others would write past this worker.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import sqlite3
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeAlias, TypeVar

import gevent
from gevent.threadpool import ThreadPool

from ...errors import StoreAway
from ...runtime.hub import GreenSignal
from ..base import SECRET_BYTES
from ..driver import OLDEST_VERSION, SCHEMA_VERSION, Driver, News, Step, T, Unfit, check_version
from .hints import EVERYBODY, Hints

log: Final = logging.getLogger("headway")

Connection: TypeAlias = sqlite3.Connection

BUSY_MILLISECONDS: Final = 5000
POLL: Final = 0.02
SLOW_POLL: Final = 0.5

GATHER: Final = 0.002
"""Seconds between two looks after hints: what comes meanwhile is read with the next one."""

REFUSALS: Final = (
    *(sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError, sqlite3.IntegrityError),
    *(ArithmeticError, LookupError, TypeError, ValueError),
)
"""Errors of a value that sqlite can never keep, or of a row that cannot be read: text that UTF-8 cannot encode, too."""

IDLE: Final = 0.1
"""Seconds between two polls of a worker without runs, where hints are not known to come."""

CHECK: Final = 0.1
"""Seconds between two looks at whether the file is still the same, while there is something to write."""

LOG_BYTES: Final = 64 * 1024 * 1024
"""The size to which a larger write-ahead log is cut once it is in the file."""

FREE_PAGES: Final = 1024
"""How many free pages the file keeps for what comes next, and how many more it gives back at once (4 MiB)."""

PRIVATE: Final = 0o600
"""The mode of the file."""

P = ParamSpec("P")
R = TypeVar("R")


def _statements() -> Mapping[str, str]:
    """The statements of `statements.sql` by their names."""
    text = files(__package__).joinpath("statements.sql").read_text()
    statements: dict[str, str] = {}
    for name, statement in re.findall(r"^-- name: (\w+)\n(.*?)(?=^--|\Z)", text, re.DOTALL | re.MULTILINE):
        statements[name] = statement.strip().format_map({each: f"({sql})" for each, sql in statements.items()})
    return statements


SQL: Final = _statements()


def step(verb: Callable[Concatenate[Any, Connection, P], R]) -> Callable[Concatenate[Any, P], Step[R]]:
    """Makes a verb return a step, which calls it with the connection of the thread that runs it."""
    return telling(lambda *_, **__: None)(verb)


def telling(
    about: Callable[..., str | None],
) -> Callable[[Callable[Concatenate[Any, Connection, P], R]], Callable[Concatenate[Any, P], Step[R]]]:
    """`step` for a verb that changes something for other workers; `about` gives the run, from its arguments."""

    def make(verb: Callable[Concatenate[Any, Connection, P], R]) -> Callable[Concatenate[Any, P], Step[R]]:
        def prepare(self: Any, /, *args: P.args, **options: P.kwargs) -> Step[R]:
            return Step(lambda db: verb(self, db, *args, **options), _same, about(*args, **options))

        return prepare

    return make


def _same(outcome: T) -> T:
    return outcome


def on_run(run: str, *_: object, **__: object) -> str:
    """For `telling`: the first argument."""
    return run


def on_queue(*_: object, **__: object) -> str:
    """For `telling`: the queue, which concerns everybody."""
    return EVERYBODY


def open_file(path: str, *, create: bool = False) -> Connection:
    """A new connection to the file; `create` makes the folder, and the tables of this version, where they are missing.

    Raises `ValueError` for a file of a version that this release does not work with.
    """
    if create:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_private(path)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file, before its first page
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
    if create:
        try:
            _migrate(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def _make_private(path: str) -> None:
    """Creates the file for its owner alone, and takes it and what sqlite keeps beside it from others.

    Runs hold what people have asked, and their documents. sqlite gives its companions the mode of the file. An existing
    one is not opened here: the end of that would end the locks of this process on it (fcntl_locking(2)).
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE))
    for name in (path, f"{path}-wal", f"{path}-shm"):
        with contextlib.suppress(FileNotFoundError, PermissionError):  # another user's: that user's worker does it
            Path(name).chmod(PRIVATE)


def kept_secret(path: Path) -> bytes:
    """The secret in the file at `path`, which is made for its owner alone; all who make it at once get the same."""
    if not path.exists():
        descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}-")  # its mode is 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(SECRET_BYTES))
            with contextlib.suppress(FileExistsError):
                os.link(made, path)  # whole, and only where there is none
        finally:
            Path(made).unlink()
    return path.read_bytes()


def _migrate(connection: Connection) -> None:
    """Brings the tables to this version, in one transaction: workers that start together wait for each other."""
    connection.execute("BEGIN IMMEDIATE")
    version, oldest = _version(connection)
    if version:
        check_version(version, oldest, "the file")
    # The script of this version runs over its own files too, for what was added since one was made.
    for number in range(min(version + 1, SCHEMA_VERSION), SCHEMA_VERSION + 1) if version <= SCHEMA_VERSION else ():
        for statement in _complete(files(__package__).joinpath(f"schema-{number}.sql").read_text()):
            if not _is_done(connection, statement):
                connection.execute(statement)
    if version < SCHEMA_VERSION:
        connection.execute("DELETE FROM schema")
        connection.execute("INSERT INTO schema (version, oldest) VALUES (?, ?)", (SCHEMA_VERSION, OLDEST_VERSION))
    connection.execute("COMMIT")


def _version(connection: Connection) -> tuple[int, int]:
    """The version of a file, and the oldest one that may use it; zeros for a new file."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "schema" in tables:
        version, oldest = connection.execute("SELECT version, oldest FROM schema").fetchone()
        return int(version), int(oldest)
    return (1, 1) if "runs" in tables else (0, 0)  # version 1 did not write its number


def _is_done(connection: Connection, statement: str) -> bool:
    """Whether a statement adds a column, or gives a table a name, that is there.

    The scripts are run again over the files of this version.
    """
    if renamed := re.search(r"^ALTER TABLE \w+ RENAME TO (\w+)", statement, re.MULTILINE):
        return _has_table(connection, renamed[1])
    added = re.search(r"^ALTER TABLE (\w+) ADD COLUMN (\w+)", statement, re.MULTILINE)
    return added is not None and added[2] in {
        column["name"] for column in connection.execute(f"PRAGMA table_info({added[1]})")
    }


def _has_table(connection: Connection, name: str) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,))
    return found.fetchone() is not None


def _complete(script: str) -> Iterator[str]:
    """The statements of a script; that of a trigger has semicolons in it."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


class SqliteFile(Driver):
    """The connections and threads of a worker. Raises `StoreAway` for a file that cannot be opened."""

    def __init__(self, path: str, lease: float) -> None:
        self.worker: str = secrets.token_hex(8)
        self._path = path
        self._lease_seconds = lease
        try:
            self._writer = open_file(path, create=True)
            self._reader, self._lease = open_file(path), open_file(path)
            self.renew(lease)
            self._identity, self._checked_at = _identity(path), time.monotonic()
        except (sqlite3.Error, OSError, ValueError) as error:
            raise StoreAway(f"{path} cannot be opened: {error}") from None
        self._gives_back = self._reader.execute("PRAGMA auto_vacuum").fetchone()[0] == 2
        if not self._gives_back:
            log.info("%s keeps its size, as version 0.1 made it; docs/stores.md says how to shrink it", path)
        self._write_pool, self._read_pool = ThreadPool(1), ThreadPool(1)
        self._data_version, self._last_transaction, self._alive = -1, 0, ""
        self._followed: Collection[str] = ()
        self._news = GreenSignal()
        self._looked_at = self._polled_at = float("-inf")
        self._hints = Hints(path, self.worker, lambda run: run in self.here, self._news.set)

    @property
    def idle(self) -> float:
        return 0.0 if self._hints.reliable else IDLE

    def write(self, batch: Sequence[Sequence[Step[Any]]]) -> list[Any]:
        if time.monotonic() - self._checked_at > CHECK:
            self.check()
        return self._in(self._write_pool, partial(self._write, batch))

    def _write(self, batch: Sequence[Sequence[Step[Any]]]) -> list[Any]:
        outcomes = _transaction(self._writer, batch)
        self._hints.send(step.about for steps in batch for step in steps if step.about is not None)
        return outcomes

    def check(self) -> None:
        if _identity(self._path) != self._identity:
            raise Unfit(f"{self._path} (or its -wal or -shm) was deleted or replaced while it was in use")
        self._checked_at = time.monotonic()

    def query(self, step: Step[T]) -> T:
        return self._in(self._read_pool, partial(_read, self._reader, step))

    @step
    def ping(self, db: Connection) -> None:
        self.check()
        db.execute("SELECT 1")

    def _in(self, pool: ThreadPool, work: Callable[[], T]) -> T:
        # Errors are returned: gevent prints the traceback of each that is raised in the pool's thread.
        outcome = pool.apply(_outcome, (work,))
        if isinstance(outcome, sqlite3.Error | OSError):
            raise StoreAway(f"the store's file: {outcome}") from outcome
        if isinstance(outcome, Exception):
            raise outcome
        result: T = outcome
        return result

    def give_back(self) -> None:
        if self._gives_back and self.query(self._free_pages()) > FREE_PAGES:
            # As a script: `execute` would stop after the first page.
            self._in(self._write_pool, partial(self._writer.executescript, f"PRAGMA incremental_vacuum({FREE_PAGES})"))

    @step
    def _free_pages(self, db: Connection) -> int:
        return int(db.execute("PRAGMA freelist_count").fetchone()[0])

    def secret(self) -> bytes:
        return self._in(self._read_pool, partial(kept_secret, Path(f"{self._path}-secret")))

    def wait(self, followed: Mapping[str, int]) -> News:
        new, queue = followed.keys() - self._followed, False
        if not new:
            self._news.wait(SLOW_POLL if self._hints.reliable else POLL)
            gevent.sleep(max(self._looked_at + GATHER - time.monotonic(), 0))
        self._news.clear()
        self._looked_at = time.monotonic()
        if self._looked_at - self._polled_at >= SLOW_POLL:
            self._hints.check(self.query(self._workers()))
            self._polled_at = self._looked_at
        version, found = self.query(self._look(bool(new)))
        if found is not None:
            last, changed, queue = found
            # Not before: where a read has failed, it is done again.
            self._data_version, self._last_transaction = version, last
            new |= changed
        self._followed = followed.keys()
        return News(runs=new, queue=queue)

    def wake(self, followed: Collection[str]) -> None:
        self._news.set()

    @step
    def _look(self, db: Connection, always: bool) -> tuple[int, tuple[int, set[str], bool] | None]:
        """The version of the data, and, `always` or where others have committed something since the last look:

        the last transaction, the runs that have changed, and whether others may begin of those that are queued.
        """
        (version,) = db.execute("PRAGMA data_version").fetchone()
        if version == self._data_version and not always:
            return version, None
        last, changed_at = db.execute("SELECT number, changed FROM turn, queue").fetchone()
        values = {"since": self._last_transaction, "worker": self.worker}
        changed = {row["id"] for row in db.execute(SQL["changed"], values)}
        queue_changed = changed_at > self._last_transaction and bool(db.execute(SQL["has_queue"]).fetchone()[0])
        return version, (last, changed, queue_changed)

    def refresh_due(self) -> bool:
        """Whether the workers that are alive are others than before: viewers of a dead one no longer count."""
        before, self._alive = self._alive, " ".join(self.query(self._workers()))
        return self._alive != before

    @step
    def _workers(self, db: Connection) -> Iterable[str]:
        return sorted(row["id"] for row in db.execute(SQL["alive"], {"now": time.monotonic()}))

    def renew(self, seconds: float) -> None:
        values = {"worker": self.worker, "now": time.monotonic(), "seconds": seconds}
        self._lease.execute(SQL["renew"], values)
        self._lease.execute(SQL["renew_queue"], values)  # if there is one

    def release(self) -> None:
        self._lease.execute(SQL["release"], {"worker": self.worker})

    def close_lease(self) -> None:
        self._lease.close()

    def close(self) -> None:
        self._hints.close()
        for pool, connection in ((self._write_pool, self._writer), (self._read_pool, self._reader)):
            pool.join()
            pool.kill()
            connection.close()


def _identity(path: str) -> list[tuple[int, int]]:
    """What tells a file and its companions from others of their names; they are there while a worker uses them."""
    found = []
    for name in (path, f"{path}-wal", f"{path}-shm"):
        with contextlib.suppress(FileNotFoundError):
            status = Path(name).stat()
            found.append((status.st_dev, status.st_ino))
    return found


def _outcome(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception as error:  # noqa: BLE001  # raised again by the caller
        return error


def _transaction(db: Connection, batch: Sequence[Sequence[Step[Any]]]) -> list[Any]:
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute(SQL["next_transaction"])
        outcomes = [[_kept(db, step) for step in steps][-1] for steps in batch]
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return outcomes


def _kept(db: Connection, step: Step[Any]) -> Any:
    """The outcome of a step, or the error of a value that sqlite can never keep."""
    try:
        return step.call(db)
    except REFUSALS as refusal:
        return refusal


def _read(db: Connection, step: Step[T]) -> T:
    """Runs a step that reads, at one moment of the file."""
    db.execute("BEGIN")
    try:
        outcome: T = step.call(db)
        return outcome
    finally:
        db.execute("COMMIT")
