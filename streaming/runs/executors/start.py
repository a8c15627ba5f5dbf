"""Starts an operation in the executor that it asks for.

Not in the package itself: the process of an operation imports that without gevent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pydantic import BaseModel

from ...errors import RegistrationError
from ..context import RunContext
from ..operation import Operation
from .base import Work
from .greenlet import GreenletWork
from .process.work import ProcessWork
from .thread import ThreadWork


def start_work(operation: Operation, checked: BaseModel, context: RunContext) -> Work:
    """Prepares an operation in the executor that its `where` selects; the first `send` starts it."""
    try:
        where = operation.where(checked)
        if where not in ("greenlet", "thread", "process"):
            raise RegistrationError(f"{operation.name} runs in a greenlet, a thread or a process, not in {where!r}")
    except Exception as error:  # noqa: BLE001  # the run exists already, and its viewers see it fail
        return GreenletWork(partial(_fail, error), context)
    if where == "process":
        return ProcessWork(operation, checked, context)
    return start_local_work(partial(operation.begin, checked), context, thread=where == "thread")


def start_local_work(begin: Callable[[], Iterator[Any]], context: RunContext, *, thread: bool = False) -> Work:
    """The same for a generator of this process: in a thread if asked for, or where requests run in native threads."""
    if thread or context.worker.native:
        return ThreadWork(begin, context)
    return GreenletWork(begin, context)


def _fail(error: Exception) -> Iterator[Any]:
    raise error
