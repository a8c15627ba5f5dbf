"""The driver of the Redis store: its verbs, each of which is a script (`scripts`).

**Writing.** A worker has one connection for its writes; a batch is one round trip, in which each step is a script of
its own: all of it is done, or nothing. **Waiting.** A worker has one blocking `XREAD`, for any number of viewers: on
the streams of other workers' runs that it follows, and on its inbox, into which others put the ids of runs whose
requests it should read again. To follow another run, it sends itself a message. **Leases** are keys that expire, by
Redis's wall clock (`ClockSkew`).

Redis 7 or Valkey, with one primary (no Redis Cluster) and `maxmemory-policy noeviction` (`policy`).
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import orjson
from redis.exceptions import ResponseError

from ...clock import Clock
from ...errors import StoreAway
from ...protocol.frames import BLOCK_BYTES, Block
from ...protocol.limits import NO_LIMITS, Limits
from ...protocol.state import Fold, Reason
from ..base import EVICT_AFTER, RUN_BYTES, SECRET_BYTES, Record, RunInfo
from ..driver import QUEUE, Adopted, Driver, Kept, News, PutFile, State, Step, Stored, T, Unfit, is_bound
from ..files import FileInfo
from ..lists import list_of
from ..queues import WEIGHT, Waiting
from . import replies
from .clock_skew import SLACK, ClockSkew
from .connection import TIMEOUT, Connection, Pool, outcome
from .policy import danger, read_info
from .primary import Primary
from .scripts import Argument, Call, TimedStep

BLOCK_SECONDS: Final = 2.0
"""How long one `XREAD` waits."""

CHECK: Final = 10.0
"""Seconds between two looks at what Redis does when its memory is full."""

EVICT_BYTES: Final = 64 * 1024 * 1024
"""How much one script evicts, so that Redis can serve others in between."""

PAGE: Final = 100
"""How many runs one script gives at the most."""

LIST_RUNS: Final = 500
"""How many runs one script puts into lists, or passes over."""

REFRESH_ALL: Final = 5.0
"""Seconds after which all live runs are asked for, whatever has come in the inbox: one of its entries may be lost."""

RECOUNT: Final = 600.0
"""Seconds between two counts of the bytes of all runs by one worker."""

KEEP_ALL: Final = 1 << 53
"""More bytes than a run may have."""

KEPT: Final[Mapping[int, Kept]] = {1: "kept", 0: "fenced", -1: "gone", -2: "behind", -3: "older"}


class RedisDriver(Driver):
    """The Redis at `url`. Connections are opened when they are needed. Raises `SettingError` for a wrong url."""

    def __init__(
        self, url: str, *, retention: float, keep_bytes: int, store_bytes: int, lease: float, clock: Clock
    ) -> None:
        self._primary = Primary(url)
        self._scripts, self._accepts = self._primary.scripts, self._primary.url.accepts_eviction
        self._keys = f"{self._scripts.prefix}run:"
        self._checked_at, self._danger = float("-inf"), ""
        self.worker: str = secrets.token_hex(8)
        self._retention = int(retention * 1000)
        self._keep_bytes = keep_bytes
        self._store_bytes = store_bytes
        self._lease_length = int(lease * 1000)
        self._clock = clock
        self._clock_offset = clock.monotonic() - time.monotonic()
        self._inbox, self._message = f"{self._scripts.prefix}inbox:{self.worker}", "0-0"
        self._listening_to: Collection[str] = ()
        self._wake_pending = False
        self._recounted_at = self._refreshed_at = float("-inf")
        self._number, self._alive, self._reopened = 0, set[bytes](), 0
        self._skew = ClockSkew()
        self._writer, self._lease = Connection(self._primary), Connection(self._primary)
        self._listener = Connection(self._primary, BLOCK_SECONDS + TIMEOUT)
        self._pool = Pool(self._primary)

    @property
    def _ahead(self) -> int:
        """Milliseconds by which a test has moved its clock, which Redis's does not show."""
        return int((self._clock.monotonic() - time.monotonic() - self._clock_offset) * 1000)

    # -- running steps ------------------------------------------------------------------------------------------

    def write(self, batch: Sequence[Sequence[Step[Any]]]) -> list[Any]:
        steps = [step for steps in batch for step in steps]
        results = iter(self._writer.execute([step.call for step in steps]))
        return [[outcome(step, next(results)) for step in steps][-1] for steps in batch]

    def query(self, step: Step[T]) -> T:
        sent = time.monotonic()
        reply = self._pool.execute(step.call)
        if isinstance(step, TimedStep):
            self._skew.update(reply[0], sent)
            reply = reply[1:]
        return step.decode(reply)

    def wait(self, followed: Mapping[str, int]) -> News:
        self._listening_to, self._wake_pending = followed.keys(), False
        streams = {self._inbox: self._message}
        streams |= {f"{self._keys}{run}:events": f"{last}-0" for run, last in followed.items()}
        xread: Call = ("XREAD", "COUNT", 16, "BLOCK", int(BLOCK_SECONDS * 1000), "STREAMS", *streams, *streams.values())
        (reply,) = self._listener.execute([xread])
        if isinstance(reply, ResponseError):
            raise StoreAway(str(reply))
        blocks, runs = list[tuple[str, Block, bool]](), set[str]()
        for stream, entries in reply or ():
            name = stream.decode()
            if name == self._inbox:
                self._message = entries[-1][0].decode()
                runs = {fields[1].decode() for _, fields in entries}
            else:
                blocks += (
                    (name.removeprefix(self._keys).partition(":")[0], *replies.block(entry)) for entry in entries
                )
        return News(blocks, runs, queue=QUEUE in runs)

    def wake(self, followed: Collection[str]) -> Step[None] | None:
        if self._wake_pending or set(followed) <= set(self._listening_to):
            return None
        self._wake_pending = True
        return self._scripts.step("wake", self.worker)

    def refresh_due(self) -> bool:
        number, alive = self.query(TimedStep(self._scripts.call("alive"), lambda reply: (reply[0], set(reply[1:]))))
        lost, changed = number < self._number, alive != self._alive
        self._number, self._alive = number, alive
        now = time.monotonic()
        if not (lost or changed or now - self._refreshed_at > REFRESH_ALL):
            return False
        self._refreshed_at = now
        return True

    unsettled = EVICT_AFTER
    """A replica that becomes the primary may lack the latest writes; what is not yet evicted is written again."""

    def may_have_lost(self) -> bool:
        before, self._reopened = self._reopened, self._primary.reopened
        return before != self._reopened

    def retake(self, run: str, worker: str, epoch: int, attempt: int, after: int, *, queued: bool = False) -> Step[Any]:
        kept = "1" if queued else ""
        return self._scripts.step("retake", run, worker, epoch, attempt, after, self._lease_length, kept)

    @property
    def jumped_at(self) -> float:
        return self._skew.jumped_at

    def renew(self, seconds: float) -> None:
        self._primary.look()
        sent = time.monotonic()
        self._skew.update(self._in_lease(self._scripts.call("renew", self.worker, int(seconds * 1000))), sent)

    def release(self) -> None:
        self._in_lease(self._scripts.call("release", self.worker))

    def _in_lease(self, call: Call) -> Any:
        (reply,) = self._lease.execute([call])
        if isinstance(reply, ResponseError):
            raise reply
        return reply

    def check(self) -> None:
        now = time.monotonic()
        if not self._accepts and (self._danger or now - self._checked_at > CHECK):
            self._checked_at = now
            with contextlib.suppress(StoreAway):  # away, or INFO is forbidden
                self._danger = self.query(Step(("INFO", "memory"), lambda reply: danger(read_info(reply)) or ""))
        if self._danger:
            raise Unfit(self._danger)

    def secret(self) -> bytes:
        key = f"{self._scripts.prefix}secret"
        get: Step[bytes | None] = Step(("GET", key), lambda reply: reply)
        kept = self.query(get)
        if kept is None:
            self.query(Step(("SET", key, secrets.token_bytes(SECRET_BYTES), "NX"), bool))
            kept = self.query(get)
        if not kept:
            raise StoreAway("Redis has not kept the secret of the run tokens")
        return kept

    def close_lease(self) -> None:
        self._lease.close()

    def close(self) -> None:
        for connection in (self._writer, self._listener, self._pool):
            connection.close()

    # -- runs ---------------------------------------------------------------------------------------------------

    def create(
        self,
        info: RunInfo,
        worker: str,
        limit: int | None = None,
        restored: Mapping[str, Any] | None = None,
        *,
        limits: Limits = NO_LIMITS,
        wait: bool = False,
        full: bool = False,
    ) -> Step[RunInfo | str | None]:
        fields: dict[str, Any] = {name: getattr(info, name) for name in RunInfo.__slots__}
        fields |= {"linger": None if info.linger is None else repr(info.linger), "updated": info.created}
        fields |= {"bound": 1 if is_bound(info, worker) else None}
        worker = worker or QUEUE
        fields |= {"worker": worker, "epoch": 1, "attempt": 1, "last": 0, "oldest": 1, "size": 0, **(restored or {})}
        fields |= {"watched": fields.get("watched") or None}
        return self._scripts.step(
            "create",
            *(info.id, worker, self._lease_length, info.owner, info.client, info.key or ""),
            *("1" if restored else "", "" if limit is None else limit),
            *(self._store_bytes, RUN_BYTES + len(info.input or b"") + len(info.shown or b"")),
            *_limits(info.operation, limits)[:3],
            *("1" if wait else "", "1" if full else ""),
            *(part for name, value in fields.items() if value is not None for part in (name, value)),
            decode=replies.created,
        )

    def find_by_key(self, owner: str, key: str) -> Step[RunInfo | None]:
        return self._scripts.step(
            "find_by_key", owner, key, decode=lambda row: replies.record(row).info if row else None
        )

    def find(self, runs: Sequence[str]) -> Step[list[Record | None]]:
        return self._scripts.step("find", *runs, decode=replies.records)

    def page(
        self, owner: str, operation: str | None, status: str | None, limit: int, before: str | None
    ) -> Step[tuple[list[Record], str | None]]:
        return self._scripts.step(
            "page",
            *(owner, operation or "", status or "", list_of(status) or "", before or "", min(limit, PAGE), LIST_RUNS),
            *replies.SHOWN,
            decode=replies.page,
        )

    def live(self, client: str) -> Step[int]:
        return Step(("SCARD", f"{self._scripts.prefix}client:{client}"), int)

    def ping(self) -> Step[Any]:
        return Step(("PING",), bool)

    # -- events -------------------------------------------------------------------------------------------------

    def append(
        self,
        run: str,
        worker: str,
        epoch: int,
        blocks: Sequence[Block],
        fold: Fold,
        gap: int | None = None,
        known: Fold | None = None,
    ) -> Step[tuple[Kept, int]]:
        fields, unset = list[Any](), list[str]()
        for name in Fold.__slots__:
            value = getattr(fold, name)
            if known is not None and value == getattr(known, name):
                continue
            name = "last" if name == "last_event_id" else name  # noqa: PLW2901
            if value is None:
                unset.append(name)
            else:
                fields += (name, value)
        keep = KEEP_ALL if fold.refers else self._keep_bytes
        return self._scripts.step(
            "append",
            *(run, worker, epoch, self._retention, self._ahead, keep, gap or ""),
            *(fold.last_event_id, fold.ending or "", len(fields), len(unset), *fields, *unset),
            *replies.entries(blocks),
            decode=_kept,
        )

    def read(self, run: str, after: int, frames: int) -> Step[Stored | None]:
        return self._scripts.step("read", run, after, frames, BLOCK_BYTES, decode=replies.stored)

    def changes(self, worker: str, followed: Mapping[str, int | None]) -> Step[list[State | None]]:
        return TimedStep(
            self._scripts.call("changes", worker, *followed), lambda rows: [replies.state(row) for row in rows]
        )

    # -- requests to the producer -------------------------------------------------------------------------------

    def cancel(self, run: str, reason: Reason) -> Step[Any]:
        return self._scripts.step("cancel", run, reason)

    def abandon(self, run: str, worker: str, reliable: bool) -> Step[bool]:
        # If the clock has jumped since, leases that have expired count too.
        expected = self._skew.expected if reliable else 0
        return self._scripts.step("abandon", run, worker, expected, int(SLACK * 1000), decode=bool)

    def answer(self, run: str, question: str, body: bytes) -> Step[bool]:
        return self._scripts.step("answer", run, question, secrets.token_hex(8), body, decode=bool)

    def count(self, run: str, worker: str, count: int) -> Step[Any]:
        return self._scripts.step("count", run, worker, count, self._lease_length)

    def notify(self, run: str) -> Step[Any]:
        return self._scripts.step("notify", run)

    # -- producers ----------------------------------------------------------------------------------------------

    def queued(self, worker: str, operations: Mapping[str, Limits], most: int) -> Step[list[str]]:
        arguments = (most, worker, *_all_limits(operations))
        return self._scripts.step("queued", *arguments, decode=lambda runs: [run.decode() for run in runs])

    def claim(
        self, worker: str, most: int, token: str, operations: Mapping[str, Limits], run: str | None = None
    ) -> Step[list[Adopted]]:
        return self._scripts.step(
            "claim",
            *(worker, most, self._lease_length, token, run or ""),
            *_all_limits(operations),
            decode=lambda rows: [replies.claimed(row) for row in rows],
        )

    def share(self, run: str, worker: str) -> Step[Any]:
        return self._scripts.step("share", run, worker)

    def unclaim(self, worker: str, token: str) -> Step[Any]:
        return self._scripts.step("unclaim", worker, token)

    def requeue(self, run: str, worker: str, attempt: int) -> Step[Any]:
        return self._scripts.step("requeue", run, worker, attempt)

    def waiting(self, operation: str, runs: Collection[str]) -> Step[Waiting]:
        return self._scripts.step("waiting", operation, *runs, decode=replies.waiting)

    def measure(self, operation: str, seconds: float) -> Step[Any]:
        return self._scripts.step("measure", operation, repr(seconds), repr(WEIGHT))

    def orphans(self, worker: str) -> Step[list[tuple[str, str]]]:
        return TimedStep(
            self._scripts.call("orphans", worker),
            lambda names: [(run.decode(), dead.decode()) for dead, run in replies.pairs(names)],
        )

    def adopt(self, run: str, dead: str, worker: str) -> Step[Adopted | None]:
        arguments = (run, dead, worker, self._lease_length, secrets.token_hex(8))
        return self._scripts.step("adopt", *arguments, decode=replies.adopted)

    def disown(self, run: str, worker: str) -> Step[Any]:
        return self._scripts.step("disown", run, worker)

    def keep(self, run: str, worker: str, epoch: int, after: int, value: bytes) -> Step[bool]:
        return self._scripts.step("keep", run, worker, epoch, after, value, decode=bool)

    def checkpoint(self, run: str) -> Step[tuple[int, bytes] | None]:
        return Step(("HMGET", f"{self._keys}{run}:checkpoint", "after", "value"), replies.checkpoint)

    # -- files and room -----------------------------------------------------------------------------------------

    def put_file(
        self, run: str, worker: str, epoch: int, info: FileInfo, body: bytes, limit: int
    ) -> Step[tuple[PutFile, FileInfo | None]]:
        row = orjson.dumps([time.time_ns() // 1000, info.size, info.type, info.sha256])
        return self._scripts.step(
            "put_file", run, worker, epoch, limit, info.name, row, info.size, body, decode=replies.put_file
        )

    def get_file(self, run: str, name: str) -> Step[tuple[FileInfo, bytes] | None]:
        return self._scripts.step("get_file", run, name, decode=lambda reply: replies.get_file(name, reply))

    def known(self, runs: Collection[str]) -> Step[set[str]]:
        return self._scripts.step("known", *runs, decode=lambda names: {name.decode() for name in names})

    def part(self) -> Step[str]:
        return self._scripts.step("part", secrets.token_hex(8), decode=lambda name: name.decode())

    def drop_file(self, run: str, name: str) -> Step[bool]:
        return self._scripts.step("drop_file", run, name, decode=bool)

    def erase(self, run: str) -> Step[bool]:
        return self._scripts.step("erase", run, decode=bool)

    def expire(self) -> Step[Any]:
        return self._scripts.step("expire", self._ahead, decode=bool)

    def room(self) -> Step[int]:
        return self._scripts.step("room", decode=int)

    def evict(self, most: int) -> Step[tuple[int, int]]:
        return self._scripts.step("evict", most, EVICT_BYTES, self._ahead - int(EVICT_AFTER * 1000), decode=tuple)

    def recount(self) -> Step[Any] | None:
        if time.monotonic() - self._recounted_at < RECOUNT:
            return None
        self._recounted_at = time.monotonic()
        return self._scripts.step("recount", self._retention)


def _limits(operation: str, limits: Limits) -> list[Argument]:
    """An operation with its limits, as arguments of a script."""
    numbers = (limits.concurrency, limits.per_client, limits.priority)
    return [operation, *("" if number is None else number for number in numbers)]


def _all_limits(operations: Mapping[str, Limits]) -> list[Argument]:
    return [argument for name, limits in operations.items() for argument in _limits(name, limits)]


def _kept(reply: Any) -> tuple[Kept, int]:
    return ("kept", reply) if type(reply) is int else (KEPT[reply[0]], reply[1])
