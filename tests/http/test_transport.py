"""The connection under a stream: whether its peer receives, when it disconnects, and what is done to its socket.

The peers are real sockets; the time of the delivery checks is the test's own.
"""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import struct
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import gevent
import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from streaming.http import transport as module
from streaming.http.transport import SOCKET_KEYS, Transport
from streaming.runtime.worker import Worker
from tests.clients import PATIENCE, wait_until

SEND_TIMEOUT: Final = 20.0


class Pair(NamedTuple):
    """The two ends of a connection."""

    server: socket.socket
    client: socket.socket

    def fill(self) -> None:
        """Writes until the peer's buffers and the server's are full."""
        self.server.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while select.select([], [self.server], [], 0.05)[1]:
                self.server.send(b"x" * 65536)

    def drain(self) -> None:
        """Reads all that was written."""
        self.client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while select.select([self.client], [], [], 0.05)[0]:
                self.client.recv(65536)

    def reset(self) -> None:
        """Closes the client's end with a reset."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client.close()


@pytest.fixture
def tcp() -> Iterator[Pair]:
    """A TCP connection with small buffers."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with server:
            yield Pair(server, client)


@pytest.fixture
def unix() -> Iterator[Pair]:
    """A connection over a unix socket."""
    server, client = socket.socketpair()
    with server, client:
        yield Pair(server, client)


@pytest.fixture
def pair(request: pytest.FixtureRequest) -> Pair:
    """The connection of the fixture that the test names."""
    found: Pair = request.getfixturevalue(request.param)
    return found


both: Final = pytest.mark.parametrize("pair", ["tcp", "unix"], indirect=True)


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A worker in the thread of the test."""
    worker = Worker()
    yield worker
    worker.close()


class Watcher:
    """Remembers what it was notified of."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def disconnected(self) -> None:
        """The peer has disconnected."""
        self.notices.append("disconnected")

    def probe(self) -> None:
        """The peer has closed its side."""
        self.notices.append("probe")

    def abandon(self) -> None:
        """The server does not read the stream any more."""
        self.notices.append("abandon")

    def expect(self, *notices: str) -> None:
        """Waits for these notices, and no others."""
        with gevent.Timeout(PATIENCE, AssertionError(f"{self.notices}, not {notices}")):
            while self.notices != list(notices):
                gevent.sleep(0.001)


def transport_on(sock: Any, request: str = "") -> Transport:
    """A transport whose server shows this socket, for a request of the connection."""
    return Transport({"gunicorn.socket": sock, "wsgi.input": request})


def check(transport: Transport, now: float, writes: int = 1, writing: bool = True) -> bool:
    """One check of the delivery, by default during the first write."""
    return transport.is_stuck(now, writes, writing, SEND_TIMEOUT)


# Which socket


@pytest.mark.parametrize("key", SOCKET_KEYS)
def test_the_sockets_of_servers(unix: Pair, key: str) -> None:
    """Each server has its own name for it in the WSGI environment."""
    assert Transport({key: unix.server}).fd == unix.server.fileno()


def test_the_socket_of_pywsgi(unix: Pair) -> None:
    """It stands behind the body of the request."""
    with unix.server.makefile("rb") as rfile:
        body = SimpleNamespace(rfile=rfile)
        assert Transport({"wsgi.input": body}).fd == unix.server.fileno()


@pytest.mark.parametrize(
    "environ", [{}, {"wsgi.input": object()}, {"gunicorn.socket": object()}], ids=["nothing", "a body", "no socket"]
)
def test_a_server_that_shows_no_socket(worker: Worker, environ: dict[str, Any]) -> None:
    """Then there is nothing to watch, to limit and to cut."""
    transport = Transport(environ)
    transport.open(worker, Watcher(), SEND_TIMEOUT)
    transport.cut()
    transport.close(worker)
    assert transport.fd == -1


def test_a_socket_that_is_closed(worker: Worker, unix: Pair) -> None:
    """It counts as none."""
    unix.server.close()
    assert transport_on(unix.server).fd == -1


# The delivery


@both
def test_nothing_to_deliver(pair: Pair) -> None:
    """An idle peer is never stuck, however long it is idle."""
    transport = transport_on(pair.server)
    for now in range(0, 1000, 5):
        assert not check(transport, now, writing=False)
        assert not transport.pending


