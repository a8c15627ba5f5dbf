"""Transforms that keep what a gateway passes on in a database, before any viewer sees it.

    engine = create_engine("postgresql+psycopg://reports@db/reports")
    gateway("https://documents.internal/extract", through=[save_events(engine), save_result(engine)])

Rows are written in batches without a delay: those of all runs of the worker that arrive during one transaction make up
the next. Only events whose transaction is committed are passed on.

`on_error` says what happens when the database is away, refuses, or takes longer than `within` seconds. `"stop"` fails
the run with `operation_failed`, before anybody has seen what was not saved. `"pass"` passes on what could not be saved;
one warning in the log says so at once, another at the end how many rows are missing. A thread does the writing, so that
a driver that blocks (sqlite's does) holds up no stream.

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
from itertools import count
from typing import Any, Final, Literal, Self

import gevent
from gevent.event import AsyncResult
from gevent.event import Event as Flag
from gevent.threadpool import ThreadPool

from ..errors import OperationError, RegistrationError
from ..extras import needs
from ..protocol.events import Event
from ..protocol.partials import MARK, fill
from ..runs.context import run_context

with needs("sql", "saving"):
    from sqlalchemy import (
        JSON,
        Column,
        DateTime,
        Engine,
        Integer,
        MetaData,
        String,
        Table,
        create_engine,
        delete,
        insert,
    )
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.schema import CreateTable

log: Final = logging.getLogger("headway")

OnError = Literal["stop", "pass"]
Row = Mapping[str, Any]
Transform = Callable[[Iterable[Any]], Iterator[Any]]

WITHIN: Final = 5.0
"""Seconds that a batch may take before the database counts as away."""

MOST_WAITING: Final = 1_000
"""Events of one run that wait to be saved; with more the upstream is not read any further."""

HELD_BYTES: Final = 64 * 1024 * 1024
"""Bytes of partials that are held for a result that refers to them; with more, it is saved with its references."""

CALLER: Final = ("operation", "owner", "input")
"""Columns about the run, for tables that have them."""

NOT_SAVED: Final = "The events of this run could not be saved."


def events_table(name: str = "headway_events") -> Table:
    """One row an event; the key is `run` and `number` (1, 2, 3 ... in the order of the events).

    `data` is JSON: the object that the event carried, or its text. `saved` is in UTC. A table of your own may have the
    columns `operation`, `owner` and `input` (JSON) as well, of the run.
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
    """One row a run with a result: `run` is its key, `result` any JSON, `saved` in UTC."""
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
    """A transform that saves every event, and passes it on once it is saved.

    `engine` is SQLAlchemy's, or its URL; `table` has the columns of `events_table()`, and is created where it is
    missing. A run that starts again replaces its rows. Raises `RegistrationError`.
    """
    saver = _Saver(engine, events_table() if table is None else table, on_error, within)
    return _transform(saver, lambda: _event_row)


def save_result(
    engine: Engine | str, *, table: Table | None = None, on_error: OnError = "stop", within: float = WITHIN
) -> Transform:
    """A transform that saves the result of a run before it is passed on; otherwise like `save_events`.

    `table` has the columns of `results_table()`. Where a result refers to partials, it is saved with their values, if
    all partials of the run have at most 64 MiB; what is passed on keeps the references.
    """
    saver = _Saver(engine, results_table() if table is None else table, on_error, within)
    return _transform(saver, _ResultRow)


def _event_row(run: str, number: int, event: Event) -> Row:
    return {"run": run, "number": number, "name": event.name[:255], "data": event.data, "saved": _now()}


class _ResultRow:
    """The row of the result of one stream. The partials before it are held as they came, the newest of each key."""

    def __init__(self) -> None:
        self._partials: dict[str, Event] | None = {}
        self._size = 0

    def __call__(self, run: str, number: int, event: Event) -> Row | None:
        if event.name == "partial":
            self._hold(event)
        if event.name != "result":
            return None
        data = event.data
        value = data.get("result") if isinstance(data, dict) else data
        if MARK in event.body:
            value = fill(value, self._value)
        return {"run": run, "result": value, "saved": _now()}

    def _hold(self, event: Event) -> None:
        if self._partials is None:
            return
        data = event.data
        if not (isinstance(data, dict) and isinstance(key := data.get("key"), str) and "value" in data):
            return  # of another service
        replaced = self._partials.get(key)
        self._partials[key] = event
        self._size += len(event.body) - (len(replaced.body) if replaced else 0)
        if self._size > HELD_BYTES:
            self._partials = None

    def _value(self, key: str, reference: Any) -> Any:
        held = (self._partials or {}).get(key)
        return reference if held is None else held.data["value"]


def _now() -> datetime:
    return datetime.now(UTC)


def _transform(saver: _Saver, rows_of_a_stream: Callable[[], Callable[[str, int, Event], Row | None]]) -> Transform:
    def save(events: Iterable[Any]) -> Iterator[Any]:
        run = _Run(getattr(events, "run", None) or f"stream-{secrets.token_urlsafe(12)}")
        numbers, row_of = count(1), rows_of_a_stream()
        caller = saver.caller()
        try:
            with _ReadAhead(events) as ahead:
                while items := ahead.read():
                    rows = [row_of(run.id, next(numbers), item) for item in items if isinstance(item, Event)]
                    saver.save(run, [{**row, **caller} for row in rows if row is not None])
                    yield from items
        finally:
            run.warn_of_missing()

    return save


