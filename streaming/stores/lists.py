"""The lists of runs from which `GET /runs` is answered: of each owner, by operation and by status, in order."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from operator import attrgetter
from typing import Final, Generic, Protocol, TypeVar

from ..protocol.state import OVER, Fold
from .base import RunInfo

LIVE: Final = "live"
"""The list of the runs at work. They are few, and change between their statuses."""

QUEUED: Final = "queued"
"""The list of the runs that wait for a worker."""


def list_of(status: str | None) -> str | None:
    """The name of the list that has the runs of a status; `None` for that of all runs."""
    return status if status is None or status == QUEUED or status in OVER else LIVE


class Listed(Protocol):
    """A run in the lists; its number says where."""

    number: int
    info: RunInfo
    fold: Fold
    queued: bool


R = TypeVar("R", bound=Listed)


class RunLists(Generic[R]):
    """The lists of a store in memory."""

    def __init__(self) -> None:
        self._lists: dict[tuple[str, str | None, str | None], list[R]] = {}

    def add(self, run: R) -> None:
        """Adds a live or queued run."""
        self._put(run, (None, QUEUED if run.queued else LIVE))

    def begin(self, run: R) -> None:
        """Notes that a queued run is no longer queued."""
        self._take(run, (QUEUED,))
        self._put(run, (LIVE,))

    def end(self, run: R) -> None:
        """Notes that a run has ended; it is not `queued` any more where it was."""
        self._take(run, (LIVE,))
        self._put(run, (run.fold.ending,))

    def remove(self, run: R) -> None:
        """Removes a run that has ended."""
        self._take(run, (None, run.fold.ending))

    def before(self, owner: str, operation: str | None, status: str | None, number: int | None) -> Iterator[R]:
        """The runs of the list, newest first; only those before `number`. Among live ones there may be others."""
        runs = self._lists.get((owner, operation, list_of(status)), [])
        end = len(runs) if number is None else bisect_left(runs, number, key=_number)
        return (runs[at] for at in range(end - 1, -1, -1))

    def _put(self, run: R, names: tuple[str | None, ...]) -> None:
        for operation in (None, run.info.operation):
            for name in names:
                insort(self._lists.setdefault((run.info.owner, operation, name), []), run, key=_number)

    def _take(self, run: R, names: tuple[str | None, ...]) -> None:
        for operation in (None, run.info.operation):
            for name in names:
                key = (run.info.owner, operation, name)
                runs = self._lists[key]
                del runs[bisect_left(runs, run.number, key=_number)]
                if not runs:
                    del self._lists[key]


_number = attrgetter("number")