@both
def test_a_peer_that_receives_nothing(pair: Pair) -> None:
    """It is stuck once that has lasted for the send timeout, and not before."""
    transport = transport_on(pair.server)
    pair.fill()
    assert not check(transport, 0)
    assert transport.pending
    for now in (5, 10, 15, SEND_TIMEOUT - 0.1):
        assert not check(transport, now)
    assert check(transport, SEND_TIMEOUT + 5)


@both
def test_a_peer_that_receives_slowly(pair: Pair) -> None:
    """It is never stuck as long as something reaches it within each send timeout."""
    transport = transport_on(pair.server)
    now = 0.0
    for writes in range(5):
        pair.fill()
        for _ in range(3):
            assert not check(transport, now, writes)
            now += SEND_TIMEOUT / 4 + 0.1
        pair.drain()
    assert not check(transport, now, writes=5)


@both
def test_a_peer_that_has_received_all(pair: Pair) -> None:
    """Its delivery is over with the write, and the time before does not count later."""
    transport = transport_on(pair.server)
    pair.fill()
    assert not check(transport, 0)
    pair.drain()
    assert not check(transport, SEND_TIMEOUT - 1, writing=False)
    assert not transport.pending
    pair.fill()
    assert not check(transport, SEND_TIMEOUT + 1, writes=2)


def test_checks_are_rare(tcp: Pair) -> None:
    """A quarter of the send timeout lies between two checks of the socket, however often it is called."""
    transport = transport_on(tcp.server)
    tcp.fill()
    assert not check(transport, 0)
    tcp.drain()
    assert not check(transport, SEND_TIMEOUT / 4 - 0.1, writing=False)
    assert transport.pending
    assert not check(transport, SEND_TIMEOUT / 4, writing=False)
    assert not transport.pending


def test_without_a_socket_writes_tell() -> None:
    """A write that does not end for the send timeout is stuck; writes that end are not."""
    transport = Transport({})
    for number in range(50):
        assert not check(transport, number * SEND_TIMEOUT, writes=number)
    start = 50 * SEND_TIMEOUT
    assert not check(transport, start, writes=50)
    assert not check(transport, start + SEND_TIMEOUT - 1, writes=50)
    assert check(transport, start + 2 * SEND_TIMEOUT, writes=50)


# Hosts that lose their power


