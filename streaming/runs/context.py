"""The context of a run while its operation works: which run it is, on which worker, and what to call on its cancel."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from ..runtime.worker import Worker

log = logging.getLogger("headway")


class RunContext:
    """One run at work. `run` is its id, `None` for a stream without a run.

    A call that is added after the cancel is made at once.
    """

    __slots__ = ("_calls", "_cancelled", "run", "worker")

    def __init__(self, worker: Worker, run: str | None = None) -> None:
        self.worker = worker
        self.run = run
        self._calls: list[Callable[[], Any]] = []
        self._cancelled = False

    def add_cancel_call(self, call: Callable[[], Any]) -> None:
        """Adds a call to make when the run is cancelled."""
        self._calls.append(call)
        if self._cancelled:
            self.cancel()

    def remove_cancel_call(self, call: Callable[[], Any]) -> None:
        """Removes one, if it was not made yet."""
        if call in self._calls:
            self._calls.remove(call)

    def cancel(self) -> None:
        """Makes each call once, the newest first; one that fails does not keep back the others."""
        self._cancelled = True
        while self._calls:
            try:
                self._calls.pop()()
            except Exception:
                log.exception("an on_cancel hook failed")


run_context: Final[ContextVar[RunContext | None]] = ContextVar("headway_run_context", default=None)
"""The context of the run whose operation executes; `None` outside of one, and in the process of an operation."""


class on_cancel:  # noqa: N801  # reads as the verb that it is
    """`on_cancel(connection.interrupt)`: a call that is made when the run is cancelled before the operation has ended.

    As a context manager it holds for the block only. It is what stops a thread that waits in C code. The call comes
    from another thread, so it must be safe for that, as `interrupt` of sqlite3 and DuckDB and `shutdown` of a socket
    are. Outside a run it does nothing.
    """

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._context = run_context.get()
        if self._context is not None:
            self._context.add_cancel_call(call)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._context is not None:
            self._context.remove_cancel_call(self._call)
