"""Transforms that keep what a gateway passes on in a database, before any viewer sees it.

    engine = create_engine("postgresql+psycopg://reports@db/reports")
    gateway("https://documents.internal/extract", through=[save_events(engine), save_result(engine)])

Rows are written in batches that make nobody wait for them: what comes while one transaction is under way, from all runs
of the worker, makes the next. Only events whose transaction is committed are passed on.

A database that is away, refuses, or takes longer than `within` seconds is handled as `on_error` says. `"stop"` ends the
run in `operation_failed`, before anybody has seen what was not kept. `"pass"` passes on what could not be saved; a
warning in the log says at once that it happens, and another at the end how many events are missing. What is written is
written by a thread, so that a driver that blocks (sqlite's does) holds up nobody's stream.

Needs the extra `sql` (SQLAlchemy 2).
"""

from __future__ import annotations

import contextvars
import logging
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self

import gevent
from gevent.event import AsyncResult
from gevent.event import Event as Flag
from gevent.threadpool import ThreadPool
from sqlalchemy import JSON, Column, DateTime, Engine, Integer, MetaData, String, Table, create_engine, delete, insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable

from ..errors import OperationError, RegistrationError
from ..protocol.events import Event

log = logging.getLogger("headway")

OnError = Literal["stop", "pass"]
Row = Mapping[str, Any]
Transform = Callable[[Iterable[Any]], Iterator[Any]]

WITHIN: Final = 5.0
"""Seconds that a batch may take before the database counts as away."""

MOST_WAITING: Final = 1_000
"""Events of one run that wait to be saved; past it the upstream is not read any further."""

NOT_SAVED: Final = "What this run gave could not be saved."


