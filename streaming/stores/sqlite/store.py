"""The event log in an sqlite file: several workers of one machine share it, and it outlives them.

**Writing.** A worker has one writing thread and one batch in flight; what gathers meanwhile makes the next batch, one
transaction (`BEGIN IMMEDIATE`; write-ahead log). Viewers are shown what is committed, out of memory (`RecentEvents`).
**Reading.** Frames that are in no tail, and runs of other workers, are read by a thread of its own. A round of
`PRAGMA data_version`, every `POLL` seconds while anybody waits, tells that somebody has committed something, and the
columns `appended` and `asked` which runs it was: they hold the number of the transaction that last touched them.
**Leases.** A worker renews one row every third of `LEASE`, in a thread of its own, so that a busy hub does not cost it
its runs. Once that has lapsed, any other worker may take them over, which raises their epoch: a producer that wakes up
late finds its epoch gone, and can write nothing (fencing). Leases are kept in the machine's monotonic time, which does
not jump and is the same in every process; after a restart of the machine every old lease lies in the future, or has
lapsed.

What a crash of the processes leaves is whole. A power failure may take the last moments (`synchronous=NORMAL`).
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import gevent
from gevent.event import AsyncResult
from gevent.threadpool import ThreadPool

from ...clock import Clock, SystemClock
from ...errors import Fenced, RunClosed, StoreAway
from ...protocol.frames import BLOCK_FRAMES, Batch, Block
from ...protocol.state import Fold, Reason
from ...runtime.hub import GreenSignal
from ..base import ASK_AGAIN, Control, Record, RunInfo, Store
from ..lease import LEASE, Lease
from ..recent import RecentEvents
from . import statements

log = logging.getLogger("headway")

POLL: Final = 0.02
REFRESH: Final = 1.0
"""Seconds after which runs are looked at though nothing was committed: a lease may have lapsed."""

TAIL_BYTES: Final = 1024 * 1024
"""What of each run is held in memory for its viewers; what is older is read from the file."""

KEEP_BYTES: Final = 256 * 1024 * 1024
ROOM_BYTES: Final = 1024 * 1024
"""What one run may have waiting for the writer before its producer waits."""

AWAY_BYTES: Final = 4 * 1024 * 1024
"""What one run may have waiting while the file cannot be written, before it is ended."""

PATIENCE: Final = 2.0
"""Seconds that a request waits for the writer."""

RETRY: Final = 0.25
UNSURE: Final = 30.0
"""Seconds for which viewers of a silent worker still count while this worker may not say that it is lost."""


@dataclass(slots=True)
class _Local:
    """What this worker holds of a run: the tail, and where it produces it, what is yet to be written."""

    tail: RecentEvents
    epoch: int = 0
    viewers: int = 0
    taken: bool = False
    blocks: list[Block] = field(default_factory=list)
    fold: Fold | None = None
    backlog: int = 0
    room: GreenSignal = field(default_factory=GreenSignal)

    @property
    def produced(self) -> bool:
        """Whether this worker is its producer."""
        return self.epoch > 0


@dataclass(slots=True)
class _Order:
    """A piece of work for the writer, and where its outcome goes; `late` gets one that nobody waits for any more."""

    work: Callable[[sqlite3.Connection], Any]
    late: Callable[[Any], None] | None = None
    outcome: AsyncResult[Any] = field(default_factory=AsyncResult)
    dropped: bool = False


class SqliteStore(Store):
    """Runs in the file at `path`; a finished run goes `retention` seconds after its end.

    Of one run it keeps `keep_bytes` of frames. Raises `StoreAway` where the file cannot be opened.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        retention: float = 3600.0,
        keep_bytes: int = KEEP_BYTES,
        lease: float = LEASE,
        clock: Clock | None = None,
    ) -> None:
        self.worker = secrets.token_hex(8)
        self._path = str(path)
        self._retention = retention
        self._keep_bytes = keep_bytes
        self._lease_seconds = lease
        self._clock: Clock = clock or SystemClock()
        self._runs: dict[str, _Local] = {}
        self._orders: list[_Order] = []
        self._unwritten: dict[str, _Local] = {}
        self._writing = False
        self._away = False
        self._closed = False
        self._version = -1
        self._turn = 0
        self._alive = ""
        self._refreshed = 0.0
        self._behind: set[str] = set()
        self._interest = GreenSignal()
        self._swept = 0.0
        try:
            self._writer = statements.open_file(self._path, create=True)
            self._reader = statements.open_file(self._path)
            self._lease = _Lease(statements.open_file(self._path), self.worker, lease)
        except (sqlite3.Error, OSError) as error:
            raise StoreAway(f"{self._path} cannot be opened: {error}") from error
        self._writers = ThreadPool(1)
        self._readers = ThreadPool(1)
        self._poller: gevent.Greenlet[..., None] = gevent.spawn(self._poll)

    # -- the producer's side ------------------------------------------------------------------------------------

    def create(self, info: RunInfo, *, limit: int | None = None) -> RunInfo:
        settled: RunInfo = self._ordered(
            lambda db: statements.create(db, info, self.worker, limit), late=lambda _: self._disown([info.id])
        )
        if settled.id == info.id:
            self._runs[info.id] = _Local(RecentEvents(info), epoch=1)
            self._interest.set()
        return settled

    def joined(self, info: RunInfo) -> RunInfo | None:
        known: RunInfo | None = None
        if info.key is not None:
            known = self._read(lambda db: statements.joined(db, info))
        return known

    def append(self, run: str, block: Block, fold: Fold) -> None:
        local = self._runs.get(run)  # None: it is over, and nobody here needs it any more
        if local is None or local.taken:
            raise RunClosed(f"run {run} has had its last event")
        if isinstance(local.tail.control.lost, Fenced):
            return
        local.taken = fold.over
        local.blocks.append(block)
        local.fold = Fold(**{name: getattr(fold, name) for name in Fold.__slots__})
        local.backlog += block.size
        self._unwritten[run] = local
        if self._away and local.backlog > AWAY_BYTES and not fold.over:
            self._lose(local, StoreAway("the store of the runs cannot be written"))
        self._write()

    def wait_for_room(self, run: str) -> None:
        local = self._runs.get(run)
        while local is not None and local.backlog > ROOM_BYTES and not self._away:
            local.room.clear()
            local.room.wait(1.0)

    def control(self, run: str) -> Control:
        return self._runs[run].tail.control

    def queue(self, run: str, queued: bool) -> None:
        self._runs[run].tail.queued = queued
        self._order(lambda db: db.execute("UPDATE runs SET queued = ? WHERE id = ?", (int(queued), run)))

    def orphans(self) -> Sequence[Record]:
        if not self._lease.steady or not self._read(lambda db: db.execute(*statements.lost(self.worker)).fetchone()):
            return ()
        adopted: list[tuple[Record, int]] = self._ordered(
            lambda db: statements.adopt(db, self.worker),
            late=lambda late: self._disown([record.info.id for record, _ in late]),
        )
        for record, epoch in adopted:
            local = self._runs.setdefault(record.info.id, _Local(RecentEvents(record.info, record.fold)))
            # Viewers here may have followed it; they are owed what its last producer wrote since.
            self._catch_up({record.info.id: local.tail.fold.last_event_id})
            local.epoch, local.tail.attempt = epoch, record.attempt + 1
            local.taken, local.tail.control.lost = False, None  # it may have been this worker's before
            self._interest.set()
        return [record for record, _ in adopted]

    # -- the viewers' side --------------------------------------------------------------------------------------

    def read(self, run: str, after: int, *, frames: int = BLOCK_FRAMES, merge: bool = False) -> Batch:
        local = self._runs.get(run)
        if local is not None and after + 1 >= local.tail.oldest:
            return local.tail.read(after, frames, merge)
        batch: Batch = self._read(lambda db: statements.read(db, run, after, frames, merge))
        return batch

    def watch(self, run: str, call: Callable[[], None]) -> Callable[[], None]:
        local = self._runs.get(run) or self._follow(run)
        unwatch = local.tail.watch(call)
        self._interest.set()

        def leave() -> None:
            unwatch()
            self._let_go(run)

        return leave

    def count(self, run: str, change: int) -> None:
        local = self._runs.get(run) or self._follow(run)
        if change < 0 and local.produced and local.viewers + change <= 0:
            # Whether that was the last one anywhere is asked now: the next look at the others may be a while away.
            with contextlib.suppress(StoreAway):
                self._catch_up({run: None})
        local.viewers += change
        local.tail.control.viewers += change
        local.tail.control.watched = True
        count = local.viewers
        counted = self._order(lambda db: statements.count(db, run, self.worker, count))
        if change > 0 and not local.produced:
            # Its producer may be about to leave it. While the store is away, nobody hears of anything.
            counted.outcome.wait(0 if self._away else PATIENCE)
        local.tail.changed()
        self._let_go(run)

    def find(self, run: str) -> Record | None:
        local = self._runs.get(run)
        if local is not None and local.produced:
            return local.tail.record()
        record: Record | None = self._read(lambda db: statements.find(db, run))
        return record

    def reached(self, run: str) -> int:
        row = self._read(lambda db: db.execute("SELECT last FROM runs WHERE id = ?", (run,)).fetchone())
        return 0 if row is None else int(row["last"])

    def page(
        self, *, owner: str, operation: str | None, status: str | None, limit: int, before: str | None
    ) -> list[Record]:
        found: list[Record] = self._read(lambda db: statements.page(db, owner, operation, status, limit, before))
        return found

    def live(self, client: str) -> int:
        return int(self._read(lambda db: statements.live(db, client)))

    def cancel(self, run: str, reason: Reason) -> None:
        local = self._runs.get(run)
        if local is not None and local.produced:
            if local.taken or local.tail.control.cancel is not None:
                return
            local.tail.control.cancel = reason
            local.tail.changed()
            self._order(lambda db: statements.cancel(db, run, reason))
        else:
            self._ordered(lambda db: statements.cancel(db, run, reason))

    def abandon(self, run: str) -> bool:
        for _ in range(ASK_AGAIN):
            since = time.monotonic() - (0 if self._lease.steady else UNSURE)
            try:
                left = self._ordered(lambda db: statements.abandon(db, run, self.worker, since))  # noqa: B023  # made now
            except StoreAway as away:
                log.warning("viewers on other workers could not be asked for: %s", away)
                gevent.sleep(RETRY)
                continue
            if not left:
                self._catch_up({run: None})
                return False
            break
        self.cancel(run, "disconnected")
        return True

    def answer(self, run: str, question: str, body: bytes) -> bool:
        first: bool = self._ordered(lambda db: statements.answer(db, run, question, body))
        local = self._runs.get(run)
        if first and local is not None and local.produced:
            local.tail.control.answers[question] = body
            local.tail.changed()
        return first

    # -- upkeep -------------------------------------------------------------------------------------------------

    def sweep(self) -> None:
        if self._clock.monotonic() - self._swept < min(self._retention / 4, 60.0):
            return
        self._swept = self._clock.monotonic()
        limit = self._clock.now() - self._retention
        self._ordered(lambda db: statements.sweep(db, limit))

    def ready(self) -> None:
        if self._away or self._closed:
            raise StoreAway("the file of the runs cannot be written")
        self._read(lambda db: db.execute("SELECT 1").fetchone())

    def flush(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while (self._orders or self._unwritten or self._writing) and time.monotonic() < deadline:
            gevent.sleep(0.01)

    def close(self) -> None:
        self.flush()
        self._poller.kill()
        self._closed = True
        expected = any(local.viewers and not local.tail.fold.over for local in self._runs.values())
        self._lease.end(at_once=not expected)
        self._writers.join()
        self._readers.join()
        self._writers.kill()
        self._readers.kill()
        for connection in (self._writer, self._reader):
            connection.close()

    # -- writing ------------------------------------------------------------------------------------------------

    def _order(self, work: Callable[[sqlite3.Connection], Any], late: Callable[[Any], None] | None = None) -> _Order:
        order = _Order(work, late)
        self._orders.append(order)
        self._write()
        return order

    def _disown(self, runs: Sequence[str]) -> None:
        """Leaves runs that became this worker's too late to be begun to whoever looks for orphans next."""
        self._order(lambda db: statements.disown(db, runs, self.worker))

    def _ordered(self, work: Callable[[sqlite3.Connection], Any], late: Callable[[Any], None] | None = None) -> Any:
        """The outcome of `work` once it is committed. Raises `StoreAway` after `PATIENCE`."""
        if self._away or self._closed:
            raise StoreAway("the file of the runs cannot be written")
        order = self._order(work, late)
        try:
            outcome = order.outcome.get(timeout=PATIENCE)
        except gevent.Timeout:
            order.dropped = True
            raise StoreAway("the file of the runs cannot be written") from None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _write(self) -> None:
        if self._writing or self._closed or not (self._orders or self._unwritten):
            return
        self._writing = True
        orders, self._orders = self._orders, []
        unwritten, self._unwritten = self._unwritten, {}
        appends = [(local, local.blocks, local.fold) for local in unwritten.values()]
        for local in unwritten.values():
            local.blocks = []
        gevent.spawn(self._commit, orders, appends)

    def _commit(self, orders: list[_Order], appends: list[tuple[_Local, list[Block], Any]]) -> None:
        """Sees one batch through, however long the file cannot be written."""
        written = None
        while written is None and not self._closed:
            try:
                tried = self._writers.apply(self._try_transaction, (orders, appends))
                if isinstance(tried, Exception):
                    raise tried
                written = tried
            except Exception as error:  # noqa: BLE001  # whatever it is, who waits for this batch must not wait for ever
                self._set_away(error)
                orders = [order for order in orders if not order.dropped]
                gevent.sleep(RETRY)
        if written is None:
            return
        outcomes, fenced = written
        self._set_back()
        for order, outcome in zip(orders, outcomes, strict=True):
            order.outcome.set(outcome)
            if order.dropped and order.late and outcome is not None and not isinstance(outcome, Exception):
                order.late(outcome)
        for local, blocks, fold in appends:
            self._show(local, blocks, fold, fenced=local.tail.info.id in fenced)
        self._writing = False
        self._write()

    def _try_transaction(
        self, orders: list[_Order], appends: list[tuple[_Local, list[Block], Fold]]
    ) -> tuple[list[Any], set[str]] | Exception:
        """What came of it; raised in the pool's thread, gevent would print each failed try with its stack."""
        try:
            return self._transaction(orders, appends)
        except Exception as error:  # noqa: BLE001  # raised again by who asked
            return error

    def _transaction(
        self, orders: list[_Order], appends: list[tuple[_Local, list[Block], Fold]]
    ) -> tuple[list[Any], set[str]]:
        """In the writing thread: all of it or nothing."""
        connection = self._writer
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute("UPDATE turn SET number = number + 1")
            outcomes = [None if order.dropped else statements.outcome(order.work, connection) for order in orders]
            fenced = {local.tail.info.id for local, blocks, fold in appends if not self._keep(local, blocks, fold)}
            for local, _, _ in appends:
                statements.trim(connection, local.tail.info.id, self._keep_bytes)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return outcomes, fenced

    def _keep(self, local: _Local, blocks: list[Block], fold: Fold) -> bool:
        ended = self._clock.now() if fold.over else None
        run = local.tail.info.id
        return statements.append(self._writer, run, self.worker, local.epoch, blocks, fold, ended)

    def _show(self, local: _Local, blocks: list[Block], fold: Fold, *, fenced: bool) -> None:
        for block in blocks:
            local.backlog -= block.size
        local.room.set()
        if fenced:
            self._lose(local, Fenced(f"another worker has taken run {local.tail.info.id} over"))
            return
        for block in blocks:
            local.tail.extend(block, fold, TAIL_BYTES)
        local.tail.changed()
        if fold.over:
            self._let_go(local.tail.info.id)

    def _lose(self, local: _Local, why: Fenced | StoreAway) -> None:
        local.tail.control.lost = why
        if isinstance(why, Fenced):
            local.epoch = 0
            local.taken = True
            self._behind.add(local.tail.info.id)  # its viewers here are owed what the other worker has written
            self._interest.set()
        local.tail.changed()

    def _set_away(self, error: Exception) -> None:
        if not self._away:
            log.error("the file of the runs cannot be written: %s", error, exc_info=error)
        self._away = True
        for local in self._runs.values():
            local.room.set()

    def _set_back(self) -> None:
        if self._away:
            log.warning("the file of the runs can be written again")
            for local in self._runs.values():
                local.tail.changed()
        self._away = False

    # -- reading ------------------------------------------------------------------------------------------------

    def _read(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        if self._closed:
            raise StoreAway("the file of the runs is closed")
        try:
            return self._readers.apply(work, (self._reader,))
        except sqlite3.Error as error:
            raise StoreAway(f"the file of the runs cannot be read: {error}") from error

    def _follow(self, run: str) -> _Local:
        """Begins to follow a run of another worker, from here on. Raises `KeyError` where there is none."""
        record: Record | None = self._read(lambda db: statements.find(db, run))
        if record is None:
            raise KeyError(run)
        local = self._runs.setdefault(run, _Local(RecentEvents(record.info, record.fold, attempt=record.attempt)))
        local.tail.control.watched = True
        self._behind.add(run)  # what has come since that was read may have been looked at already
        return local

    def _let_go(self, run: str) -> None:
        """Drops what nobody here needs any more; the file has it."""
        local = self._runs.get(run)
        if local is None or local.tail.watched or local.viewers or run in self._unwritten or local.backlog:
            return
        if local.tail.fold.over or not local.produced:
            del self._runs[run]

    def _poll(self) -> None:
        while True:
            if not self._runs:
                self._interest.clear()
                self._interest.wait()
            gevent.sleep(POLL)
            try:
                self._look()
            except StoreAway as error:
                log.warning("%s", error)
                gevent.sleep(RETRY)
            except Exception:
                log.exception("the poll of the runs failed")
                gevent.sleep(RETRY)

    def _look(self) -> None:
        """Takes in what other workers have committed, or have not: a lease that lapsed takes viewers with it."""
        (version,) = self._read(lambda db: db.execute("PRAGMA data_version").fetchone())
        now = time.monotonic()
        if now - self._refreshed >= REFRESH and self._lease.steady:
            self._refreshed = now
            alive: str = self._read(statements.alive)
            if alive != self._alive:
                self._alive = alive
                self._catch_up(self._followed(list(self._runs)))
        if version != self._version or self._behind:
            turn, touched = self._read(lambda db: statements.touched(db, self._turn, self.worker))
            behind, self._behind = self._behind, set()
            try:
                self._catch_up(self._followed([*touched, *behind]))
            except BaseException:
                self._behind |= behind
                raise
            self._version, self._turn = version, turn  # not before: what could not be read is looked at again

    def _followed(self, runs: Sequence[str]) -> dict[str, int | None]:
        """Those of `runs` that matter here, and the last event of each that this worker follows."""
        local = {run: self._runs[run] for run in runs if run in self._runs and not self._runs[run].tail.fold.over}
        return {run: None if entry.produced else entry.tail.fold.last_event_id for run, entry in local.items()}

    def _catch_up(self, wanted: dict[str, int | None]) -> None:
        if wanted:
            now = time.monotonic() - (0 if self._lease.steady else UNSURE)
            for change in self._read(lambda db: statements.changes(db, wanted, self.worker, now)):
                self._take_in(change)

    def _take_in(self, change: statements.Change) -> None:
        local = self._runs.get(change.run)
        if local is None or local.tail.fold.over:
            return
        control = local.tail.control
        before = (control.cancel, control.viewers, len(control.answers), control.lost)
        control.cancel = control.cancel or change.cancel
        control.viewers = local.viewers + change.viewers_elsewhere
        control.watched = control.watched or change.watched
        control.answers.update(change.answers)
        if local.produced and not local.taken and (change.worker, change.epoch) != (self.worker, local.epoch):
            self._lose(local, Fenced(f"another worker has taken run {change.run} over"))
        grown = not local.produced and self._grow(local, change)
        if grown or before != (control.cancel, control.viewers, len(control.answers), control.lost):
            local.tail.changed()

    def _grow(self, local: _Local, change: statements.Change) -> bool:
        fresh = [block for block in change.blocks if block.first > local.tail.fold.last_event_id]
        if fresh and fresh[0].first > local.tail.fold.last_event_id + 1:
            local.tail.skip_to(change.fold)  # trimmed before it was seen here: viewers read the file, which has a gap
            return True
        for block in fresh:
            local.tail.extend(block, change.fold if block is fresh[-1] else local.tail.fold, TAIL_BYTES)
            local.tail.fold.last_event_id = block.first + len(block.frames) - 1
        return bool(fresh)


class _Lease(Lease):
    """This worker's row."""

    def __init__(self, connection: sqlite3.Connection, worker: str, seconds: float) -> None:
        super().__init__(seconds)
        self._connection = connection
        self._worker = worker
        self.sign(self.renew)
        self.begin()

    def renew(self) -> None:
        statements.renew(self._connection, self._worker, self.seconds)

    def give_up(self) -> None:
        statements.give_up(self._connection, self._worker)

    def close(self) -> None:
        self._connection.close()