def user_timeout(sock: socket.socket) -> int:
    """TCP_USER_TIMEOUT in milliseconds; 0 where the kernel decides."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


def test_the_kernel_drops_a_silent_host(worker: Worker, tcp: Pair) -> None:
    """After the send timeout, while the stream is open; afterwards the connection is as it was."""
    tcp.server.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1234)
    transport = transport_on(tcp.server)
    transport.open(worker, Watcher(), SEND_TIMEOUT)
    assert user_timeout(tcp.server) == 20_000
    transport.close(worker)
    assert user_timeout(tcp.server) == 1234


def test_the_kernel_spares_a_slow_reader(worker: Worker, tcp: Pair) -> None:
    """A window that is full is not a host that is gone; once all is delivered, the limit is back."""
    transport = transport_on(tcp.server)
    transport.open(worker, Watcher(), SEND_TIMEOUT)
    tcp.fill()
    times = itertools.count(0, 5)

    def limit(writing: bool) -> int:
        check(transport, next(times), writing=writing)
        return user_timeout(tcp.server)

    wait_until(lambda: limit(writing=True) == 0, "the limit is lifted")
    tcp.drain()
    wait_until(lambda: limit(writing=False) == 20_000, "the limit is back")
    transport.close(worker)


def test_a_send_timeout_of_years(worker: Worker, tcp: Pair) -> None:
    """The kernel takes 24 days at the most."""
    transport = transport_on(tcp.server)
    transport.open(worker, Watcher(), 1e9)
    assert user_timeout(tcp.server) == 2**31 - 1
    transport.close(worker)


# Disconnects


def closes(pair: Pair) -> None:
    """A close of both directions."""
    pair.client.close()


def half_closes(pair: Pair) -> None:
    """A peer that has sent its last byte."""
    pair.client.shutdown(socket.SHUT_WR)


@both
def test_a_half_close_is_probed(worker: Worker, pair: Pair) -> None:
    """Whether the peer still reads, only a write shows."""
    transport, watcher = transport_on(pair.server), Watcher()
    transport.open(worker, watcher)
    half_closes(pair)
    watcher.expect("probe")
    transport.close(worker)


def test_a_reset_is_a_disconnect(worker: Worker, tcp: Pair) -> None:
    """It needs no write to show."""
    transport, watcher = transport_on(tcp.server), Watcher()
    transport.open(worker, watcher)
    tcp.reset()
    watcher.expect("disconnected")
    transport.close(worker)


def test_a_write_shows_a_close(worker: Worker, tcp: Pair) -> None:
    """A close looks like a half-close until the peer answers what is written to it."""
    transport, watcher = transport_on(tcp.server), Watcher()
    transport.open(worker, watcher)
    closes(tcp)
    watcher.expect("probe")
    tcp.server.send(b": keep-alive\n\n")
    watcher.expect("probe", "disconnected")
    transport.close(worker)


@pytest.mark.parametrize(("leave", "notice"), [(Pair.reset, "disconnected"), (half_closes, "probe")])
def test_a_peer_that_has_left_already(worker: Worker, tcp: Pair, leave: Callable[[Pair], None], notice: str) -> None:
    """It is reported as soon as the watch begins."""
    leave(tcp)
    transport, watcher = transport_on(tcp.server), Watcher()
    transport.open(worker, watcher)
    watcher.expect(notice)
    transport.close(worker)


def test_what_a_client_sends_ahead_is_left_alone(worker: Worker, tcp: Pair) -> None:
    """A pipelined request notifies nobody, and is still there for the server."""
    transport, watcher = transport_on(tcp.server), Watcher()
    transport.open(worker, watcher)
    tcp.client.send(b"GET /next HTTP/1.1\r\n\r\n")
    gevent.sleep(0.02)
    assert watcher.notices == []
    assert tcp.server.recv(100).startswith(b"GET /next")
    transport.close(worker)


def test_nobody_is_notified_after_the_stream(worker: Worker, tcp: Pair) -> None:
    """The next request of a connection has nothing to do with a watcher of the one before."""
    transport, watcher = transport_on(tcp.server), Watcher()
    transport.open(worker, watcher)
    transport.close(worker)
    half_closes(tcp)
    gevent.sleep(0.02)
    assert watcher.notices == []
    again = Watcher()
    transport.open(worker, again)
    again.expect("probe")
    transport.close(worker)


def test_a_socket_that_the_server_closed_first(worker: Worker, tcp: Pair) -> None:
    """The kernel has dropped it from the watch; to end that is no error."""
    transport = transport_on(tcp.server)
    transport.open(worker, Watcher())
    tcp.server.close()
    transport.close(worker)


# Whose connection it is


@pytest.fixture
def stale(worker: Worker, tcp: Pair) -> Iterator[tuple[Transport, Watcher, Pair]]:
    """A stream that was left open although its server has closed the socket, and a connection that has its number."""
    transport, watcher = transport_on(tcp.server), Watcher()
    transport.open(worker, watcher, SEND_TIMEOUT)
    number = tcp.server.fileno()
    tcp.server.close()
    with contextlib.ExitStack() as others:
        while True:
            server, client = map(others.enter_context, socket.socketpair())
            if number in (server.fileno(), client.fileno()):
                break
        yield transport, watcher, Pair(server, client) if server.fileno() == number else Pair(client, server)


def test_a_stale_stream_cuts_nobody(stale: tuple[Transport, Watcher, Pair]) -> None:
    """The connection that has the number of its own is another client's."""
    transport, _, other = stale
    assert transport.lost
    transport.cut()
    other.server.send(b"still here")
    assert other.client.recv(100) == b"still here"
    assert not check(transport, 0)


def test_a_stale_stream_ends_no_watch(worker: Worker, stale: tuple[Transport, Watcher, Pair]) -> None:
    """Neither as it is replaced nor as it closes; it is told that nobody reads it."""
    transport, watcher, other = stale
    new, newcomer = transport_on(other.server), Watcher()
    new.open(worker, newcomer)
    assert watcher.notices == ["abandon"]
    transport.close(worker)
    half_closes(other)
    newcomer.expect("probe")
    assert watcher.notices == ["abandon"]
    new.close(worker)


