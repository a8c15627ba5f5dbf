"""Streams that write on gunicorn's connections themselves: what clients, middleware and the access log notice of it."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients import Connection, Message, wait_until
from tests.servers import Server, gunicorn

PACED: Final = "/stream/20/10/0.002"
LARGE: Final = "/stream/40/200000/0.001"
"""Eight megabytes: more than the buffers of a connection hold."""
WRAPPING: Final = """
def post_worker_init(worker):
    from tests.apps.direct import Counter
    worker.wsgi = Counter(worker.wsgi)
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The access log: the path and the bytes of each response."""
    return tmp_path_factory.mktemp("direct") / "access"


@pytest.fixture(scope="module")
def server(log: Path) -> Iterator[Server]:
    """One worker."""
    args = ["--access-logfile", str(log), "--access-logformat", "%(U)s %(B)s"]
    with gunicorn("tests.apps.direct:service", args=args) as server:
        yield server


def sends(server: Server) -> list[int]:
    """The blocks that were sent past gunicorn so far, in bytes."""
    return list(inside(server)["sends"])


def inside(server: Server) -> Any:
    """What the worker has noted."""
    with Connection(server) as client:
        client.request("GET", "/inside")
        return json.loads(client.body())


def numbers(messages: list[Message]) -> list[int]:
    """The numbers of the items."""
    return [message.json["n"] for message in messages if message.event == "item"]


@pytest.mark.parametrize("kind", ["stream", "run"])
def test_events_go_past_the_server(server: Server, log: Path, kind: str) -> None:
    """Each event of a paced stream is one send; the connection is kept, and the access log has every byte."""
    before = len(sends(server))
    path = PACED if kind == "stream" else "/operations/listing"
    with Connection(server) as viewer:
        if kind == "stream":
            viewer.request("GET", path)
        else:
            viewer.request("POST", path, {"Content-Type": "application/json"}, b"{}")
        body = viewer.body()
        viewer.request("GET", "/inside")
        assert json.loads(viewer.body())["sends"]
    assert body.count(b"event: item\n") == 20
    assert body.endswith(b"\n\n")
    assert len(sends(server)) - before >= 10
    logged = re.compile(rf"{path} {len(body)}\b")
    wait_until(lambda: logged.search(log.read_text()), f"{path} is logged with {len(body)} bytes")


@pytest.mark.parametrize("path", [f"/gzip{PACED}", f"/counter{PACED}", f"/gzip{LARGE}"])
def test_middleware_sees_every_byte(server: Server, path: str) -> None:
    """What stands between the stream and gunicorn is not passed by."""
    before = inside(server)
    with Connection(server) as viewer:
        viewer.request("GET", path)
        body = viewer.body()
    after = inside(server)
    assert after["sends"] == before["sends"]
    if path.startswith("/gzip"):
        body = gzip.decompress(body)
    else:
        assert after["counted"] - before["counted"] == len(body)
    assert body.count(b"event: item\n") in (20, 40)
    assert b"event: done\n" in body


def test_a_slow_viewer_gets_every_event_in_order(server: Server) -> None:
    """What the connection does not take at once is sent by the stream's own greenlet, before anything else."""
    with Connection(server, receive_buffer=32_768) as viewer:
        viewer.request("GET", LARGE)
        received = numbers(viewer.until("done"))
    assert received == list(range(40))


def test_an_idle_stream_has_heartbeats(server: Server) -> None:
    """They are sent past the server too."""
    with Connection(server) as viewer:
        viewer.request("GET", "/stream/1/10/30.0")
        viewer.message()
        before = sends(server).count(len(b": keep-alive\n\n"))
        wait_until(lambda: sends(server).count(len(b": keep-alive\n\n")) > before, "a heartbeat was sent")


def test_an_application_that_is_wrapped_later(tmp_path: Path) -> None:
    """Whoever wraps gunicorn's application from its configuration gets every byte."""
    conf = tmp_path / "conf.py"
    conf.write_text(WRAPPING)
    with gunicorn("tests.apps.direct:app", conf=conf) as server:
        with Connection(server) as viewer:
            viewer.request("GET", PACED)
            assert numbers(viewer.until("done")) == list(range(20))
        assert sends(server) == []


def test_a_stopping_worker_ends_the_stream_of_work_that_ignores_it() -> None:
    """The work has the greenlet of the stream, so that the stream ends without it."""
    args = ["--graceful-timeout", "4"]
    with (
        gunicorn("tests.apps.direct:app", env={"HEADWAY_DRAIN": "0"}, args=args) as server,
        Connection(server) as viewer,
    ):
        viewer.request("GET", "/stubborn")
        assert viewer.message().event == "start"
        for pid in server.worker_pids():
            os.kill(pid, signal.SIGTERM)
        assert viewer.body().rstrip().rpartition(b"\n")[2].startswith(b"retry: ")
