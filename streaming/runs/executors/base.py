"""The interface of an executor, and the loop that executors outside of the hub share.

An operation at work looks the same from the hub, wherever it runs. `start` has the table of the executors. The process
of an operation imports this module too, without gevent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from greenlet import GreenletExit
from pydantic import BaseModel

from ...errors import HeadwayError
from ..context import RunContext
from ..operation import Operation, close_work

if TYPE_CHECKING:
    from ...runtime.worker import Worker


class Work(Protocol):
    """An operation at work, seen from the hub."""

    def send(self, answer: Any) -> Any:
        """Waits for the next event, after `answer` to the last one (`None` except for questions).

        Raises `StopIteration` with the result, and what the operation raises.
        """

    def close(self) -> None:
        """Stops the operation, and returns once its `finally` blocks have run; harmless once it has ended."""


class Executor(ABC):
    """A place for operations to run.

    It has no state: what a process has once, such as the fork server, is a part of the `Worker`.
    """

    def check(self, operation: Operation) -> None:
        """Raises `RegistrationError` for an operation that cannot run here.

        Called when the operation is registered, and before a run that its `where` sends here.
        """

    def warm(self, operations: Sequence[Operation], worker: Worker) -> None:
        """Prepares the first run of one of these operations; called once in each worker, in its hub."""

    @abstractmethod
    def start(self, operation: Operation, checked: BaseModel, context: RunContext) -> Work:
        """Prepares an operation for its input; the first `send` starts it. Called in the hub, and must not wait."""


class FailedWork:
    """Work that could not be started: the first `send` raises why."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def send(self, answer: Any) -> Any:
        raise self._error

    def close(self) -> None:
        """There is nothing to stop."""


class WorkFailed(HeadwayError):
    """An operation failed where its exception cannot be raised here; the text describes it, for the log."""


class Interruptible:
    """A block of the operation's own code, which a cancel may interrupt; the library's code around it may not be.

    Raises `GreenletExit` on entry once `stopped` is set.
    """

    def __init__(self) -> None:
        self.entered: bool = False
        self.stopped = False

    def __enter__(self) -> None:
        self.entered = True  # before the look at `stopped`, which another thread or a signal handler sets
        if self.stopped:
            self.entered = False
            raise GreenletExit

    def __exit__(self, *_: object) -> None:
        self.entered = False


def run_work(begin: Callable[[], Iterator[Any]], block: Interruptible, pass_on: Callable[[Any], Any]) -> Any:
    """Calls `pass_on` with each thing that an operation yields, and sends back what that returns; gives the result."""
    with block:  # a function that is no generator does all its work here
        work = begin()
    send = getattr(work, "send", None)
    answer = None
    try:
        while True:
            try:
                with block:
                    item = send(answer) if send else next(work)
            except StopIteration as end:
                return end.value
            answer = pass_on(item)
    finally:
        close_work(work)
