"""Operations in a process of their own, seen from the hub."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import BaseModel

from ....errors import RegistrationError
from ....protocol.events import Awaited
from ....runtime.worker import Worker
from ...context import RunContext
from ...operation import Operation
from ..base import Executor, Work
from ..records import CRASHED, decode
from .fork_server import Child, ForkServer


class ProcessExecutor(Executor):
    """Operations in processes of their own."""

    def check(self, operation: Operation) -> None:
        if operation.request_context:  # where its `where` sends it here
            raise RegistrationError(f"{operation.name}: request_context=True cannot run in a process")
        if not operation.is_found_by_name():
            raise RegistrationError(
                f"{operation.name}: a process finds its operation by the name of its function, at the top level of a "
                f"module, and {operation.fn.__module__}.{operation.fn.__qualname__} is another"
            )

    def warm(self, operations: Sequence[Operation], worker: Worker) -> None:
        worker.part(ForkServer).warm(sorted({operation.fn.__module__ for operation in operations}))

    def start(self, operation: Operation, checked: BaseModel, context: RunContext) -> Work:
        return ProcessWork(operation, checked, context)


class ProcessWork:
    """A generator in a child of this worker's fork server."""

    def __init__(self, operation: Operation, checked: BaseModel, context: RunContext) -> None:
        self._operation = operation
        self._checked = checked
        self._context = context
        self._child: Child | None = None
        self._awaits = False

    def send(self, answer: Any) -> Any:
        if self._child is None:
            context = self._context
            message = pickle.dumps((self._checked, context.current))
            self._child = context.worker.part(ForkServer).fork(self._operation, context.process_app)
            self._child.write(message)
        elif self._awaits:
            self._child.write(orjson.dumps(answer))
        record = self._child.read()
        if record is None:
            raise self._child.exit_error()
        item = decode(record)
        self._awaits = isinstance(item, Awaited)
        return item

    def close(self) -> None:
        self._context.cancel()
        last = None if self._child is None else self._child.stop()
        if last is not None and last[0] == CRASHED:
            decode(last)
