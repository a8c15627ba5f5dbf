"""The store in an sqlite file: the workers of one machine share it, and its runs outlive them.

**Writing.** A worker has one writing thread and one batch in flight; what gathers meanwhile is the next batch, one
transaction (`BEGIN IMMEDIATE`; write-ahead log). Viewers see what is committed, from memory (`RecentEvents`).
**Reading.** Older frames, and runs of other workers, are read by another thread. While anybody waits for a run, a
worker checks `PRAGMA data_version` every `POLL` seconds to see whether others have committed something, and then the
columns `appended` and `asked` to see which runs have changed: they hold the number of the last transaction that did.
**Leases.** A worker has a row that a thread renews every third of `LEASE`: a busy hub does not cost it its runs.
Once that has expired, any other worker may take them over, which raises their epoch: a producer that wakes up late
finds another epoch, and can write nothing (fencing). Leases are in the machine's monotonic time, which does not jump
and is the same in every process; after a restart of the machine an old lease has expired, or is too long to be valid.

A crash of the processes loses nothing that was committed. A power failure may lose the last transactions
(`synchronous=NORMAL`).
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
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
from ..base import ABANDON_TRIES, Control, Record, RunInfo, Store
from ..lease import LEASE, Lease
from ..recent import RecentEvents
from . import statements

log = logging.getLogger("headway")

POLL: Final = 0.02
REFRESH: Final = 1.0
"""Seconds after which the leases of other workers are read, though nothing was committed: they may have expired."""

RECENT_BYTES: Final = 1024 * 1024
"""How much of each run is in memory for its viewers; what is older is read from the file."""

KEEP_BYTES: Final = 256 * 1024 * 1024
ROOM_BYTES: Final = 1024 * 1024
"""How much of one run may wait for the writer before its producer waits."""

AWAY_BYTES: Final = 4 * 1024 * 1024
"""How much of one run may wait while the file cannot be written; a run with more is ended."""

WRITE_TIMEOUT: Final = 2.0
"""Seconds that a request waits for the writer."""

RETRY: Final = 0.25
GRACE: Final = 30.0
"""Seconds for which the viewers of a worker still count after its lease, while leases are not reliable."""

AWAY: Final = "the store's file cannot be written"

Work = Callable[[sqlite3.Connection], Any]


@dataclass(slots=True)
class _Entry:
    """What this worker has of a run: its recent events, and, where it produces the run, what is yet to be written.

    `closed` is set once the run takes no more events from this worker; `backlog` is in bytes.
    """

    recent: RecentEvents
    epoch: int = 0
    viewers: int = 0
    closed: bool = False
    blocks: list[Block] = field(default_factory=list)
    fold: Fold | None = None
    backlog: int = 0
    room: GreenSignal = field(default_factory=GreenSignal)

    @property
    def produced_here(self) -> bool:
        """Whether this worker is the run's producer."""
        return self.epoch > 0


@dataclass(slots=True)
class _Command:
    """Work for the writer, and its outcome; `on_late` gets that where nobody waits for it any more."""

    work: Work
    on_late: Callable[[Any], None] | None = None
    outcome: AsyncResult[Any] = field(default_factory=AsyncResult)
    cancelled: bool = False


