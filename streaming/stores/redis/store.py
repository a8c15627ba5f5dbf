"""The event log in Redis: the workers of many machines share it, and it outlives them.

**Writing.** A worker has one connection for what it writes and one batch in flight; what gathers meanwhile makes the
next batch, one round trip, in which each run's part is a script of its own: kept whole, or not at all. Viewers are
shown what is kept, out of memory (`RecentEvents`).
**Reading.** One blocking `XREAD` a worker, however many viewers: over the streams of the runs of other workers that are
followed here, and over the worker's inbox, into which others put the names of runs that it should look at again. A
run that is newly followed is put into the question by a message to oneself. Everything is looked at once every
`REFRESH` seconds as well, so that a message that was lost costs a moment, and nothing else.
**Leases.** A worker renews one key every third of `LEASE`, in a thread of its own, so that a busy hub does not cost it
its runs. Once that has expired, any other worker may take them over, which raises their epoch: a producer that wakes
up late finds its epoch gone, and can write nothing (fencing). While Redis was away nobody could renew anything, so for
the length of a lease after it nobody takes runs over, and viewers elsewhere still count; nor when Redis's clock has
jumped, by which its keys expire (`ClockSkew`).
**Loss.** Redis may come back without the last moments (a fail-over), or without anything (a restart without
persistence). A producer that notices tells it again, out of its own memory; what had been let go of there is a gap.
Runs whose producer is gone as well are lost: the streams of their viewers end without a last event, as cut ones do.

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
from ..base import ASK_AGAIN, Control, Record, RunInfo, Store, full
from ..lease import LEASE, Lease
from ..recent import RecentEvents
from . import scripts
from .clock_skew import SLACK, ClockSkew
from .connection import TIMEOUT, Wire, Wires
from .scripts import Command, call
from .writer import AWAY, PATIENCE, RETRY, Order, Writer

log = logging.getLogger("headway")

REFRESH: Final = 1.0
"""Seconds between two looks at runs of which nobody has said anything."""

LOOK: Final = 100
"""How many of them in one question, so that others have their turn at the server in between."""

BLOCK_SECONDS: Final = 2.0
"""How long one `XREAD` waits."""

TAIL_BYTES: Final = 1024 * 1024
"""What of each run is held in memory for its viewers; what is older is read from Redis."""

KEEP_BYTES: Final = 64 * 1024 * 1024
ROOM_BYTES: Final = 1024 * 1024
"""What one run may have waiting for the writer before its producer waits."""

AWAY_BYTES: Final = 4 * 1024 * 1024
"""What one run may have waiting while Redis is away, before it is ended."""

LEAST_RETENTION: Final = 5.0
"""Seconds that a run stays after its end whatever its retention: its viewers on other workers are to see the end."""


@dataclass(slots=True)
class _Local:
    """What this worker holds of a run: the tail, and where it produces it, what is yet to be written."""

    tail: RecentEvents
    epoch: int = 0
    viewers: int = 0
    elsewhere: int = 0
    taken: bool = False
    missing: float | None = None
    lost: bool = False
    blocks: list[Block] = field(default_factory=list)
    fold: Fold | None = None
    backlog: int = 0
    room: GreenSignal = field(default_factory=GreenSignal)

    @property
    def produced(self) -> bool:
        """Whether this worker is its producer."""
        return self.epoch > 0


class _Append:
    """What has gathered of one run."""

    dropped = False

    def __init__(self, owner: RedisStore, local: _Local) -> None:
        self.local = local
        self.blocks, local.blocks = local.blocks, []
        self.fold = local.fold or local.tail.fold
        self.again: tuple[Command, ...] = ()
        self._owner = owner
        self._command = owner.command(local, self.blocks, self.fold)

    @property
    def commands(self) -> tuple[Command, ...]:
        return (*self.again, self._command)

    def done(self, reply: Any) -> bool:
        """Heeds what the store says; false where it has to be told what it has lost."""
        if isinstance(reply, ResponseError):
            self._owner.lose(self.local, StoreAway(f"{AWAY}: {reply}"))
            return True
        verdict, last = reply
        if verdict in (scripts.GONE, scripts.BEHIND):
            self.again = self._owner.recall(self.local, last, gone=verdict == scripts.GONE)
            return False
        self._owner.show(self.local, self.blocks, self.fold, fenced=verdict == scripts.FENCED)
        return True


class RedisStore(Store):
    """Runs in the Redis at `url` (`redis://`, `rediss://` or `unix://`, as redis-py reads them).

    A finished run goes `retention` seconds after its end. Of one run it keeps `keep_bytes` of frames. `lease` is in
    seconds. Nothing is asked of the server before it is needed. Raises `SettingError` for a url that cannot be read.
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
        self._began = self._clock.monotonic() - time.monotonic()
        self._runs: dict[str, _Local] = {}
        self._unwritten: dict[str, _Local] = {}
        self._closed = False
        self._trouble = float("-inf")
        self._swept = self._clock.monotonic()
        self._asked: set[str] = set()
        self._waking = False
        self._writer = Writer(url, self._gathered, self._turned)
        self._listener = Wire(url, BLOCK_SECONDS + TIMEOUT)
        self._wires = Wires(url)
        self._drift = ClockSkew()
        self._lease = _Lease(url, self.worker, lease, self._drift)
        self._greenlets = [gevent.spawn(work) for work in (self._writer.serve, self._listen, self._keep_looking)]

    # -- the producer's side ------------------------------------------------------------------------------------

    def create(self, info: RunInfo, *, limit: int | None = None) -> RunInfo:
        created = scripts.create(info, self.worker, self._lease_seconds, limit=limit)
        row = self._writer.ordered(Order(created, undo=self._disown(info.id)))
        if row == scripts.FULL:
            raise full()
        if row:
            return _known(row, info)
        self._runs[info.id] = _Local(RecentEvents(info), epoch=1)
        return info

    def joined(self, info: RunInfo) -> RunInfo | None:
        row = None if info.key is None else self._wires.ask(call(scripts.JOINED, info.owner, info.key))
        return _known(row, info) if row else None

    def append(self, run: str, block: Block, fold: Fold) -> None:
        local = self._runs.get(run)
        if local is None or local.taken:
            raise RunClosed(f"run {run} has had its last event")
        if isinstance(local.tail.control.lost, Fenced):
            return
        local.taken = fold.over
        local.blocks.append(block)
        local.fold = replace(fold)
        local.backlog += block.size
        self._unwritten[run] = local
        if self._writer.away and local.backlog > AWAY_BYTES and not fold.over:
            self.lose(local, StoreAway(AWAY))
        self._writer.wake()

    def wait_for_room(self, run: str) -> None:
        local = self._runs.get(run)
        while local is not None and local.backlog > ROOM_BYTES and not self._writer.away:
            local.room.clear()
            local.room.wait(1.0)

    def control(self, run: str) -> Control:
        return self._runs[run].tail.control

    def queue(self, run: str, queued: bool) -> None:
        self._runs[run].tail.queued = queued
        self._writer.order(Order(call(scripts.QUEUE, run, int(queued))))

    def orphans(self) -> Sequence[Record]:
        if not self._settled:
            return ()
        asked = time.monotonic()
        when, *parts = self._wires.ask(call(scripts.DEAD, self.worker))
        self._drift.heed(when, asked)
        if not self._settled:
            return ()
        found = [part.decode() for part in parts]
        adopted: list[Record] = []
        for dead, run in zip(found[::2], found[1::2], strict=True):
            try:
                adopted += self._adopt(run, dead)
            except StoreAway:
                if not adopted:
                    raise
                break  # those that are this worker's by now are not to wait
        return adopted

    def _adopt(self, run: str, dead: str) -> list[Record]:
        """The run as its dead producer left it, if it is this worker's now."""
        lease = int(self._lease_seconds * 1000)
        adopt = call(scripts.ADOPT, run, dead, self.worker, lease, secrets.token_hex(8))
        row = self._writer.ordered(Order(adopt, undo=self._disown(run)))
        if not row:
            return []
        record = scripts.record(row)
        local = self._runs.setdefault(run, _Local(RecentEvents(record.info, record.fold)))
        # Viewers here may have followed it: what its producer wrote since, they read from the store.
        local.tail.skip_to(record.fold)
        local.tail.attempt, local.epoch = record.attempt, scripts.epoch(row)
        # It may have been this worker's before.
        local.fold, local.taken, local.tail.control.lost = None, False, None
        with contextlib.suppress(StoreAway):
            self._look_at([run])
        return [replace(record, attempt=record.attempt - 1)]

    # -- the viewers' side --------------------------------------------------------------------------------------

    def read(self, run: str, after: int, *, frames: int = BLOCK_FRAMES, merge: bool = False) -> Batch:
        local = self._runs.get(run)
        if local is not None and after + 1 >= local.tail.oldest:
            batch = local.tail.read(after, frames, merge)
            return batch._replace(over=True) if local.lost and not batch.block else batch
        reply = self._wires.ask(call(scripts.FRAMES, run, after, frames, BLOCK_BYTES))
        if reply is not None:
            return scripts.batch(reply, after, frames, merge)
        if local is None:
            raise KeyError(run)
        if local.lost or local.tail.fold.over:
            # Its viewers are told of the gap, and what is still here.
            rest = local.tail.read(local.tail.oldest - 1, frames, merge)
            return rest._replace(over=rest.last >= local.tail.fold.last_event_id)
        local.missing = local.missing or time.monotonic()  # its producer will tell of it again
        return Batch(b"", after, over=False)

    def watch(self, run: str, call: Callable[[], None]) -> Callable[[], None]:
        local = self._runs.get(run) or self._follow(run)
        unwatch = local.tail.watch(call)

        def leave() -> None:
            unwatch()
            self._let_go(run)

        return leave

    def count(self, run: str, change: int) -> None:
        local = self._runs.get(run) or self._follow(run)
        if change < 0 and local.produced and local.viewers + change <= 0:
            # Whether that was the last one anywhere is asked now: a message about another may still be on its way.
            with contextlib.suppress(StoreAway):
                self._look_at([run])
        local.viewers += change
        local.tail.control.viewers += change
        local.tail.control.watched = True
        order = self._recount(run, local)
        if change > 0 and not local.produced:
            self._counted(run, local, change, order)
        local.tail.changed()
        self._let_go(run)

    def _counted(self, run: str, local: _Local, change: int, order: Order) -> None:
        """Waits until the store knows of a viewer, on whose account the run's own worker is to let it live."""
        try:
            self._writer.outcome(order)
        except StoreAway:
            local.viewers -= change
            local.tail.control.viewers -= change
            self._recount(run, local)
            self._let_go(run)
            raise

    def find(self, run: str) -> Record | None:
        local = self._runs.get(run)
        if local is not None and local.produced:
            return local.tail.record()
        (found,) = self._look((run,))
        return found if found is not None or local is None else local.tail.record()

    def reached(self, run: str) -> int:
        (found,) = self._look((run,))
        return 0 if found is None else found.fold.last_event_id

    def abandon(self, run: str) -> bool:
        for _ in range(ASK_AGAIN):
            try:
                if not self._writer.ordered(Order(self._abandonment(run))):
                    self._look_at([run])
                    return False
            except StoreAway as away:
                log.warning("viewers on other workers could not be asked for: %s", away)
                gevent.sleep(RETRY[2])
                continue
            break
        self.cancel(run, "disconnected")
        return True

    def _abandonment(self, run: str) -> Command:
        expected = self._drift.expected if self._settled else 0
        return call(scripts.ABANDON, run, self.worker, expected, int(SLACK * 1000))

    def page(
        self, *, owner: str, operation: str | None, status: str | None, limit: int, before: str | None
    ) -> list[Record]:
        wanted: list[Record] = []
        offset, step = 0, min(max(limit, 20), 100)
        while len(wanted) < limit:
            runs = self._wires.ask(call(scripts.PAGE, owner, before or "", offset, step))
            wanted += (
                record
                for record in self._look([run.decode() for run in runs])
                if record is not None and operation in (None, record.info.operation) and status in (None, record.status)
            )
            if len(runs) < step:
                break
            offset += step
        return wanted[:limit]

    def live(self, client: str) -> int:
        return int(self._wires.ask(("SCARD", f"headway:client:{client}")))

    def cancel(self, run: str, reason: Reason) -> None:
        local = self._runs.get(run)
        order = Order(call(scripts.CANCEL, run, reason))
        if local is None or not local.produced:
            self._writer.ordered(order)
        elif not local.taken and local.tail.control.cancel is None:
            local.tail.control.cancel = reason
            local.tail.changed()
            self._writer.order(order)

    def answer(self, run: str, question: str, body: bytes) -> bool:
        first = bool(self._writer.ordered(Order(call(scripts.ANSWER, run, question, secrets.token_hex(8), body))))
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
        self._wires.ask(call(scripts.SWEEP, int(self._retention * 1000), int(self._ahead * 1000)))

    @property
    def _ahead(self) -> float:
        """Seconds by which a test has moved its clock, of which Redis's own knows nothing."""
        return self._clock.monotonic() - time.monotonic() - self._began

    def ready(self) -> None:
        if self._writer.away or self._closed or self._lease.failing:
            raise StoreAway(AWAY)
        self._wires.ask(("PING",))

    def flush(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while (self._unwritten or not self._writer.idle) and time.monotonic() < deadline:
            gevent.sleep(0.01)

    def close(self) -> None:
        if self._closed:
            return
        self.flush()
        self._closed = self._writer.closed = True
        gevent.killall(self._greenlets)
        expected = any(local.viewers and not local.tail.fold.over for local in self._runs.values())
        self._lease.end(at_once=not expected)
        for wire in (self._writer, self._listener, self._wires):
            wire.close()

    # -- writing ------------------------------------------------------------------------------------------------

    def _gathered(self) -> list[_Append]:
        unwritten, self._unwritten = self._unwritten, {}
        return [_Append(self, local) for local in unwritten.values()]

    def _turned(self) -> None:
        """Redis has gone away, or is back."""
        if self._writer.away:
            self._trouble = time.monotonic()
            for local in self._runs.values():
                local.room.set()
        else:
            for local in list(self._runs.values()):
                local.tail.changed()

    def _disown(self, run: str) -> Command:
        """Leaves a run that became this worker's too late to be begun to whoever looks for orphans next."""
        return call(scripts.DISOWN, run, self.worker)

    def command(self, local: _Local, blocks: Sequence[Block], fold: Fold, gap: int | None = None) -> Command:
        """What keeps these blocks."""
        return scripts.append(
            local.tail.info.id,
            self.worker,
            local.epoch,
            blocks,
            fold,
            retention=self._retention,
            ahead=self._ahead,
            keep=self._keep_bytes,
            gap=gap,
        )

    def recall(self, local: _Local, last: int, *, gone: bool) -> tuple[Command, ...]:
        """What tells a store that has lost a run, or all of it after number `last`, what it had shown of it."""
        self._trouble = time.monotonic()
        tail, first = local.tail, max(last + 1, local.tail.oldest)
        log.warning("the store has lost events of run %s after number %d; it is told again", tail.info.id, last)
        frames = tail.frames[first - tail.oldest :]
        block = Block(first, frames, sum(map(len, frames)))
        kept = self.command(local, cut(block), tail.fold, first if first > last + 1 else None)
        if not gone:
            return (kept,)
        again: dict[str, scripts.Argument] = {"epoch": local.epoch, "attempt": tail.attempt}
        if tail.control.cancel is not None:
            again["cancel"] = tail.control.cancel
        if tail.control.watched:
            again["watched"] = 1
        created = scripts.create(tail.info, self.worker, self._lease_seconds, again)
        return (created, kept, self._counting(tail.info.id, local))

    def show(self, local: _Local, blocks: Sequence[Block], fold: Fold, *, fenced: bool) -> None:
        """Lets viewers have what the store has kept."""
        for block in blocks:
            local.backlog -= block.size
        local.room.set()
        if fenced:
            self.lose(local, Fenced(f"another worker has taken run {local.tail.info.id} over"))
            return
        for block in blocks:
            local.tail.extend(block, fold, TAIL_BYTES)
        local.tail.changed()
        if fold.over:
            self._let_go(local.tail.info.id)

    def lose(self, local: _Local, why: Fenced | StoreAway) -> None:
        """Tells the producer that the log takes nothing more of a run."""
        local.tail.control.lost = why
        if isinstance(why, Fenced):
            local.epoch = 0
            local.taken = True
            self._wake()
        local.tail.changed()

    @property
    def _settled(self) -> bool:
        """Whether whoever lives has had the time to say so since Redis was away, or its clock jumped."""
        last = max(self._trouble, self._drift.jumped)
        return self._lease.steady and time.monotonic() - last > self._lease_seconds

    # -- reading ------------------------------------------------------------------------------------------------

    def _look(self, runs: Sequence[str]) -> list[Record | None]:
        found = self._wires.ask(call(scripts.LOOK, *runs)) if runs else []
        return [scripts.record(row[0], row[1]) if row else None for row in found]

    def _follow(self, run: str) -> _Local:
        """Begins to follow a run of another worker, from here on. Raises `KeyError` where there is none."""
        (record,) = self._look((run,))
        if record is None:
            raise KeyError(run)
        local = self._runs.setdefault(run, _Local(RecentEvents(record.info, record.fold, attempt=record.attempt)))
        local.tail.control.watched = True
        self._wake()
        return local

    def _let_go(self, run: str) -> None:
        """Drops what nobody here needs any more; the store has it."""
        local = self._runs.get(run)
        if local is None or local.tail.watched or local.viewers or run in self._unwritten or local.backlog:
            return
        if local.tail.fold.over or not local.produced:
            del self._runs[run]

    def _recount(self, run: str, local: _Local) -> Order:
        order = Order(self._counting(run, local))
        self._writer.order(order)
        return order

    def _counting(self, run: str, local: _Local) -> Command:
        return call(scripts.COUNT, run, self.worker, local.viewers, int(self._lease_seconds * 1000))

    # -- the reader of what others do ---------------------------------------------------------------------------

    def _wake(self) -> None:
        """Has the reader ask anew, with the runs that are followed now."""
        if not self._waking and not self._followed().keys() <= self._asked:
            self._waking = True
            self._writer.order(Order(call(scripts.WAKE, self.worker)))

    def _followed(self) -> dict[str, int]:
        """The runs of other workers whose events are waited for here, and the last one of each that is known."""
        return {
            run: local.tail.fold.last_event_id
            for run, local in self._runs.items()
            if not local.produced and not local.tail.fold.over
        }

    def _listen(self) -> None:
        inbox, heard, tries = f"headway:inbox:{self.worker}", "0-0", 0
        while True:
            followed = self._followed()
            self._asked, self._waking = set(followed), False
            streams = {inbox: heard, **{f"headway:run:{run}:events": f"{last}-0" for run, last in followed.items()}}
            block = int(BLOCK_SECONDS * 1000)
            try:
                (reply,) = self._listener.ask(
                    [("XREAD", "COUNT", 16, "BLOCK", block, "STREAMS", *streams, *streams.values())]
                )
                if isinstance(reply, ResponseError):
                    raise StoreAway(str(reply))
                tries = 0
                heard = self._take_in(inbox, heard, reply or ())
            except StoreAway as away:
                if not tries:
                    log.warning("%s", away)
                self._trouble = time.monotonic()
                gevent.sleep(RETRY[min(tries, len(RETRY) - 1)])
                tries += 1
            except Exception:
                log.exception("the reader of the store of the runs failed")
                gevent.sleep(1.0)

    def _take_in(self, inbox: str, heard: str, reply: Sequence[Any]) -> str:
        """Gives viewers what is new, and looks at what was named; the number of the last message heard."""
        named: set[str] = set()
        for stream, found in reply:
            name = stream.decode()
            if name == inbox:
                heard = found[-1][0].decode()
                named = {fields[1].decode() for _, fields in found} & self._runs.keys()
            else:
                self._grow(name.split(":")[2], found)
        if named:
            self._look_at(sorted(named))
        return heard

    def _grow(self, run: str, found: Sequence[Any]) -> None:
        local = self._runs.get(run)
        if local is None or local.produced or local.tail.fold.over:
            return
        for entry in found:
            block, over = scripts.block_of(entry, local.tail.fold.last_event_id)
            if not block.frames:
                continue
            fold = replace(local.tail.fold, last_event_id=block.first + len(block.frames) - 1)
            if over:
                fold.state = "over"
            if block.first > local.tail.fold.last_event_id + 1:
                local.tail.skip_to(replace(fold, last_event_id=block.first - 1))
            local.tail.extend(block, fold, TAIL_BYTES)
        local.missing = None
        local.tail.changed()

    def _keep_looking(self) -> None:
        while True:
            gevent.sleep(REFRESH)
            live = [run for run, local in self._runs.items() if not local.tail.fold.over]
            try:
                for at in range(0, len(live), LOOK):
                    self._look_at(live[at : at + LOOK])
            except StoreAway:
                self._trouble = time.monotonic()
            except Exception:
                log.exception("the look at the runs failed")

    def _look_at(self, runs: Sequence[str]) -> None:
        """Takes in what others have asked of these runs, or have not: a lease that lapsed takes viewers with it."""
        if not runs:
            return
        asked = time.monotonic()
        when, *rows = self._wires.ask(call(scripts.CONTROL, self.worker, *runs))
        self._drift.heed(when, asked)
        for run, found in zip(runs, rows, strict=True):
            local = self._runs.get(run)
            if local is None or local.tail.fold.over:
                continue
            change = scripts.change(found)
            if change is None:
                self._miss(run, local)
            else:
                self._heed(run, local, change)

    def _miss(self, run: str, local: _Local) -> None:
        """The store has lost the run. Its producer tells it again; whoever follows it waits for that a while."""
        if local.produced:
            if not local.taken:
                self._unwritten.setdefault(run, local)
                self._writer.wake()
            return
        local.missing = local.missing or time.monotonic()
        if time.monotonic() - local.missing > self._lease_seconds:
            local.lost = True
            local.tail.changed()

    def _heed(self, run: str, local: _Local, change: scripts.Change) -> None:
        control = local.tail.control
        before = (control.cancel, control.viewers, len(control.answers), control.lost)
        control.cancel = control.cancel or change.cancel
        local.elsewhere = change.viewers_alive if self._settled else max(local.elsewhere, change.viewers_known)
        control.viewers = local.viewers + local.elsewhere
        control.watched = control.watched or change.watched
        control.answers.update(change.answers)
        missing, local.missing = local.missing, None
        if change.mine != local.viewers:
            self._recount(run, local)
        if local.produced and not local.taken and (change.worker, change.epoch) != (self.worker, local.epoch):
            self.lose(local, Fenced(f"another worker has taken run {run} over"))
        if missing or before != (control.cancel, control.viewers, len(control.answers), control.lost):
            local.tail.changed()


def cut(block: Block) -> list[Block]:
    """A block in pieces that an entry of the stream may hold."""
    pieces, first, frames, size = [], block.first, list[bytes](), 0
    for frame in block.frames:
        if frames and size + len(frame) > BLOCK_BYTES:
            pieces.append(Block(first, frames, size))
            first, frames, size = first + len(frames), [], 0
        frames.append(frame)
        size += len(frame)
    return [*pieces, Block(first, frames, size)] if frames else pieces


def _known(row: Any, info: RunInfo) -> RunInfo:
    """The run of a row, which was opened with the key of `info`; `Conflict` where that had another body."""
    known = scripts.record(row).info
    if known.digest != info.digest:
        raise Conflict("this Idempotency-Key was used with another request", code="idempotency_conflict")
    return known


class _Lease(Lease):
    """This worker's key; its gevent sockets find a hub of the thread's that renews it."""

    def __init__(self, url: str, worker: str, seconds: float, drift: ClockSkew) -> None:
        super().__init__(seconds)
        self._drift = drift
        self._wire = Wire(url)
        self._worker = worker
        self.begin()

    def renew(self) -> None:
        asked = time.monotonic()
        self._drift.heed(self._ask(call(scripts.RENEW, self._worker, int(self.seconds * 1000))), asked)

    def give_up(self) -> None:
        self._ask(call(scripts.GIVE_UP, self._worker))

    def close(self) -> None:
        self._wire.close()

    def _ask(self, command: Command) -> Any:
        (reply,) = self._wire.ask([command])
        if isinstance(reply, ResponseError):
            raise reply
        return reply
