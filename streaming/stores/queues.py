"""The order of queued runs: by priority, then clients take turns, and of one client in the order of their starts.

A **line** is the queued runs of one operation and one client. Whose line was served longest ago is next; a client that
has no run of the operation begins in front.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from ..protocol.limits import Limits

if TYPE_CHECKING:
    from .base import RunInfo


class Waiting(NamedTuple):
    """The queued runs of an operation, as of a moment.

    `clients` has how many each client has, the next one first. `positions` has of each run that was asked for its
    client, and how many of the same client are before it. `seconds` is about how long a run takes, where that is known.
    """

    clients: Mapping[str, int]
    positions: Mapping[str, tuple[str, int]]
    at_work: int = 0
    seconds: float | None = None

    def places(self) -> dict[str, int]:
        """The place of each run that was asked for: 1 for the one that is next, as far as limits of clients allow."""
        order = {client: number for number, client in enumerate(self.clients)}
        return {run: self._place(order, client, before) for run, (client, before) in self.positions.items()}

    def _place(self, order: Mapping[str, int], client: str, before: int) -> int:
        own = order[client]
        others = (min(count, before + (order[each] < own)) for each, count in self.clients.items() if each != client)
        return 1 + before + sum(others)


WEIGHT: Final = 0.25
"""How much the latest run counts in how long a run takes."""


class Line(NamedTuple):
    """The queued runs of an operation and a client. `served` says when it was served last, `first` is its first run."""

    operation: str
    client: str
    served: int
    first: int


T = TypeVar("T")
AtWork = Callable[[str, str | None], int]
"""Counts the runs at work of an operation, of one client or of all."""


def is_over(limits: Limits, operation: str, client: str, at_work: AtWork) -> bool:
    """Whether an operation, or a client, has as many runs at work as it may have."""
    return (limits.concurrency is not None and at_work(operation, None) >= limits.concurrency) or (
        limits.per_client is not None and at_work(operation, client) >= limits.per_client
    )


def next_runs(
    lines: Iterable[Line],
    most: int,
    operations: Mapping[str, Limits],
    at_work: AtWork,
    runs: Callable[[Line], Iterator[T]],
) -> Iterator[tuple[Line, T]]:
    """The next runs to begin, `most` at the most, each with its line.

    `at_work` is asked where there is a limit; `runs` gives those of a line in their order.
    """
    heap = [
        (-operations[line.operation].priority, line.served, line.first, number, line)
        for number, line in enumerate(lines)
    ]
    heapify(heap)
    latest = max((line.served for *_, line in heap), default=0)
    left: dict[tuple[str, str | None], int] = {}
    queued: dict[int, Iterator[T]] = {}

    def room(operation: str, client: str | None, limit: int | None) -> bool:
        if limit is None:
            return True
        if (operation, client) not in left:
            left[operation, client] = limit - at_work(operation, client)
        return left[operation, client] > 0

    while heap and most > 0:
        priority, _, first, number, line = heappop(heap)
        limits = operations[line.operation]
        if not room(line.operation, None, limits.concurrency) or not room(
            line.operation, line.client, limits.per_client
        ):
            continue
        run = next(queued.setdefault(number, runs(line)), None)
        if run is None:
            continue
        yield line, run
        most -= 1
        latest += 1
        for client in (None, line.client):
            if (line.operation, client) in left:
                left[line.operation, client] -= 1
        heappush(heap, (priority, latest, first, number, line))


class MemoryQueue:
    """The queued runs of a store in memory, and how many are at work."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], dict[str, int]] = {}
        self._served: dict[tuple[str, str], int] = {}
        self._at_work: Counter[tuple[str, str | None]] = Counter()
        self._clock = 0
        self._seconds: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, info: RunInfo, number: int) -> None:
        """Adds a queued run; its number says where."""
        self._lines.setdefault((info.operation, info.client), {})[info.id] = number

    def remove(self, info: RunInfo) -> None:
        """Removes a queued run."""
        line = self._lines[info.operation, info.client]
        del line[info.id]
        if not line:
            del self._lines[info.operation, info.client]

    def begin(self, info: RunInfo) -> None:
        """Notes that a run is at work."""
        self._clock += 1
        self._served[info.operation, info.client] = self._clock
        self._at_work[info.operation, None] += 1
        self._at_work[info.operation, info.client] += 1

    def end(self, info: RunInfo) -> None:
        """Notes that a run is at work no more."""
        for client in (None, info.client):
            self._at_work[info.operation, client] -= 1
            if not self._at_work[info.operation, client]:
                del self._at_work[info.operation, client]

    def forget(self) -> None:
        """Forgets when clients were served that have no run any more."""
        for name in [name for name in self._served if name not in self._lines and not self._at_work[name]]:
            del self._served[name]

    def next(self, most: int, operations: Mapping[str, Limits]) -> list[str]:
        """The next runs to begin."""
        lines = (
            Line(operation, client, self._served.get((operation, client), 0), next(iter(line.values())))
            for (operation, client), line in self._lines.items()
            if operation in operations
        )
        found = next_runs(
            lines, most, operations, self._count, lambda line: iter(self._lines[line.operation, line.client])
        )
        return [run for _, run in found]

    def must_wait(self, info: RunInfo, limits: Limits) -> bool:
        """Whether a new run has to wait."""
        return limits.any and (
            is_over(limits, info.operation, info.client, self._count) or bool(self.next(1, {info.operation: limits}))
        )

    def _count(self, operation: str, client: str | None) -> int:
        return self._at_work[operation, client]

    def measure(self, operation: str, seconds: float) -> None:
        """Notes how long a run was at work."""
        before = self._seconds.get(operation)
        self._seconds[operation] = seconds if before is None else before + (seconds - before) * WEIGHT

    def waiting(self, operation: str, runs: Collection[str]) -> Waiting:
        """The queued runs of an operation, with the positions of some."""
        names = sorted(
            (name for name in self._lines if name[0] == operation),
            key=lambda name: (self._served.get(name, 0), next(iter(self._lines[name].values()))),
        )
        positions = {
            run: (client, before)
            for _, client in names
            for before, run in enumerate(self._lines[operation, client])
            if run in runs
        }
        clients = {client: len(self._lines[operation, client]) for _, client in names}
        return Waiting(clients, positions, self._at_work[operation, None], self._seconds.get(operation))
