"""The context of a call: what a tool can use besides its arguments."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from streaming import Upload

from .web import Answer, Web


@dataclass(frozen=True)
class CallContext:
    """The files of the run, its HTTP client, and the deadline of the call (`time.monotonic()`)."""

    files: Sequence[Upload]
    web: Web
    deadline: float

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline, at least a thousandth."""
        return max(self.deadline - time.monotonic(), 0.001)


call_context: ContextVar[CallContext] = ContextVar("headway_tool_call_context")


def request(
    method: str,
    url: str,
    *,
    params: Mapping[str, Any] | None = None,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Sends an HTTP request within the limits of the tool's call; `body` becomes JSON. Raises `ToolError`."""
    context = call_context.get()
    return context.web.request(method, url, params=params, body=body, headers=headers, deadline=context.deadline)


def get_json(url: str, params: Mapping[str, Any] | None = None) -> Any:
    """The decoded answer to a GET; parameters that are `None` are left out. Raises `ToolError`."""
    return request("GET", url, params=params).json()
