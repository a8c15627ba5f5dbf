"""The contract of a store: what it keeps of each run, and how it notifies of changes.

A store keeps the event logs of many runs: of each the numbered frames, encoded; the fold over them; and the requests to
its producer: a cancel, answers, the number of viewers. All methods are called in the hub of the worker and may wait
there, but never block it. `read` and `find` show only what is kept.
"""

from __future__ import annotations

import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar
from unicodedata import category
from uuid import UUID

import orjson

from ..errors import Conflict, OperationError, OwnerError, Refused, StoreAway, TooMany, Unavailable
from ..logs import Outage
from ..protocol.frames import BLOCK_FRAMES, Batch, Block
from ..protocol.limits import NO_LIMITS, Limits
from ..protocol.state import Fold, Reason, Status
from .files import MAX_FILES, FileInfo, Files, upload_row
from .queues import Waiting

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """What does not change about a run.

    `owner` may see it (empty without authorization), and it counts towards the limit of `client`. `key` is the
    `Idempotency-Key` of its request, `digest` that request's. `linger` is in seconds, `None` for ever. `input` is the
    input as JSON, kept for operations that start again after their producer was lost; `shown` is what the snapshot has.
    """

    id: str
    operation: str
    created: str
    owner: str = ""
    client: str = ""
    linger: float | None = 0.0
    key: str | None = None
    digest: str | None = None
    input: bytes | None = None
    shown: bytes | None = None


OWNER_LENGTH: Final = 512
"""The characters that an owner may have: enough for an OpenID Connect issuer and its subject of up to 255."""


def owner_text(owner: object) -> str:
    """An owner as every store keeps it: a string unchanged, an `int` or a UUID as text.

    Raises `OwnerError` for anything else, `True` too, and for a string that is empty, has more than `OWNER_LENGTH`
    characters, or holds a control character or a lone surrogate.
    """
    if isinstance(owner, str):
        text = str.__str__(owner)  # the text alone, of a subclass such as `Markup` too
    elif isinstance(owner, int | UUID) and not isinstance(owner, bool):
        text = str(owner)
    else:
        raise OwnerError(f"an owner is a string, an int or a UUID, not {type(owner).__name__}")
    if not 0 < len(text) <= OWNER_LENGTH:
        raise OwnerError(f"an owner has 1 to {OWNER_LENGTH} characters, not {len(text)}")
    if any(category(character) in ("Cc", "Cs") for character in text):
        raise OwnerError(f"an owner has no control character and no lone surrogate: {text!a}")
    return text


RUN_BYTES: Final = 2048
"""What a run takes besides its frames, input, result, answers, checkpoint and files: its row or keys, and indexes.

The schema of sqlite has the number, too.
"""

SECRET_BYTES: Final = 32
"""The length of the secret of a store."""

EVICT_AFTER: Final = 5.0
"""Seconds for which a finished run is kept however full the store is: its viewers are to read its end."""

ABANDON_TRIES: Final = 3
"""How often `abandon` asks a store that is away for viewers on other workers, before it cancels the run anyway."""


@dataclass(slots=True)
class Control:
    """The requests to a run's producer. `lost` is set where another worker has the run, or the store stays away."""

    cancel: Reason | None = None
    lost: Refused | None = None
    viewers: int = 0
    watched: bool = False
    answers: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """The state of one run at a moment.

    `checkpoint` is the number of the last event before it, and the value that was kept. `left` says that a worker that
    stopped has left the run to this one. `files` are those that were handed over, in this order. `begun` is false where
    it was claimed, and its work may not have begun.
    """

    info: RunInfo
    fold: Fold
    viewers: int = 0
    queued: bool = False
    cancelling: bool = False
    attempt: int = 1
    checkpoint: tuple[int, bytes] | None = None
    left: bool = False
    files: Sequence[FileInfo] = ()
    begun: bool = True

    @property
    def status(self) -> Status:
        if self.fold.ending is not None:
            return self.fold.ending
        if self.cancelling:
            return "cancelling"
        return "queued" if self.queued else self.fold.status

    def snapshot(self, *, result: bool = True) -> bytes:
        """The snapshot that clients get, as JSON; in a list it has no result unless they ask for it."""
        fold = self.fold
        results = {"result": _json(fold.result)} if result else {}
        return orjson.dumps(
            {
                "id": self.info.id,
                "operation": self.info.operation,
                "status": self.status,
                "created": self.info.created,
                "updated": fold.updated,
                "last_event_id": fold.last_event_id,
                "progress": _json(fold.progress),
                **results,
                "error": _json(fold.error),
                "question": _json(fold.question),
                "viewers": self.viewers,
                "attempt": self.attempt,
                "input": _json(self.info.shown),
                "usage": _json(fold.usage or b"{}"),
                "files": [file._asdict() for file in self.files],
            }
        )