def events_table(name: str = "headway_events") -> Table:
    """One row an event: `run` and `number` (1, 2, 3 ... in the order in which they passed) are its key.

    `data` is JSON: the object that the event carried, or its text. `saved` is in UTC.
    """
    return Table(
        name,
        MetaData(),
        Column("run", String(64), primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("name", String(255), nullable=False),
        Column("data", JSON, nullable=False),
        Column("saved", DateTime(timezone=True), nullable=False),
    )


def results_table(name: str = "headway_results") -> Table:
    """One row a run that gave a result: `run` is its key, `result` any JSON, `saved` in UTC."""
    return Table(
        name,
        MetaData(),
        Column("run", String(64), primary_key=True),
        Column("result", JSON(none_as_null=False), nullable=False),
        Column("saved", DateTime(timezone=True), nullable=False),
    )


def save_events(
    engine: Engine | str, *, table: Table | None = None, on_error: OnError = "stop", within: float = WITHIN
) -> Transform:
    """A transform that saves every event that passes, and passes it on once it is saved.

    `engine` is SQLAlchemy's, or its URL; `table` another one than `events_table()`, with the same columns; it is
    created where it is missing. A run that begins anew replaces what it had saved. Raises `RegistrationError`.
    """
    saver = _Saver(engine, events_table() if table is None else table, on_error, within)
    return _transform(saver, _event_row)


def save_result(
    engine: Engine | str, *, table: Table | None = None, on_error: OnError = "stop", within: float = WITHIN
) -> Transform:
    """A transform that saves the result of a run before it is passed on; otherwise like `save_events`.

    The table is `results_table()` unless another one with the same columns is given.
    """
    saver = _Saver(engine, results_table() if table is None else table, on_error, within)
    return _transform(saver, _result_row)


def _event_row(run: str, number: int, event: Event) -> Row:
    return {"run": run, "number": number, "name": event.name[:255], "data": event.data, "saved": _now()}


def _result_row(run: str, number: int, event: Event) -> Row | None:
    if event.name != "result":
        return None
    said = event.data
    return {"run": run, "result": said.get("result") if isinstance(said, dict) else said, "saved": _now()}


def _now() -> datetime:
    return datetime.now(UTC)


def _transform(saver: _Saver, row_of: Callable[[str, int, Event], Row | None]) -> Transform:
    def saved(events: Iterable[Any]) -> Iterator[Any]:
        run = getattr(events, "run", None) or f"stream-{secrets.token_urlsafe(12)}"
        account = _Account(run)
        number = 0
        try:
            with _ReadAhead(events) as ahead:
                while items := ahead.take():
                    rows = []
                    for item in items:
                        if isinstance(item, Event):
                            number += 1
                            row = row_of(run, number, item)
                            rows += [row] if row is not None else []
                    saver.save(account, rows)
                    yield from items
        finally:
            account.close()

    return saved


class _Account:
    """What one run has saved, and has not."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.fresh = True
        self.missing = 0

    def miss(self, rows: int, why: BaseException) -> None:
        if not self.missing:
            log.warning("what run %s gives is passed on without being saved: %s", self.run, _in_short(why))
        self.missing += rows

    def close(self) -> None:
        if self.missing:
            log.warning("of run %s, %d rows were not saved", self.run, self.missing)


class _ReadAhead:
    """The items of an iterable, all that are there at a time: read by a greenlet, while others are being saved."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = iter(items)
        self._waiting: deque[Any] = deque()
        self._there = Flag()
        self._room = Flag()
        self._over = False
        self._failure: BaseException | None = None
        self._reader: gevent.Greenlet[..., None] = gevent.Greenlet(self._read)
        # What reads may register its cancel hooks (`on_cancel`), which are found by the context.
        self._reader.gr_context = contextvars.copy_context()

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.kill()

    def take(self) -> list[Any]:
        """What has come, waited for; empty at the end. Raises what the iterable raised, after what came before it."""
        while not self._waiting and not self._over:
            self._there.clear()
            self._there.wait()
        items = list(self._waiting)
        self._waiting.clear()
        self._room.set()
        if not items and self._failure is not None:
            raise self._failure
        return items

    def _read(self) -> None:
        try:
            for item in self._items:
                self._waiting.append(item)
                self._there.set()
                while len(self._waiting) >= MOST_WAITING:
                    self._room.clear()
                    self._room.wait()
        except BaseException as error:  # noqa: BLE001  # raised where the items are taken
            self._failure = error
        self._over = True
        self._there.set()


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows of one run that are to be written together; `fresh` where the run has written none before."""

    run: str
    rows: Sequence[Row]
    fresh: bool
    written: AsyncResult[None]


class _Saver:
    """Writes the rows of all runs of this worker into one table, in one thread."""

    def __init__(self, engine: Engine | str, table: Table, on_error: OnError, within: float) -> None:
        if on_error not in ("stop", "pass"):
            raise RegistrationError(f"on_error is 'stop' or 'pass', not {on_error!r}")
        if not within > 0:
            raise RegistrationError(f"within is a number of seconds, not {within!r}")
        self._given = engine
        self._table = table
        self._on_error = on_error
        self._within = within
        self._engine: Engine | None = None
        self._created = False
        self._waiting: list[_Batch] = []
        self._writer: gevent.Greenlet[..., None] | None = None
        self._pool: ThreadPool | None = None
        self._stuck = False

    def save(self, account: _Account, rows: Sequence[Row]) -> None:
        """Returns once the rows are committed, or are not to be waited for."""
        if not rows:
            return
        try:
            if self._stuck and self._on_error == "pass":
                raise TimeoutError("the database has not answered yet")
            self._write_soon(batch := _Batch(account.run, rows, account.fresh, AsyncResult()))
            batch.written.get(timeout=self._within)
            account.fresh = False
        except (SQLAlchemyError, OSError, gevent.Timeout) as error:
            self._stuck = isinstance(error, gevent.Timeout)
            if self._on_error == "stop":
                log.warning("run %s ends, for it could not be saved: %s", account.run, _in_short(error))
                raise OperationError("operation_failed", NOT_SAVED, retryable=True) from error
            account.miss(len(rows), error)

    def _write_soon(self, batch: _Batch) -> None:
        self._waiting.append(batch)
        if self._writer is None:
            self._writer = gevent.spawn(self._write_all)

    def _write_all(self) -> None:
        """Writes batch after batch, until there is none: each time everything that waits."""
        try:
            while self._waiting:
                batches, self._waiting = self._waiting, []
                for batch, error in self._thread().apply(self._try, (batches,)):
                    if error is None:
                        batch.written.set()
                    else:
                        batch.written.set_exception(error)
                self._stuck = False
        finally:
            self._writer = None

    def _thread(self) -> ThreadPool:
        """One thread, of the hub that runs this: the hub's own pool is for everybody."""
        if self._pool is None or self._pool.hub is not gevent.get_hub():
            self._pool = ThreadPool(1)
        return self._pool

    # -- in the thread ------------------------------------------------------------------------------------------

    def _try(self, batches: list[_Batch]) -> list[tuple[_Batch, Exception | None]]:
        try:
            self._write(batches)
        except Exception as error:  # noqa: BLE001  # handed to those who wait for it
            if len(batches) == 1:
                return [(batches[0], error)]
            # One run's rows must not keep back those of the others.
            return [outcome for batch in batches for outcome in self._try([batch])]
        return [(batch, None) for batch in batches]

    def _write(self, batches: list[_Batch]) -> None:
        if self._engine is None:
            self._engine = create_engine(self._given) if isinstance(self._given, str) else self._given
        self._create_table(self._engine)
        with self._engine.begin() as connection:
            for fresh in {batch.run for batch in batches if batch.fresh}:
                connection.execute(delete(self._table).where(self._table.c.run == fresh))
            connection.execute(insert(self._table), [dict(row) for batch in batches for row in batch.rows])

    def _create_table(self, engine: Engine) -> None:
        if self._created:
            return
        try:
            with engine.begin() as connection:
                connection.execute(CreateTable(self._table, if_not_exists=True))
        except SQLAlchemyError:  # two workers at once: PostgreSQL refuses one of them, and then it is there
            with engine.begin() as connection:
                connection.execute(CreateTable(self._table, if_not_exists=True))
        self._created = True


def _in_short(error: BaseException) -> str:
    """The first line: a driver's message goes on with the statement and its values."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
