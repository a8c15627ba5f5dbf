"""The context in which the operation of a run works: the run, its worker, the hooks for its cancel, the application."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..runtime.worker import Worker
    from ..stores.files import Files

log: Final = logging.getLogger("headway")

OUTSIDE: Final = (
    "current_run() is for an operation at work; here is no run: call it in the operation, or in what the operation "
    "calls, and hand its values on to threads and greenlets of your own"
)
IN_A_STREAM: Final = "current_run() is for an operation at work; what stream() and relay() send has no run"


class Headers(Mapping[str, str]):
    """Headers of a request by their names, in any case (RFC 9110, section 5.1)."""

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        self._values = {name.lower(): (name, value) for name, value in (headers or {}).items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()][1]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._values.values())

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(dict(self))


@dataclass(frozen=True, slots=True)
class CurrentRun:
    """The run whose operation asks: what `current_run()` returns.

    `owner` is empty without owners; `attempt` is 1, and more after a lost producer; `input` has been checked; `headers`
    are those of the start's request that the operation names; `checkpoint` is what an earlier attempt has kept.
    """

    id: str
    operation: str
    owner: str
    attempt: int
    input: BaseModel
    headers: Mapping[str, str] = field(default_factory=Headers)
    checkpoint: Any = None


@dataclass(frozen=True, slots=True)
class CallContext:
    """What a start hands on to the work.

    `scope` makes the context manager around the work: a new application context, or a copy of the request's.
    `variables` are the context variables that it starts with. `process_app` says where another process finds the
    application, as `module:name`.
    """

    scope: Callable[[], AbstractContextManager[Any]] = nullcontext
    variables: Context = field(default_factory=Context)
    headers: Mapping[str, str] = field(default_factory=Headers)
    process_app: str | None = None


class RunContext:
    """One run at work, seen by its executor. `current` is `None` for a stream without a run, and so is its id, `run`.

    Without `call` the work has the variables of the caller. An executor starts the work with `variables()`, and enters
    `scope()` around all of it. `worker` is `None` in the process of an operation. `files` is where the files of the run
    are kept, `None` where none are.
    """

    __slots__ = ("_cancelled", "_hooks", "_scope", "_variables", "current", "files", "process_app", "run", "worker")

    worker: Worker

    def __init__(
        self,
        worker: Worker | None,
        current: CurrentRun | None = None,
        call: CallContext | None = None,
        files: Files | None = None,
    ) -> None:
        call = call or CallContext(variables=copy_context())
        self.worker = worker  # type: ignore[assignment]  # nobody asks for it in the process of an operation
        self.current: CurrentRun | None = current
        self.files: Files | None = files
        self.run: str | None = None if current is None else current.id
        self.process_app: str | None = call.process_app
        self._variables = call.variables
        self._scope = call.scope
        self._hooks: list[Callable[[], Any]] = []
        self._cancelled = False

    def variables(self) -> Context:
        """The context variables that the work starts with, as a context of its own."""
        variables = self._variables.copy()
        variables.run(run_context.set, self)
        return variables

    @contextmanager
    def scope(self) -> Iterator[None]:
        """The context of the run, and in it that of its application, which is torn down however the block ends.

        A block that has succeeded ends without an exception, one that was cancelled does not.
        """
        token = run_context.set(self)
        try:
            with self._scope():
                yield
        finally:
            run_context.reset(token)

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
"""The context of the run whose operation executes; `None` outside of one."""


def current_run() -> CurrentRun:
    """The run whose operation calls this, in any executor. Raises `RuntimeError` where there is none."""
    context = run_context.get()
    if context is None or context.current is None:
        raise RuntimeError(OUTSIDE if context is None else IN_A_STREAM)
    return context.current


class RunFilter(logging.Filter):
    """A filter for log handlers: gives each record `run`, `operation` and `owner`, those of the run at work.

    They are `-` outside of a run, and `owner` also for a run without one. What a record has already stays.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        context = run_context.get()
        current = None if context is None else context.current
        for name, value in (
            ("run", current and current.id),
            ("operation", current and current.operation),
            ("owner", current and current.owner),
        ):
            if not hasattr(record, name):
                setattr(record, name, value or "-")
        return True


log.addFilter(RunFilter())


class on_cancel:  # noqa: N801  # reads as the verb that it is
    """`on_cancel(connection.interrupt)`: a hook that is called when the run is cancelled before its operation ends.

    As a context manager it holds for the block only. It is the way to stop a thread that waits in C code. It is called
    from another thread, so it must be safe for that, as `interrupt` of sqlite3 and DuckDB and `shutdown` of a socket
    are. Outside of a run, and in a process of its own, it does nothing.
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
