"""The crossing from another thread of the worker to its hub: what an operation there yields, in order, and its end."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from ...protocol.events import Event
from ...runtime.worker import Worker

AHEAD: Final = 1024
"""How many events a thread may be ahead of the hub before it waits, if they are small."""

PIECE: Final = 4096
"""An event counts once more for each of so many bytes: a thread is 4 MB ahead at most, and one event."""

END: Final = object()
"""The last thing that comes over."""


def cost_of(item: Any) -> int:
    """For how many small events an item counts."""
    return min(1 + len(item.body) // PIECE, AHEAD) if isinstance(item, Event) else 1


class Crossing:
    """A queue with one thread at each end. The hub is notified once for all that comes while it does not look."""

    __slots__ = ("_items", "_notified", "_put", "_signal", "_taken", "_worker")

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._items: deque[Any] = deque()
        self._signal = worker.signal()
        self._notified = False
        self._put = self._taken = 0  # each is written at one end only

    @property
    def ahead(self) -> int:
        """How far the other thread is ahead, to be compared with `AHEAD`."""
        return self._put - self._taken

    def put(self, item: Any) -> None:
        """Hands an item over; in the other thread."""
        self._put += cost_of(item)
        self._items.append(item)
        if not self._notified:
            self._notified = True
            self._worker.soon(self._signal.set)

    def take(self) -> Any:
        """Waits for the next item; in the hub."""
        while not self._items:
            self._signal.clear()
            self._notified = False
            if not self._items:
                self._signal.wait()
        item = self._items.popleft()
        self._taken += cost_of(item)
        return item
