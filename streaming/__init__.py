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
    RunCancelled,
    RunFailed,
    SettingError,
)
from .logs import Outage
from .protocol.events import Event, ask, checkpoint, delta, event, flush, partial, progress, result
from .protocol.retry_after import parse_retry_after
from .protocol.sse import Message, Parser, comment, encode
from .runs.context import RunFilter, current_run, on_cancel
from .runs.files import file
from .runs.json_schema import JsonSchema
from .runs.observers import Observer
from .runs.operation import Events, Operation, operation
from .runs.upload import Upload
from .runtime.network import certificate_problem, open_connection, proxy_for
from .variables import BaseSettings, setting

if typing.TYPE_CHECKING:
    from .gateways.dialects import (
        AnthropicReply,
        LangChainReply,
        OpenAIReply,
        PydanticAIReply,
        from_anthropic,
        from_openai,
    )
    from .gateways.gateway import gateway
    from .gateways.saving import save_events, save_result
    from .gateways.thinking import ThinkingSplitter
    from .http.extension import Headway
    from .http.relay import relay
    from .http.stream import stream
    from .stores.memory import MemoryLog, MemoryStore
else:
    # What needs Flask or gevent is imported when it is first used (PEP 562): a script that uses only
    # `streaming.client`, and the child process of an operation, need neither.
    def __getattr__(name):
        from importlib import import_module

        modules = {
            "gateways.dialects": (
                "AnthropicReply",
                "LangChainReply",
                "OpenAIReply",
                "PydanticAIReply",
                "from_anthropic",
                "from_openai",
            ),
            "gateways.gateway": ("gateway",),
            "gateways.saving": ("save_events", "save_result"),
            "gateways.thinking": ("ThinkingSplitter",),
            "http.extension": ("Headway",),
            "http.relay": ("relay",),
            "http.stream": ("stream",),
            "stores.memory": ("MemoryStore", "MemoryLog"),
        }
        for module, names in modules.items():
            if name in names:
                value = getattr(import_module(f"{__name__}.{module}"), name)
                globals()[name] = value
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__version__ = "0.2.0.dev0"

__all__ = [
    "AnthropicReply",
    "BaseSettings",
    "EncodeError",
    "Event",
    "EventTooLarge",
    "Events",
    "Headway",
    "HeadwayError",
    "JsonSchema",
    "LangChainReply",
    "ManualClock",
    "MemoryLog",
    "MemoryStore",
    "Message",
    "Observer",
    "OpenAIReply",
    "Operation",
    "OperationError",
    "Outage",
    "Parser",
    "Problem",
    "PydanticAIReply",
    "RegistrationError",
    "RunCancelled",
    "RunFailed",
    "RunFilter",
    "SettingError",
    "ThinkingSplitter",
    "Upload",
    "ask",
    "certificate_problem",
    "checkpoint",
    "comment",
    "current_run",
    "delta",
    "encode",
    "event",
    "file",
    "flush",
    "from_anthropic",
    "from_openai",
    "gateway",
    "on_cancel",
    "open_connection",
    "operation",
    "parse_retry_after",
    "partial",
    "progress",
    "proxy_for",
    "relay",
    "result",
    "save_events",
    "save_result",
    "setting",
    "stream",
]