class _Run:
    """How much of one run has been saved."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.new = True
        """Whether this attempt has saved nothing yet."""
        self.missing = 0

    def add_missing(self, rows: int, error: BaseException) -> None:
        if not self.missing:
            log.warning("events of run %s are passed on without being saved: %s", self.id, _first_line(error))
        self.missing += rows

    def warn_of_missing(self) -> None:
        if self.missing:
            log.warning("of run %s, %d rows were not saved", self.id, self.missing)


class _ReadAhead:
    """Reads an iterable in a greenlet of its own, while the items before are being saved."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = iter(items)
        self._waiting: deque[Any] = deque()
        self._readable = Flag()
        self._room = Flag()
        self._over = False
        self._failure: BaseException | None = None
        self._reader: gevent.Greenlet[..., None] = gevent.Greenlet(self._read)
        # A generator that it reads may register cancel hooks (`on_cancel`), which belong to the context.
        self._reader.gr_context = contextvars.copy_context()

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.kill()

    def read(self) -> list[Any]:
        """Waits for items, and returns all there are; empty at the end. Raises what the iterable raised, after them."""
        while not self._waiting and not self._over:
            self._readable.clear()
            self._readable.wait()
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
                self._readable.set()
                while len(self._waiting) >= MOST_WAITING:
                    self._room.clear()
                    self._room.wait()
        except BaseException as error:  # noqa: BLE001  # raised by `read`
            self._failure = error
        self._over = True
        self._readable.set()


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows of one run; `first` where they replace those of an earlier attempt. `written` is set once they are."""

    run: str
    rows: Sequence[Row]
    first: bool
    written: AsyncResult[None]


class _Saver:
    """Writes the rows of all runs of this worker into one table, in one thread."""

    def __init__(self, engine: Engine | str, table: Table, on_error: OnError, within: float) -> None:
        if on_error not in ("stop", "pass"):
            raise RegistrationError(f"on_error is 'stop' or 'pass', not {on_error!r}")
        if not within > 0:
            raise RegistrationError(f"within is a number of seconds, not {within!r}")
        self._engine = engine
        self._table = table
        self._on_error = on_error
        self._within = within
        self._created = False
        self._waiting: list[_Batch] = []
        self._writer: gevent.Greenlet[..., None] | None = None
        self._pool: ThreadPool | None = None
        self._stuck = False

    def caller(self) -> Row:
        """Of the run at work, what the table has columns for."""
        context = run_context.get()
        current = None if context is None else context.current
        columns = [name for name in CALLER if name in self._table.c]
        if not columns or current is None:
            return dict.fromkeys(columns)
        known = {"operation": current.operation, "owner": current.owner, "input": current.input.model_dump(mode="json")}
        return {name: known[name] for name in columns}

    def save(self, run: _Run, rows: Sequence[Row]) -> None:
        """Returns once the rows are committed, or counted as missing. Raises `OperationError`."""
        if not rows:
            return
        try:
            if self._stuck and self._on_error == "pass":
                raise TimeoutError("the database has not answered yet")
            self._write_soon(batch := _Batch(run.id, rows, run.new, AsyncResult()))
            batch.written.get(timeout=self._within)
            run.new = False
        except (SQLAlchemyError, OSError, gevent.Timeout) as error:
            self._stuck = isinstance(error, gevent.Timeout)
            if self._on_error == "stop":
                log.warning("run %s fails, because its events could not be saved: %s", run.id, _first_line(error))
                raise OperationError("operation_failed", NOT_SAVED, retryable=True) from error
            run.add_missing(len(rows), error)

    def _write_soon(self, batch: _Batch) -> None:
        self._waiting.append(batch)
        if self._writer is None:
            self._writer = gevent.spawn(self._write_all)

    def _write_all(self) -> None:
        """Writes until nothing waits: each time all batches that do."""
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
        """One thread of the calling hub; not of the hub's own pool, which serves everything else."""
        if self._pool is None or self._pool.hub is not gevent.get_hub():
            self._pool = ThreadPool(1)
        return self._pool

    # -- in the thread ------------------------------------------------------------------------------------------

    def _try(self, batches: list[_Batch]) -> list[tuple[_Batch, Exception | None]]:
        try:
            self._write(batches)
        except Exception as error:  # noqa: BLE001  # raised where the batch is waited for
            if len(batches) == 1:
                return [(batches[0], error)]
            # The rows of one run must not fail those of the others.
            return [outcome for batch in batches for outcome in self._try([batch])]
        return [(batch, None) for batch in batches]

    def _write(self, batches: list[_Batch]) -> None:
        if isinstance(self._engine, str):
            self._engine = create_engine(self._engine)
        self._create_table(self._engine)
        with self._engine.begin() as connection:
            for run in {batch.run for batch in batches if batch.first}:
                connection.execute(delete(self._table).where(self._table.c.run == run))
            connection.execute(insert(self._table), [dict(row) for batch in batches for row in batch.rows])

    def _create_table(self, engine: Engine) -> None:
        if self._created:
            return
        try:
            with engine.begin() as connection:
                connection.execute(CreateTable(self._table, if_not_exists=True))
        except SQLAlchemyError:  # two workers at once: PostgreSQL refuses one, and by now the table exists
            with engine.begin() as connection:
                connection.execute(CreateTable(self._table, if_not_exists=True))
        self._created = True


def _first_line(error: BaseException) -> str:
    """The first line of an error: the message of a driver goes on with the statement and its values."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
