"""The newest frames of one run in this worker's memory, and who waits for more: what viewers read from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..protocol.frames import Batch, Block, join
from ..protocol.state import Fold
from .base import Control, Record, RunInfo


class RecentEvents:
    """The frames from number `oldest` on, the fold over all there were, and the watchers."""

    __slots__ = (
        "_joined",
        "_watchers",
        "attempt",
        "control",
        "fold",
        "frames",
        "info",
        "oldest",
        "queued",
        "size",
    )

    def __init__(self, info: RunInfo, fold: Fold | None = None, *, attempt: int = 1) -> None:
        self.info = info
        self.fold = replace(fold) if fold else Fold(updated=info.created)
        self.attempt = attempt
        self.control = Control()
        self.frames: list[bytes] = []
        self.oldest = self.fold.last_event_id + 1
        self.size = 0
        self.queued = False
        self._watchers: dict[Callable[[], None], None] = {}
        self._joined: tuple[tuple[int, int, int, bool], Batch] | None = None

    def extend(self, block: Block, fold: Fold, keep: int) -> None:
        """Takes frames that the store has kept, and lets go of the oldest beyond `keep` bytes."""
        self.frames.extend(block.frames)
        self.size += block.size
        self.fold = replace(fold)
        if self.size > keep:
            self._trim(keep)

    def skip_to(self, fold: Fold) -> None:
        """Leaves what was here, and what is missing up to `fold`, to the store."""
        self.frames = []
        self.size = 0
        self.fold = replace(fold)
        self.oldest = fold.last_event_id + 1
        self._joined = None

    def read(self, after: int, frames: int, merge: bool) -> Batch:
        """The frames after number `after`, as far as they are here."""
        start = max(after + 1 - self.oldest, 0)
        end = min(start + frames, len(self.frames))
        if start >= end:
            return Batch(b"", max(after, self.oldest - 1), self.fold.over, self.oldest)
        key = (self.oldest, start, end, merge)
        # Viewers that keep up all ask for the same frames: they are joined for the first, and once.
        if self._joined is None or self._joined[0] != key:
            over = self.fold.over and end == len(self.frames)
            self._joined = (key, join(self.frames[start:end], self.oldest + start, over, self.oldest, merge))
        return self._joined[1]

    def record(self) -> Record:
        """The run as it stands."""
        cancelling = self.control.cancel is not None
        return Record(self.info, self.fold, self.control.viewers, self.queued, cancelling, self.attempt)

    def watch(self, call: Callable[[], None]) -> Callable[[], None]:
        """Has `call` made on every change; gives what ends that."""
        self._watchers[call] = None

        def unwatch() -> None:
            self._watchers.pop(call, None)

        return unwatch

    @property
    def watched(self) -> bool:
        """Whether anybody waits for changes."""
        return bool(self._watchers)

    def changed(self) -> None:
        """Tells them all."""
        for call in list(self._watchers):
            call()

    def _trim(self, keep: int) -> None:
        """Frees an eighth of the room at once, so that the cost is spread."""
        count = 0
        while self.size > keep - keep // 8 and count < len(self.frames) - 1:
            self.size -= len(self.frames[count])
            count += 1
        del self.frames[:count]
        self.oldest += count
        self._joined = None