def test_a_copy_in_another_process(worker: Worker, tcp: Pair) -> None:
    """A child that has inherited a connection keeps it in the epoll set, under a number that is another's by now."""
    copy = tcp.server.dup()
    transport, watcher = transport_on(tcp.server), Watcher()
    transport.open(worker, watcher)
    number = tcp.server.fileno()
    tcp.server.close()
    with copy, contextlib.ExitStack() as others:
        while True:
            server, _ = map(others.enter_context, socket.socketpair())
            if server.fileno() == number:
                break
        new, newcomer = transport_on(server), Watcher()
        new.open(worker, newcomer)
        tcp.reset()
        gevent.sleep(0.02)
        assert (watcher.notices, newcomer.notices) == (["abandon"], [])
        new.close(worker)


def test_the_next_stream_of_a_connection(worker: Worker, tcp: Pair) -> None:
    """It ends one that its server has left open, which then leaves the connection alone."""
    first, second = Watcher(), Watcher()
    left, opened = transport_on(tcp.server, "first"), transport_on(tcp.server, "second")
    left.open(worker, first, SEND_TIMEOUT)
    opened.open(worker, second, SEND_TIMEOUT)
    assert (first.notices, left.lost, opened.lost) == (["abandon"], True, False)
    left.cut()
    left.close(worker)
    assert user_timeout(tcp.server) == 20_000
    half_closes(tcp)
    second.expect("probe")
    opened.close(worker)
    assert (first.notices, user_timeout(tcp.server)) == (["abandon"], 0)


def requested(sock: socket.socket, body: Any) -> None:
    """A request to some Flask application, whose server shows this socket."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "hello")
    environ = EnvironBuilder().get_environ()
    environ.update({"gunicorn.socket": sock, "wsgi.input": body})
    assert b"".join(run_wsgi_app(app, environ)[0]) == b"hello"


def test_the_next_request_of_a_connection(worker: Worker, tcp: Pair) -> None:
    """Whatever it asks for, it ends a stream that was left open."""
    transport, watcher = transport_on(tcp.server, "first"), Watcher()
    transport.open(worker, watcher)
    requested(tcp.server, "second")
    assert (watcher.notices, transport.lost) == (["abandon"], True)
    half_closes(tcp)
    gevent.sleep(0.02)
    assert watcher.notices == ["abandon"]


def test_a_request_within_a_stream(worker: Worker, tcp: Pair, unix: Pair) -> None:
    """One that is made with a copy of the stream's environment is none of the connection's own."""
    transport, watcher = transport_on(tcp.server, "first"), Watcher()
    transport.open(worker, watcher)
    gevent.spawn(requested, tcp.server, "made up").get()
    requested(tcp.server, "first")
    requested(unix.server, "second")
    inner, unwatched = transport_on(tcp.server, "made up"), Watcher()
    gevent.spawn(inner.open, worker, unwatched).get()
    inner.close(worker)
    half_closes(tcp)
    watcher.expect("probe")
    assert unwatched.notices == []
    transport.close(worker)


def test_watches_end_with_their_worker(tcp: Pair) -> None:
    """A worker that closes notifies nobody any more, and another one can watch the same socket."""
    first, second = Worker(), Worker()
    old, new = Watcher(), Watcher()
    transport_on(tcp.server).open(first, old)
    first.close()
    transport = transport_on(tcp.server)
    transport.open(second, new)
    half_closes(tcp)
    new.expect("probe")
    assert old.notices == []
    transport.close(second)
    second.close()


def test_a_system_without_epoll(worker: Worker, tcp: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no watch there, but the kernel still drops a silent host."""
    monkeypatch.setattr(module, "native_epoll", None)
    transport, watcher = transport_on(tcp.server), Watcher()
    transport.open(worker, watcher, SEND_TIMEOUT)
    assert user_timeout(tcp.server) == 20_000
    half_closes(tcp)
    gevent.sleep(0.02)
    assert watcher.notices == []
    transport.close(worker)
    assert user_timeout(tcp.server) == 0


def test_a_cut_is_a_reset(tcp: Pair) -> None:
    """Whatever the peer has not received is dropped, and the server's own object stays usable."""
    tcp.fill()
    transport_on(tcp.server).cut()
    with pytest.raises(OSError, match=r"Broken pipe|reset"):
        tcp.server.send(b"x")
    assert tcp.server.fileno() > 0
