"""The table of hosts: streams and runs in applications with other people's extensions, hooks and middleware."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.apps.hosts import ROWS, SENTRY
from tests.clients import Connection, wait_until
from tests.figures import Figures
from tests.servers import Server, gunicorn

JSON: Final = {"Content-Type": "application/json", "Accept-Encoding": "gzip, br, zstd", "If-None-Match": '"x"'}

STREAMS: Final = {"run": ("POST", "/api/operations/ticking", b"{}"), "stream": ("GET", "/stream", b"")}

OUR_OWN: Final = ["nothing", *list(ROWS)[list(ROWS).index("etags") :]]
"""The rows with hooks and middleware of these tests, where a `stream()` is tried as well."""

HOLDERS: Final = ["nothing", "flask-debugtoolbar", "opentelemetry-flask", "opentelemetry-wsgi", "keeping", "sentry"]
"""Rows that may hold the exception of a request, and with it the response that was to be sent."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Every row but Sentry's, in one worker."""
    with gunicorn("tests.apps.hosts:create_app()", env={"HEADWAY_DRAIN": "1"}) as server:
        yield warm(server)


@pytest.fixture(scope="module")
def sentry() -> Iterator[Server]:
    """The row with Sentry."""
    with gunicorn("tests.apps.hosts:with_sentry()") as server:
        yield warm(server)


@pytest.fixture
def host(row: str, request: pytest.FixtureRequest) -> Server:
    """The server of a row."""
    found: Server = request.getfixturevalue("sentry" if row in SENTRY else "server")
    return found


def ask(server: Server, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, bytes]:
    """The status and the body of a response, on a connection of its own."""
    with Connection(server) as client:
        return client.request(method, path, headers, body).status, client.body()


def inside(server: Server) -> Any:
    """What the worker holds."""
    held = json.loads(ask(server, "GET", "/inside", {})[1])
    del held["ended"]
    return held


def settled(server: Server) -> Any:
    """The same once earlier connections are closed."""
    held = [inside(server)]

    def at_rest() -> bool:
        held.append(inside(server))
        return bool(held[-1] == held[-2])

    wait_until(at_rest, "the worker is at rest")
    return held[-1]


def warm(server: Server) -> Server:
    """A server that has made what it makes at the first stream and the first run."""
    for method, path, body in STREAMS.values():
        with Connection(server) as viewer:
            viewer.request(method, path, JSON, body)
            viewer.message()
    return server


def headers_for(server: Server, row: str) -> dict[str, str]:
    """The headers of a request, with what the row's checks want."""
    if row != "flask-wtf":
        return JSON
    with Connection(server) as client:
        cookie = client.request("GET", f"/{row}/token").headers["set-cookie"].partition(";")[0]
        return {**JSON, "Cookie": cookie, "X-CSRFToken": client.body().decode()}


@pytest.mark.parametrize(
    ("row", "kind"), [*((row, "run") for row in [*ROWS, *SENTRY]), *((row, "stream") for row in OUR_OWN)]
)
def test_a_stream(host: Server, row: str, kind: str, figures: Figures) -> None:
    """Events arrive as they are yielded, a disconnect stops the work at once, and nothing is left behind."""
    headers = headers_for(host, row)
    ask(host, "GET", f"/{row}/page", headers)
    before = settled(host)
    method, path, body = STREAMS[kind]
    with Connection(host) as viewer:
        assert viewer.request(method, f"/{row}{path}", headers, body).status == 200
        messages = viewer.messages()
        delays: list[float] = []
        while len(delays) < 20:
            message = next(messages)
            if message.event == "tick":
                delays.append(time.time() - message.json["at"])
        assert inside(host)["working"] == before["working"] + 1
        viewer.close()
    left = time.monotonic()
    wait_until(lambda: inside(host) == before, f"the worker is as before: {before}")
    stopped = json.loads(ask(host, "GET", "/inside", {})[1])["ended"] - left
    assert max(*delays, stopped) < 1
    figures.add("host", f"event to viewer {max(delays) * 1000:.1f} ms, disconnect to end {stopped * 1000:.1f} ms")


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize(("row", "header"), [*((row, "X-Raise") for row in HOLDERS), ("failing", "X-Fail")])
def test_a_hook_that_raises(host: Server, row: str, header: str, kind: str) -> None:
    """The request fails, and its run, which nobody will ever watch, ends with its linger."""
    headers = headers_for(host, row)
    before = settled(host)
    method, path, body = STREAMS[kind]
    assert ask(host, method, f"/{row}{path}", {**headers, header: "1"}, body)[0] == 500
    wait_until(lambda: inside(host) == before, f"the worker is as before: {before}", timeout=5)


# A middleware that keeps every body, and closes none


def one_piece(viewer: Connection) -> None:
    """Sends a request whose stream the middleware leaves after its first piece."""
    method, path, body = STREAMS["run"]
    viewer.request(method, f"/keeping{path}", {**JSON, "X-One-Piece": "1"}, body)
    assert viewer.body().startswith(b"retry: 2000")


@pytest.mark.parametrize("path", ["/keeping/page", "/nothing/stream"])
def test_the_next_request_ends_a_stream_that_was_left(server: Server, path: str) -> None:
    """On the same connection, which may be a proxy's for many clients; the stream that follows is not touched."""
    before = settled(server)
    with Connection(server) as viewer:
        one_piece(viewer)
        assert inside(server)["viewers"] == before["viewers"] + 1
        viewer.request("GET", path)
        left = before["working"] + ("stream" in path)
        wait_until(lambda: inside(server)["working"] == left, "the stream that was left ends")
        viewer.close()
    wait_until(lambda: inside(server) == before, f"the worker is as before: {before}")


def test_the_end_of_its_connection_ends_a_stream_that_was_left(server: Server) -> None:
    """The streams that get its number meanwhile go on, past every timeout."""
    before = settled(server)
    for _ in range(5):
        with Connection(server) as viewer:
            one_piece(viewer)
    others = [Connection(server) for _ in range(8)]
    for other in others:
        other.request("GET", "/nothing/stream")
        other.message()
    wait_until(lambda: inside(server)["viewers"] == before["viewers"] + len(others), "the others are left")
    time.sleep(1.5)
    assert inside(server)["viewers"] == before["viewers"] + len(others)
    for other in others:
        other.close()
    wait_until(lambda: inside(server) == before, f"the worker is as before: {before}")


def test_streams_that_break_off_in_a_write(server: Server) -> None:
    """The server then closes the connection, and the middleware hides that."""
    before = settled(server)
    method, path, _ = STREAMS["run"]
    for _ in range(10):
        with Connection(server) as viewer:
            viewer.request(method, f"/keeping{path}", JSON, b'{"count": 100000, "pause": 0}')
            viewer.message()
            viewer.reset()
    wait_until(lambda: inside(server) == before, f"the worker is as before: {before}")
