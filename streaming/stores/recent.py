"""The recent events of one run in this worker's memory, from which viewers read, and the watchers of the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ..protocol.frames import Batch, Block, join
from ..protocol.state import Fold
from ..runtime.hub import GreenSignal
from .base import Control, Record, RunInfo, Take
from .files import FileInfo, handed_over

TRIM_FRAMES: Final = 4096
"""How many frames are dropped at once: some tenths of a millisecond."""

AHEAD_BYTES: Final = 512 * 1024
"""How far a run that never waits may be ahead of all of its viewers before it waits for them."""

AHEAD_STEP: Final = 64 * 1024
"""How much further it may go after each wait."""

AHEAD_SECONDS: Final = 2.0
"""How long the first wait is. The next ones are longer, in proportion to how far the run is ahead, up to `LONGEST`."""

LONGEST: Final = 8.0

SHORT_LOG: Final = 5_500_000
"""Bytes up to which an event log may grow whatever its viewers read."""


class RecentEvents:
    """The frames from number `oldest` on, the fold over all events so far, and the watchers.

    `ahead` is about how many bytes have come since the furthest reader's last frame.
    """

    __slots__ = (
        "_followers",
        "_last_batch",
        "_may_be_ahead",
        "_read",
        "_watchers",
        "ahead",
        "attempt",
        "control",
        "files",
        "fold",
        "frames",
        "info",
        "oldest",
        "queued",
        "size",
    )

    def __init__(self, info: RunInfo, fold: Fold | None = None, *, attempt: int = 1) -> None:
        self.info: RunInfo = info
        self.fold: Fold = fold.copy() if fold else Fold(updated=info.created)
        self.attempt: int = attempt
        self.queued: bool = False
        self.control: Control = Control()
        self.frames: list[bytes] = []
        self.oldest: int = self.fold.last_event_id + 1
        self.size: int = 0
        self.ahead: int = 0
        self._may_be_ahead = AHEAD_BYTES
        self._read: GreenSignal | None = None
        self.files: dict[str, FileInfo] = {}
        self._watchers: dict[Callable[[], None], tuple[bool, Take | None]] = {}
        self._followers: tuple[tuple[Callable[[], None], Take | None], ...] = ()
        self._last_batch: tuple[tuple[int, int, int, bool], Batch] | None = None

    def extend(self, block: Block, fold: Fold, keep: int) -> None:
        """Adds frames that the store has kept, and drops the oldest beyond `keep` bytes; keeps `fold`."""
        self.frames.extend(block.frames)
        self.size += block.size
        self.ahead += block.size
        self.fold = fold
        if self.size > keep:
            self.trim(keep)

    def skip_to(self, fold: Fold) -> None:
        """Drops all frames and continues after the events of `fold`; those before are read from the store."""
        self.frames = []
        self.size = 0
        self.fold = fold.copy()
        self.oldest = fold.last_event_id + 1
        self._last_batch = None

    def at_hand(self, after: int, frames: int) -> Batch | None:
        """The frames after number `after`, where there are any, and all of them are in memory."""
        left = self.fold.last_event_id - after
        if left == 1 and self.frames:  # most viewers have seen all but the newest
            self._note_read(0)
            return Batch(self.frames[-1], after + 1, self.fold.over, self.oldest)
        return self.read(after, frames, merge=False) if left > 0 and after >= self.oldest - 1 else None

    def read(self, after: int, frames: int, merge: bool) -> Batch:
        """The frames after number `after`, as far as they are in memory."""
        start = max(after + 1 - self.oldest, 0)
        end = min(start + frames, len(self.frames))
        if start >= end:
            self._note_read(0)
            return Batch(b"", max(after, self.oldest - 1), self.fold.over, self.oldest)
        key = (self.oldest, start, end, merge)
        # Viewers that keep up all read the same frames, which are joined once.
        if self._last_batch is None or self._last_batch[0] != key:
            over = self.fold.over and end == len(self.frames)
            self._last_batch = (key, join(self.frames[start:end], self.oldest + start, over, self.oldest, merge))
        batch = self._last_batch[1]
        self._note_read(self.oldest + len(self.frames) - 1 - batch.last)
        return batch

    def _note_read(self, left: int) -> None:
        """Notes that a reader has left so many frames unread."""
        if not self.ahead:
            return
        self.ahead = min(self.ahead, left * self.size // len(self.frames)) if left else 0
        if self.ahead <= AHEAD_BYTES // 2:
            self._may_be_ahead = AHEAD_BYTES
            if self._read is not None:
                self._read.set()

    def wait_for_viewers(self, size: int) -> None:
        """Waits for a moment where a run of `size` bytes is far ahead of its viewers, in the producer's greenlet.

        It goes on all the same, but at a pace that costs the worker next to nothing, and once it has no viewer any more
        as before.
        """
        if self.ahead <= self._may_be_ahead or size <= SHORT_LOG or not self.control.viewers:
            return
        self._read = GreenSignal()
        try:
            self._read.wait(min(AHEAD_SECONDS * self.ahead / AHEAD_BYTES, LONGEST))
        finally:
            self._read = None
        self._may_be_ahead = max(AHEAD_BYTES, self.ahead + AHEAD_STEP)

    def record(self) -> Record:
        """The run as it is now."""
        cancelling = self.control.cancel is not None
        files = handed_over(self.files.values())
        return Record(self.info, self.fold, self.control.viewers, self.queued, cancelling, self.attempt, files=files)

    def watch(
        self, callback: Callable[[], None], *, events: bool = True, take: Take | None = None
    ) -> Callable[[], None]:
        """Calls `callback` on every change; without `events` not for those. Returns a function that ends this.

        A single new frame is offered to `take` first.
        """
        self._watchers[callback] = events, take
        self._list_followers()

        def unwatch() -> None:
            self._watchers.pop(callback, None)
            self._list_followers()
            if not self._watchers:
                self._last_batch = None  # nobody shares it any more

        return unwatch

    @property
    def has_watchers(self) -> bool:
        """Whether anybody waits for changes."""
        return bool(self._watchers)

    def _list_followers(self) -> None:
        followers = ((callback, take) for callback, (events, take) in self._watchers.items() if events)
        self._followers = tuple(followers)

    def notify(self) -> None:
        """Calls the watchers."""
        if self._read is not None and not self.control.viewers:
            self._read.set()
        for callback in list(self._watchers):
            callback()

    def notify_of(self, blocks: Sequence[Block]) -> None:
        """Calls those who watch events: these were added."""
        if self._read is not None and not self.control.viewers:
            self._read.set()
        single = len(blocks) == 1 and len(blocks[0].frames) == 1 and not self.fold.over
        for callback, take in self._followers:
            if not single or take is None or not take(blocks[0].frames[0], blocks[0].first):
                callback()
            elif self.ahead:
                self._note_read(0)

    def trim(self, keep: int) -> None:
        """Drops the oldest frames until an eighth of `keep` bytes is free, so that this is seldom done; one stays.

        Of many frames some are left for the next time.
        """
        count, most = 0, min(len(self.frames) - 1, TRIM_FRAMES)
        while self.size > keep - keep // 8 and count < most:
            self.size -= len(self.frames[count])
            count += 1
        del self.frames[:count]
        self.oldest += count
        self._last_batch = None
