"""Turns: how many runs may do one kind of work at a time, on this machine, and who is next.

A model or a database slows down for everybody when all ask at once, so an operation takes a turn first:

    @operation
    def think(input: Thinking) -> Generator[Event, None, dict[str, Any]]:
        with Turn("model") as turn:
            yield from turn.wait()  # progress: "Waiting for a turn: place 2 in the queue."
            ...  # the work; leaving the block, by whatever way, gives the turn back

Turns are first come, first served, and counted over all workers, threads and children of the machine's user. Hold one
for as long as the work of its kind takes (one call of the model, not a whole conversation), and ask for none of another
kind meanwhile unless no holder of that one can come to wait for yours.

It is all files, in a folder of the user's: each who waits or works has a numbered **ticket** and holds a lock on it
(flock(2)). A ticket's turn has come once fewer than the limit before it are still locked. The kernel unlocks what a
dead process held, so nobody has to be told, and nothing has to be cleaned up. A **gate** is locked for the moment in
which a number is drawn, so that every number below one's own is already somebody's, and nobody else's is to come.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import stat
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final, Self

import gevent
from gevent._hub_local import get_hub_if_exists

from streaming import Event, progress

from .settings import KIND, settings

log = logging.getLogger("headway")

LIMITS: Final = {"model": 4, "analytics": 2}
"""How many at a time, by the kind of work; `HEADWAY_TURNS` (`model=8,analytics=4`) says otherwise."""

OTHERS: Final = 4
"""The limit of a kind that is not in the table."""

LOOK_AFTER: Final = 0.05
"""Seconds between two looks of whoever is next; those further behind look less often, but once in `LOOK_AT_LEAST`."""
LOOK_AT_LEAST: Final = 1.0

STEP: Final = "queue"
"""The `step` of the progress of a run that waits."""


class Turn:
    """One turn at a kind of work (`"model"`, `"analytics"`, or a word of one's own: letters, digits and hyphens).

    A context manager that is used once: in the block, `wait` or `take` gets the turn, and leaving the block gives it
    back, or leaves the queue. It works in greenlets, threads and processes; a wait ends with its run. `limit` is how
    many hold one at a time, for a kind that the settings do not name. Raises `SettingError` where these cannot be read.
    """

    def __init__(self, kind: str, limit: int = OTHERS) -> None:
        if not KIND.fullmatch(kind):
            raise ValueError(f"a kind of work is letters, digits and hyphens, not {kind!r}")
        self.limit = {**LIMITS, **(settings().turns or {})}.get(kind, limit)
        self._kind = kind
        self._ticket: _Ticket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._ticket is not None:
            self._ticket.drop()
            self._ticket = None

    def wait(self) -> Generator[Event, None, None]:
        """Returns once the turn has come; until then a `progress` tells each new place in the queue.

        Where there is no queue, it yields nothing. `done` of `total` are the places that one has moved up and had to
        move up when one came, so that there is an eta as soon as the queue moves.
        """
        first = 0
        for place in self._places():
            first = first or place
            told = f"Waiting for a turn: place {place} in the queue."
            yield progress(told, done=first - place, total=first, unit="places", step=STEP)
        if first:
            yield progress("The turn has come.", done=first, total=first, unit="places", step=STEP)

    def take(self) -> None:
        """Returns once the turn has come, and says nothing meanwhile: for calls that are no operation's own."""
        for _ in self._places():
            pass

    def _places(self) -> Iterator[int]:
        """The place in the queue, at first and at each change, until the turn has come; whoever is next has 1."""
        assert self._ticket is None, "a turn is taken once, inside its `with` block"
        ticket = self._ticket = _draw(folder() / self._kind)
        told = None
        while (place := ticket.before() - self.limit + 1) > 0:
            if place != told:
                yield place
                told = place
            _sleep(min(LOOK_AFTER * place, LOOK_AT_LEAST))


def _sleep(seconds: float) -> None:
    """Sleeps so that a cancel ends it: in the thread's hub where it has one, else, in a child, where a signal does."""
    if get_hub_if_exists() is None:
        time.sleep(seconds)
    else:
        gevent.sleep(seconds)


# --- tickets ---------------------------------------------------------------------------------------------------------


class _Ticket:
    """A number in a queue. Whoever drew it holds a lock on its file, which is what makes it count."""

    def __init__(self, queue: Path, number: int) -> None:
        self._queue = queue
        self._number = number
        self._path = queue / str(number)
        self._held = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        fcntl.flock(self._held, fcntl.LOCK_EX)

    def before(self) -> int:
        """How many with lower numbers wait or work."""
        return sum(_counts(self._queue / str(number)) for number in _numbers(self._queue) if number < self._number)

    def drop(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._held)


def _draw(queue: Path) -> _Ticket:
    """The next ticket of a queue."""
    queue.mkdir(mode=0o700, exist_ok=True)
    with (queue / "gate").open("a+") as gate:
        while not _locked(gate.fileno(), fcntl.LOCK_EX):
            _sleep(0.001)
        gate.seek(0)
        # The numbers that are there count too, should the gate have been swept away from under them.
        last = max([int(gate.read() or 0), *_numbers(queue)])
        gate.truncate(0)
        gate.write(str(last + 1))
        gate.flush()
        return _Ticket(queue, last + 1)


def _numbers(queue: Path) -> list[int]:
    return [int(ticket.name) for ticket in queue.iterdir() if ticket.name.isdecimal()]


def _counts(path: Path) -> bool:
    """Whether somebody holds this ticket. One whose holder has died is taken away."""
    try:
        with path.open("rb") as ticket:
            if not _locked(ticket.fileno(), fcntl.LOCK_SH):  # shared: two who look at once do not mislead each other
                return True
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    return False


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# --- the folder ------------------------------------------------------------------------------------------------------


def folder() -> Path:
    """Where the queues are: a folder of this user's own among the temporary files, or one of this process alone."""
    path = Path(tempfile.gettempdir()) / f"headway-turns-{os.getuid()}"
    with contextlib.suppress(OSError):
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and os.access(path, os.W_OK):
            return path
    return _alone(path)


_own: tempfile.TemporaryDirectory[str] | None = None


def _alone(refused: Path) -> Path:
    global _own  # noqa: PLW0603  # one a process
    if _own is None:
        _own = tempfile.TemporaryDirectory(prefix="headway-turns-")
        log.warning("%s is no folder of this user's: turns are counted in each worker by itself", refused)
    return Path(_own.name)
