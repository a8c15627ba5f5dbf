"""The store in a worker's memory: the fastest one; other workers do not see its runs, and they end with the process."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from time import perf_counter
from typing import Final

import gevent

from ..clock import Clock, SystemClock
from ..errors import RunClosed, StoreAway
from ..protocol.frames import BLOCK_FRAMES, Batch, Block
from ..protocol.limits import NO_LIMITS, Limits
from ..protocol.state import Fold, Reason
from ..runtime.hub import give_way
from .base import (
    EVICT_AFTER,
    RUN_BYTES,
    SECRET_BYTES,
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
from .files import MAX_FILES, UPLOADS, FileInfo, Files, TemporaryFolder, is_handed_over, upload_row, uploads_of
from .lists import RunLists
from .queues import MemoryQueue, Waiting
from .recent import TRIM_FRAMES, RecentEvents

KEEP_BYTES: Final = 64 * 1024 * 1024
STORE_BYTES: Final = 256 * 1024 * 1024

FRAME_BYTES: Final = 56
"""What a frame takes besides its bytes: the head of the object (33), what its size is rounded up by, its place."""

SLICE_SECONDS: Final = 0.001
"""How long room is made at once, before other greenlets run."""

SLICE_RUNS: Final = 100
"""How many runs are deleted at once."""


class _Run(RecentEvents):
    """A run. `extra` is the bytes of its input and answers, `taken` what was last counted of it.

    `number` counts the runs of the store.
    """

    __slots__ = ("extra", "number", "taken")

    def __init__(self, info: RunInfo, number: int) -> None:
        super().__init__(info)
        self.extra = size_of(info)
        self.taken = 0
        self.number = number


class MemoryStore(Store):
    """Keeps runs in dictionaries, a finished one for `retention` seconds after its end.

    Of one run it keeps `keep_bytes` of frames, of all runs about `store_bytes`. Beyond that the oldest finished runs
    are deleted, then the oldest frames of the largest runs dropped; a viewer that has not read them gets a `reset`.
    What a run and a frame take besides their bytes counts (`RUN_BYTES`, `FRAME_BYTES`); what viewers have read and not
    sent yet, up to `BLOCK_BYTES` each, does not. Work over many runs or frames is done in slices.
    """

    def __init__(
        self,
        *,
        retention: float = 3600.0,
        keep_bytes: int = KEEP_BYTES,
        store_bytes: int = STORE_BYTES,
        clock: Clock | None = None,
        files: Files | None = None,
    ) -> None:
        super().__init__()
        self.files: Files = files or TemporaryFolder()
        self._retention = retention
        self._keep_bytes = min(keep_bytes, store_bytes)
        self._store_bytes = store_bytes
        self._clock: Clock = clock or SystemClock()
        self._runs: dict[str, _Run] = {}
        self._lists: RunLists[_Run] = RunLists()
        self._queue = MemoryQueue()
        self._on_queue: Callable[[], None] = lambda: None
        self._created = 0
        self._makes_room = False
        self._ended: dict[str, float] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._live: dict[str, int] = {}
        self._without_run: list[str] = []
        self._caring = False
        self._secret = secrets.token_bytes(SECRET_BYTES)

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
        assert not queued  # nobody else could claim it
        size, more = size_of(info), True
        while True:
            existing = self.find_by_key(info)
            if existing is not None:
                return existing
            if limit is not None and self.live(info.client) >= limit:
                raise too_many_runs()
            if self.bytes_used + size <= self._store_bytes:
                break
            if not more:
                raise store_full()
            more = self._make_room(size)
            if more:
                give_way()  # others may create runs meanwhile
        waits = wait or self._queue.must_wait(info, limits)
        if full and not waits:
            raise worker_full()
        self._created += 1
        run = _Run(info, self._created)
        run.queued = waits
        if info.key is not None:
            self._keys[info.owner, info.key] = info.id
        self._runs[info.id] = run
        self._lists.add(run)
        if waits:
            self._queue.add(info, run.number)
        else:
            self._queue.begin(info)
        self._account(run)
        self._live[info.client] = self._live.get(info.client, 0) + 1
        return info

    def find_by_key(self, info: RunInfo) -> RunInfo | None:
        existing = None if info.key is None else self._runs.get(self._keys.get((info.owner, info.key), ""))
        return None if existing is None else same_request(existing.info, info)

    def append(self, run: str, block: Block, fold: Fold) -> None:
        recent = self._runs[run]
        if recent.fold.over:
            raise RunClosed(f"run {run} is over")
        before = recent.size
        recent.extend(block, fold.copy(), self._store_bytes if fold.refers else self._keep_bytes)
        if fold.over:
            self._end(recent)
        if fold.result is None and recent.size == before + block.size:  # `_account` in short
            taken = block.size + FRAME_BYTES * len(block.frames)
            recent.taken += taken
            self.bytes_used += taken
        else:
            self._account(recent)
        if self.bytes_used > self._store_bytes and self._make_room() and not self._makes_room:
            self._makes_room = True
            gevent.spawn(self._make_more_room)
        recent.notify_of((block,))

    def wait_for_viewers(self, run: str) -> None:
        recent = self._runs.get(run)
        if recent is not None:
            recent.wait_for_viewers(recent.taken)

    def _end(self, run: _Run) -> None:
        info = run.info
        if run.queued:
            self._claim(run)
        self._lists.end(run)
        self._queue.end(info)
        if self._queue:
            self._on_queue()  # another may begin in its place
        self._ended[info.id] = self._clock.monotonic()
        self._live[info.client] -= 1
        if not self._live[info.client]:
            del self._live[info.client]
        for digest in set(uploads_of(info.input)):
            if upload := run.files.pop(upload_row(digest), None):
                run.extra -= upload.size
                gevent.spawn(self._drop, info.id, upload)

    def read(self, run: str, after: int, *, frames: int = BLOCK_FRAMES, merge: bool = False) -> Batch:
        return self._runs[run].read(after, frames, merge)

    def at_hand(self, run: str, after: int, frames: int) -> Batch | None:
        recent = self._runs.get(run)
        return None if recent is None else recent.at_hand(after, frames)

    def find(self, run: str) -> Record | None:
        recent = self._runs.get(run)
        return None if recent is None else recent.record()

    def page(
        self, *, owner: str, operation: str | None, status: str | None, limit: int, before: str | None
    ) -> list[Record]:
        numbered = None if before is None else self._runs.get(before)
        if before is not None and (numbered is None or numbered.info.owner != owner):
            return []
        runs = self._lists.before(owner, operation, status, None if numbered is None else numbered.number)
        records = (run.record() for run in runs)
        return list(islice((record for record in records if status in (None, record.status)), limit))

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
        recent.extra += len(body)
        self._account(recent)
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

    def queued(self, operations: Mapping[str, Limits], most: int) -> Sequence[str]:
        return self._queue.next(most, operations)

    def claim(self, limit: int, operations: Mapping[str, Limits]) -> Sequence[Record]:
        return [self._claim(self._runs[run]) for run in self._queue.next(limit, operations)]

    def claim_run(self, run: str) -> Record | None:
        return self._claim(self._runs[run]) if run in self._runs and self._runs[run].queued else None

    def _claim(self, run: _Run) -> Record:
        self._queue.remove(run.info)
        self._queue.begin(run.info)
        self._lists.begin(run)
        run.queued = False
        return run.record()

    def waiting(self, operation: str, runs: Collection[str]) -> Waiting:
        return self._queue.waiting(operation, runs)

    def measure(self, operation: str, seconds: float) -> None:
        self._queue.measure(operation, seconds)

    def watch_queue(self, callback: Callable[[], None]) -> None:
        self._on_queue = callback

    def _room_for(self, size: int) -> int:
        while self.bytes_used + size > self._store_bytes and self._make_room(size, live=False):
            give_way()
        return max(self._store_bytes - self.bytes_used, 0)

    def _add_file(self, run: str, info: FileInfo, body: bytes) -> FileInfo | None:
        recent = self._runs[run]
        replaced = recent.files.get(info.name)
        if replaced is None and len(recent.files) >= MAX_FILES:
            raise too_many_files()
        if recent.fold.over:
            raise RunClosed(f"run {run} is over")
        recent.files[info.name] = info
        recent.extra += info.size - (replaced.size if replaced else 0)
        self._account(recent)
        return replaced

    def find_file(self, run: str, name: str) -> tuple[FileInfo, bytes] | None:
        return self._find_row(run, name) if is_handed_over(name) else None

    def find_upload(self, run: str, digest: str) -> tuple[FileInfo, bytes] | None:
        return self._find_row(run, upload_row(digest))

    def _find_row(self, run: str, name: str) -> tuple[FileInfo, bytes] | None:
        recent = self._runs.get(run)
        info = None if recent is None else recent.files.get(name)
        return None if info is None else (info, b"")

    def count_upload(self, run: str, size: int) -> None:
        recent = self._runs.get(run)
        if recent is not None:
            recent.extra += size - (recent.files[UPLOADS].size if UPLOADS in recent.files else 0)
            recent.files[UPLOADS] = FileInfo(UPLOADS, "", size, "")
            self._account(recent)

    def watch(
        self, run: str, callback: Callable[[], None], *, events: bool = True, take: Take | None = None
    ) -> Callable[[], None]:
        return self._runs[run].watch(callback, events=events, take=take)

    def sweep(self) -> None:
        self._queue.forget()
        limit, kept = self._clock.monotonic() - self._retention, 0
        while old := [run for run, ended in islice(self._ended.items(), kept, kept + SLICE_RUNS) if ended <= limit]:
            for run in old:
                # A run that is still read stays until the next sweep, or its reader would miss the end.
                if self._runs[run].has_watchers:
                    kept += 1
                else:
                    self._delete(run)
            give_way()
        if not self._caring and (self._without_run or self.files.shared):
            self._caring = True
            gevent.spawn(self._erase_files)

    def erase(self, run: str) -> bool:
        if run not in self._ended:
            return False
        self._delete(run)
        return True

    def secret(self) -> bytes:
        return self._secret

    def close(self) -> None:
        with contextlib.suppress(StoreAway):
            self.in_place(self.files.close)

    def _drop(self, run: str, file: FileInfo) -> None:
        with contextlib.suppress(StoreAway):  # it goes with the run
            self.in_place(self.files.drop, run, file)

    def _erase_files(self) -> None:
        """Deletes the files of runs that are gone; those of which that fails are left to the next sweep."""
        runs, self._without_run = self._without_run, []
        try:
            if self.files.shared:
                self.in_place(self.files.show_life)
            if runs:
                self.in_place(self.files.erase, runs)
        except StoreAway:
            self._without_run += runs
        finally:
            self._caring = False

    def _delete(self, run: str) -> None:
        del self._ended[run]
        deleted = self._runs.pop(run)
        self._lists.remove(deleted)
        self.bytes_used -= deleted.taken
        if len(deleted.frames) > TRIM_FRAMES:
            gevent.spawn(_free, deleted.frames)
        if deleted.files.keys() - {UPLOADS}:
            self._without_run.append(run)
            gevent.spawn(self._erase_files)
        info = deleted.info
        if info.key is not None:
            self._keys.pop((info.owner, info.key), None)

    def _account(self, run: _Run) -> None:
        """Counts what a run takes now instead of what it took before."""
        taken = run.extra + run.size + FRAME_BYTES * len(run.frames) + len(run.fold.result or b"")
        self.bytes_used += taken - run.taken
        run.taken = taken

    def _make_room(self, bytes_needed: int = 0, *, live: bool = True) -> bool:
        """Deletes the oldest finished runs, then the oldest frames of the largest ones, until some room is to spare.

        Returns whether it has stopped before that, so that others may run.
        """
        end = perf_counter() + SLICE_SECONDS
        goal = self._store_bytes - self._store_bytes // 16 - bytes_needed
        moment, kept = self._clock.monotonic() - EVICT_AFTER, 0
        while self.bytes_used > goal and (oldest := next(islice(self._ended.items(), kept, None), None)):
            if oldest[1] > moment:
                break
            if self._runs[oldest[0]].has_watchers:
                kept += 1
                continue
            self._delete(oldest[0])
            self.evicted += 1
            if perf_counter() > end:
                return True
        while live and self.bytes_used > goal:
            largest = max(self._runs.values(), key=_droppable, default=None)
            if largest is None or not _droppable(largest):
                return False
            largest.trim(largest.size)
            self._account(largest)
            if perf_counter() > end:
                return True
        return False

    def _make_more_room(self) -> None:
        try:
            give_way()
            while self._make_room():
                give_way()
        finally:
            self._makes_room = False


def _free(frames: list[bytes]) -> None:
    """Frees the frames of a run that is deleted, slice by slice."""
    while frames:
        give_way()
        del frames[-TRIM_FRAMES:]


def size_of(info: RunInfo) -> int:
    """What a new run takes, in bytes."""
    return RUN_BYTES + len(info.input or b"") + len(info.shown or b"")


def _droppable(run: RecentEvents) -> int:
    """The bytes of the frames that a run may lose: all but the newest one, and none that its result refers to."""
    return run.size - len(run.frames[-1]) if run.frames and not run.fold.refers else 0


MemoryLog = MemoryStore
"""The name of the class in version 0.1."""