def _json(body: bytes | None) -> Any:
    return None if body is None else orjson.Fragment(body)


Take = Callable[[bytes, int], bool]
"""Takes the frame with this number; false from a viewer that has not read up to it, or does not take it at once."""


class Store(ABC):
    """Keeps the event logs of runs. Times are in seconds.

    `bytes_used` is what all runs take: frames, inputs, results, answers, checkpoints and files, and something for each
    run; `evicted` counts the runs that this worker has deleted before their retention, to make room. `outage` says
    whether the store answers, and counts its errors. `shared` says whether other processes see the runs: then one can
    wait here for a worker that claims it.
    """

    bytes_used: int = 0
    evicted: int = 0
    shared: ClassVar[bool] = False
    files: Files
    """Where the bytes of files lie."""

    def __init__(self) -> None:
        self.outage: Outage = Outage("the store of the runs", logging.ERROR)
        self.files_outage: Outage = Outage("the place of the files", logging.ERROR)

    @abstractmethod
    def create(
        self,
        info: RunInfo,
        *,
        limit: int | None = None,
        limits: Limits = NO_LIMITS,
        wait: bool = False,
        full: bool = False,
        queued: bool = False,
    ) -> RunInfo:
        """Creates a run and returns `info`, or returns the info of the run that its owner and key have created before.

        The run is at work, or waits as queued where the `limits` of its operation allow no more, or others wait before
        it; with `wait` in any case. Until a worker claims it, this one writes its events. A run that is `queued` is
        nobody's until then. All is checked in the same step, whichever workers create runs at that moment.

        Raises `Conflict` where the run of the key has another digest, `TooMany` where the client has `limit` live and
        queued runs, `Unavailable` where all runs take as many bytes as they may and none of them has finished, and
        where this worker is `full` and the run has not to wait, `StoreAway` where the store does not answer.
        """

    def find_by_key(self, info: RunInfo) -> RunInfo | None:
        """The run that `create` would return in place of a new one, if any; for a worker that has room for no other.

        Raises `Conflict` as `create` does.
        """
        return None

    @abstractmethod
    def append(self, run: str, block: Block, fold: Fold) -> None:
        """Appends `block`, whose first frame follows the last one appended; `fold` is the fold over all of them.

        Does not wait: the store writes what has gathered in one batch, and then notifies the watchers. Raises
        `RunClosed` after the last event. `control` tells whether the run was lost meanwhile.
        """

    def wait_for_room(self, run: str) -> None:
        """Waits while much of the run is yet to be written."""

    def wait_for_viewers(self, run: str) -> None:
        """Waits for a moment where the run, which never waits itself, is far ahead of all its viewers."""

    @abstractmethod
    def read(self, run: str, after: int, *, frames: int = BLOCK_FRAMES, merge: bool = False) -> Batch:
        """The frames after number `after`, as many as fit into `BLOCK_BYTES`.

        With `merge`, a progress that is followed by a later one of its step in the same batch is left out. Raises
        `KeyError` for a run that the store does not have.
        """

    def at_hand(self, run: str, after: int, frames: int) -> Batch | None:
        """What `read` returns, if it does so at once: `None` where there is nothing new, or something is missing."""
        return None

    @abstractmethod
    def find(self, run: str) -> Record | None:
        """The run as it is now, or `None`."""

    def recall(self, run: str) -> Record:
        """The run as it is now, or, where the store is away or has lost it, as its viewers here have last seen it."""
        record = self.find(run)
        if record is None:
            raise KeyError(run)
        return record

    def last_event_id(self, run: str) -> int:
        """The number of the last event that is kept; other workers may show it before this one does."""
        record = self.find(run)
        return 0 if record is None else record.fold.last_event_id

    @abstractmethod
    def page(
        self, *, owner: str, operation: str | None, status: str | None, limit: int, before: str | None
    ) -> list[Record]:
        """The owner's runs, newest first, at most `limit` of them; with `before`, those created before that run.

        Their results may be left out: a page of them may be too large for memory, and `find` has each.
        """

    @abstractmethod
    def live(self, client: str) -> int:
        """How many runs of `client` have not ended."""

    @abstractmethod
    def cancel(self, run: str, reason: Reason) -> None:
        """Requests that the producer stop. The first reason counts; a run that is over stays as it is."""

    def abandon(self, run: str) -> bool:
        """Cancels a run of this worker as `disconnected`; false where it turns out to have viewers on another one.

        The count in `control` lags behind other workers for a moment, so the store itself is asked.
        """
        self.cancel(run, "disconnected")
        return True

    @abstractmethod
    def answer(self, run: str, question: str, body: bytes) -> bool:
        """Passes an answer to the producer; false where the question has one, or the run is over."""

    @abstractmethod
    def count(self, run: str, change: int) -> None:
        """Adds a viewer of this worker (+1), before it sees anything, or removes one (-1)."""

    @abstractmethod
    def control(self, run: str) -> Control:
        """The current requests to the run's producer."""

    def keep(self, run: str, after: int, value: bytes) -> None:
        """Keeps a checkpoint of a run of this worker: `after` is the number of the last event before it.

        Returns once the store has it, and all events before it, however long it is away meanwhile. Here it does
        nothing: the runs of a memory end with their producer. Raises `Fenced` where another worker has the run.
        """

    def confirm(self, run: str) -> None:
        """Waits while another worker may have taken over a run of this one; raises `Fenced` where it has."""

    def release(self, run: str) -> bool:
        """Leaves a run of this worker to another one, at once and with all its events; false where there is none."""
        return False

    def put_file(self, run: str, name: str, type: str, source: bytes | Path) -> FileInfo:
        """Keeps a file of a run of this worker, in place of one of its name, as long as the run.

        Raises `OperationError` where it is too large, the run has too many, or the store has no room, `Fenced` where
        another worker has the run, and `StoreAway`.
        """
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        room = self._room_for(size)
        if room < size <= self.files.most:
            raise OperationError("too_large", f"The store has no room for the {size:,} bytes of the file {name!r}.")
        info, body = self.in_place(self.files.write, run, name, type, source, min(self.files.most, room))
        replaced = self._add_file(run, info, body)
        if replaced is not None and replaced.sha256 != info.sha256:
            with contextlib.suppress(StoreAway):  # it goes with the run
                self.in_place(self.files.drop, run, replaced)
        return info

    def in_place(self, function: Callable[..., T], *args: Any) -> T:
        """What a method of `files` returns, or raises; logs where the place goes away, or is back."""
        try:
            value = self.files.call(function, *args)
        except StoreAway as away:
            self.files_outage.gone(away, "files")
            raise
        self.files_outage.back("files")
        return value

    @abstractmethod
    def _room_for(self, size: int) -> int:
        """How many bytes a file may have, where it has about `size`: deletes finished runs for it."""

    @abstractmethod
    def _add_file(self, run: str, info: FileInfo, body: bytes) -> FileInfo | None:
        """Adds the row of a file; gives the one that it replaces. Raises as `put_file` does."""

    @abstractmethod
    def find_file(self, run: str, name: str) -> tuple[FileInfo, bytes] | None:
        """A file of a run, and what `Files.open` takes of its row."""

    def keep_upload(self, run: str, digest: str, source: Path) -> None:
        """Keeps a file of the request of a run of this worker, for the worker that begins the run later, or again.

        It is deleted once the run has ended. Raises as `put_file` does.
        """
        self.put_file(run, upload_row(digest), "", source)

    @abstractmethod
    def find_upload(self, run: str, digest: str) -> tuple[FileInfo, bytes] | None:
        """A file of the request of a run, and what `Files.open` takes of its row."""

    @abstractmethod
    def count_upload(self, run: str, size: int) -> None:
        """Counts the bytes of the files that a new run of this worker has from its request; 0 once they are deleted."""

    def oldest_kept(self, run: str) -> int:
        """The number of the oldest event of a run that the store has."""
        return self.read(run, 0, frames=1).oldest

    @abstractmethod
    def watch(
        self, run: str, callback: Callable[[], None], *, events: bool = True, take: Take | None = None
    ) -> Callable[[], None]:
        """Calls `callback` in the hub whenever the run has changed; returns a function that ends this.

        Without `events` only for what others ask of the run: `control` may have changed. A store may offer a single new
        frame to `take` first, and then calls only where that is refused.
        """

    @abstractmethod
    def sweep(self) -> None:
        """Deletes the runs whose retention has ended, and makes room; called about once a second."""

    def adopt_orphans(self, operations: Container[str] | None = None) -> Sequence[Record]:
        """Takes over live runs whose worker has died, to end them or to start them again; returns them.

        Those of other operations than `operations` are left for a while to a worker that has the operation: it may
        start them again.
        """
        return ()

    @abstractmethod
    def queued(self, operations: Mapping[str, Limits], most: int) -> Sequence[str]:
        """The next queued runs of these operations, as `claim` would take them, `most` at the most."""

    @abstractmethod
    def claim(self, limit: int, operations: Mapping[str, Limits]) -> Sequence[Record]:
        """Takes the next queued runs of these operations, `limit` at the most; no other worker gets them.

        Never more than their limits allow, over all workers. Those of a higher priority come first, then clients take
        turns, and of one client they come in the order of their starts. A run whose input is not kept, or its
        files, is taken by the worker that has created it.
        """

    @abstractmethod
    def claim_run(self, run: str) -> Record | None:
        """Takes a queued run, to end it; `None` where it is not queued any more."""

    @abstractmethod
    def waiting(self, operation: str, runs: Collection[str]) -> Waiting:
        """The queued runs of an operation, with the positions of some."""

    @abstractmethod
    def measure(self, operation: str, seconds: float) -> None:
        """Notes how long a run of an operation was at work. Does not wait."""

    def share(self, run: str) -> None:
        """Lets other workers take a queued run of this one, whose files are kept."""

    def requeue(self, record: Record) -> None:
        """Puts a run of this worker back into the queue, where it was; it is nobody's then.

        `attempt` is that of its next producer.
        """
        raise NotImplementedError

    def watch_queue(self, callback: Callable[[], None]) -> None:
        """From now on calls `callback` in the hub when there may be runs to claim."""

    @abstractmethod
    def erase(self, run: str) -> bool:
        """Deletes a finished run with all that belongs to it; false where it lives, or there is none."""

    @abstractmethod
    def secret(self) -> bytes:
        """The secret of this store, made on first need: the same for all workers. Raises `StoreAway`."""

    def ready(self) -> None:
        """Raises `StoreAway` where the store does not answer."""

    def flush(self) -> None:
        """Waits until everything appended is kept and shown, for a few seconds at the most."""

    def close(self) -> None:
        """Closes connections and files; the runs stay in the store.

        Viewers of this worker that are still counted go on counting on other workers for the length of a lease.
        """


def too_many_files() -> OperationError:
    """The error of `put_file` for a run that has `MAX_FILES`."""
    return OperationError("too_large", f"A run may hand over {MAX_FILES:,} files.")


def same_request(existing: RunInfo, info: RunInfo) -> RunInfo:
    """The run that has the key of `info`. Raises `Conflict` where that was another request."""
    if existing.digest != info.digest:
        raise Conflict("this Idempotency-Key was used with another request", code="idempotency_conflict")
    return existing


def too_many_runs() -> TooMany:
    """The error of `create` for a client that has its `limit` of live runs."""
    return TooMany("this client has as many live runs as it may have", retry_after=5)


def worker_full() -> Unavailable:
    """The error of a start in a worker that has as many runs at work as it may have."""
    return Unavailable("this worker has as many live runs as it may have", code="too_many_runs", retry_after=5)


def store_full() -> Unavailable:
    """The error of `create` where all runs take as many bytes as they may, and none can be deleted."""
    return Unavailable("the live runs fill the store; come back once some have ended", code="store_full", retry_after=5)
