"""A viewer that disconnects is noticed on its socket: on every server, in every way to leave, and only then."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.apps.notes import VARIABLE, Notes
from tests.clients import Address, Connection, request_bytes, wait_until
from tests.figures import Figures
from tests.servers import Server, answers_http, flask_run, free_port, gunicorn, launched, program, pywsgi, scratch

if TYPE_CHECKING:
    from tests.conftest import Certificate

APP = "tests.apps.stopping:app"
SOON = 1.0
"""Seconds in which a disconnect must be noticed: a hundred times what it takes, and far less than a heartbeat."""

SEND_TIMEOUT = 2.0
"""Seconds after which a silent host counts as gone, in the tests that take one away."""

TLS = ("gevent-tls", "gevent_pywsgi-tls", "pywsgi-tls")
GEVENT = ("gevent", "gevent_pywsgi", "pywsgi", "pywsgi-unpatched", "gevent-unix", *TLS)
EVERY = (*GEVENT, "gthread", "flask-run")

every_server = pytest.mark.parametrize("server", EVERY, indirect=True)
keeping_alive = pytest.mark.parametrize("server", GEVENT, indirect=True)

Options = dict[str, Any]
note_names = map("note{}".format, itertools.count())


def serve(kind: str, env: dict[str, str], certificate: Certificate, folder: Path) -> AbstractContextManager[Server]:
    """A server of this kind."""
    tls: Options = {"certfile": certificate.certfile, "keyfile": certificate.keyfile} if kind.endswith("-tls") else {}
    kinds: dict[str, Callable[[], AbstractContextManager[Server]]] = {
        "gevent": lambda: gunicorn(APP, env=env, **tls),
        "gevent_pywsgi": lambda: gunicorn(APP, env=env, worker_class="gevent_pywsgi", **tls),
        "gthread": lambda: gunicorn(APP, env=env, worker_class="gthread", args=["--threads", "8"]),
        "pywsgi": lambda: pywsgi(APP, env=env, **tls),
        "pywsgi-unpatched": lambda: pywsgi(APP, env=env, patched=False),
        "gevent-unix": lambda: gunicorn(APP, env=env, bind=folder / "server.sock"),
        "flask-run": lambda: flask_run(APP, env=env),
    }
    return kinds[kind.removesuffix("-tls")]()


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, certificate: Certificate, notes: Notes) -> Iterator[Server]:
    """One server of the kind that the test names."""
    env = {VARIABLE: str(notes.folder), "HEADWAY_MAX_RUNS_PER_CLIENT": "1000"}
    with scratch() as folder, serve(request.param, env, certificate, folder) as started:
        yield started


# The ways to leave


def close(viewer: Connection) -> None:
    """With a FIN; over TLS, without a closure alert."""
    viewer.close()


def reset(viewer: Connection) -> None:
    """With a RST."""
    viewer.reset()


def close_notify(viewer: Connection) -> None:
    """As TLS requires (RFC 8446, section 6.1): with an alert, and then a FIN."""
    assert isinstance(viewer.socket, ssl.SSLSocket)
    viewer.socket.settimeout(0)
    with contextlib.suppress(ssl.SSLWantReadError):  # the alert is sent; that of the server is not waited for
        viewer.socket.unwrap()
    socket.socket.close(viewer.socket)


def half_close(viewer: Connection) -> None:
    """A FIN that leaves the other direction open; below TLS, if there is TLS."""
    socket.socket.shutdown(viewer.socket, socket.SHUT_WR)


# Requests


def start(viewer: Connection, operation: str, note: str = "") -> None:
    """Starts a run and waits for the head of its stream."""
    viewer.send(starting(operation, note))
    assert viewer.response().status == 200


def starting(operation: str, note: str = "") -> bytes:
    """The request that starts a run."""
    body = json.dumps({"note": note}).encode()
    return request_bytes("POST", f"/operations/{operation}", {"Content-Type": "application/json"}, body)


def ask(server: Server, path: str) -> Any:
    """The JSON in the response to a GET, on a connection of its own."""
    with Connection(server) as client:
        client.request("GET", path, {"Connection": "close"})
        return json.loads(client.body())


def delay(server: Server, notes: Notes, operation: str, leave: Callable[[Connection], None]) -> float:
    """Seconds from a viewer's disconnect to the end of the `finally` of its operation."""
    note, viewer = next(note_names), Connection(server)
    start(viewer, operation, note)
    viewer.until("progress")
    left = time.monotonic()
    leave(viewer)
    return notes.when(note) - left


