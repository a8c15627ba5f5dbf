"""The event log of one worker, in its memory: the fastest, gone with the process, seen by no other worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..clock import Clock, SystemClock
from ..errors import Conflict, RunClosed
from ..protocol.frames import BLOCK_FRAMES, Batch, Block
from ..protocol.state import Fold, Reason
from .base import Control, Record, RunInfo, Store, full
from .recent import RecentEvents

KEEP_BYTES: Final = 64 * 1024 * 1024


class MemoryStore(Store):
    """Runs in dictionaries. A finished run goes `retention` seconds after its end.

    Of one run it keeps `keep_bytes` of frames; past that the oldest go, and a viewer that has not read them is told
    by a `reset`.
    """

    def __init__(self, *, retention: float = 3600.0, keep_bytes: int = KEEP_BYTES, clock: Clock | None = None) -> None:
        self._retention = retention
        self._keep_bytes = keep_bytes
        self._clock: Clock = clock or SystemClock()
        self._runs: dict[str, RecentEvents] = {}
        self._ended: dict[str, float] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._live: dict[str, int] = {}

    def create(self, info: RunInfo, *, limit: int | None = None) -> RunInfo:
        known = self.joined(info)
        if known is not None:
            return known
        if limit is not None and self.live(info.client) >= limit:
            raise full()
        if info.key is not None:
            self._keys[info.owner, info.key] = info.id
        self._runs[info.id] = RecentEvents(info)
        self._live[info.client] = self._live.get(info.client, 0) + 1
        return info

    def joined(self, info: RunInfo) -> RunInfo | None:
        known = None if info.key is None else self._runs.get(self._keys.get((info.owner, info.key), ""))
        if known is None:
            return None
        if known.info.digest != info.digest:
            raise Conflict("this Idempotency-Key was used with another request", code="idempotency_conflict")
        return known.info

    def append(self, run: str, block: Block, fold: Fold) -> None:
        tail = self._runs[run]
        if tail.fold.over:
            raise RunClosed(f"run {run} has had its last event")
        tail.extend(block, fold, self._keep_bytes)
        if fold.over:
            self._end(tail.info)
        tail.changed()

    def _end(self, info: RunInfo) -> None:
        self._ended[info.id] = self._clock.monotonic()
        self._live[info.client] -= 1
        if not self._live[info.client]:
            del self._live[info.client]

    def read(self, run: str, after: int, *, frames: int = BLOCK_FRAMES, merge: bool = False) -> Batch:
        return self._runs[run].read(after, frames, merge)

    def find(self, run: str) -> Record | None:
        kept = self._runs.get(run)
        return None if kept is None else kept.record()

    def page(
        self, *, owner: str, operation: str | None, status: str | None, limit: int, before: str | None
    ) -> list[Record]:
        runs = [run for run in self._runs.values() if run.info.owner == owner]
        if before is not None:
            ids = [run.info.id for run in runs]
            runs = runs[: ids.index(before)] if before in ids else []
        records = (run.record() for run in reversed(runs))
        found = (
            record
            for record in records
            if operation in (None, record.info.operation) and status in (None, record.status)
        )
        return [record for record, _ in zip(found, range(limit), strict=False)]

    def live(self, client: str) -> int:
        return self._live.get(client, 0)

    def cancel(self, run: str, reason: Reason) -> None:
        tail = self._runs[run]
        if not tail.fold.over and tail.control.cancel is None:
            tail.control.cancel = reason
            tail.changed()

    def answer(self, run: str, question: str, body: bytes) -> bool:
        tail = self._runs[run]
        if tail.fold.over or question in tail.control.answers:
            return False
        tail.control.answers[question] = body
        tail.changed()
        return True

    def queue(self, run: str, queued: bool) -> None:
        self._runs[run].queued = queued

    def count(self, run: str, change: int) -> None:
        tail = self._runs.get(run)
        if tail is not None:
            tail.control.viewers += change
            tail.control.watched = True
            tail.changed()

    def control(self, run: str) -> Control:
        return self._runs[run].control

    def watch(self, run: str, call: Callable[[], None]) -> Callable[[], None]:
        return self._runs[run].watch(call)

    def sweep(self) -> None:
        limit = self._clock.monotonic() - self._retention
        # A run that somebody still reads stays until the next sweep: its reader would lose the ending.
        old = [run for run, ended in self._ended.items() if ended <= limit and not self._runs[run].watched]
        for run in old:
            del self._ended[run]
            info = self._runs.pop(run).info
            if info.key is not None:
                self._keys.pop((info.owner, info.key), None)


MemoryLog = MemoryStore
"""The name of the class in version 0.1."""
