"""Clients of Server-Sent Events that do not know Headway read its streams: httpx-sse, sseclient-py and curl.

httpx-sse gives an event without data for `retry:` and for each heartbeat (after the first id, for every blank line).
The HTML standard has none there; these tests skip events without data.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterable, Iterator
from typing import Any, Final

import httpx
import httpx_sse
import pytest
import sseclient

from tests.apps.notes import VARIABLE, Notes
from tests.clients import parse_frames
from tests.live.requests import APP
from tests.servers import Server, gunicorn, program

STEPS: Final = {"count": 20, "steps": 1, "every": 10}
NAMES: Final = ["start", *["progress"] * 10, "delta", "partial", "note", *["progress"] * 10, "delta", "partial", "note"]
WHOLE: Final = [(number, name) for number, name in enumerate([*NAMES, "result", "done"], 1)]


@pytest.fixture(scope="module")
def server(notes: Notes) -> Iterator[Server]:
    """The application of the stream tests, with fast heartbeats."""
    with gunicorn(APP, env={VARIABLE: str(notes.folder), "HEADWAY_HEARTBEAT": "0.2"}) as started:
        yield started


def url(server: Server, path: str) -> str:
    """The URL of a route."""
    return f"{server.url}/api{path}"


def finished_run(server: Server) -> str:
    """The id of a finished run."""
    response = httpx.post(url(server, "/operations/steps"), json=STEPS, timeout=30)
    return str(response.headers["run-id"])


# -- httpx-sse --------------------------------------------------------------------------------------------------------


def read_httpx_sse(server: Server, method: str, path: str, **options: Any) -> list[httpx_sse.ServerSentEvent]:
    """The events that httpx-sse reads from a stream."""
    with httpx.Client(timeout=30) as http, httpx_sse.connect_sse(http, method, url(server, path), **options) as source:
        return with_data(source.iter_sse())


def with_data(events: Iterable[httpx_sse.ServerSentEvent]) -> list[httpx_sse.ServerSentEvent]:
    """The events of the standard; none of the others has a name."""
    all_events = list(events)
    assert {event.event for event in all_events if not event.data} <= {"message"}
    return [event for event in all_events if event.data]


def numbered(events: Iterable[httpx_sse.ServerSentEvent]) -> list[tuple[int, str]]:
    """Ids and names."""
    return [(int(event.id or 0), event.event) for event in events]


def test_httpx_sse_reads_a_run(server: Server) -> None:
    """Every event with its id, its name and its JSON, and the reconnection time."""
    events = read_httpx_sse(server, "POST", "/operations/steps", json=STEPS)
    assert numbered(events) == WHOLE
    assert events[-1].json()["status"] == "succeeded"
    assert events[-2].json()["result"] == 20


def test_httpx_sse_resumes(server: Server) -> None:
    """With the id of its last event it gets the rest."""
    run = finished_run(server)
    rest = read_httpx_sse(server, "GET", f"/runs/{run}/events", headers={"Last-Event-ID": "13"})
    assert numbered(rest) == WHOLE[13:]


def test_httpx_sse_with_await(server: Server) -> None:
    """Its async half skips heartbeats, too."""

    async def read() -> list[str]:
        async with httpx.AsyncClient(timeout=30) as http:
            path = url(server, "/operations/simulate")
            slow = {"steps": 1, "interval": 1}
            async with httpx_sse.aconnect_sse(http, "POST", path, json=slow) as source:
                return [event.event for event in with_data([event async for event in source.aiter_sse()])]

    assert asyncio.run(read()) == ["start", "progress", "result", "done"]


# -- sseclient-py -----------------------------------------------------------------------------------------------------


def test_sseclient_reads_and_resumes(server: Server) -> None:
    """Over the bytes of httpx, from the first event and from the middle."""
    run = finished_run(server)
    for after in (0, 13):
        path, headers = url(server, f"/runs/{run}/events"), {"Last-Event-ID": str(after)} if after else {}
        with httpx.stream("GET", path, headers=headers, timeout=30) as response:
            events = list(sseclient.SSEClient(response.iter_bytes()).events())
        assert [(int(event.id or 0), event.event) for event in events] == WHOLE[after:]
        assert json.loads(events[-1].data)["status"] == "succeeded"


def test_sseclient_ignores_heartbeats(server: Server) -> None:
    """Comments give no events."""
    with httpx.stream(
        "POST", url(server, "/operations/simulate"), json={"steps": 1, "interval": 1}, timeout=30
    ) as response:
        names = [event.event for event in sseclient.SSEClient(response.iter_bytes()).events()]
    assert names == ["start", "progress", "result", "done"]


# -- curl -------------------------------------------------------------------------------------------------------------


def curl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Runs curl."""
    return subprocess.run([program("curl"), "-sS", "-N", *arguments], capture_output=True, timeout=30)


def test_curl_reads_and_resumes(server: Server) -> None:
    """The frames, from the first one and from the middle."""
    post = ("-X", "POST", "-H", "Content-Type: application/json", "-d", json.dumps(STEPS))
    whole = curl(*post, url(server, "/operations/steps"))
    assert (whole.returncode, whole.stderr) == (0, b"")
    assert whole.stdout.startswith(b"retry: 2000\n\nid: 1\nevent: start\ndata: {")
    messages = parse_frames(whole.stdout)
    assert [(message.id, message.event) for message in messages] == WHOLE
    run = messages[0].json["run"]
    rest = curl("-H", "Last-Event-ID: 13", url(server, f"/runs/{run}/events"))
    assert [(message.id, message.event) for message in parse_frames(rest.stdout)] == WHOLE[13:]


def test_curl_shows_each_event_when_it_comes(server: Server, notes: Notes) -> None:
    """With `-N` it prints a line before the next event is made."""
    body = json.dumps({"count": 2, "note": "curl"})
    command = [program("curl"), "-sS", "-N", "-H", "Content-Type: application/json", "-d", body]
    with subprocess.Popen([*command, url(server, "/operations/gated")], stdout=subprocess.PIPE) as process:
        assert process.stdout
        for number in (1, 2):
            notes.leave(f"curl {number}")
            assert f'"done":{number}'.encode() in next(line for line in process.stdout if b'"done":' in line)
        assert b"done" in process.stdout.read()
    assert process.returncode == 0


def test_curl_after_the_last_event(server: Server) -> None:
    """It gets 204 and no body."""
    run = finished_run(server)
    request = ("-H", f"Last-Event-ID: {len(WHOLE)}", "-w", "%{http_code}", url(server, f"/runs/{run}/events"))
    assert curl(*request).stdout == b"204"
