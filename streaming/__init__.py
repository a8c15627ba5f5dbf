"""Headway: stream long-running operations to the people who wait for them, as Server-Sent Events, from Flask."""

import typing

from .clock import ManualClock
from .errors import EncodeError, EventTooLarge, HeadwayError, OperationError, Problem, RegistrationError, SettingError
from .protocol.events import Event, ask, delta, event, flush, partial, progress
from .protocol.sse import Message, Parser, comment, encode
from .runs.operation import Operation, Upload, on_cancel, operation

if typing.TYPE_CHECKING:
    from .gateways.dialects import from_anthropic, from_openai
    from .gateways.gateway import gateway, result
    from .gateways.saving import save_events, save_result
    from .http.extension import Headway
    from .http.relay import relay
    from .http.viewer import stream
    from .stores.memory import MemoryLog
else:
    # What needs Flask and gevent comes when it is asked for (PEP 562): a script that uses only `streaming.client`, or
    # the child process of an operation, loads neither.
    def __getattr__(name):
        from importlib import import_module

        homes = {
            "Headway": ".http.extension",
            "MemoryLog": ".stores.memory",
            "from_anthropic": ".gateways.dialects",
            "from_openai": ".gateways.dialects",
            "gateway": ".gateways.gateway",
            "relay": ".http.relay",
            "result": ".gateways.gateway",
            "save_events": ".gateways.saving",
            "save_result": ".gateways.saving",
            "stream": ".http.viewer",
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
