"""A service without a network, for the unit tests of the client."""

from __future__ import annotations

import json
from typing import Any, Final

import httpx

TIMESTAMP: Final = "2026-11-23T09:30:00.125Z"
STREAM: Final = {"content-type": "text/event-stream"}
"""The headers of a stream."""
URL: Final = "http://service.test/api"


def frame(number: int, name: str, data: dict[str, Any]) -> bytes:
    """A frame as the service writes it."""
    return f"id: {number}\nevent: {name}\ndata: {json.dumps({'timestamp': TIMESTAMP, **data})}\n\n".encode()


class Service:
    """Records the requests, and answers each start with a whole run."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answers a request."""
        self.requests.append(request)
        if request.method == "POST" and "/operations/" in request.url.path:
            body = frame(1, "start", {"run": "r/1", "operation": "x"}) + frame(2, "result", {"result": 5})
            body += frame(3, "done", {"status": "succeeded", "elapsed": 1})
            return httpx.Response(200, headers={**STREAM, "Run-Id": "r/1"}, content=body)
        return httpx.Response(200, json={"operations": [], "runs": []})
