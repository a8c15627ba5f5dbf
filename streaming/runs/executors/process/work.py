"""Operations in a process of their own, seen from the hub."""

from __future__ import annotations

import json
import pickle
from collections import deque
from typing import Any

import orjson
from pydantic import BaseModel

from ....errors import OperationError
from ....protocol.events import FLUSH, Event, Progress, Question
from ...context import RunContext
from ...operation import Operation
from ..base import WorkFailed
from . import child
from .fork_server import Child, ForkServer


class ProcessWork:
    """A generator in a process of its own, forked by this worker's fork server."""

    def __init__(self, operation: Operation, checked: BaseModel, context: RunContext) -> None:
        self._operation = operation
        self._checked = checked
        self._context = context
        self._child: Child | None = None
        self._buffer = bytearray()
        self._records: deque[tuple[bytes, bytes, bytes]] = deque()
        self._asked = False

    def send(self, answer: Any) -> Any:
        if self._child is None:
            body = pickle.dumps(self._checked)
            self._child = self._context.worker.part(ForkServer).fork(self._operation)
            self._child.tell(body)
        elif self._asked:
            self._child.tell(orjson.dumps(answer))
        while not self._records:
            data = self._child.read()
            if not data:
                raise self._child.obituary()
            self._buffer += data
            self._records.extend(child.unpack(self._buffer))
        return self._decoded(*self._records.popleft())

    def close(self) -> None:
        self._context.cancel()
        last = None if self._child is None else self._child.end(self._buffer)
        if last is not None and last[0] == child.RAISED:
            raise WorkFailed(last[1].decode(errors="replace"))

    def _decoded(self, kind: bytes, first: bytes, second: bytes) -> Any:
        self._asked = kind == child.QUESTION
        if kind == child.PROGRESS:
            data = orjson.loads(first)
            return Progress(first, data.get("done"), data.get("total"), data.get("step"), data.get("eta"))
        if kind in (child.EVENT, child.TEXT):
            return Event(first.decode(), second, kind == child.TEXT)
        if kind == child.QUESTION:
            return Question(second, orjson.loads(second)["schema"], float(first) if first else None)
        if kind == child.FLUSH:
            return FLUSH
        return self._finish(kind, first)

    def _finish(self, kind: bytes, first: bytes) -> Any:
        if kind == child.RESULT:
            raise StopIteration(orjson.Fragment(first[len(b'{"result":') : -1]))
        if kind == child.REFUSED:
            code, message, retryable = json.loads(first)  # orjson would stop at a lone surrogate
            raise OperationError(code, message, retryable=retryable)
        raise WorkFailed(first.decode(errors="replace"))
