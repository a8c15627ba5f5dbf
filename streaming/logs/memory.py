"""The event log of one worker, in its memory: the fastest, gone with the process, seen by no other worker."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Final

from ..clock import Clock, SystemClock
from ..errors import Conflict, RunClosed
from ..lifecycle import Fold, Reason
from .base import BLOCK_FRAMES, Batch, Block, Control, EventLog, Record, RunInfo, join

KEEP_BYTES: Final = 64 * 1024 * 1024


class MemoryLog(EventLog):
    """Runs in dictionaries. A finished run goes `retention` seconds after its end.

    Of one run it keeps `keep_bytes` of frames; past that the oldest go, and a viewer that has not read them is told
    by a `reset`.
    """

    def __init__(self, *, retention: float = 3600.0, keep_bytes: int = KEEP_BYTES, clock: Clock | None = None) -> None:
        self._retention = retention
        self._keep_bytes = keep_bytes
        self._clock: Clock = clock or SystemClock()
        self._runs: dict[str, _Run] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._live: dict[str, int] = {}

    def create(self, info: RunInfo) -> RunInfo:
        if info.key is not None:
            known = self._runs.get(self._keys.get((info.owner, info.key), ""))
            if known is not None:
                if known.info.digest != info.digest:
                    raise Conflict("this Idempotency-Key was used with another request", code="idempotency_conflict")
                return known.info
            self._keys[info.owner, info.key] = info.id
        self._runs[info.id] = _Run(info)
        self._live[info.client] = self._live.get(info.client, 0) + 1
        return info

    def append(self, run: str, block: Block, fold: Fold) -> None:
        kept = self._runs[run]
        if kept.ended is not None:
            raise RunClosed(f"run {run} has had its last event")
        kept.frames.extend(block.frames)
        kept.steps.extend(block.steps)
        kept.size += block.size
        kept.fold = replace(fold)
        if kept.size > self._keep_bytes:
            kept.trim(self._keep_bytes)
        if fold.over:
            self._end(kept)
        kept.changed()

    def _end(self, run: _Run) -> None:
        run.ended = self._clock.monotonic()
        client = run.info.client
        self._live[client] -= 1
        if not self._live[client]:
            del self._live[client]

    def read(self, run: str, after: int, *, frames: int = BLOCK_FRAMES, merge: bool = False) -> Batch:
        return self._runs[run].read(after, frames, merge)

    def find(self, run: str) -> Record | None:
        kept = self._runs.get(run)
        return None if kept is None else kept.record()

    def list(
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
        kept = self._runs[run]
        if kept.ended is None and kept.control.cancel is None:
            kept.control.cancel = reason
            kept.changed()

    def answer(self, run: str, question: str, body: bytes) -> bool:
        kept = self._runs[run]
        if kept.ended is not None or question in kept.control.answers:
            return False
        kept.control.answers[question] = body
        kept.changed()
        return True

    def queue(self, run: str, queued: bool) -> None:
        self._runs[run].queued = queued

    def count(self, run: str, change: int) -> None:
        kept = self._runs.get(run)
        if kept is not None:
            kept.control.viewers += change
            kept.control.watched = True
            kept.changed()

    def control(self, run: str) -> Control:
        return self._runs[run].control

    def watch(self, run: str, call: Callable[[], None]) -> Callable[[], None]:
        watchers = self._runs[run].watchers
        watchers[call] = None

        def unwatch() -> None:
            watchers.pop(call, None)

        return unwatch

    def sweep(self) -> None:
        limit = self._clock.monotonic() - self._retention
        # A run that somebody still reads stays until the next sweep: its reader would lose the ending.
        old = [run for run in self._runs.values() if run.ended is not None and run.ended <= limit and not run.watchers]
        for run in old:
            del self._runs[run.info.id]
            if run.info.key is not None:
                self._keys.pop((run.info.owner, run.info.key), None)


class _Run:
    __slots__ = (
        "_joined",
        "control",
        "ended",
        "fold",
        "frames",
        "info",
        "oldest",
        "queued",
        "size",
        "steps",
        "watchers",
    )

    def __init__(self, info: RunInfo) -> None:
        self.info = info
        self.fold = Fold(updated=info.created)
        self.control = Control()
        self.frames: list[bytes] = []
        self.steps: list[Hashable] = []
        self.oldest = 1
        self.size = 0
        self.queued = False
        self.ended: float | None = None
        self.watchers: dict[Callable[[], None], None] = {}
        self._joined: tuple[tuple[int, int, int, bool], Batch] | None = None

    def read(self, after: int, frames: int, merge: bool) -> Batch:
        start = max(after + 1 - self.oldest, 0)
        end = min(start + frames, len(self.frames))
        if start >= end:
            return Batch(b"", max(after, self.oldest - 1), self.ended is not None, self.oldest)
        key = (self.oldest, start, end, merge)
        # Viewers that keep up all ask for the same frames: they are joined for the first, and once.
        if self._joined is None or self._joined[0] != key:
            over = self.ended is not None and end == len(self.frames)
            pending = join(self.frames[start:end], self.steps[start:end], self.oldest + start, over, self.oldest, merge)
            self._joined = (key, pending)
        return self._joined[1]

    def trim(self, keep: int) -> None:
        """Drops the oldest frames until an eighth of the room is free, so that the cost is spread."""
        count = 0
        while self.size > keep - keep // 8 and count < len(self.frames) - 1:
            self.size -= len(self.frames[count])
            count += 1
        del self.frames[:count], self.steps[:count]
        self.oldest += count
        self._joined = None

    def record(self) -> Record:
        return Record(self.info, self.fold, self.control.viewers, self.queued, self.control.cancel is not None)

    def changed(self) -> None:
        for call in list(self.watchers):
            call()