@every_server
@pytest.mark.parametrize("operation", ["silent", "ticking"])
@pytest.mark.parametrize("leave", [close, reset])
def test_a_viewer_that_leaves(
    server: Server,
    notes: Notes,
    operation: str,
    leave: Callable[[Connection], None],
    long: bool,
    figures: Figures,
) -> None:
    """A close and a reset stop the work, on a silent stream and on a busy one."""
    delays = [delay(server, notes, operation, leave) for _ in range(50 if long else 5)]
    figures.times("from a viewer's close or reset to the end of its operation", delays)
    assert max(delays) < SOON


@pytest.mark.parametrize("server", TLS, indirect=True)
def test_a_viewer_that_leaves_tls_in_good_order(server: Server, notes: Notes, long: bool, figures: Figures) -> None:
    """An alert that nobody reads, followed by a FIN, is a close."""
    delays = [delay(server, notes, "silent", close_notify) for _ in range(50 if long else 5)]
    figures.times("from a close_notify to the end of its operation", delays)
    assert max(delays) < SOON


@every_server
def test_a_viewer_that_leaves_while_the_server_is_stuck_in_a_write(server: Server, notes: Notes) -> None:
    """The disconnect of a viewer that has stopped reading is noticed, too."""
    note = next(note_names)
    with Connection(server, receive_buffer=4096) as viewer:
        start(viewer, "pouring", note)
        viewer.message()
        wait_until(lambda: is_full(viewer), "the viewer's buffer is full")
        left = time.monotonic()
    assert notes.when(note) - left < SOON


def is_full(viewer: Connection) -> bool:
    """Whether no more data arrives."""
    before = arrived(viewer)
    time.sleep(0.05)
    return before == arrived(viewer) > 0


