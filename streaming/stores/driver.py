"""The interface of a driver: what a store that several workers share does with its file or its server.

`SharedStore` (`shared`) has the logic; a driver has one small verb for each thing that is kept. A verb returns a
`Step`: the verb with its arguments, ready to run. `write` runs steps that change something, in one batch; `query` runs
one that only reads. To write a new store, derive from `Driver`, and run the tests of `SharedStoreContract` over it.

Where a connection may break before the reply, a step may be run twice: its second run changes nothing and has the same
outcome. A run, a worker, a client are their ids. Frames, inputs, answers and checkpoints are bytes that nobody reads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

from ..errors import StoreAway
from ..protocol.frames import Batch, Block, join, split
from ..protocol.limits import NO_LIMITS, Limits
from ..protocol.state import Fold, Reason
from .base import Record, RunInfo
from .files import FileInfo, uploads_of
from .queues import Waiting

SCHEMA_VERSION: Final = 2
"""What the stores keep, and how.

Version 1 is that of Headway 0.1, and wrote no number. Version 2 adds checkpoints, files of runs, and queued runs. A
version only adds: columns with defaults, fields, tables and keys. The code of the version before does not notice them.
"""

OLDEST_VERSION: Final = 1
"""The oldest version whose code may use a store of `SCHEMA_VERSION` at the same time; the store says both."""

QUEUE: Final = "queue"
"""The worker of queued runs. It seems alive to the code of version 1, which would adopt runs without a worker."""

DISOWNED: Final = ""
"""The worker of runs that were disowned."""

T = TypeVar("T")


def is_bound(info: RunInfo, worker: str) -> bool:
    """Whether only `worker` can begin a run: its input is not kept, or its files are not yet."""
    if not isinstance(info.input, bytes):
        return bool(worker)
    return bool(worker) and bool(uploads_of(info.input))


def check_version(stored: int, oldest: int, where: str) -> None:
    """Raises `ValueError`, in one line, for a store that this release must not use.

    That is one more than a version behind, and one ahead whose `oldest` version is ahead too.
    """
    if stored < SCHEMA_VERSION - 1:
        advice = f"start a release of version {stored + 1} on it before this one"
    elif oldest > SCHEMA_VERSION:
        advice = f"it takes a release of version {oldest} or later"
    else:
        return
    raise ValueError(
        f"{where} has schema version {stored}, and this release has {SCHEMA_VERSION}: {advice}, or use another store"
    )


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """A verb with its arguments. `call` is for the driver alone; `decode` makes the outcome of a reply.

    `about` is the run that other workers are to read again, where the driver needs to know it.
    """

    call: Any
    decode: Callable[[Any], T]
    about: str | None = None


class NotNow(Exception):
    """The outcome of a step that the store refuses for the time being; it is to be written again."""


class Unfit(StoreAway):
    """The store is there, but not to be relied on: its file was replaced, or it may drop what it keeps."""


FULL: Final = "full"
"""The outcome of `create` where the client has as many live runs as it may have."""

NO_ROOM: Final = "no room"
"""The outcome of `create` where all runs take as many bytes as they may."""

QUEUED: Final = "queued"
"""The outcome of `create` where the run has been created, and has to wait."""

BUSY: Final = "busy"
"""The outcome of `create` for a worker that is full, where the run would not have to wait."""

PutFile = Literal["kept", "fenced", "full"]
"""The outcome of `put_file`: another worker has the run, or it is over or gone; it has as many files as it may."""

Kept = Literal["kept", "fenced", "gone", "behind", "older"]
"""The outcome of `append`: kept; another worker has the run, or it is over; the store has lost the run, its latest
events, or that this worker took it over."""


class Adopted(NamedTuple):
    """A run that is this worker's now: its state as the last producer left it, and its new epoch."""

    record: Record
    epoch: int


class Stored(NamedTuple):
    """Some frames of a run, in blocks as they were written: the number of the first frame, and the frames joined."""

    oldest: int
    last: int
    over: bool
    blocks: Sequence[tuple[int, bytes]]

    def batch(self, after: int, frames: int, merge: bool) -> Batch:
        """The batch of the frames after number `after`, `frames` of them at the most.

        It ends before a hole: a store may have lost blocks. The next one begins after it, with a higher `oldest`.
        """
        if not self.blocks:
            last = max(after, self.last)  # the events after `after`, if there were any, are lost
            return Batch(b"", last, self.over and last >= self.last, self.oldest if last == after else last + 1)
        first = self.blocks[0][0]
        found: list[bytes] = []
        for number, joined in self.blocks:
            if number != first + len(found):
                break
            found += split(joined)
        skipped = max(after + 1 - first, 0)
        parts = found[skipped : skipped + frames]
        over = self.over and first + skipped + len(parts) - 1 == self.last
        oldest = first if first > after + 1 else self.oldest
        return join(parts, first + skipped, over, oldest, merge)


