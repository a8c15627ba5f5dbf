"""The store in Redis: the workers of many machines share it, and its runs outlive them.

**Writing.** A worker has one connection for its writes and one batch in flight; what gathers meanwhile is the next
batch, one round trip, in which each run has a script of its own: all of it is done, or nothing. Viewers see what is
kept, from memory (`RecentEvents`).
**Reading.** A worker has one blocking `XREAD`, for any number of viewers: on the streams of other workers' runs that it
follows, and on its inbox, into which others put the ids of runs whose requests it should read again. To follow another
run, it sends itself a message. Every `REFRESH` seconds it reads the requests of all its runs, so that a lost message
only costs a moment.
**Leases.** A worker has a key that a thread renews every third of `LEASE`: a busy hub does not cost it its runs. Once
that has expired, any other worker may take them over, which raises their epoch: a producer that wakes up late finds
another epoch, and can write nothing (fencing). While Redis is away nobody can renew a lease. So for the length of a
lease after it is back, and after a jump of its clock, by which keys expire (`ClockSkew`), no run is taken over, and
viewers on other workers still count.
**Loss.** Redis may come back without the last writes (a fail-over), or empty (a restart without persistence). A
producer that notices writes its run again, from memory; events that are no longer there become a gap. A run whose
producer is dead too is lost: the streams of its viewers end without a last event, like those that are cut.

Redis 7 or Valkey, with one primary (no Redis Cluster) and `maxmemory-policy noeviction`.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import gevent
from redis.exceptions import ResponseError

from ...clock import Clock, SystemClock
from ...errors import Conflict, Fenced, RunClosed, StoreAway
from ...protocol.frames import BLOCK_BYTES, BLOCK_FRAMES, Batch, Block
from ...protocol.state import Fold, Reason
from ...runtime.hub import GreenSignal
from ..base import ABANDON_TRIES, Control, Record, RunInfo, Store, too_many_runs
from ..lease import LEASE, Lease
from ..recent import RecentEvents
from . import scripts
from .clock_skew import SLACK, ClockSkew
from .connection import TIMEOUT, Connection, Pool
from .scripts import Call, call
from .writer import AWAY, RETRY, WRITE_TIMEOUT, Command, Writer

log = logging.getLogger("headway")

REFRESH: Final = 1.0
"""Seconds between two refreshes of all live runs."""

REFRESH_RUNS: Final = 100
"""How many runs one call refreshes, so that the server can serve others in between."""

BLOCK_SECONDS: Final = 2.0
"""How long one `XREAD` waits."""

RECENT_BYTES: Final = 1024 * 1024
"""How much of each run is in memory for its viewers; what is older is read from Redis."""

KEEP_BYTES: Final = 64 * 1024 * 1024
ROOM_BYTES: Final = 1024 * 1024
"""How much of one run may wait for the writer before its producer waits."""

AWAY_BYTES: Final = 4 * 1024 * 1024
"""How much of one run may wait while Redis is away; a run with more is ended."""

LEAST_RETENTION: Final = 5.0
"""The shortest retention in seconds: viewers on other workers must have the time to read the end of a run."""


@dataclass(slots=True)
class _Entry:
    """What this worker has of a run: its recent events, and, where it produces the run, what is yet to be written.

    `closed` is set once the run takes no more events from this worker; `backlog` is in bytes. `missing_since` is when
    Redis was first seen not to have the run (monotonic seconds), `lost` whether it has stayed away.
    """

    recent: RecentEvents
    epoch: int = 0
    viewers: int = 0
    viewers_elsewhere: int = 0
    closed: bool = False
    missing_since: float | None = None
    lost: bool = False
    blocks: list[Block] = field(default_factory=list)
    fold: Fold | None = None
    backlog: int = 0
    room: GreenSignal = field(default_factory=GreenSignal)

    @property
    def produced_here(self) -> bool:
        """Whether this worker is the run's producer."""
        return self.epoch > 0


