"""What the live tests of streams ask `tests.apps.streams` for, and how they read its answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tests.clients import Connection, Message, Reachable

APP: Final = "tests.apps.streams:app"
JSON: Final = {"Content-Type": "application/json"}


def start(viewer: Connection, operation: str, **input: Any) -> str:
    """Starts a run whose stream `viewer` then reads; gives its id."""
    head = viewer.request("POST", f"/api/operations/{operation}", JSON, json.dumps(input).encode())
    assert (head.status, head.headers["content-type"]) == (200, "text/event-stream")
    assert head.headers["location"].endswith(f"/api/runs/{head.headers['run-id']}")
    return head.headers["run-id"]


def start_alone(server: Reachable, operation: str, **input: Any) -> str:
    """Starts a run that nobody watches yet; gives its id."""
    headers = {**JSON, "Prefer": "respond-async"}
    run = ask(server, "POST", f"/api/operations/{operation}", headers, json.dumps(input).encode())
    return str(run["id"])


def watch(viewer: Connection, run: str, after: int | None = None) -> int:
    """Has `viewer` read a run's stream, after event `after`; gives the status."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    return viewer.request("GET", f"/api/runs/{run}/events", headers).status


def ask(
    server: Reachable, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> dict[str, Any]:
    """The JSON object that a request is answered with."""
    with Connection(server) as client:
        client.request(method, path, headers, body)
        answer: dict[str, Any] = json.loads(client.body())
    return answer


def snapshot(server: Reachable, run: str) -> dict[str, Any]:
    """A run as it stands."""
    return ask(server, "GET", f"/api/runs/{run}")


def inside(server: Reachable) -> dict[str, Any]:
    """The worker as it sees itself."""
    return ask(server, "GET", "/inside")


def names(messages: Iterable[Message]) -> list[str]:
    """The names of events from 1 on, whose ids have no hole."""
    seen = list(messages)
    assert [message.id for message in seen] == list(range(1, len(seen) + 1))
    return [message.event for message in seen]