@dataclass(frozen=True, slots=True)
class State:
    """What other workers may have changed of a run.

    `viewers_here` is what the store has of the worker that asks. Those of others count while their worker lives
    (`viewers_alive`); `viewers_known` includes workers whose lease has expired. `blocks` are the new ones of a run that
    is followed, where `wait` does not bring them; `over` says that they end the run. `adopted` is the
    last event that the producer found when it adopted the run.
    """

    worker: str
    epoch: int
    cancel: Reason | None
    watched: bool
    viewers_here: int
    viewers_alive: int
    viewers_known: int
    answers: Mapping[str, bytes]
    adopted: int | None = None
    blocks: Sequence[Block] = ()
    over: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """What `wait` brings: new blocks of runs that are followed (and whether they end the run), and runs to ask for.

    `queue` says that there may be runs to claim.
    """

    blocks: Sequence[tuple[str, Block, bool]] = ()
    runs: AbstractSet[str] = field(default_factory=frozenset)
    queue: bool = False


class Driver(ABC):
    """One worker's access to a store. Times are in seconds.

    All methods are called in the hub of the worker and may wait there, but never block it; `renew`, `release` and
    `close_lease` are called in the thread of the lease.
    """

    worker: str
    here: Container[str] = ()
    """The runs that this worker produces or follows; `SharedStore` sets it."""

    gathers: float = 0.0
    """Seconds for which events are gathered while there are many, where a batch costs more than they do."""

    unsettled: float = 0.0
    """Seconds for which the store may still lose what it has acknowledged."""

    @property
    def idle(self) -> float:
        """Seconds between two calls of `wait` in a worker that has no runs, and looks for queued ones."""
        return 0.0

    # -- running steps ------------------------------------------------------------------------------------------

    @abstractmethod
    def write(self, batch: Sequence[Sequence[Step[Any]]]) -> list[Any]:
        """Runs each sequence of steps in order; returns the outcome of the last step of each.

        An outcome may be `NotNow`, or another exception for what can never be written. Raises `StoreAway` where
        nothing is known to be written.
        """

    @abstractmethod
    def query(self, step: Step[T]) -> T:
        """The outcome of a step that only reads. Raises `StoreAway`."""

    @abstractmethod
    def wait(self, followed: Mapping[str, int]) -> News:
        """Waits a while for changes by other workers. `followed` has the last number that is known of each run.

        A run that was not followed before is among the runs to ask for, unless its blocks come. Raises `StoreAway`.
        """

    def wake(self, followed: Collection[str]) -> Step[None] | None:
        """The step to write so that a `wait` that goes on takes note of these runs, if it would not."""
        return None

    @abstractmethod
    def refresh_due(self) -> bool:
        """Whether all live runs are to be asked for: a worker may have died, or news be lost. Raises `StoreAway`."""

    def may_have_lost(self) -> bool:
        """Whether the store may have lost what it has acknowledged, since this was asked last."""
        return False

    def retake(self, run: str, worker: str, epoch: int, attempt: int, after: int, *, queued: bool = False) -> Step[Any]:
        """Takes a run over again, with events after number `after`, where the store knows of an older epoch only.

        One that is `queued` stays so.
        """
        raise NotImplementedError

    @property
    def jumped_at(self) -> float:
        """When the clock by which leases expire last jumped (monotonic)."""
        return float("-inf")

    @abstractmethod
    def renew(self, seconds: float) -> None:
        """Renews the lease of this worker; raises where the store does not accept that."""

    @abstractmethod
    def release(self) -> None:
        """Deletes the lease of this worker."""

    @abstractmethod
    def close_lease(self) -> None:
        """Closes the connection of the lease."""

    def check(self) -> None:
        """Raises `Unfit` where the store is not to be relied on any more; called about once a second."""

    @abstractmethod
    def secret(self) -> bytes:
        """The secret that is kept beside the runs, made where there is none yet. Raises `StoreAway`."""

    @abstractmethod
    def close(self) -> None:
        """Closes the other connections."""

    # -- runs ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def create(
        self,
        info: RunInfo,
        worker: str,
        limit: int | None = None,
        restored: Mapping[str, Any] | None = None,
        *,
        limits: Limits = NO_LIMITS,
        wait: bool = False,
        full: bool = False,
    ) -> Step[RunInfo | str | None]:
        """Creates a run. The outcome is `None`, the run that the same owner and key have created, or one of the others.

        These are `FULL`, `NO_ROOM`, and, by the `limits` of its operation, `QUEUED` and, for a worker that is `full`,
        `BUSY`. Without a worker (`""`) or with `wait` the run waits as queued, and the outcome is `None`; `QUEUE` has
        one without a worker. `restored` are `epoch`, `attempt`, `cancel` and `watched` of a run that the store has
        lost: it is created whatever its key is.
        """

    @abstractmethod
    def find_by_key(self, owner: str, key: str) -> Step[RunInfo | None]:
        """The run that the owner has created with the key."""

    @abstractmethod
    def find(self, runs: Sequence[str]) -> Step[list[Record | None]]:
        """Runs as they are now, without their checkpoints."""

    @abstractmethod
    def page(
        self, owner: str, operation: str | None, status: str | None, limit: int, before: str | None
    ) -> Step[tuple[list[Record], str | None]]:
        """Some of the owner's runs, newest first, and where to go on (for `before`); `None` where these are the last.

        The filters are a hint: there may be records that do not match. No record has its result: `find` has it.
        """

    @abstractmethod
    def live(self, client: str) -> Step[int]:
        """How many runs of a client have not ended."""

    @abstractmethod
    def ping(self) -> Step[Any]:
        """Asks for a sign of life."""

    # -- events -------------------------------------------------------------------------------------------------

    @abstractmethod
    def append(
        self,
        run: str,
        worker: str,
        epoch: int,
        blocks: Sequence[Block],
        fold: Fold,
        gap: int | None = None,
        known: Fold | None = None,
    ) -> Step[tuple[Kept, int]]:
        """Appends blocks with the fold over all events; drops the oldest blocks of a run that has grown too large.

        The outcome has the number of the last event in the store. With `gap`, all events before this number are lost.
        `known` is the fold that the store has, unless it has lost the latest events.
        """

    @abstractmethod
    def read(self, run: str, after: int, frames: int) -> Step[Stored | None]:
        """The blocks that have the frames after number `after`: about as many as fit into one batch."""

    @abstractmethod
    def changes(self, worker: str, followed: Mapping[str, int | None]) -> Step[list[State | None]]:
        """The state of each run, for a worker; the blocks after its number, where it has one and `wait` brings none."""

    # -- requests to the producer -------------------------------------------------------------------------------

    @abstractmethod
    def cancel(self, run: str, reason: Reason) -> Step[Any]:
        """Requests a cancel; the first reason counts, and a run that is over stays as it is."""

    @abstractmethod
    def abandon(self, run: str, worker: str, reliable: bool) -> Step[bool]:
        """Requests a cancel as `disconnected` unless another worker has viewers; false where one has.

        Those of workers whose lease has expired count too where leases are not `reliable`.
        """

    @abstractmethod
    def answer(self, run: str, question: str, body: bytes) -> Step[bool]:
        """Keeps the answer to a question; false where there is one, or the run is over."""

    @abstractmethod
    def count(self, run: str, worker: str, count: int) -> Step[Any]:
        """Sets how many viewers a run has on a worker."""

    @abstractmethod
    def notify(self, run: str) -> Step[Any]:
        """Lets the workers that produce a run or have viewers of it ask for its state, and notify its watchers."""

    # -- producers ----------------------------------------------------------------------------------------------

    @abstractmethod
    def queued(self, worker: str, operations: Mapping[str, Limits], most: int) -> Step[list[str]]:
        """The next queued runs of these operations that a worker may claim, `most` at the most."""

    @abstractmethod
    def claim(
        self, worker: str, most: int, token: str, operations: Mapping[str, Limits], run: str | None = None
    ) -> Step[list[Adopted]]:
        """Gives a worker the next queued runs of these operations, `most` at the most; no other worker gets them.

        Their order and limits are those of `queues.next_runs`; with `run` it takes only this one, whatever they are. A
        run that is bound (`is_bound`) is for the worker that has it. `token` names the claim, for `unclaim`. Epochs go
        up by one, but for runs that are the worker's already.
        """

    @abstractmethod
    def share(self, run: str, worker: str) -> Step[Any]:
        """Lets other workers claim a run of this one, whose files are kept."""

    @abstractmethod
    def unclaim(self, worker: str, token: str) -> Step[Any]:
        """Puts the live runs of a claim back into the queue, where they were."""

    @abstractmethod
    def requeue(self, run: str, worker: str, attempt: int) -> Step[Any]:
        """Puts a live run of a worker back into the queue, with the number of its next attempt; it is nobody's then."""

    @abstractmethod
    def waiting(self, operation: str, runs: Collection[str]) -> Step[Waiting]:
        """The queued runs of an operation, with the positions of some."""

    @abstractmethod
    def measure(self, operation: str, seconds: float) -> Step[Any]:
        """Notes how long a run of an operation was at work."""

    @abstractmethod
    def orphans(self, worker: str) -> Step[list[tuple[str, str]]]:
        """Some live and queued runs whose worker's lease has expired, each with that worker.

        So are queued ones of nobody that are cancelled.
        """

    @abstractmethod
    def adopt(self, run: str, dead: str, worker: str) -> Step[Adopted | None]:
        """Gives a run of a dead worker to `worker`, with the next epoch; `None` where it is no orphan any more.

        A queued run stays queued; one that is nobody's (`QUEUE`) can be adopted, too.
        """

    @abstractmethod
    def disown(self, run: str, worker: str) -> Step[Any]:
        """Makes a live run of a worker an orphan."""

    @abstractmethod
    def keep(self, run: str, worker: str, epoch: int, after: int, value: bytes) -> Step[bool]:
        """Keeps a checkpoint: a value, and the number of the last event before it.

        False where `append` is not kept, and where the store has not kept that event.

        `adopt` and `checkpoint` give it back. It is gone once the run ends.
        """

    @abstractmethod
    def checkpoint(self, run: str) -> Step[tuple[int, bytes] | None]:
        """The checkpoint of a run: the number of the last event before it, and the value."""

    # -- files --------------------------------------------------------------------------------------------------

    @abstractmethod
    def put_file(
        self, run: str, worker: str, epoch: int, info: FileInfo, body: bytes, limit: int
    ) -> Step[tuple[PutFile, FileInfo | None]]:
        """Keeps a file of a run, whose producer it is: what `Files` has for its row; its size counts.

        The outcome has the file that it replaces. Where the run has `limit` others, it is `FULL`.
        """

    @abstractmethod
    def get_file(self, run: str, name: str) -> Step[tuple[FileInfo, bytes] | None]:
        """A file, and what was kept of it."""

    @abstractmethod
    def drop_file(self, run: str, name: str) -> Step[bool]:
        """Deletes a file; false where there is none."""

    @abstractmethod
    def known(self, runs: Collection[str]) -> Step[set[str]]:
        """Which of these runs are there."""

    @abstractmethod
    def part(self) -> Step[str]:
        """The name of this store, which is in it from the first call on: a place may have the files of several."""

    # -- room ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def erase(self, run: str) -> Step[bool]:
        """Deletes a finished run with all that belongs to it; false where it lives, or there is none."""

    @abstractmethod
    def expire(self) -> Step[Any]:
        """Deletes some of the runs whose retention has ended, and what dead workers have left.

        The outcome is true where some are left.
        """

    @abstractmethod
    def room(self) -> Step[int]:
        """The bytes that all runs take (`RUN_BYTES`): a total that every step keeps, and none has to count."""

    @abstractmethod
    def evict(self, most: int) -> Step[tuple[int, int]]:
        """Deletes runs that ended `EVICT_AFTER` ago, the oldest first, until all take `most` bytes, or some are left.

        The outcome is what they take then, and how many were deleted; where it is less, another call may delete more.
        """

    def recount(self) -> Step[Any] | None:
        """Counts the bytes of all runs anew, where the code of another version does not keep the total."""
        return None

    def give_back(self) -> None:
        """Gives some of the room of deleted runs back to the machine. Raises `StoreAway`."""


def sizes(frames: Iterable[bytes]) -> int:
    """The length of frames in bytes."""
    return sum(map(len, frames))
