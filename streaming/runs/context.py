"""The context in which the operation of a run works: the run, its worker, and the hooks for its cancel."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from ..runtime.worker import Worker

log = logging.getLogger("headway")


class RunContext:
    """One run at work. `run` is its id, `None` for a stream without a run."""

    __slots__ = ("_cancelled", "_hooks", "run", "worker")

    def __init__(self, worker: Worker, run: str | None = None) -> None:
        self.worker = worker
        self.run = run
        self._hooks: list[Callable[[], Any]] = []
        self._cancelled = False

    def add_hook(self, hook: Callable[[], Any]) -> None:
        """Adds a hook, which is called on cancel; at once where the run is cancelled already."""
        self._hooks.append(hook)
        if self._cancelled:
            self.cancel()

    def remove_hook(self, hook: Callable[[], Any]) -> None:
        """Removes a hook that was not called."""
        if hook in self._hooks:
            self._hooks.remove(hook)

    def cancel(self) -> None:
        """Calls each hook once, the newest first; when one fails, the others are called all the same."""
        self._cancelled = True
        while self._hooks:
            try:
                self._hooks.pop()()
            except Exception:
                log.exception("an on_cancel hook failed")


run_context: Final[ContextVar[RunContext | None]] = ContextVar("headway_run_context", default=None)
"""The context of the run whose operation executes; `None` outside of one, and in the process of an operation."""


class on_cancel:  # noqa: N801  # reads as the verb that it is
    """`on_cancel(connection.interrupt)`: a hook that is called when the run is cancelled before its operation ends.

    As a context manager it holds for the block only. It is the way to stop a thread that waits in C code. It is called
    from another thread, so it must be safe for that, as `interrupt` of sqlite3 and DuckDB and `shutdown` of a socket
    are. Outside of a run it does nothing.
    """

    def __init__(self, hook: Callable[[], Any]) -> None:
        self._hook = hook
        self._context = run_context.get()
        if self._context is not None:
            self._context.add_hook(hook)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._context is not None:
            self._context.remove_hook(self._hook)
