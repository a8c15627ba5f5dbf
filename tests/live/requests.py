"""Requests to a server of `tests.apps.streams`, which has one worker; `workers.py` is for several."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tests.clients import Connection, Message, Reachable

APP: Final = "tests.apps.streams:app"
JSON: Final = {"Content-Type": "application/json"}


def start(viewer: Connection, operation: str, **input: Any) -> str:
    """Starts a run and watches it with `viewer`; gives its id."""
    head = viewer.request("POST", f"/api/operations/{operation}", JSON, json.dumps(input).encode())
    assert (head.status, head.headers["content-type"]) == (200, "text/event-stream")
    assert head.headers["location"].endswith(f"/api/runs/{head.headers['run-id']}")
    return head.headers["run-id"]


def start_unwatched(server: Reachable, operation: str, **input: Any) -> str:
    """Starts a run that nobody watches yet; gives its id."""
    headers = {**JSON, "Prefer": "respond-async"}
    run = ask(server, "POST", f"/api/operations/{operation}", headers, json.dumps(input).encode())
    return str(run["id"])


def watch(viewer: Connection, run: str, after: int | None = None) -> int:
    """Watches a run with `viewer`, after event `after`; gives the status of the response."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    return viewer.request("GET", f"/api/runs/{run}/events", headers).status


def ask(
    server: Reachable, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> dict[str, Any]:
    """The JSON object in the response to a request, on a connection of its own."""
    with Connection(server) as client:
        client.request(method, path, headers, body)
        answer: dict[str, Any] = json.loads(client.body())
    return answer


def snapshot(server: Reachable, run: str) -> dict[str, Any]:
    """A run as it stands."""
    return ask(server, "GET", f"/api/runs/{run}")


def inside(server: Reachable) -> dict[str, Any]:
    """What the worker counts: its viewers, runs, greenlets and the rest of `/inside`."""
    return ask(server, "GET", "/inside")


def names(messages: Iterable[Message]) -> list[str]:
    """The names of all events of a run; their ids have neither hole nor repeat."""
    events = list(messages)
    assert [message.id for message in events] == list(range(1, len(events) + 1))
    return [message.event for message in events]
