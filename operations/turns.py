"""Turns: limit how many runs do one kind of work at a time on this machine, first come, first served.

A model or a database slows down for everybody if many use it at once, so an operation waits for a turn:

    @operation
    def think(input: Thinking) -> Generator[Event, None, dict[str, Any]]:
        with Turn("model") as turn:
            yield from turn.wait()  # progress: "Waiting for a turn: place 2 in the queue."
            ...  # the work; leaving the block ends the turn

Turns are counted over all workers, threads and children of this user on the machine. Hold a turn for as short as the
work allows (one call of the model, not a whole conversation). While you hold one, do not wait for a turn of another
kind whose holders may wait for yours.

A queue is a folder of files: each run that waits or works has a numbered **ticket** and locks its file (flock(2)). A
run's turn has come when fewer tickets before its own are locked than the limit. The kernel releases the locks of a dead
process, so nothing has to be cleaned up. The file `gate` is locked while a number is assigned, so that no lower number
appears later.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import stat
import tempfile
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path
from typing import Final, Self

from streaming import Event, progress

from .processes import try_lock
from .settings import KIND, settings
from .waiting import sleep

log = logging.getLogger("headway")

LIMITS: Final = {"model": 4, "analytics": 2}
"""The default limits, by kind of work; `HEADWAY_TURNS` (`model=8,analytics=4`) overrides them."""

DEFAULT_LIMIT: Final = 4
"""The limit of other kinds."""

MIN_POLL: Final = 0.05
"""Seconds between two looks of the first in the queue; those behind look less often, at least every `MAX_POLL`."""
MAX_POLL: Final = 1.0

STEP: Final = "queue"
"""The `step` of the progress of a run that waits."""


class Turn:
    """One turn of a kind of work: `"model"`, `"analytics"`, or another word of letters, digits and hyphens.

    A context manager, used once: inside the block, `wait` or `acquire` gets the turn; leaving the block releases it, or
    leaves the queue. It works in greenlets, threads and processes, and a cancel ends the wait. `limit` is for a kind
    without a setting. Raises `SettingError` if the settings are invalid.
    """

    def __init__(self, kind: str, limit: int = DEFAULT_LIMIT) -> None:
        if not KIND.fullmatch(kind):
            raise ValueError(f"{kind!r} is not a kind of work: use letters, digits and hyphens")
        self.limit = {**LIMITS, **(settings().turns or {})}.get(kind, limit)
        self._kind = kind
        self._ticket: _Ticket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._ticket is not None:
            self._ticket.release()
            self._ticket = None

    def wait(self) -> Generator[Event, None, None]:
        """Waits for the turn, with a `progress` for each new place in the queue; without a queue it yields nothing.

        `total` is the first place and `done` how far the run has moved up, so there is an eta when the queue moves.
        """
        first = 0
        for place in self._places():
            first = first or place
            message = f"Waiting for a turn: place {place} in the queue."
            yield progress(message, done=first - place, total=first, unit="places", step=STEP)
        if first:
            yield progress("The turn has come.", done=first, total=first, unit="places", step=STEP)

    def acquire(self) -> None:
        """Waits for the turn without progress, for functions that are not operations."""
        for _ in self._places():
            pass

    def _places(self) -> Iterator[int]:
        """The place in the queue, and each new one, until the turn has come; the first place is 1."""
        assert self._ticket is None, "a turn is used once, inside its `with` block"
        ticket = self._ticket = _take_ticket(folder() / self._kind)
        last = None
        while (place := ticket.before() - self.limit + 1) > 0:
            if place != last:
                yield place
                last = place
            sleep(min(MIN_POLL * place, MAX_POLL))


# --- tickets ---------------------------------------------------------------------------------------------------------


class _Ticket:
    """A number in a queue. It counts as long as its file is locked."""

    def __init__(self, queue: Path, number: int) -> None:
        self._queue = queue
        self._number = number
        self._path = queue / str(number)
        self._descriptor = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def before(self) -> int:
        """How many tickets with lower numbers are locked."""
        return sum(_is_held(self._queue / str(number)) for number in _numbers(self._queue) if number < self._number)

    def release(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def _take_ticket(queue: Path) -> _Ticket:
    """The next ticket of a queue."""
    queue.mkdir(mode=0o700, exist_ok=True)
    with (queue / "gate").open("a+") as gate:
        while not try_lock(gate.fileno()):
            sleep(0.001)
        gate.seek(0)
        # The existing tickets count too, in case something has deleted the file `gate`.
        last = max([int(gate.read() or 0), *_numbers(queue)])
        gate.truncate(0)
        gate.write(str(last + 1))
        gate.flush()
        return _Ticket(queue, last + 1)


def _numbers(queue: Path) -> list[int]:
    return [int(ticket.name) for ticket in queue.iterdir() if ticket.name.isdecimal()]


def _is_held(path: Path) -> bool:
    """Whether this ticket is locked. The ticket of a dead process is deleted."""
    try:
        with path.open("rb") as ticket:
            if not try_lock(ticket.fileno(), fcntl.LOCK_SH):  # shared: two looks at once both succeed
                return True
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    return False


# --- the folder ------------------------------------------------------------------------------------------------------


def folder() -> Path:
    """The folder of the queues: a temporary folder of this user, or else of this process alone."""
    path = Path(tempfile.gettempdir()) / f"headway-turns-{os.getuid()}"
    with contextlib.suppress(OSError):
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and os.access(path, os.W_OK):
            return path
    return Path(_process_folder(path).name)


@cache
def _process_folder(path: Path) -> tempfile.TemporaryDirectory[str]:
    log.warning("%s is not a folder of this user: each worker counts turns by itself", path)
    return tempfile.TemporaryDirectory(prefix="headway-turns-")
