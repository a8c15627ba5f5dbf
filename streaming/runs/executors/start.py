"""The table of the executors, and the start of an operation in the one that it asks for.

Not in the package itself: the process of an operation imports that without gevent.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from pydantic import BaseModel

from ...errors import RegistrationError
from ...runtime.worker import Worker
from ..context import RunContext
from ..operation import Operation, Where
from .asyncio import AsyncioExecutor
from .base import Executor, Work
from .celery import CeleryExecutor
from .greenlet import GreenletExecutor
from .process.fork_server import ForkServer
from .process.work import ProcessExecutor
from .thread import ThreadExecutor

EXECUTORS: Final[dict[Where, Executor]] = {
    "greenlet": GreenletExecutor(),
    "thread": ThreadExecutor(),
    "process": ProcessExecutor(),
    "asyncio": AsyncioExecutor(),
    "celery": CeleryExecutor(),
}
"""The executors, by their names in `runs_in`."""


def check_operation(operation: Operation) -> None:
    """Raises `RegistrationError` for an operation that cannot run where its `runs_in` says."""
    _executor_for(operation, operation.runs_in).check(operation)


def warm_executors(operations: Collection[Operation], worker: Worker, process_app: str | None = None) -> None:
    """Prepares the executors that these operations run in; called in the hub.

    `process_app` is the application of a process, as `module:name`.
    """
    for name, executor in EXECUTORS.items():
        own = [operation for operation in operations if operation.runs_in == name]
        if own:
            executor.warm(own, worker)
    if process_app is not None and any(operation.runs_in == "process" for operation in operations):
        worker.part(ForkServer).warm([process_app.partition(":")[0]])


def start_work(operation: Operation, checked: BaseModel, context: RunContext) -> Work:
    """Prepares an operation in the executor that its `where` selects; the first `send` starts it.

    Raises what `where` raises, and `RegistrationError` where it gives no executor that can run the operation.
    """
    where = operation.where(checked)
    executor = _executor_for(operation, where)
    if where != operation.runs_in:
        executor.check(operation)
    return executor.start(operation, checked, context)


def _executor_for(operation: Operation, where: Where) -> Executor:
    if where not in EXECUTORS:
        raise RegistrationError(f"{operation.name}: its `where` gives one of {', '.join(EXECUTORS)}, not {where!r}")
    return EXECUTORS[where]
