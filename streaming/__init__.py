"""Headway: stream long-running operations to the people who wait for them, as Server-Sent Events, from Flask."""

from .blueprint import Headway
from .clock import ManualClock
from .errors import (
    EncodeError,
    EventTooLarge,
    HeadwayError,
    OperationError,
    Problem,
    RegistrationError,
    SettingError,
)
from .events import Event, ask, delta, event, flush, partial, progress
from .logs.memory import MemoryLog
from .operation import Operation, Upload, on_cancel, operation
from .response import stream
from .sse import Message, Parser, comment, encode

__all__ = [
    "EncodeError",
    "Event",
    "EventTooLarge",
    "Headway",
    "HeadwayError",
    "ManualClock",
    "MemoryLog",
    "Message",
    "Operation",
    "OperationError",
    "Parser",
    "Problem",
    "RegistrationError",
    "SettingError",
    "Upload",
    "ask",
    "comment",
    "delta",
    "encode",
    "event",
    "flush",
    "on_cancel",
    "operation",
    "partial",
    "progress",
    "stream",
]