class _Append:
    """The writer's task for the events that have gathered of one run."""

    cancelled = False

    def __init__(self, store: RedisStore, entry: _Entry) -> None:
        self.entry = entry
        self.blocks, entry.blocks = entry.blocks, []
        self.fold = entry.fold or entry.recent.fold
        self._store = store
        self._restore: tuple[Call, ...] = ()
        self._append = store.append_call(entry, self.blocks, self.fold)

    @property
    def calls(self) -> tuple[Call, ...]:
        return (*self._restore, self._append)

    def finish(self, reply: Any) -> bool:
        """Publishes what the store has kept; false where it has lost earlier events, which are sent ahead next time."""
        if isinstance(reply, ResponseError):
            self._store.mark_lost(self.entry, StoreAway(f"{AWAY}: {reply}"))
            return True
        result, last = reply
        if result in (scripts.GONE, scripts.BEHIND):
            self._restore = self._store.restore_calls(self.entry, last, gone=result == scripts.GONE)
            return False
        self._store.publish(self.entry, self.blocks, self.fold, fenced=result == scripts.FENCED)
        return True


class RedisStore(Store):
    """Keeps runs in the Redis at `url` (`redis://`, `rediss://` or `unix://`, read by redis-py).

    A finished run is kept for `retention` seconds after its end, and of one run `keep_bytes` of frames. `lease` is in
    seconds. Connections are opened when they are needed. Raises `SettingError` for a url that cannot be read.
    """

    def __init__(
        self,
        url: str,
        *,
        retention: float = 3600.0,
        keep_bytes: int = KEEP_BYTES,
        lease: float = LEASE,
        clock: Clock | None = None,
    ) -> None:
        self.worker = secrets.token_hex(8)
        self._retention = max(retention, LEAST_RETENTION)
        self._keep_bytes = keep_bytes
        self._lease_seconds = lease
        self._clock: Clock = clock or SystemClock()
        self._clock_offset = self._clock.monotonic() - time.monotonic()
        self._runs: dict[str, _Entry] = {}
        self._unwritten: dict[str, _Entry] = {}
        self._closed = self._wake_pending = False
        self._failed_at = float("-inf")
        self._swept_at = self._clock.monotonic()
        self._listening_to: set[str] = set()
        self._writer = Writer(url, self._gather_appends, self._availability_changed)
        self._listener = Connection(url, BLOCK_SECONDS + TIMEOUT)
        self._pool = Pool(url)
        self._skew = ClockSkew()
        self._lease = _Lease(url, self.worker, lease, self._skew)
        self._greenlets = [gevent.spawn(work) for work in (self._writer.serve, self._listen, self._refresh_all)]

    # -- the producer's side ------------------------------------------------------------------------------------

    def create(self, info: RunInfo, *, limit: int | None = None) -> RunInfo:
        create = scripts.create(info, self.worker, self._lease_seconds, limit=limit)
        row = self._writer.execute(Command(create, undo=self._disown_call(info.id)))
        if row == scripts.FULL:
            raise too_many_runs()
        if row:
            return _existing(row, info)
        self._runs[info.id] = _Entry(RecentEvents(info), epoch=1)
        return info

    def find_by_key(self, info: RunInfo) -> RunInfo | None:
        row = None if info.key is None else self._pool.execute(call(scripts.FIND_BY_KEY, info.owner, info.key))
        return _existing(row, info) if row else None

    def append(self, run: str, block: Block, fold: Fold) -> None:
        entry = self._runs.get(run)
        if entry is None or entry.closed:
            raise RunClosed(f"run {run} is over")
        if isinstance(entry.recent.control.lost, Fenced):
            return
        entry.closed = fold.over
        entry.blocks.append(block)
        entry.fold = replace(fold)
        entry.backlog += block.size
        self._unwritten[run] = entry
        if self._writer.away and entry.backlog > AWAY_BYTES and not fold.over:
            self.mark_lost(entry, StoreAway(AWAY))
        self._writer.wake()

    def wait_for_room(self, run: str) -> None:
        entry = self._runs.get(run)
        while entry is not None and entry.backlog > ROOM_BYTES and not self._writer.away:
            entry.room.clear()
            entry.room.wait(1.0)

    def control(self, run: str) -> Control:
        return self._runs[run].recent.control

    def queue(self, run: str, queued: bool) -> None:
        self._runs[run].recent.queued = queued
        self._writer.submit(Command(call(scripts.QUEUE, run, int(queued))))

    def adopt_orphans(self) -> Sequence[Record]:
        if not self._leases_reliable:
            return ()
        sent = time.monotonic()
        redis_time, *parts = self._pool.execute(call(scripts.ORPHANS, self.worker))
        self._skew.update(redis_time, sent)
        if not self._leases_reliable:
            return ()
        names = [part.decode() for part in parts]
        adopted: list[Record] = []
        for dead, run in zip(names[::2], names[1::2], strict=True):
            try:
                adopted += self._adopt(run, dead)
            except StoreAway:
                if not adopted:
                    raise
                break  # the runs that are adopted already must not wait
        return adopted

    def _adopt(self, run: str, dead: str) -> list[Record]:
        """The run as its dead producer left it, if it is this worker's now."""
        lease = int(self._lease_seconds * 1000)
        adopt = call(scripts.ADOPT, run, dead, self.worker, lease, secrets.token_hex(8))
        row = self._writer.execute(Command(adopt, undo=self._disown_call(run)))
        if not row:
            return []
        record = scripts.record(row)
        entry = self._runs.setdefault(run, _Entry(RecentEvents(record.info, record.fold)))
        # Viewers here may have followed the run: they read from the store what its producer wrote since.
        entry.recent.skip_to(record.fold)
        entry.recent.attempt, entry.epoch = record.attempt, scripts.epoch(row)
        # It may have been this worker's before.
        entry.fold, entry.closed, entry.recent.control.lost = None, False, None
        with contextlib.suppress(StoreAway):
            self._refresh([run])
        return [replace(record, attempt=record.attempt - 1)]

    # -- the viewers' side --------------------------------------------------------------------------------------

    def read(self, run: str, after: int, *, frames: int = BLOCK_FRAMES, merge: bool = False) -> Batch:
        entry = self._runs.get(run)
        if entry is not None and after + 1 >= entry.recent.oldest:
            batch = entry.recent.read(after, frames, merge)
            return batch._replace(over=True) if entry.lost and not batch.block else batch
        reply = self._pool.execute(call(scripts.FRAMES, run, after, frames, BLOCK_BYTES))
        if reply is not None:
            return scripts.batch(reply, after, frames, merge)
        if entry is None:
            raise KeyError(run)
        if entry.lost or entry.recent.fold.over:
            # Its viewers get a gap, and the frames that are still in memory.
            rest = entry.recent.read(entry.recent.oldest - 1, frames, merge)
            return rest._replace(over=rest.last >= entry.recent.fold.last_event_id)
        entry.missing_since = entry.missing_since or time.monotonic()  # its producer will write it again
        return Batch(b"", after, over=False)

    def watch(self, run: str, callback: Callable[[], None]) -> Callable[[], None]:
        entry = self._runs.get(run) or self._follow(run)
        unwatch = entry.recent.watch(callback)

        def leave() -> None:
            unwatch()
            self._forget(run)

        return leave

    def count(self, run: str, change: int) -> None:
        entry = self._runs.get(run) or self._follow(run)
        if change < 0 and entry.produced_here and entry.viewers + change <= 0:
            # Whether this was the last viewer anywhere is read now: a message about another may still be on its way.
            with contextlib.suppress(StoreAway):
                self._refresh([run])
        entry.viewers += change
        entry.recent.control.viewers += change
        entry.recent.control.watched = True
        command = self._write_viewers(run, entry)
        if change > 0 and not entry.produced_here:
            self._wait_until_counted(run, entry, change, command)
        entry.recent.notify()
        self._forget(run)

    def _wait_until_counted(self, run: str, entry: _Entry, change: int, command: Command) -> None:
        """Waits until the store has a viewer, for whom the run's worker is to let the run live."""
        try:
            self._writer.wait(command)
        except StoreAway:
            entry.viewers -= change
            entry.recent.control.viewers -= change
            self._write_viewers(run, entry)
            self._forget(run)
            raise

    def find(self, run: str) -> Record | None:
        entry = self._runs.get(run)
        if entry is not None and entry.produced_here:
            return entry.recent.record()
        (record,) = self._records((run,))
        return record if record is not None or entry is None else entry.recent.record()

    def last_event_id(self, run: str) -> int:
        (record,) = self._records((run,))
        return 0 if record is None else record.fold.last_event_id

    def abandon(self, run: str) -> bool:
        for _ in range(ABANDON_TRIES):
            try:
                if not self._writer.execute(Command(self._abandon_call(run))):
                    self._refresh([run])
                    return False
            except StoreAway as away:
                log.warning("the viewers of a run on other workers are not known: %s", away)
                gevent.sleep(RETRY[2])
                continue
            break
        self.cancel(run, "disconnected")
        return True

    def _abandon_call(self, run: str) -> Call:
        expected = self._skew.expected if self._leases_reliable else 0
        return call(scripts.ABANDON, run, self.worker, expected, int(SLACK * 1000))

    def page(
        self, *, owner: str, operation: str | None, status: str | None, limit: int, before: str | None
    ) -> list[Record]:
        records: list[Record] = []
        offset, step = 0, min(max(limit, 20), 100)
        while len(records) < limit:
            runs = self._pool.execute(call(scripts.PAGE, owner, before or "", offset, step))
            records += (
                record
                for record in self._records([run.decode() for run in runs])
                if record is not None and operation in (None, record.info.operation) and status in (None, record.status)
            )
            if len(runs) < step:
                break
            offset += step
        return records[:limit]

    def live(self, client: str) -> int:
        return int(self._pool.execute(("SCARD", f"headway:client:{client}")))

    def cancel(self, run: str, reason: Reason) -> None:
        entry = self._runs.get(run)
        command = Command(call(scripts.CANCEL, run, reason))
        if entry is None or not entry.produced_here:
            self._writer.execute(command)
        elif not entry.closed and entry.recent.control.cancel is None:
            entry.recent.control.cancel = reason
            entry.recent.notify()
            self._writer.submit(command)

    def answer(self, run: str, question: str, body: bytes) -> bool:
        command = Command(call(scripts.ANSWER, run, question, secrets.token_hex(8), body))
        first = bool(self._writer.execute(command))
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
        self._pool.execute(call(scripts.SWEEP, int(self._retention * 1000), int(self._ahead * 1000)))

    @property
    def _ahead(self) -> float:
        """Seconds by which a test has moved its clock, which Redis's does not show."""
        return self._clock.monotonic() - time.monotonic() - self._clock_offset

    def ready(self) -> None:
        if self._writer.away or self._closed or self._lease.failing:
            raise StoreAway(AWAY)
        self._pool.execute(("PING",))

    def flush(self) -> None:
        deadline = time.monotonic() + WRITE_TIMEOUT
        while (self._unwritten or not self._writer.idle) and time.monotonic() < deadline:
            gevent.sleep(0.01)

    def close(self) -> None:
        if self._closed:
            return
        self.flush()
        self._closed = self._writer.closed = True
        gevent.killall(self._greenlets)
        has_viewers = any(entry.viewers and not entry.recent.fold.over for entry in self._runs.values())
        self._lease.stop(release=not has_viewers)
        for connection in (self._writer, self._listener, self._pool):
            connection.close()

    # -- writing ------------------------------------------------------------------------------------------------

    def _gather_appends(self) -> list[_Append]:
        unwritten, self._unwritten = self._unwritten, {}
        return [_Append(self, entry) for entry in unwritten.values()]

    def _availability_changed(self) -> None:
        if self._writer.away:
            self._failed_at = time.monotonic()
            for entry in self._runs.values():
                entry.room.set()
        else:
            for entry in list(self._runs.values()):
                entry.recent.notify()

    def _disown_call(self, run: str) -> Call:
        """Makes a run an orphan again that was created or adopted after its caller had stopped waiting."""
        return call(scripts.DISOWN, run, self.worker)

    def append_call(self, entry: _Entry, blocks: Sequence[Block], fold: Fold, gap: int | None = None) -> Call:
        """Appends `blocks`; events before number `gap` are lost."""
        return scripts.append(
            entry.recent.info.id,
            self.worker,
            entry.epoch,
            blocks,
            fold,
            retention=self._retention,
            ahead=self._ahead,
            keep=self._keep_bytes,
            gap=gap,
        )

    def restore_calls(self, entry: _Entry, last: int, *, gone: bool) -> tuple[Call, ...]:
        """Writes again what a store has lost: the events after number `last`, or, with `gone`, all of the run."""
        self._failed_at = time.monotonic()
        recent, first = entry.recent, max(last + 1, entry.recent.oldest)
        log.warning("the store has lost events of run %s after number %d; writing them again", recent.info.id, last)
        frames = recent.frames[first - recent.oldest :]
        block = Block(first, frames, sum(map(len, frames)))
        append = self.append_call(entry, split(block), recent.fold, first if first > last + 1 else None)
        if not gone:
            return (append,)
        restored: dict[str, scripts.Argument] = {"epoch": entry.epoch, "attempt": recent.attempt}
        if recent.control.cancel is not None:
            restored["cancel"] = recent.control.cancel
        if recent.control.watched:
            restored["watched"] = 1
        create = scripts.create(recent.info, self.worker, self._lease_seconds, restored)
        return (create, append, self._count_call(recent.info.id, entry))

    def publish(self, entry: _Entry, blocks: Sequence[Block], fold: Fold, *, fenced: bool) -> None:
        """Shows viewers what the store has kept."""
        for block in blocks:
            entry.backlog -= block.size
        entry.room.set()
        if fenced:
            self.mark_lost(entry, Fenced(f"another worker has taken over run {entry.recent.info.id}"))
            return
        for block in blocks:
            entry.recent.extend(block, fold, RECENT_BYTES)
        entry.recent.notify()
        if fold.over:
            self._forget(entry.recent.info.id)

    def mark_lost(self, entry: _Entry, error: Fenced | StoreAway) -> None:
        """Notifies the producer that its run can take no more events."""
        entry.recent.control.lost = error
        if isinstance(error, Fenced):
            entry.epoch = 0
            entry.closed = True
            self._wake_listener()
        entry.recent.notify()

    @property
    def _leases_reliable(self) -> bool:
        """Whether every living worker has had the time to renew its lease since Redis was away or its clock jumped."""
        last = max(self._failed_at, self._skew.jumped_at)
        return self._lease.reliable and time.monotonic() - last > self._lease_seconds

    # -- reading ------------------------------------------------------------------------------------------------

    def _records(self, runs: Sequence[str]) -> list[Record | None]:
        rows = self._pool.execute(call(scripts.RECORDS, *runs)) if runs else []
        return [scripts.record(row[0], row[1]) if row else None for row in rows]

    def _follow(self, run: str) -> _Entry:
        """Starts to follow a run of another worker, from here on. Raises `KeyError` where there is none."""
        (record,) = self._records((run,))
        if record is None:
            raise KeyError(run)
        entry = self._runs.setdefault(run, _Entry(RecentEvents(record.info, record.fold, attempt=record.attempt)))
        entry.recent.control.watched = True
        self._wake_listener()
        return entry

    def _forget(self, run: str) -> None:
        """Drops a run that nobody here needs any more; the store has it."""
        entry = self._runs.get(run)
        if entry is None or entry.recent.has_watchers or entry.viewers or run in self._unwritten or entry.backlog:
            return
        if entry.recent.fold.over or not entry.produced_here:
            del self._runs[run]

    def _write_viewers(self, run: str, entry: _Entry) -> Command:
        command = Command(self._count_call(run, entry))
        self._writer.submit(command)
        return command

    def _count_call(self, run: str, entry: _Entry) -> Call:
        return call(scripts.COUNT, run, self.worker, entry.viewers, int(self._lease_seconds * 1000))

    # -- changes by other workers -------------------------------------------------------------------------------

    def _wake_listener(self) -> None:
        """Interrupts the `XREAD` if there are runs to follow that it does not read."""
        if not self._wake_pending and not self._followed().keys() <= self._listening_to:
            self._wake_pending = True
            self._writer.submit(Command(call(scripts.WAKE, self.worker)))

    def _followed(self) -> dict[str, int]:
        """The live runs of other workers that are followed here, each with the number of its last event here."""
        return {
            run: entry.recent.fold.last_event_id
            for run, entry in self._runs.items()
            if not entry.produced_here and not entry.recent.fold.over
        }

    def _listen(self) -> None:
        inbox, message, tries = f"headway:inbox:{self.worker}", "0-0", 0
        while True:
            followed = self._followed()
            self._listening_to, self._wake_pending = set(followed), False
            streams = {inbox: message, **{f"headway:run:{run}:events": f"{last}-0" for run, last in followed.items()}}
            block = int(BLOCK_SECONDS * 1000)
            try:
                (reply,) = self._listener.execute(
                    [("XREAD", "COUNT", 16, "BLOCK", block, "STREAMS", *streams, *streams.values())]
                )
                if isinstance(reply, ResponseError):
                    raise StoreAway(str(reply))
                tries = 0
                message = self._apply_streams(inbox, message, reply or ())
            except StoreAway as away:
                if not tries:
                    log.warning("%s", away)
                self._failed_at = time.monotonic()
                gevent.sleep(RETRY[min(tries, len(RETRY) - 1)])
                tries += 1
            except Exception:
                log.exception("the listener of the store failed")
                gevent.sleep(1.0)

    def _apply_streams(self, inbox: str, message: str, reply: Sequence[Any]) -> str:
        """Publishes new events, and refreshes the runs named in the inbox. Returns the id of its last message."""
        runs: set[str] = set()
        for stream, items in reply:
            name = stream.decode()
            if name == inbox:
                message = items[-1][0].decode()
                runs = {fields[1].decode() for _, fields in items} & self._runs.keys()
            else:
                self._extend(name.split(":")[2], items)
        if runs:
            self._refresh(sorted(runs))
        return message

    def _extend(self, run: str, items: Sequence[Any]) -> None:
        entry = self._runs.get(run)
        if entry is None or entry.produced_here or entry.recent.fold.over:
            return
        for item in items:
            block, over = scripts.block_of(item, entry.recent.fold.last_event_id)
            if not block.frames:
                continue
            fold = replace(entry.recent.fold, last_event_id=block.first + len(block.frames) - 1)
            if over:
                fold.state = "over"
            if block.first > entry.recent.fold.last_event_id + 1:
                entry.recent.skip_to(replace(fold, last_event_id=block.first - 1))
            entry.recent.extend(block, fold, RECENT_BYTES)
        entry.missing_since = None
        entry.recent.notify()

    def _refresh_all(self) -> None:
        while True:
            gevent.sleep(REFRESH)
            live = [run for run, entry in self._runs.items() if not entry.recent.fold.over]
            try:
                for at in range(0, len(live), REFRESH_RUNS):
                    self._refresh(live[at : at + REFRESH_RUNS])
            except StoreAway:
                self._failed_at = time.monotonic()
            except Exception:
                log.exception("the refresh of the runs failed")

    def _refresh(self, runs: Sequence[str]) -> None:
        """Applies what other workers have requested of these runs; where one has died, its viewers no longer count."""
        if not runs:
            return
        sent = time.monotonic()
        redis_time, *rows = self._pool.execute(call(scripts.CHANGES, self.worker, *runs))
        self._skew.update(redis_time, sent)
        for run, row in zip(runs, rows, strict=True):
            entry = self._runs.get(run)
            if entry is None or entry.recent.fold.over:
                continue
            change = scripts.change(row)
            if change is None:
                self._handle_missing(run, entry)
            else:
                self._apply_change(run, entry, change)

    def _handle_missing(self, run: str, entry: _Entry) -> None:
        """The store has lost the run: its producer writes it again, and viewers elsewhere wait for that for a while."""
        if entry.produced_here:
            if not entry.closed:
                self._unwritten.setdefault(run, entry)
                self._writer.wake()
            return
        entry.missing_since = entry.missing_since or time.monotonic()
        if time.monotonic() - entry.missing_since > self._lease_seconds:
            entry.lost = True
            entry.recent.notify()

    def _apply_change(self, run: str, entry: _Entry, change: scripts.Change) -> None:
        control = entry.recent.control
        before = (control.cancel, control.viewers, len(control.answers), control.lost)
        control.cancel = control.cancel or change.cancel
        if self._leases_reliable:
            entry.viewers_elsewhere = change.viewers_alive
        else:
            entry.viewers_elsewhere = max(entry.viewers_elsewhere, change.viewers_known)
        control.viewers = entry.viewers + entry.viewers_elsewhere
        control.watched = control.watched or change.watched
        control.answers.update(change.answers)
        was_missing, entry.missing_since = entry.missing_since is not None, None
        if change.viewers_here != entry.viewers:
            self._write_viewers(run, entry)
        if entry.produced_here and not entry.closed and (change.worker, change.epoch) != (self.worker, entry.epoch):
            self.mark_lost(entry, Fenced(f"another worker has taken over run {run}"))
        if was_missing or before != (control.cancel, control.viewers, len(control.answers), control.lost):
            entry.recent.notify()


