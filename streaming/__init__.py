"""Headway: stream long-running operations to the people who wait for them, as Server-Sent Events, from Flask."""

import typing

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
from .operation import Operation, Upload, on_cancel, operation
from .sse import Message, Parser, comment, encode

if typing.TYPE_CHECKING:
    from .blueprint import Headway
    from .dialects import from_anthropic, from_openai
    from .gateways import gateway, result
    from .logs.memory import MemoryLog
    from .relays import relay
    from .response import stream
    from .saving import save_events, save_result
else:
    # What needs Flask and gevent comes when it is asked for (PEP 562): a script that uses only `streaming.client`, or
    # the child process of an operation, loads neither.
    def __getattr__(name):
        from importlib import import_module

        homes = {
            "Headway": ".blueprint",
            "MemoryLog": ".logs.memory",
            "from_anthropic": ".dialects",
            "from_openai": ".dialects",
            "gateway": ".gateways",
            "relay": ".relays",
            "result": ".gateways",
            "save_events": ".saving",
            "save_result": ".saving",
            "stream": ".response",
        }
        if name not in homes:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = getattr(import_module(homes[name], __name__), name)
        return globals()[name]


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
    "from_anthropic",
    "from_openai",
    "gateway",
    "on_cancel",
    "operation",
    "partial",
    "progress",
    "relay",
    "result",
    "save_events",
    "save_result",
    "stream",
]
