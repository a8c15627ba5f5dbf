"""What every store of several workers does, once, over a driver (`driver`) for its file or its server.

**Writing.** A worker has one batch in flight (`writer`); what gathers meanwhile is the next batch. Viewers see what is
kept, from memory (`RecentEvents`); older frames are read from the store.
**Following.** A driver waits for changes by other workers (`Driver.wait`): new events of the runs that are followed
here, and requests to the producers here. From time to time the state of all live runs is read, so that lost news costs
no more than a moment.
**Leases.** A thread renews the lease of a worker every third of its length: a busy hub does not cost it its runs. Once
the lease has expired, any other worker may take the runs over, which raises their epoch: a producer that wakes up late
finds another epoch, and can write nothing (fencing). While the store is away nobody can renew a lease. So for the
length of a lease after it is back, and after a jump of the clock by which leases expire, no run is taken over, and
viewers on other workers still count.
**Loss.** A store may come back without the last writes, or empty. A producer that notices writes its run again, from
memory; events that are no longer there become a gap. A run whose producer is dead too is lost: the streams of its
viewers end without a last event, like those that are cut.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import gevent

from ..clock import Clock
from ..errors import Fenced, RunClosed, StoreAway, StoreFull
from ..logs import Outage, log_run
from ..protocol.frames import BLOCK_BYTES, BLOCK_FRAMES, Batch, Block
from ..protocol.limits import NO_LIMITS, Limits
from ..protocol.state import Fold, Reason
from ..runtime.hub import GreenSignal
from .base import (
    ABANDON_TRIES,
    Control,
    Record,
    RunInfo,
    Store,
    Take,
    same_request,
    store_full,
    too_many_files,
    too_many_runs,
    worker_full,
)
from .driver import BUSY, DISOWNED, FULL, NO_ROOM, QUEUE, QUEUED, Adopted, Driver, Kept, State, Step, Unfit, sizes
from .files import MAX_FILES, UPLOADS, FileInfo, Files, is_handed_over, upload_row, uploads_of
from .lease import Lease
from .queues import Waiting
from .recent import RecentEvents
from .writer import AWAY, RETRY, WRITE_TIMEOUT, Command, Writer

log: Final = logging.getLogger("headway")

REFRESH: Final = 1.0
"""Seconds between two looks for what no news has brought."""

REFRESH_RUNS: Final = 100
"""How many runs one query refreshes, so that the store can serve others in between."""

RECENT_BYTES: Final = 1024 * 1024
"""How much of each run is in memory for its viewers."""

ROOM_BYTES: Final = 1024 * 1024
"""How much of one run may wait for the writer before its producer waits."""

FIRST_EVENTS: Final = 2
"""How many events of a run are written at once, for which somebody has waited; and so is its end."""

AWAY_BYTES: Final = 4 * 1024 * 1024
"""How much of one run may wait while the store is away; a run with more is ended."""


ENDED_BYTES: Final = 16 * 1024 * 1024
"""How much of the runs that have ended a moment ago stays in memory, where the store may still lose their end."""

REFUSALS: Final = {FULL: too_many_runs, NO_ROOM: store_full, BUSY: worker_full}
"""The errors of `create`, by its outcomes."""

OVERFULL: Final = 2
"""How many times the bytes of the setting the live runs may take before the largest of a worker is ended."""


@dataclass(slots=True)
class _Entry:
    """What this worker has of a run: its recent events, and, where it produces the run, what is yet to be written.

    `closed` is set once the run takes no more events from this worker; `backlog` and `size` (of all that was written
    here) are in bytes. `missing_since` is when the store was first seen not to have the run (monotonic seconds), `lost`
    whether it has stayed away. `kept` is its checkpoint, `lapses` are those of the lease as of when the store last
    took events here. `seen_last` was the last event that was seen here of the producer `seen_worker` with
    `seen_epoch`; `rewound` says that the next one began before it. `began` is the last event before this worker took
    the run over.
    """

    recent: RecentEvents
    epoch: int = 0
    viewers: int = 0
    viewers_elsewhere: int = 0
    closed: bool = False
    size: int = 0
    missing_since: float | None = None
    lost: bool = False
    lapses: int = 0
    kept: tuple[int, bytes] | None = None
    rewound: bool = False
    seen_epoch: int = 0
    seen_worker: str = ""
    seen_last: int = 0
    began: int = 0
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

    def __init__(self, store: SharedStore, entry: _Entry) -> None:
        self.entry = entry
        self.blocks, entry.blocks = entry.blocks, []
        self.fold = entry.fold or entry.recent.fold
        self.lapses = store.lapses
        self._store = store
        self._restore: tuple[Step[Any], ...] = ()
        shown = entry.recent.fold
        self._append = store.append_step(entry, self.blocks, self.fold, known=shown if shown.last_event_id else None)

    @property
    def steps(self) -> tuple[Step[Any], ...]:
        return (*self._restore, self._append)

    def finish(self, outcome: Any) -> bool:
        """Publishes what the store has kept; false where it has lost earlier events, which are sent ahead next time."""
        if isinstance(outcome, Exception):
            self._store.mark_lost(self.entry, StoreAway(f"{AWAY}: {outcome}"))
            return True
        kept, last = outcome
        erased = kept == "gone" and self._restore and self.fold.over
        if kept in ("gone", "behind", "older") and not erased:
            self._restore = self._store.restore_steps(self.entry, last, kept)
            return False
        self._store.publish(self.entry, self.blocks, self.fold, fenced=kept == "fenced")
        self.entry.lapses = self.lapses
        return True


class SharedStore(Store):
    """The store of a driver. `lease` is the length of this worker's lease in seconds."""

    shared = True

    def __init__(
        self, driver: Driver, files: Files, *, lease: float, retention: float, store_bytes: int, clock: Clock
    ) -> None:
        super().__init__()
        self.worker: str = driver.worker
        self.driver = driver
        self.files = files
        self._clock = clock
        self._lease_seconds = lease
        self._sweep_every = min(retention / 4, 60.0)
        self._store_bytes = store_bytes
        self._unfit: Unfit | None = None
        self._runs: dict[str, _Entry] = {}
        driver.here = self._runs
        self._unwritten: dict[str, _Entry] = {}
        self._ended: dict[str, tuple[float, int]] = {}
        self._ended_bytes = 0
        self._stale: set[str] = set()
        self._strangers: dict[str, float] = {}
        self._unkept: set[str] = set()
        self._closed = self._reliable = self._caring = False
        self._failed_at = self._swept_at = float("-inf")
        self._sweep_files = True
        self._followed_anything = GreenSignal()
        self._on_queue: Callable[[], None] | None = None
        self._writer = Writer(
            driver.write, self._gather_appends, self._availability_changed, self.outage, driver.gathers
        )
        self._lease = _Lease(driver, lease, self.outage)
        self._greenlets = [gevent.spawn(work) for work in (self._writer.serve, self._listen, self._refresh_all)]

    # -- the producer's side ------------------------------------------------------------------------------------

    def create(
        self,
        info: RunInfo,
        *,
        limit: int | None = None,
        limits: Limits = NO_LIMITS,
        wait: bool = False,
        full: bool = False,
        queued: bool = False,
    ) -> RunInfo:
        if self._unfit is not None:
            raise StoreAway(str(self._unfit))
        step = self.driver.create(info, "" if queued else self.worker, limit, limits=limits, wait=wait, full=full)
        undo = self.driver.cancel(info.id, "shutdown") if queued else self.driver.disown(info.id, self.worker)
        outcome = self._execute(step, undo=undo)
        if outcome == NO_ROOM and self._make_room():
            outcome = self._execute(step, undo=undo)
        if outcome in REFUSALS:
            error = REFUSALS[outcome]
            raise error()
        if isinstance(outcome, RunInfo):
            return same_request(outcome, info)
        if not queued:
            entry = _Entry(RecentEvents(info), epoch=1)
            entry.recent.queued = wait or outcome == QUEUED
            self._add(info.id, entry)
        return info

    def find_by_key(self, info: RunInfo) -> RunInfo | None:
        existing = None if info.key is None else self.driver.query(self.driver.find_by_key(info.owner, info.key))
        return existing and same_request(existing, info)

    def append(self, run: str, block: Block, fold: Fold) -> None:
        entry = self._runs.get(run)  # None: the run is over, and nobody here needs it any more
        if entry is not None and isinstance(entry.recent.control.lost, Fenced):
            return  # `control` says so to the producer
        if entry is None or entry.closed:
            raise RunClosed(f"run {run} is over")
        entry.closed = fold.over
        entry.blocks.append(block)
        entry.fold = fold.copy()
        entry.backlog += block.size
        entry.size += block.size
        self._unwritten[run] = entry
        if self._writer.away and entry.backlog > AWAY_BYTES and not fold.over:
            self.mark_lost(entry, StoreAway(AWAY))
        self._writer.wake(at_once=block.first <= FIRST_EVENTS or fold.over)

    def wait_for_room(self, run: str) -> None:
        entry = self._runs.get(run)
        while entry is not None and entry.backlog > ROOM_BYTES and not self._writer.away:
            entry.room.clear()
            entry.room.wait(1.0)

    def wait_for_viewers(self, run: str) -> None:
        entry = self._runs.get(run)
        if entry is not None and not entry.viewers_elsewhere:  # how far those have read is known on their workers alone
            entry.recent.wait_for_viewers(entry.size)

    def keep(self, run: str, after: int, value: bytes) -> None:
        entry = self._runs[run]
        while entry.recent.control.lost is None:
            self._compare(entry)  # ahead of the checkpoint, in one batch: what the store has lost comes back
            command = self._writer.submit(Command(self.driver.keep(run, self.worker, entry.epoch, after, value)))
            try:
                outcome = command.outcome.get()
            finally:
                command.cancelled = True
            if outcome is True:
                entry.kept = (after, value)
                return
            gevent.sleep(RETRY[0])
        raise entry.recent.control.lost

    def confirm(self, run: str) -> None:
        entry = self._runs.get(run)
        while entry is not None and entry.recent.control.lost is None:
            if not self._lease.lapsed and entry.lapses == self._lease.lapses:
                return
            entry.room.clear()
            self._compare(entry)
            entry.room.wait(RETRY[-1])
        if entry is not None and entry.recent.control.lost is not None:
            raise entry.recent.control.lost

    @property
    def lapses(self) -> int:
        """How often other workers may have taken over runs of this one."""
        return self._lease.lapses

    def release(self, run: str) -> bool:
        with contextlib.suppress(StoreAway):  # then the run waits until the lease has expired
            self._execute(self.driver.disown(run, self.worker))
        self._give_up(run)
        return True

    def _give_up(self, run: str) -> None:
        """Notes that a run has another producer from now on, which its viewers here follow."""
        entry = self._runs.get(run)
        if entry is not None:
            entry.epoch, entry.recent.queued = 0, False
            self._wake_listener()
            self._forget(run)

    def control(self, run: str) -> Control:
        return self._runs[run].recent.control

    def adopt_orphans(self, operations: Container[str] | None = None) -> Sequence[Record]:
        if not self._leases_reliable or self._unfit is not None:
            return ()
        orphans = self._without_strangers(self.driver.query(self.driver.orphans(self.worker)), operations)
        orphans += [
            (run, QUEUE)
            for run in self._unkept
            if operations is None or self._runs[run].recent.info.operation in operations
        ]
        if not self._leases_reliable:  # the reply may tell of a jump of the clock
            return ()
        adopted: list[Record] = []
        for run, dead in orphans:
            try:
                adopted += self._adopt(run, dead)
            except StoreAway:
                if not adopted:
                    raise
                break  # the runs that are adopted already must not wait
        return adopted

    def _without_strangers(
        self, orphans: list[tuple[str, str]], operations: Container[str] | None
    ) -> list[tuple[str, str]]:
        """The orphans of these operations, and those of others that nobody has adopted for the length of a lease."""
        if not orphans or operations is None:
            return orphans
        now, records = time.monotonic(), self.driver.query(self.driver.find([run for run, _ in orphans]))
        strangers = {record.info.id for record in records if record and record.info.operation not in operations}
        self._strangers = {run: self._strangers.get(run, now) for run in strangers}
        return [each for each in orphans if now - self._strangers.get(each[0], float("-inf")) > self._lease_seconds]

    def _adopt(self, run: str, dead: str) -> list[Record]:
        """The run as its dead producer left it, if it is this worker's now."""
        step = self.driver.adopt(run, dead, self.worker)
        adopted = self._execute(step, undo=self.driver.disown(run, self.worker))
        if adopted is None:
            return []
        self._take_over(adopted, adopted.record.attempt + (not adopted.record.queued))
        self._runs[run].kept = adopted.record.checkpoint
        self._unkept.discard(run)
        with contextlib.suppress(StoreAway):
            self._refresh([run])
            (record,) = self.driver.query(self.driver.find([run]))
            self._runs[run].recent.files = {file.name: file for file in record.files} if record else {}
        return [replace(adopted.record, left=dead == DISOWNED)]

    def _take_over(self, adopted: Adopted, attempt: int) -> None:
        """Makes this worker the producer of a run."""
        record, epoch = adopted
        entry = self._runs.setdefault(record.info.id, _Entry(RecentEvents(record.info, record.fold)))
        # Viewers here may have followed the run: they read from the store what its producer wrote since, and the store
        # may have lost what they have seen.
        entry.rewound = entry.rewound or record.fold.last_event_id < entry.recent.fold.last_event_id
        entry.recent.skip_to(record.fold)
        entry.recent.attempt, entry.recent.queued = attempt, record.queued
        entry.epoch, entry.began = epoch, record.fold.last_event_id
        # It may have been this worker's before.
        entry.fold, entry.closed, entry.recent.control.lost = None, False, None
        self._add(record.info.id, entry)
        if entry.rewound:
            entry.recent.notify()

    def queued(self, operations: Mapping[str, Limits], most: int) -> Sequence[str]:
        step = self.driver.queued(self.worker, operations, most)
        runs: list[str] = [] if self._closed else self.driver.query(step)
        return runs

    def claim(self, limit: int, operations: Mapping[str, Limits]) -> Sequence[Record]:
        return self._claim(limit, operations)

    def claim_run(self, run: str) -> Record | None:
        return next(iter(self._claim(1, {}, run)), None)

    def _claim(self, most: int, operations: Mapping[str, Limits], run: str | None = None) -> list[Record]:
        token = secrets.token_hex(8)
        step = self.driver.claim(self.worker, most, token, operations, run)
        claimed: list[Adopted] = self._execute(step, undo=self.driver.unclaim(self.worker, token))
        for each in claimed:
            entry = self._runs.get(each.record.info.id)
            if entry is not None and entry.epoch == each.epoch:
                entry.recent.queued = False  # it was this worker's already, which has more of it than the store
            else:
                self._take_over(each, each.record.attempt)
        with contextlib.suppress(StoreAway):
            self._refresh([each.record.info.id for each in claimed])
        return [self._with_checkpoint(each.record) for each in claimed]

    def _with_checkpoint(self, record: Record) -> Record:
        """A claimed run with the checkpoint of its last attempt, however long the store is away meanwhile."""
        while record.attempt > 1:
            with contextlib.suppress(StoreAway):
                kept = self._runs[record.info.id].kept = self.driver.query(self.driver.checkpoint(record.info.id))
                return replace(record, checkpoint=kept)
            gevent.sleep(RETRY[-1])
        return record

    def share(self, run: str) -> None:
        self._execute(self.driver.share(run, self.worker))

    def waiting(self, operation: str, runs: Collection[str]) -> Waiting:
        return self.driver.query(self.driver.waiting(operation, runs))

    def measure(self, operation: str, seconds: float) -> None:
        self._writer.submit(Command(self.driver.measure(operation, seconds)))

    def requeue(self, record: Record) -> None:
        run = record.info.id
        self._execute(self.driver.requeue(run, self.worker, record.attempt))
        self._give_up(run)

    def watch_queue(self, callback: Callable[[], None]) -> None:
        self._on_queue = callback
        self._followed_anything.set()

    # -- the viewers' side --------------------------------------------------------------------------------------

    def read(self, run: str, after: int, *, frames: int = BLOCK_FRAMES, merge: bool = False) -> Batch:
        entry = self._runs.get(run)
        if entry is not None and entry.rewound and after > (last := entry.recent.fold.last_event_id):
            return Batch(b"", last, entry.recent.fold.over, last + 1)  # what the reader has seen is lost
        if entry is not None and after + 1 >= entry.recent.oldest:
            batch = entry.recent.read(after, frames, merge)
            return batch._replace(over=True) if entry.lost and not batch.block else batch
        stored = self.driver.query(self.driver.read(run, after, frames))
        if stored is not None:
            return stored.batch(after, frames, merge)
        if entry is None:
            raise KeyError(run)
        if entry.lost or entry.recent.fold.over:
            # Its viewers get a gap, and the frames that are still in memory.
            rest = entry.recent.read(entry.recent.oldest - 1, frames, merge)
            return rest._replace(over=rest.last >= entry.recent.fold.last_event_id)
        entry.missing_since = entry.missing_since or time.monotonic()  # its producer will write it again
        return Batch(b"", after, over=False)

    def at_hand(self, run: str, after: int, frames: int) -> Batch | None:
        entry = self._runs.get(run)
        return None if entry is None or entry.rewound or entry.lost else entry.recent.at_hand(after, frames)

    def oldest_kept(self, run: str) -> int:
        # Not from memory, which may have what the store has trimmed.
        stored = self.driver.query(self.driver.read(run, 0, 1))
        return 1 if stored is None else stored.oldest

    def watch(
        self, run: str, callback: Callable[[], None], *, events: bool = True, take: Take | None = None
    ) -> Callable[[], None]:
        entry = self._runs.get(run) or self._follow(run)
        unwatch = entry.recent.watch(callback, events=events, take=take)

        def leave() -> None:
            unwatch()
            self._forget(run)

        return leave

    def count(self, run: str, change: int) -> None:
        entry = self._runs.get(run) or self._follow(run)
        if change < 0 and entry.produced_here and entry.viewers + change <= 0:
            # Whether this was the last viewer anywhere is read now: news of another may still be on its way.
            with contextlib.suppress(StoreAway):
                self._refresh([run])
        entry.viewers += change
        entry.recent.control.viewers += change
        entry.recent.control.watched = True
        command = self._write_viewers(run, entry)
        if change > 0 and not entry.produced_here:
            # The run's producer may be about to abandon it. While the store is away, it cannot be told.
            command.outcome.wait(0 if self._writer.away else WRITE_TIMEOUT)
        entry.recent.notify()
        self._forget(run)

    # -- files --------------------------------------------------------------------------------------------------

    def _room_for(self, size: int) -> int:
        self._name_part()
        if self.bytes_used + size > self._store_bytes:
            self._make_room(size)
        return max(self._store_bytes - self.bytes_used, 0)

    def _name_part(self) -> None:
        """Gives the files a part of their own where those of other stores may lie in the same place."""
        if self.files.shared and not self.files.part:
            self.files.part = self._execute(self.driver.part())

    def _add_file(self, run: str, info: FileInfo, body: bytes) -> FileInfo | None:
        entry = self._runs[run]
        step = self.driver.put_file(run, self.worker, entry.epoch, info, body, MAX_FILES)
        kept: str
        replaced: FileInfo | None
        kept, replaced = self._execute(step, undo=self.driver.drop_file(run, info.name))
        if kept == FULL:
            raise too_many_files()
        if kept == "fenced":
            raise Fenced(f"another worker has taken over run {run}, or it is over")
        self.bytes_used += info.size - (replaced.size if replaced else 0)
        entry.recent.files[info.name] = info
        return replaced

    def find_file(self, run: str, name: str) -> tuple[FileInfo, bytes] | None:
        return self._find_row(run, name) if is_handed_over(name) else None

    def find_upload(self, run: str, digest: str) -> tuple[FileInfo, bytes] | None:
        return self._find_row(run, upload_row(digest))

    def _find_row(self, run: str, name: str) -> tuple[FileInfo, bytes] | None:
        self._name_part()
        return self.driver.query(self.driver.get_file(run, name))

    def _drop_uploads(self, info: RunInfo) -> None:
        """Deletes the files of the request of a run that has ended; what is left of them goes with the run."""
        for digest in set(uploads_of(info.input)):
            with contextlib.suppress(StoreAway):
                self._execute(self.driver.drop_file(info.id, upload_row(digest)))
                self.in_place(self.files.drop, info.id, FileInfo(upload_row(digest), "", 0, digest))

    def count_upload(self, run: str, size: int) -> None:
        entry = self._runs.get(run)
        if entry is not None and size:
            info = FileInfo(UPLOADS, "", size, "")
            self._writer.submit(Command(self.driver.put_file(run, self.worker, entry.epoch, info, b"", MAX_FILES + 1)))
        elif not size:
            self._writer.submit(Command(self.driver.drop_file(run, UPLOADS)))

    def _care_for_files(self) -> None:
        """Deletes the files of runs that are gone: expired, evicted, erased, or lost with their store."""
        try:
            if self.files.shared:
                self.in_place(self.files.show_life)
            if not self._sweep_files:
                return
            self._name_part()
            runs = self.in_place(self.files.runs)
            if runs:
                known: set[str] = self.driver.query(self.driver.known(runs))
                self.in_place(self.files.erase, runs - known)
            self._sweep_files = self.files.more
        except StoreAway:
            if not self.files.remote:
                raise
        finally:
            self._caring = False

    def find(self, run: str) -> Record | None:
        entry = self._runs.get(run)
        if entry is not None and entry.produced_here and not entry.recent.fold.over:
            return entry.recent.record()  # once it is over, another worker may erase it
        (record,) = self.driver.query(self.driver.find([run]))
        if record is None and entry is not None and not entry.recent.fold.over:
            return entry.recent.record()  # its producer will write it again
        return record

    def recall(self, run: str) -> Record:
        record = None
        with contextlib.suppress(StoreAway):
            record = self.find(run)
        return record or self._runs[run].recent.record()

    def last_event_id(self, run: str) -> int:
        # Not from memory: another worker may have shown what this one has written, but not published yet.
        (record,) = self.driver.query(self.driver.find([run]))
        return 0 if record is None else record.fold.last_event_id

    def page(
        self, *, owner: str, operation: str | None, status: str | None, limit: int, before: str | None
    ) -> list[Record]:
        records: list[Record] = []
        while len(records) < limit:
            some, before = self.driver.query(self.driver.page(owner, operation, status, limit, before))
            records += (
                record
                for record in some
                if operation in (None, record.info.operation) and status in (None, record.status)
            )
            if before is None:
                break
        return records[:limit]

    def live(self, client: str) -> int:
        return self.driver.query(self.driver.live(client))

    def cancel(self, run: str, reason: Reason) -> None:
        entry = self._runs.get(run)
        step = self.driver.cancel(run, reason)
        if entry is None or not entry.produced_here:
            self._execute(step)
        elif not entry.closed and entry.recent.control.cancel is None:
            entry.recent.control.cancel = reason
            entry.recent.notify()
            self._writer.submit(Command(step))

    def abandon(self, run: str) -> bool:
        for _ in range(ABANDON_TRIES):
            try:
                if not self._execute(self.driver.abandon(run, self.worker, self._leases_reliable)):
                    self._refresh([run])
                    return False
            except StoreAway:
                gevent.sleep(RETRY[2])
                continue
            break
        self.cancel(run, "disconnected")
        return True

    def answer(self, run: str, question: str, body: bytes) -> bool:
        first: bool = self._execute(self.driver.answer(run, question, body))
        entry = self._runs.get(run)
        if first and entry is not None and entry.produced_here:
            entry.recent.control.answers[question] = body
            entry.recent.notify()
        return first

    # -- upkeep -------------------------------------------------------------------------------------------------

    def sweep(self) -> None:
        self._forget_ended()
        self._check()
        if self._unfit is not None:
            return
        if self._clock.monotonic() - self._swept_at >= self._sweep_every:
            self._swept_at = self._clock.monotonic()
            if self._execute(self.driver.expire()):
                self._swept_at = float("-inf")  # some are left for the next round
            self._sweep_files = True
            recount = self.driver.recount()
            if recount is not None:
                self._execute(recount)
        self.bytes_used = self.driver.query(self.driver.room())
        if self.bytes_used > self._store_bytes:
            self._make_room()
        if self.bytes_used > OVERFULL * self._store_bytes:
            self._end_largest()
        if not self.files.remote:
            self._care_for_files()
        elif not self._caring:  # this one may take long, and what comes after a sweep must not wait
            self._caring = True
            gevent.spawn(self._care_for_files)
        self.driver.give_back()

    def _check(self) -> None:
        """Notes whether the store is to be relied on, and logs where that changes."""
        before, self._unfit = self._unfit, None
        try:
            self.driver.check()
        except Unfit as unfit:
            self._unfit = unfit
            if before is None:
                log.error("no run is started here any more: %s", unfit)
        if before is not None and self._unfit is None:
            log.warning("the store is as it was again")

    def _make_room(self, bytes_needed: int = 0) -> bool:
        """Deletes the oldest finished runs, until there is some room to spare; returns whether there is any."""
        goal, before = self._store_bytes - self._store_bytes // 16 - bytes_needed, float("inf")
        self.bytes_used = self.driver.query(self.driver.room())
        while goal < self.bytes_used < before:
            before = self.bytes_used
            self.bytes_used, deleted = self._execute(self.driver.evict(goal))
            self.evicted += deleted
            self._sweep_files = self._sweep_files or deleted > 0
        return self.bytes_used < self._store_bytes

    def _end_largest(self) -> None:
        """Ends the largest live run of this worker, as a hard limit of what live runs take."""
        runs = self._runs.values()
        live = [run for run in runs if run.produced_here and not run.closed and run.recent.control.lost is None]
        if live:
            largest = max(live, key=lambda entry: entry.size)
            log_run(logging.ERROR, largest.recent.info, "fills the store, and is ended")
            self.mark_lost(largest, StoreFull("the live runs fill the store"))

    def erase(self, run: str) -> bool:
        erased = bool(self._execute(self.driver.erase(run)))
        if erased:
            self._ended_bytes -= self._ended.pop(run, (0.0, 0))[1]
            self._forget(run)
            self._name_part()
            try:
                self.in_place(self.files.erase, [run])
            except StoreAway:
                self._sweep_files = True
        return erased

    def secret(self) -> bytes:
        return self.driver.secret()

    def ready(self) -> None:
        if self._writer.away or self._closed or self._lease.failing or self._unfit is not None:
            raise StoreAway(AWAY)
        self.driver.query(self.driver.ping())

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
        self.driver.close()
        with contextlib.suppress(StoreAway):
            self.in_place(self.files.close)

    # -- writing ------------------------------------------------------------------------------------------------

    def _execute(self, step: Step[Any], undo: Step[Any] | None = None) -> Any:
        return self._writer.execute(Command(step, undo))

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

    def append_step(
        self, entry: _Entry, blocks: Sequence[Block], fold: Fold, gap: int | None = None, known: Fold | None = None
    ) -> Step[Any]:
        """Appends `blocks`; events before number `gap` are lost, and the store has the fold `known`."""
        return self.driver.append(entry.recent.info.id, self.worker, entry.epoch, blocks, fold, gap, known)

    def restore_steps(self, entry: _Entry, last: int, lost: Kept) -> tuple[Step[Any], ...]:
        """Writes again what a store has lost: the events after number `last`, or all of a run that is gone."""
        self._failed_at = time.monotonic()
        last = min(last, entry.began) if lost == "older" else last
        recent, first = entry.recent, max(last + 1, entry.recent.oldest)
        why = "writes events after number %d again, which the store has lost"
        log_run(logging.WARNING, recent.info, why, last)
        blocks = pieces(first, recent.frames[first - recent.oldest :])
        append = self.append_step(entry, blocks, recent.fold, first if first > last + 1 else None)
        if lost == "behind":
            return (append, *self._kept_step(entry))
        if lost == "older":
            run = recent.info.id
            at = (entry.epoch, recent.attempt, entry.began)
            retake = self.driver.retake(run, self.worker, *at, queued=recent.queued)
            return (retake, append, *self._kept_step(entry))
        restored: dict[str, Any] = {"epoch": entry.epoch, "attempt": recent.attempt, "cancel": recent.control.cancel}
        restored["watched"] = int(recent.control.watched)
        create = self.driver.create(recent.info, self.worker, restored=restored, wait=recent.queued)
        count = self.driver.count(recent.info.id, self.worker, entry.viewers)
        return (create, append, count, *self._kept_step(entry))

    def _kept_step(self, entry: _Entry) -> tuple[Step[Any], ...]:
        """Keeps the checkpoint again."""
        if entry.kept is None:
            return ()
        return (self.driver.keep(entry.recent.info.id, self.worker, entry.epoch, *entry.kept),)

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
        entry.recent.notify_of(() if entry.rewound else blocks)
        if fold.over:
            run, size = entry.recent.info.id, entry.recent.size
            self._ended_bytes += size - self._ended.pop(run, (0.0, 0))[1]
            self._ended[run] = self._clock.monotonic(), size
            self._forget_ended()
            if uploads_of(entry.recent.info.input):
                gevent.spawn(self._drop_uploads, entry.recent.info)
            if self._on_queue is not None:
                self._on_queue()  # another may begin in its place

    def _forget_ended(self) -> None:
        """Drops the runs that have ended here, once the store does not lose their end any more."""
        away = self._writer.away or self._lease.failing
        settled = float("-inf") if away else self._clock.monotonic() - self.driver.unsettled
        for run, (ended, size) in list(self._ended.items()):
            if ended > settled and self._ended_bytes <= ENDED_BYTES:
                break
            self._ended_bytes -= size
            del self._ended[run]
            self._forget(run)

    def _write_again(self) -> None:
        """Lets the writer compare what the store has of the runs that are produced here, and write what it has lost."""
        for entry in self._runs.values():
            if entry.produced_here and entry.recent.control.lost is None:
                self._compare(entry)

    def _compare(self, entry: _Entry) -> None:
        """Lets the writer append to one of them, if nothing but to learn whether the store has it as it is here."""
        self._unwritten.setdefault(entry.recent.info.id, entry)
        self._writer.wake()

    def mark_lost(self, entry: _Entry, error: Fenced | StoreAway | StoreFull) -> None:
        """Notifies the producer that its run can take no more events."""
        entry.recent.control.lost = error
        if isinstance(error, Fenced):
            entry.epoch = 0
            entry.closed = True
            entry.recent.queued = False
            self._wake_listener()  # its viewers here are to see what the other worker has written
        entry.recent.notify()

    @property
    def _leases_reliable(self) -> bool:
        """Whether every living worker has had time to renew its lease since the store was away or a clock jumped."""
        last = max(self._failed_at, self.driver.jumped_at)
        return self._lease.reliable and time.monotonic() - last > self._lease_seconds

    def _write_viewers(self, run: str, entry: _Entry) -> Command:
        return self._writer.submit(Command(self.driver.count(run, self.worker, entry.viewers)))

    # -- following ----------------------------------------------------------------------------------------------

    def _add(self, run: str, entry: _Entry) -> None:
        self._runs[run] = entry
        self._followed_anything.set()

    def _follow(self, run: str) -> _Entry:
        """Starts to follow a run of another worker, from here on. Raises `KeyError` where there is none."""
        (record,) = self.driver.query(self.driver.find([run]))
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
        if (entry.recent.fold.over or not entry.produced_here) and run not in self._ended:
            del self._runs[run]
            self._unkept.discard(run)

    def _followed(self) -> dict[str, int]:
        """The live runs of other workers that are followed here, each with the number of its last event here."""
        return {
            run: entry.recent.fold.last_event_id
            for run, entry in self._runs.items()
            if not entry.produced_here and not entry.recent.fold.over
        }

    def _wake_listener(self) -> None:
        """Lets the listener take note of the runs to follow."""
        self._followed_anything.set()
        step = self.driver.wake(self._followed().keys())
        if step is not None:
            self._writer.submit(Command(step))

    def _listen(self) -> None:
        tries = 0
        while True:
            self._followed_anything.clear()
            if not self._runs and (self._on_queue is None or self.driver.idle):
                self.outage.back("listener")
                self._followed_anything.wait(None if self._on_queue is None else self.driver.idle)
            try:
                news = self.driver.wait(self._followed())
                for run, block, over in news.blocks:
                    self._extend(run, (block,), over)
                here = [self._runs[run] for run in news.runs if run in self._runs]
                self._stale.update(entry.recent.info.id for entry in here)
                self._refresh_stale()
                for entry in here:
                    entry.recent.notify()
                if news.queue and self._on_queue is not None:
                    self._on_queue()
                self.outage.back("listener")
                tries = 0
            except StoreAway as away:
                self.outage.gone(away, "listener")
                self._failed_at = time.monotonic()
                gevent.sleep(RETRY[min(tries, len(RETRY) - 1)])
                tries += 1
            except Exception:
                log.exception("following the runs of other workers failed")
                gevent.sleep(REFRESH)

    def _refresh_all(self) -> None:
        while True:
            gevent.sleep(REFRESH)
            if self.driver.may_have_lost():
                self._write_again()
            try:
                # Once leases may be relied upon again, the viewers of dead workers no longer count.
                reliable, self._reliable = self._reliable, self._leases_reliable
                if self._runs and (self.driver.refresh_due() or reliable != self._reliable):
                    self._stale.update(self._runs)
                    self._refresh_stale()
            except StoreAway:
                self._failed_at = time.monotonic()
            except Exception:
                log.exception("the refresh of the runs failed")

    def _refresh_stale(self) -> None:
        while self._stale:
            runs = [self._stale.pop() for _ in range(min(len(self._stale), REFRESH_RUNS))]
            try:
                self._refresh(runs)
            except BaseException:
                self._stale.update(runs)  # a refresh that failed is done again
                raise

    def _refresh(self, runs: Collection[str]) -> None:
        """Applies what other workers have requested of these runs; where one has died, its viewers no longer count."""
        followed = self._followed()
        wanted = {run: followed.get(run) for run in runs if run in self._runs and not self._runs[run].recent.fold.over}
        if not wanted:
            return
        states = self.driver.query(self.driver.changes(self.worker, wanted))
        for run, state in zip(wanted, states, strict=True):
            entry = self._runs.get(run)
            if entry is None or entry.recent.fold.over:
                continue
            if state is None:
                self._handle_missing(run, entry)
            else:
                self._rewind_if_lost(entry, state, wanted[run])
                self._apply_state(run, entry, state)

    def _rewind_if_lost(self, entry: _Entry, state: State, last: int | None) -> None:
        """Goes back to where a new producer began, where a store has lost what the one before it had written since.

        `last` was known before the store was asked for `state`.
        """
        if last is None or entry.produced_here:
            return
        # A store that has forgotten an epoch gives it again, to another worker.
        another = state.epoch > entry.seen_epoch or (
            state.epoch == entry.seen_epoch and state.worker != entry.seen_worker
        )
        if entry.seen_epoch and another and state.adopted is not None and state.adopted < entry.seen_last:
            log_run(logging.WARNING, entry.recent.info, "has lost its last events with its producer")
            entry.recent.skip_to(replace(entry.recent.fold, last_event_id=state.adopted))
            entry.rewound = True
            self._stale.add(entry.recent.info.id)
            entry.recent.notify()
        entry.seen_epoch, entry.seen_worker, entry.seen_last = state.epoch, state.worker, last

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

    def _apply_state(self, run: str, entry: _Entry, state: State) -> None:
        control = entry.recent.control
        before = (control.cancel, control.viewers, len(control.answers), control.lost)
        control.cancel = control.cancel or state.cancel
        if self._leases_reliable:
            entry.viewers_elsewhere = state.viewers_alive
        else:
            entry.viewers_elsewhere = max(entry.viewers_elsewhere, state.viewers_known)
        control.viewers = entry.viewers + entry.viewers_elsewhere
        control.watched = control.watched or state.watched
        control.answers.update(state.answers)
        was_missing, entry.missing_since = entry.missing_since is not None, None
        if state.viewers_here != entry.viewers:
            self._write_viewers(run, entry)
        # Somebody has to write the events of a queued run that is watched.
        (self._unkept.add if state.worker == QUEUE and entry.viewers else self._unkept.discard)(run)
        # A state that was read before this worker took the run over has an older epoch.
        taken_over = state.epoch >= entry.epoch and (state.worker, state.epoch) != (self.worker, entry.epoch)
        if entry.produced_here and not entry.closed and taken_over:
            self.mark_lost(entry, Fenced(f"another worker has taken over run {run}"))
        self._extend(run, state.blocks, state.over)
        if was_missing or before != (control.cancel, control.viewers, len(control.answers), control.lost):
            entry.recent.notify()

    def _extend(self, run: str, blocks: Sequence[Block], over: bool) -> None:
        """Shows viewers what another worker has written; `over` says that the last block ends the run."""
        entry = self._runs.get(run)
        if entry is None or entry.produced_here or entry.recent.fold.over or not blocks:
            return
        recent = entry.recent
        for block in blocks:
            frames = block.frames[max(recent.fold.last_event_id + 1 - block.first, 0) :]
            if not frames:
                continue
            last = block.first + len(block.frames) - 1
            first = last + 1 - len(frames)
            if first > recent.fold.last_event_id + 1:  # dropped before it was read here: viewers see the gap
                recent.skip_to(replace(recent.fold, last_event_id=first - 1))
            state = "over" if over and block is blocks[-1] else recent.fold.state
            fold = replace(recent.fold, last_event_id=last, state=state)
            recent.extend(Block(first, frames, sizes(frames)), fold, RECENT_BYTES)
        entry.missing_since = None
        recent.notify()


def pieces(first: int, frames: Sequence[bytes]) -> list[Block]:
    """Frames in blocks of at most `BLOCK_BYTES`; the first one has the number `first`."""
    blocks, piece, size = [], list[bytes](), 0
    for frame in frames:
        if piece and size + len(frame) > BLOCK_BYTES:
            blocks.append(Block(first, piece, size))
            first, piece, size = first + len(piece), [], 0
        piece.append(frame)
        size += len(frame)
    return [*blocks, Block(first, piece, size)] if piece else blocks


class _Lease(Lease):
    """This worker's lease in the store of a driver."""

    def __init__(self, driver: Driver, seconds: float, outage: Outage) -> None:
        super().__init__(seconds, outage)
        self._driver = driver
        self.start()

    def renew(self) -> None:
        self._driver.renew(self.seconds)

    def release(self) -> None:
        self._driver.release()

    def close(self) -> None:
        self._driver.close_lease()