def split(block: Block) -> list[Block]:
    """Splits a block into ones of at most `BLOCK_BYTES`, for entries of a stream."""
    pieces, first, frames, size = [], block.first, list[bytes](), 0
    for frame in block.frames:
        if frames and size + len(frame) > BLOCK_BYTES:
            pieces.append(Block(first, frames, size))
            first, frames, size = first + len(frames), [], 0
        frames.append(frame)
        size += len(frame)
    return [*pieces, Block(first, frames, size)] if frames else pieces


def _existing(row: Any, info: RunInfo) -> RunInfo:
    """The run of `row`, which has the key of `info`. Raises `Conflict` where it has another digest."""
    existing = scripts.record(row).info
    if existing.digest != info.digest:
        raise Conflict("this Idempotency-Key was used with another request", code="idempotency_conflict")
    return existing


class _Lease(Lease):
    """This worker's key. The connection's gevent sockets make a hub in the thread that renews it."""

    def __init__(self, url: str, worker: str, seconds: float, skew: ClockSkew) -> None:
        super().__init__(seconds)
        self._skew = skew
        self._connection = Connection(url)
        self._worker = worker
        self.start()

    def renew(self) -> None:
        sent = time.monotonic()
        self._skew.update(self._execute(call(scripts.RENEW, self._worker, int(self.seconds * 1000))), sent)

    def release(self) -> None:
        self._execute(call(scripts.RELEASE, self._worker))

    def close(self) -> None:
        self._connection.close()

    def _execute(self, call: Call) -> Any:
        (reply,) = self._connection.execute([call])
        if isinstance(reply, ResponseError):
            raise reply
        return reply
