"""Where the frames of a viewer come from: the event log of a run, or, in `http.stream`, a generator of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..errors import StoreAway
from ..protocol.frames import Batch
from ..protocol.sse import retry
from ..stores.base import Store, Take
from .seats import Seat

RETRY: Final = retry(2000)


class Source:
    """The frames of a viewer, used in the hub. `start`, `stop` and `producing` are for a producer with one viewer.

    `preface` goes ahead of the frames, and is never empty; `run` is the id of the run, if there is one.
    """

    __slots__ = ()

    preface: bytes = RETRY
    run: str | None = None
    broken: bool = False
    """Whether the connection is to break once everything is sent, as that to an upstream did."""

    def read(self, after: int, *, frames: int, merge: bool) -> Batch:
        """The frames after number `after`."""
        raise NotImplementedError

    def at_hand(self, after: int, frames: int) -> Batch | None:
        """What `read` returns, if there is more and no gap before it: to ask a store would take a wait."""
        return None

    def watch(self, notify: Callable[[], None]) -> Callable[[], None]:
        """Calls `notify` in the hub's thread whenever there are more; returns a function that ends this."""
        raise NotImplementedError

    def leave(self) -> None:
        """Called once when the viewer has left, for whatever reason."""
        raise NotImplementedError

    def gap(self, batch: Batch) -> bytes:
        """The frame that reports the events missing before `batch`."""
        return b""

    def expect_return(self) -> None:
        """Called before `leave` for a viewer that the server sends to another worker."""

    def start(self) -> None:
        """Starts the producer, unless it has started."""

    def lend(self, take: Take) -> None:
        """Called before `watch` by a viewer that sends frames at once, and does the work in its own greenlet (`work`).

        `take` sends the frame with this number if it follows all that were read; false where it has to be read.
        """

    def work(self) -> bool:
        """Does the work of the producer, to its end; false where another greenlet does it."""
        return False

    def stop(self) -> bool:
        """Stops the producer, which writes its last events; false where there is none."""
        return False

    @property
    def producing(self) -> bool:
        """Whether the producer is at work."""
        return False


class RunSource(Source):
    """The event log of a run; a viewer that `counts` does so for the run's linger.

    `rewound` says that its viewer has seen events that the store has lost since: it begins with a `reset`. `seat` is
    that of its client.
    """

    __slots__ = ("_counts", "_rewound", "_seat", "_store", "_take", "run")

    run: str

    def __init__(
        self, store: Store, run: str, *, counts: bool = True, rewound: bool = False, seat: Seat | None = None
    ) -> None:
        self._store = store
        self._seat = seat
        self.run = run
        self._counts = counts
        self._rewound = rewound
        self._take: Take | None = None
        if counts:
            store.count(run, +1)

    def read(self, after: int, *, frames: int, merge: bool) -> Batch:
        try:
            batch = self._store.read(self.run, after, frames=frames, merge=merge)
        except StoreAway:
            return Batch(b"", after, over=False)  # heartbeats continue, and the store wakes its watchers later
        if self._rewound:
            self._rewound = False
            return batch._replace(block=self.gap(Batch(b"", after, False, after + 1)) + batch.block)
        return batch

    def at_hand(self, after: int, frames: int) -> Batch | None:
        return None if self._rewound else self._store.at_hand(self.run, after, frames)

    def watch(self, notify: Callable[[], None]) -> Callable[[], None]:
        take, self._take = self._take, None  # which refers to the viewer, and that to this source
        return self._store.watch(self.run, notify, take=take)

    def lend(self, take: Take) -> None:
        self._take = take

    def gap(self, batch: Batch) -> bytes:
        record = self._store.recall(self.run)
        snapshot = record.snapshot()
        stamp = record.fold.updated.encode()
        return b'id: %d\nevent: reset\ndata: {"timestamp":"%b","snapshot":%b}\n\n' % (batch.oldest - 1, stamp, snapshot)

    def expect_return(self) -> None:
        # It still counts, until the lease of this worker expires.
        self._counts = False

    def leave(self) -> None:
        if self._seat is not None:
            self._seat.free()
        if self._counts:
            self._store.count(self.run, -1)