class SqliteStore(Store):
    """Keeps runs in the file at `path`, a finished one for `retention` seconds after its end.

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
        self._retention = retention
        self._keep_bytes = keep_bytes
        self._clock: Clock = clock or SystemClock()
        self._runs: dict[str, _Entry] = {}
        self._commands: list[_Command] = []
        self._unwritten: dict[str, _Entry] = {}
        self._writing = self._away = self._closed = False
        self._data_version = -1
        self._last_transaction = 0
        self._alive = ""
        self._refreshed_at = self._swept_at = 0.0
        self._stale: set[str] = set()
        self._poll_needed = GreenSignal()
        self._writer, self._reader, lease_connection = _open(str(path))
        self._lease = _Lease(lease_connection, self.worker, lease)
        self._write_pool, self._read_pool = ThreadPool(1), ThreadPool(1)
        self._poller: gevent.Greenlet[..., None] = gevent.spawn(self._poll)

    # -- the producer's side ------------------------------------------------------------------------------------

    def create(self, info: RunInfo, *, limit: int | None = None) -> RunInfo:
        created: RunInfo = self._execute(
            lambda db: statements.create(db, info, self.worker, limit), on_late=lambda _: self._disown([info.id])
        )
        if created.id == info.id:
            self._runs[info.id] = _Entry(RecentEvents(info), epoch=1)
            self._poll_needed.set()
        return created

    def find_by_key(self, info: RunInfo) -> RunInfo | None:
        existing: RunInfo | None = None
        if info.key is not None:
            existing = self._read(lambda db: statements.find_by_key(db, info))
        return existing

    def append(self, run: str, block: Block, fold: Fold) -> None:
        entry = self._runs.get(run)  # None: the run is over, and nobody here needs it any more
        if entry is None or entry.closed:
            raise RunClosed(f"run {run} is over")
        if isinstance(entry.recent.control.lost, Fenced):
            return
        entry.closed = fold.over
        entry.blocks.append(block)
        entry.fold = replace(fold)
        entry.backlog += block.size
        self._unwritten[run] = entry
        if self._away and entry.backlog > AWAY_BYTES and not fold.over:
            self._mark_lost(entry, StoreAway(AWAY))
        self._write()

    def wait_for_room(self, run: str) -> None:
        entry = self._runs.get(run)
        while entry is not None and entry.backlog > ROOM_BYTES and not self._away:
            entry.room.clear()
            entry.room.wait(1.0)

    def control(self, run: str) -> Control:
        return self._runs[run].recent.control

    def queue(self, run: str, queued: bool) -> None:
        self._runs[run].recent.queued = queued
        self._submit(lambda db: db.execute("UPDATE runs SET queued = ? WHERE id = ?", (int(queued), run)))

    def adopt_orphans(self) -> Sequence[Record]:
        if not self._lease.reliable:
            return ()
        if not self._read(lambda db: db.execute(*statements.orphans(self.worker)).fetchone()):
            return ()
        adopted: list[tuple[Record, int]] = self._execute(
            lambda db: statements.adopt(db, self.worker),
            on_late=lambda adopted: self._disown([record.info.id for record, _ in adopted]),
        )
        for record, epoch in adopted:
            entry = self._runs.setdefault(record.info.id, _Entry(RecentEvents(record.info, record.fold)))
            # Viewers here may have followed the run, and not have seen all that its last producer wrote.
            self._catch_up({record.info.id: entry.recent.fold.last_event_id})
            entry.epoch, entry.recent.attempt = epoch, record.attempt + 1
            entry.closed, entry.recent.control.lost = False, None  # it may have been this worker's before
            self._poll_needed.set()
        return [record for record, _ in adopted]

    # -- the viewers' side --------------------------------------------------------------------------------------

    def read(self, run: str, after: int, *, frames: int = BLOCK_FRAMES, merge: bool = False) -> Batch:
        entry = self._runs.get(run)
        if entry is not None and after + 1 >= entry.recent.oldest:
            return entry.recent.read(after, frames, merge)
        batch: Batch = self._read(lambda db: statements.read(db, run, after, frames, merge))
        return batch

    def watch(self, run: str, callback: Callable[[], None]) -> Callable[[], None]:
        entry = self._runs.get(run) or self._follow(run)
        unwatch = entry.recent.watch(callback)
        self._poll_needed.set()

        def leave() -> None:
            unwatch()
            self._forget(run)

        return leave

    def count(self, run: str, change: int) -> None:
        entry = self._runs.get(run) or self._follow(run)
        if change < 0 and entry.produced_here and entry.viewers + change <= 0:
            # Whether this was the last viewer anywhere is read now: the next poll may come too late.
            with contextlib.suppress(StoreAway):
                self._catch_up({run: None})
        entry.viewers += change
        entry.recent.control.viewers += change
        entry.recent.control.watched = True
        count = entry.viewers
        command = self._submit(lambda db: statements.count(db, run, self.worker, count))
        if change > 0 and not entry.produced_here:
            # The run's producer may be about to abandon it. While the store is away, it cannot be told.
            command.outcome.wait(0 if self._away else WRITE_TIMEOUT)
        entry.recent.notify()
        self._forget(run)

    def find(self, run: str) -> Record | None:
        entry = self._runs.get(run)
        if entry is not None and entry.produced_here:
            return entry.recent.record()
        record: Record | None = self._read(lambda db: statements.find(db, run))
        return record

    def last_event_id(self, run: str) -> int:
        row = self._read(lambda db: db.execute("SELECT last FROM runs WHERE id = ?", (run,)).fetchone())
        return 0 if row is None else int(row["last"])

    def page(
        self, *, owner: str, operation: str | None, status: str | None, limit: int, before: str | None
    ) -> list[Record]:
        records: list[Record] = self._read(lambda db: statements.page(db, owner, operation, status, limit, before))
        return records

    def live(self, client: str) -> int:
        return int(self._read(lambda db: statements.live(db, client)))

    def cancel(self, run: str, reason: Reason) -> None:
        entry = self._runs.get(run)
        if entry is None or not entry.produced_here:
            self._execute(lambda db: statements.cancel(db, run, reason))
        elif not entry.closed and entry.recent.control.cancel is None:
            entry.recent.control.cancel = reason
            entry.recent.notify()
            self._submit(lambda db: statements.cancel(db, run, reason))

    def abandon(self, run: str) -> bool:
        for _ in range(ABANDON_TRIES):
            at = self._alive_at
            try:
                cancelled = self._execute(lambda db: statements.abandon(db, run, self.worker, at))  # noqa: B023  # run now
            except StoreAway as away:
                log.warning("the viewers of a run on other workers are not known: %s", away)
                gevent.sleep(RETRY)
                continue
            if not cancelled:
                self._catch_up({run: None})
                return False
            break
        self.cancel(run, "disconnected")
        return True

    def answer(self, run: str, question: str, body: bytes) -> bool:
        first: bool = self._execute(lambda db: statements.answer(db, run, question, body))
        entry = self._runs.get(run)
        if first and entry is not None and entry.produced_here:
            entry.recent.control.answers[question] = body
            entry.recent.notify()
        return first

    # -- upkeep -------------------------------------------------------------------------------------------------

    def sweep(self) -> None:
        if self._clock.monotonic() - self._swept_at < min(self._retention / 4, 60.0):
            return
        self._swept_at = self._clock.monotonic()
        limit = self._clock.now() - self._retention
        self._execute(lambda db: statements.sweep(db, limit))

    def ready(self) -> None:
        if self._away or self._closed:
            raise StoreAway(AWAY)
        self._read(lambda db: db.execute("SELECT 1").fetchone())

    def flush(self) -> None:
        deadline = time.monotonic() + WRITE_TIMEOUT
        while (self._commands or self._unwritten or self._writing) and time.monotonic() < deadline:
            gevent.sleep(0.01)

    def close(self) -> None:
        self.flush()
        self._poller.kill()
        self._closed = True
        has_viewers = any(entry.viewers and not entry.recent.fold.over for entry in self._runs.values())
        self._lease.stop(release=not has_viewers)
        self._write_pool.join()
        self._read_pool.join()
        self._write_pool.kill()
        self._read_pool.kill()
        for connection in (self._writer, self._reader):
            connection.close()

    # -- writing ------------------------------------------------------------------------------------------------

    def _submit(self, work: Work, on_late: Callable[[Any], None] | None = None) -> _Command:
        command = _Command(work, on_late)
        self._commands.append(command)
        self._write()
        return command

    def _execute(self, work: Work, on_late: Callable[[Any], None] | None = None) -> Any:
        """The result of `work` once it is committed. Raises `StoreAway` after `WRITE_TIMEOUT`."""
        if self._away or self._closed:
            raise StoreAway(AWAY)
        command = self._submit(work, on_late)
        try:
            outcome = command.outcome.get(timeout=WRITE_TIMEOUT)
        except gevent.Timeout:
            command.cancelled = True
            raise StoreAway(AWAY) from None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _disown(self, runs: Sequence[str]) -> None:
        """Makes runs orphans again that were created or adopted after their caller had stopped waiting."""
        self._submit(lambda db: statements.disown(db, runs, self.worker))

    def _write(self) -> None:
        if self._writing or self._closed or not (self._commands or self._unwritten):
            return
        self._writing = True
        commands, self._commands = self._commands, []
        unwritten, self._unwritten = self._unwritten, {}
        appends = [(entry, entry.blocks, entry.fold) for entry in unwritten.values()]
        for entry in unwritten.values():
            entry.blocks = []
        gevent.spawn(self._commit, commands, appends)

    def _commit(self, commands: list[_Command], appends: list[tuple[_Entry, list[Block], Any]]) -> None:
        """Writes one batch; tries again for as long as the file cannot be written."""
        written = None
        while written is None and not self._closed:
            try:
                result = self._write_pool.apply(self._try_transaction, (commands, appends))
                if isinstance(result, Exception):
                    raise result
                written = result
            except Exception as error:  # noqa: BLE001  # after any error: somebody waits for this batch
                self._set_away(error)
                commands = [command for command in commands if not command.cancelled]
                gevent.sleep(RETRY)
        if written is None:
            return
        outcomes, fenced = written
        self._set_back()
        for command, outcome in zip(commands, outcomes, strict=True):
            command.outcome.set(outcome)
            if command.cancelled and command.on_late and outcome is not None and not isinstance(outcome, Exception):
                command.on_late(outcome)
        for entry, blocks, fold in appends:
            self._publish(entry, blocks, fold, fenced=entry.recent.info.id in fenced)
        self._writing = False
        self._write()

    def _try_transaction(
        self, commands: list[_Command], appends: list[tuple[_Entry, list[Block], Fold]]
    ) -> tuple[list[Any], set[str]] | Exception:
        """Returns errors: gevent would print the traceback of each one that is raised in the pool's thread."""
        try:
            return self._transaction(commands, appends)
        except Exception as error:  # noqa: BLE001  # raised again by the caller
            return error

    def _transaction(
        self, commands: list[_Command], appends: list[tuple[_Entry, list[Block], Fold]]
    ) -> tuple[list[Any], set[str]]:
        """One transaction, in the writing thread. Returns the outcomes, and the runs that other workers have."""
        connection = self._writer
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute("UPDATE turn SET number = number + 1")
            outcomes = [
                None if command.cancelled else statements.outcome(command.work, connection) for command in commands
            ]
            fenced = {entry.recent.info.id for entry, blocks, fold in appends if not self._append(entry, blocks, fold)}
            for entry, _, _ in appends:
                statements.trim(connection, entry.recent.info.id, self._keep_bytes)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return outcomes, fenced

    def _append(self, entry: _Entry, blocks: list[Block], fold: Fold) -> bool:
        ended = self._clock.now() if fold.over else None
        run = entry.recent.info.id
        return statements.append(self._writer, run, self.worker, entry.epoch, blocks, fold, ended)

    def _publish(self, entry: _Entry, blocks: list[Block], fold: Fold, *, fenced: bool) -> None:
        """Shows viewers what is committed."""
        for block in blocks:
            entry.backlog -= block.size
        entry.room.set()
        if fenced:
            self._mark_lost(entry, Fenced(f"another worker has taken over run {entry.recent.info.id}"))
            return
        for block in blocks:
            entry.recent.extend(block, fold, RECENT_BYTES)
        entry.recent.notify()
        if fold.over:
            self._forget(entry.recent.info.id)

    def _mark_lost(self, entry: _Entry, error: Fenced | StoreAway) -> None:
        entry.recent.control.lost = error
        if isinstance(error, Fenced):
            entry.epoch = 0
            entry.closed = True
            self._stale.add(entry.recent.info.id)  # its viewers here are to see what the other worker has written
            self._poll_needed.set()
        entry.recent.notify()

    def _set_away(self, error: Exception) -> None:
        if not self._away:
            log.error("%s: %s", AWAY, error, exc_info=error)
        self._away = True
        for entry in self._runs.values():
            entry.room.set()

    def _set_back(self) -> None:
        if self._away:
            log.warning("the store's file can be written again")
            for entry in self._runs.values():
                entry.recent.notify()
        self._away = False

    # -- reading ------------------------------------------------------------------------------------------------

    def _read(self, work: Work) -> Any:
        if self._closed:
            raise StoreAway("the store's file is closed")
        try:
            return self._read_pool.apply(work, (self._reader,))
        except sqlite3.Error as error:
            raise StoreAway(f"the store's file cannot be read: {error}") from error

    def _follow(self, run: str) -> _Entry:
        """Starts to follow a run of another worker, from here on. Raises `KeyError` where there is none."""
        record: Record | None = self._read(lambda db: statements.find(db, run))
        if record is None:
            raise KeyError(run)
        entry = self._runs.setdefault(run, _Entry(RecentEvents(record.info, record.fold, attempt=record.attempt)))
        entry.recent.control.watched = True
        self._stale.add(run)  # a poll that came after this read may have passed the run over
        return entry

    def _forget(self, run: str) -> None:
        """Drops a run that nobody here needs any more; the file has it."""
        entry = self._runs.get(run)
        if entry is None or entry.recent.has_watchers or entry.viewers or run in self._unwritten or entry.backlog:
            return
        if entry.recent.fold.over or not entry.produced_here:
            del self._runs[run]

    def _poll(self) -> None:
        while True:
            if not self._runs:
                self._poll_needed.clear()
                self._poll_needed.wait()
            gevent.sleep(POLL)
            try:
                self._read_changes()
            except StoreAway as error:
                log.warning("%s", error)
                gevent.sleep(RETRY)
            except Exception:
                log.exception("the poll of the store failed")
                gevent.sleep(RETRY)

    def _read_changes(self) -> None:
        """Applies what other workers have committed; where one has died, its viewers no longer count."""
        (version,) = self._read(lambda db: db.execute("PRAGMA data_version").fetchone())
        now = time.monotonic()
        if now - self._refreshed_at >= REFRESH and self._lease.reliable:
            self._refreshed_at = now
            alive: str = self._read(statements.alive)
            if alive != self._alive:
                self._alive = alive
                self._catch_up(self._followed(list(self._runs)))
        if version != self._data_version or self._stale:
            since = self._last_transaction
            last, changed = self._read(lambda db: statements.changed_since(db, since, self.worker))
            stale, self._stale = self._stale, set()
            try:
                self._catch_up(self._followed([*changed, *stale]))
            except BaseException:
                self._stale |= stale
                raise
            self._data_version, self._last_transaction = version, last  # not before: a read that failed is done again

    def _followed(self, runs: Sequence[str]) -> dict[str, int | None]:
        """The live ones of `runs` here, each with the number of its last event here, `None` if it is produced here."""
        entries = {run: self._runs[run] for run in runs if run in self._runs and not self._runs[run].recent.fold.over}
        return {run: None if entry.produced_here else entry.recent.fold.last_event_id for run, entry in entries.items()}

    @property
    def _alive_at(self) -> float:
        """The monotonic time at which a lease must not have expired for its worker's viewers to count."""
        return time.monotonic() - (0 if self._lease.reliable else GRACE)

    def _catch_up(self, wanted: dict[str, int | None]) -> None:
        if wanted:
            at = self._alive_at
            for change in self._read(lambda db: statements.changes(db, wanted, self.worker, at)):
                self._apply_change(change)

    def _apply_change(self, change: statements.Change) -> None:
        entry = self._runs.get(change.run)
        if entry is None or entry.recent.fold.over:
            return
        control = entry.recent.control
        before = (control.cancel, control.viewers, len(control.answers), control.lost)
        control.cancel = control.cancel or change.cancel
        control.viewers = entry.viewers + change.viewers_elsewhere
        control.watched = control.watched or change.watched
        control.answers.update(change.answers)
        if entry.produced_here and not entry.closed and (change.worker, change.epoch) != (self.worker, entry.epoch):
            self._mark_lost(entry, Fenced(f"another worker has taken over run {change.run}"))
        extended = not entry.produced_here and self._extend(entry, change)
        if extended or before != (control.cancel, control.viewers, len(control.answers), control.lost):
            entry.recent.notify()

    def _extend(self, entry: _Entry, change: statements.Change) -> bool:
        new = [block for block in change.blocks if block.first > entry.recent.fold.last_event_id]
        if new and new[0].first > entry.recent.fold.last_event_id + 1:
            entry.recent.skip_to(change.fold)  # trimmed before it was read here: viewers read the file, and its gap
            return True
        for block in new:
            entry.recent.extend(block, change.fold if block is new[-1] else entry.recent.fold, RECENT_BYTES)
            entry.recent.fold.last_event_id = block.first + len(block.frames) - 1
        return bool(new)


def _open(path: str) -> tuple[sqlite3.Connection, sqlite3.Connection, sqlite3.Connection]:
    """The connections of a worker's writer, its reader and its lease."""
    try:
        return statements.open_file(path, create=True), statements.open_file(path), statements.open_file(path)
    except (sqlite3.Error, OSError) as error:
        raise StoreAway(f"{path} cannot be opened: {error}") from error


class _Lease(Lease):
    """This worker's row."""

    def __init__(self, connection: sqlite3.Connection, worker: str, seconds: float) -> None:
        super().__init__(seconds)
        self._connection = connection
        self._worker = worker
        self.attempt(self.renew)
        self.start()

    def renew(self) -> None:
        statements.renew(self._connection, self._worker, self.seconds)

    def release(self) -> None:
        statements.release(self._connection, self._worker)

    def close(self) -> None:
        self._connection.close()
