"""The contract of an event log: what every store keeps of a run, and how it says that something has changed.

One log holds many runs. Of each it keeps the numbered frames, already encoded; the fold over them; and what others ask
of the producer: a cancel, an answer, the number of viewers. All methods are called in the hub of the worker and may
wait there, but never block it. Whatever `read` and `find` show, the store has kept.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from ..errors import Refused, TooMany
from ..protocol.frames import BLOCK_FRAMES, Batch, Block
from ..protocol.state import Fold, Reason, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """What is settled about a run when it starts.

    `owner` is who may see it (empty where nobody is told apart), `client` whom its limit is counted for, `key` and
    `digest` what an `Idempotency-Key` was given with. `linger` is in seconds, `None` for ever. `input` is the input as
    JSON, kept for operations that begin anew after their producer was lost.
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


ASK_AGAIN: Final = 3
"""How often a store is asked for viewers on other workers before a run is taken for left."""


@dataclass(slots=True)
class Control:
    """What others ask of a run's producer. `lost` is set once another has taken the run over, or its store is lost."""

    cancel: Reason | None = None
    lost: Refused | None = None
    viewers: int = 0
    watched: bool = False
    answers: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """One run as the store has it at a moment."""

    info: RunInfo
    fold: Fold
    viewers: int = 0
    queued: bool = False
    cancelling: bool = False
    attempt: int = 1

    @property
    def status(self) -> Status:
        if self.fold.ending is not None:
            return self.fold.ending
        if self.cancelling:
            return "cancelling"
        return "queued" if self.queued else self.fold.status

    def snapshot(self) -> bytes:
        """The snapshot of the contract, as JSON."""
        fold = self.fold
        return orjson.dumps(
            {
                "id": self.info.id,
                "operation": self.info.operation,
                "status": self.status,
                "created": self.info.created,
                "updated": fold.updated,
                "last_event_id": fold.last_event_id,
                "progress": _json(fold.progress),
                "result": _json(fold.result),
                "error": _json(fold.error),
                "question": _json(fold.question),
                "viewers": self.viewers,
            }
        )


def _json(body: bytes | None) -> Any:
    return None if body is None else orjson.Fragment(body)


class Store(ABC):
    """Where the events of runs are kept. Times in seconds."""

    @abstractmethod
    def create(self, info: RunInfo, *, limit: int | None = None) -> RunInfo:
        """Opens the log of a new run, or gives the run that the same owner and key had opened before.

        Counting and opening are one step, on whichever workers the client starts runs at the same instant. Raises
        `Conflict` where the run of the key was started with another body, `TooMany` where the client has `limit` live
        runs, `StoreAway` where the store does not answer.
        """

    def joined(self, info: RunInfo) -> RunInfo | None:
        """The run that `create` would give in place of a new one, if any; for callers that have room for no other.

        Raises `Conflict` as `create` does. A store that cannot tell ahead says `None`.
        """
        return None

    @abstractmethod
    def append(self, run: str, block: Block, fold: Fold) -> None:
        """Takes `block`, whose first frame follows the last one taken, with the fold over all of them.

        It does not wait: a store keeps what has gathered in one go, and wakes the watchers then. Raises `RunClosed`
        after the last event; that the run was lost meanwhile is said by `control`.
        """

    def wait_for_room(self, run: str) -> None:
        """Waits while there is much of this run that the store has yet to keep."""

    @abstractmethod
    def read(self, run: str, after: int, *, frames: int = BLOCK_FRAMES, merge: bool = False) -> Batch:
        """The frames that follow number `after`, within `BLOCK_BYTES`.

        With `merge` a progress is left out where a later one of its step is in the same batch. Raises `KeyError` for
        a run that the log does not hold.
        """

    @abstractmethod
    def find(self, run: str) -> Record | None:
        """The run as it stands, or `None`."""

    def reached(self, run: str) -> int:
        """The number of the last event that is kept: another worker may have shown it before this one does."""
        record = self.find(run)
        return 0 if record is None else record.fold.last_event_id

    @abstractmethod
    def page(
        self, *, owner: str, operation: str | None, status: str | None, limit: int, before: str | None
    ) -> list[Record]:
        """The owner's runs, newest first, `limit` of them, those that started before the run `before` did."""

    @abstractmethod
    def live(self, client: str) -> int:
        """How many runs of `client` have not ended."""

    @abstractmethod
    def cancel(self, run: str, reason: Reason) -> None:
        """Asks the producer to stop; the first reason stands. Harmless on a run that is over."""

    def abandon(self, run: str) -> bool:
        """Cancels a run of this worker as `disconnected`; false where somebody watches it on another one after all.

        Word of viewers travels between workers for a moment: here the store itself is asked, before it is too late.
        """
        self.cancel(run, "disconnected")
        return True

    @abstractmethod
    def answer(self, run: str, question: str, body: bytes) -> bool:
        """Hands the producer the answer to its open question; false where somebody else was first."""

    @abstractmethod
    def queue(self, run: str, queued: bool) -> None:
        """Says whether the run waits for its turn."""

    @abstractmethod
    def count(self, run: str, change: int) -> None:
        """Counts viewers of this worker in (+1) or out (-1); they are in before they see anything."""

    @abstractmethod
    def control(self, run: str) -> Control:
        """What others ask of the run's producer now."""

    @abstractmethod
    def watch(self, run: str, call: Callable[[], None]) -> Callable[[], None]:
        """Has `call` made in the hub whenever anything about the run has changed; gives what ends that."""

    @abstractmethod
    def sweep(self) -> None:
        """Lets go of runs whose retention is over."""

    def orphans(self) -> Sequence[Record]:
        """Live runs whose producer is lost: from now on they are this worker's, to be ended or begun anew."""
        return ()

    def ready(self) -> None:
        """Raises `StoreAway` where the store does not answer."""

    def flush(self) -> None:
        """Waits until what has been appended is kept and shown; for a moment at the most."""

    def close(self) -> None:
        """Lets go of connections and files; the runs stay where the store keeps them.

        Viewers that are still counted in keep their place in other workers' runs for as long as a lease.
        """


def full() -> TooMany:
    """What `create` raises for a client that has its `limit` of live runs."""
    return TooMany("this client has as many live runs as it may have", retry_after=5)
