"""The crossing from another thread of the worker to its hub: what an operation there yields, in order, and its end."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from ...runtime.worker import Worker

AHEAD: Final = 1024
"""How many events a thread may be ahead of the hub before it waits."""

END: Final = object()
"""The last thing that comes over."""


class Crossing:
    """A queue with one thread at each end. The hub is notified once for all that comes while it does not look."""

    __slots__ = ("_items", "_notified", "_signal", "_worker")

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._items: deque[Any] = deque()
        self._signal = worker.signal()
        self._notified = False

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Any) -> None:
        """Hands an item over; in the other thread."""
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
        return self._items.popleft()
