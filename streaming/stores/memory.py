"""The store in a worker's memory: the fastest one; other workers do not see its runs, and they end with the process."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final

from ..clock import Clock, SystemClock
from ..errors import RunClosed
from ..protocol.frames import BLOCK_FRAMES, Batch, Block
from ..protocol.state import Fold, Reason
from .base import Control, Record, RunInfo, Store, same_request, too_many_runs
from .recent import RecentEvents

KEEP_BYTES: Final = 64 * 1024 * 1024


class MemoryStore(Store):
    """Keeps runs in dictionaries, a finished one for `retention` seconds after its end.

    Of one run it keeps `keep_bytes` of frames; beyond that the oldest are dropped, and a viewer that has not read them
    gets a `reset`.
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
        existing = self.find_by_key(info)
        if existing is not None:
            return existing
        if limit is not None and self.live(info.client) >= limit:
            raise too_many_runs()
        if info.key is not None:
            self._keys[info.owner, info.key] = info.id
        self._runs[info.id] = RecentEvents(info)
        self._live[info.client] = self._live.get(info.client, 0) + 1
        return info

    def find_by_key(self, info: RunInfo) -> RunInfo | None:
        existing = None if info.key is None else self._runs.get(self._keys.get((info.owner, info.key), ""))
        return None if existing is None else same_request(existing.info, info)

    def append(self, run: str, block: Block, fold: Fold) -> None:
        recent = self._runs[run]
        if recent.fold.over:
            raise RunClosed(f"run {run} is over")
        recent.extend(block, fold, self._keep_bytes)
        if fold.over:
            self._end(recent.info)
        recent.notify()

    def _end(self, info: RunInfo) -> None:
        self._ended[info.id] = self._clock.monotonic()
        self._live[info.client] -= 1
        if not self._live[info.client]:
            del self._live[info.client]

    def read(self, run: str, after: int, *, frames: int = BLOCK_FRAMES, merge: bool = False) -> Batch:
        return self._runs[run].read(after, frames, merge)

    def find(self, run: str) -> Record | None:
        recent = self._runs.get(run)
        return None if recent is None else recent.record()

    def page(
        self, *, owner: str, operation: str | None, status: str | None, limit: int, before: str | None
    ) -> list[Record]:
        runs = [run for run in self._runs.values() if run.info.owner == owner]
        if before is not None:
            ids = [run.info.id for run in runs]
            runs = runs[: ids.index(before)] if before in ids else []
        records = (run.record() for run in reversed(runs))
        matching = (
            record
            for record in records
            if operation in (None, record.info.operation) and status in (None, record.status)
        )
        return list(islice(matching, limit))

    def live(self, client: str) -> int:
        return self._live.get(client, 0)

    def cancel(self, run: str, reason: Reason) -> None:
        recent = self._runs[run]
        if not recent.fold.over and recent.control.cancel is None:
            recent.control.cancel = reason
            recent.notify()

    def answer(self, run: str, question: str, body: bytes) -> bool:
        recent = self._runs[run]
        if recent.fold.over or question in recent.control.answers:
            return False
        recent.control.answers[question] = body
        recent.notify()
        return True

    def count(self, run: str, change: int) -> None:
        recent = self._runs.get(run)
        if recent is not None:
            recent.control.viewers += change
            recent.control.watched = True
            recent.notify()

    def control(self, run: str) -> Control:
        return self._runs[run].control

    def watch(self, run: str, callback: Callable[[], None]) -> Callable[[], None]:
        return self._runs[run].watch(callback)

    def sweep(self) -> None:
        limit = self._clock.monotonic() - self._retention
        # A run that is still read stays until the next sweep, or its reader would miss the end.
        old = [run for run, ended in self._ended.items() if ended <= limit and not self._runs[run].has_watchers]
        for run in old:
            del self._ended[run]
            info = self._runs.pop(run).info
            if info.key is not None:
                self._keys.pop((info.owner, info.key), None)


MemoryLog = MemoryStore
"""The name of the class in version 0.1."""