def arrived(viewer: Connection) -> int:
    """Bytes that the kernel holds for the viewer; below TLS, if there is TLS."""
    with contextlib.suppress(BlockingIOError):
        plain = socket.socket(fileno=viewer.socket.fileno())
        try:
            return len(plain.recv(1 << 24, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        finally:
            plain.detach()
    return 0


@every_server
def test_a_stream_without_a_run_ends_with_its_viewer(server: Server, notes: Notes) -> None:
    """The generator of `stream()` is closed when its client disconnects."""
    note, viewer = next(note_names), Connection(server)
    viewer.request("GET", f"/streamed?note={note}")
    viewer.until("progress")
    left = time.monotonic()
    viewer.close()
    assert notes.when(note) - left < SOON


# Half-closes


@every_server
def test_a_half_closed_viewer_keeps_its_stream(server: Server, notes: Notes) -> None:
    """A FIN alone is answered with a comment, and the stream goes on to its end."""
    note = next(note_names)
    with Connection(server) as viewer:
        start(viewer, "patient", note)
        viewer.until("progress")
        half_close(viewer)
        assert viewer.comment() == "keep-alive"
        notes.leave(f"go {note}")
        assert [message.event for message in viewer.messages()] == ["progress", "result", "done"]


@every_server
def test_a_half_closed_viewer_that_leaves_after_all(server: Server, notes: Notes) -> None:
    """The watch goes on after a half-close, and notices a reset."""
    note = next(note_names)
    viewer = Connection(server)
    start(viewer, "silent", note)
    viewer.until("progress")
    half_close(viewer)
    viewer.comment()
    left = time.monotonic()
    viewer.reset()
    assert notes.when(note) - left < SOON


@every_server
def test_a_disconnect_stops_no_other_stream(server: Server, notes: Notes) -> None:
    """Of two connections only the one that is closed has its work stopped."""
    first, second = next(note_names), next(note_names)
    with Connection(server) as stays, Connection(server) as goes:
        start(stays, "patient", first)
        start(goes, "silent", second)
        for viewer in (stays, goes):
            viewer.until("progress")
        goes.close()
        notes.when(second)
        notes.leave(f"go {first}")
        assert stays.until("done")[-1].json["status"] == "succeeded"


# Connections that carry more than one request


@keeping_alive
def test_a_connection_outlives_its_stream(server: Server, notes: Notes) -> None:
    """After a stream the connection is no longer watched, and carries the next request, and the next stream."""
    with Connection(server) as viewer:
        for _ in range(2):
            succeeds(viewer, notes)
            viewer.request("GET", "/inside")
            assert json.loads(viewer.body())["watched"] == 0


def succeeds(viewer: Connection, notes: Notes) -> None:
    """Follows a run from its start to its end."""
    note = next(note_names)
    notes.leave(f"go {note}")
    start(viewer, "patient", note)
    assert list(viewer.messages())[-1].json["status"] == "succeeded"


@keeping_alive
@pytest.mark.parametrize("leave", [close, reset])
def test_a_close_late_in_the_life_of_a_connection(
    server: Server, notes: Notes, leave: Callable[[Connection], None]
) -> None:
    """A disconnect is noticed after earlier streams and requests, too."""
    note, viewer = next(note_names), Connection(server)
    succeeds(viewer, notes)
    viewer.request("GET", "/operations")
    viewer.body()
    start(viewer, "silent", note)
    viewer.until("progress")
    left = time.monotonic()
    leave(viewer)
    assert notes.when(note) - left < SOON


@keeping_alive
def test_pipelined_requests_are_answered_after_the_stream(server: Server, notes: Notes) -> None:
    """What a client sends ahead, with the request for a stream or during it, waits until the stream ends."""
    note = next(note_names)
    with Connection(server) as viewer:
        viewer.send(starting("patient", note) + request_bytes("GET", "/health/live"))
        viewer.response()
        viewer.until("progress")
        viewer.send(request_bytes("GET", "/health/ready") + request_bytes("GET", "/nowhere"))
        notes.leave(f"go {note}")
        assert list(viewer.messages())[-1].event == "done"
        assert [(viewer.response().status, len(viewer.body()) > 0) for _ in range(3)] == [
            (200, True),
            (200, True),
            (404, True),
        ]


@keeping_alive
@pytest.mark.parametrize("leave", [close, reset])
def test_pipelined_requests_hide_no_disconnect(
    server: Server, notes: Notes, leave: Callable[[Connection], None]
) -> None:
    """The disconnect of a viewer that has sent ahead is noticed."""
    note, viewer = next(note_names), Connection(server)
    viewer.send(starting("silent", note) + request_bytes("GET", "/health/live"))
    viewer.response()
    viewer.until("progress")
    viewer.send(request_bytes("GET", "/health/ready"))
    left = time.monotonic()
    leave(viewer)
    assert notes.when(note) - left < SOON


@pytest.mark.parametrize("server", ["gevent", "gevent_pywsgi", "gevent-tls"], indirect=True)
def test_a_connection_gets_its_patience_back(server: Server, notes: Notes) -> None:
    """The limit on unacknowledged data ends with the stream that set it."""
    with Connection(server) as viewer:
        succeeds(viewer, notes)
        viewer.request("GET", "/patience")
        assert json.loads(viewer.body()) == {"milliseconds": 0}


# Without a watch


def test_writes_tell_where_the_server_shows_no_socket(notes: Notes) -> None:
    """On a server without a socket to watch, a stream ends at the latest with the second heartbeat after a close."""
    env = {VARIABLE: str(notes.folder), "HEADWAY_HEARTBEAT": "0.2"}
    address = Address(port=free_port())
    command = [sys.executable, "-m", "tests.apps.wsgiref", APP, "--port", str(address.port)]
    with (
        scratch() as folder,
        launched("wsgiref", command, address, folder, ready=answers_http, env=env) as server,
    ):
        assert delay(server, notes, "silent", close) < 4


@pytest.mark.parametrize("patched", [True, False])
def test_writes_tell_where_the_system_has_no_epoll(notes: Notes, patched: bool) -> None:
    """On a system without epoll streams work, and end at the latest with the second heartbeat after a close."""
    env = {VARIABLE: str(notes.folder), "HEADWAY_HEARTBEAT": "0.2"}
    with pywsgi("tests.apps.no_epoll:app", patched=patched, env=env) as server:
        assert ask(server, "/inside")["watched"] == 0
        assert delay(server, notes, "silent", close) < 4


# Hosts that lose their power


@contextlib.contextmanager
def two_hosts() -> Iterator[tuple[str, str]]:
    """Two network namespaces with a cable between them: the server's, at 10.0.0.1, and the viewer's, at 10.0.0.2."""
    hosts = [f"headway-{os.getpid()}-{role}" for role in ("server", "viewer")]
    with ExitStack() as after:
        for name in hosts:
            ip("netns", "add", name)
            after.callback(ip, "netns", "delete", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", "cable", "netns", hosts[0], "type", "veth", "peer", "name", "cable", "netns", hosts[1])
        for number, name in enumerate(hosts, 1):
            ip("-n", name, "address", "add", f"10.0.0.{number}/24", "dev", "cable")
            ip("-n", name, "link", "set", "cable", "up")
        yield hosts[0], hosts[1]


def ip(*arguments: str) -> None:
    """ip(8), which needs root and a kernel with network namespaces."""
    done = subprocess.run([program("ip"), *arguments], capture_output=True, text=True)
    command = " ".join(("ip", *arguments))
    assert done.returncode == 0, f"this test needs root and network namespaces; `{command}` said: {done.stderr}"


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """The calling thread opens its sockets and starts its processes in a network namespace (setns(2))."""
    with open("/proc/thread-self/ns/net") as own, open(f"/run/netns/{namespace}") as other:
        enter(other.fileno())
        try:
            yield
        finally:
            enter(own.fileno())


def enter(descriptor: int) -> None:
    """`os.setns` of Python 3.12."""
    assert ctypes.CDLL(None, use_errno=True).setns(descriptor, 0) == 0, os.strerror(ctypes.get_errno())


@dataclass
class Reached:
    """The address of a server for another host."""

    address: Address


@pytest.fixture
def distant(notes: Notes) -> Iterator[tuple[Connection, Callable[[str], None]]]:
    """A viewer on another host than its server, and a function that sets the line of that host "up" or "down"."""
    env = {VARIABLE: str(notes.folder), "HEADWAY_HEARTBEAT": "0.5", "HEADWAY_SEND_TIMEOUT": str(SEND_TIMEOUT)}
    with two_hosts() as (home, abroad), inside(home), gunicorn(APP, env=env, args=["-b", "10.0.0.1:8000"]):
        with inside(abroad):
            viewer = Connection(Reached(Address(host="10.0.0.1", port=8000)))
        with viewer:
            yield viewer, lambda state: ip("-n", abroad, "link", "set", "cable", state)


def test_a_viewer_whose_host_loses_its_power(
    distant: tuple[Connection, Callable[[str], None]], notes: Notes, figures: Figures
) -> None:
    """Its stream ends once heartbeats have been unacknowledged for the send timeout."""
    note, (viewer, line) = next(note_names), distant
    start(viewer, "silent", note)
    viewer.comment()
    lost = time.monotonic()
    line("down")
    took = notes.when(note) - lost
    figures.times("from a host's loss of power to the end of its operation", [took])
    assert SEND_TIMEOUT * 0.9 < took < SEND_TIMEOUT * 3


def test_a_send_timeout_beyond_what_the_kernel_takes(notes: Notes) -> None:
    """A send timeout of years is no error: the kernel gets its maximum."""
    env = {VARIABLE: str(notes.folder), "HEADWAY_SEND_TIMEOUT": "1e9"}
    with gunicorn(APP, env=env) as server, Connection(server) as viewer:
        succeeds(viewer, notes)


def test_a_viewer_whose_line_was_down_for_a_moment(
    distant: tuple[Connection, Callable[[str], None]], notes: Notes
) -> None:
    """A line that returns before the send timeout costs the viewer nothing."""
    note, (viewer, line) = next(note_names), distant
    start(viewer, "patient", note)
    viewer.comment()
    line("down")
    time.sleep(SEND_TIMEOUT / 2)  # so that a heartbeat meets the line while it is down
    line("up")
    viewer.comment()
    notes.leave(f"go {note}")
    assert viewer.until("done")[-1].json["status"] == "succeeded"
