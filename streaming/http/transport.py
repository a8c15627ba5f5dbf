"""The server's connection under a stream: the one module that knows servers and their sockets.

WSGI does not report a disconnect; a server notices one when it writes, and only at the second write after a clean
close. So the sockets of all open streams are in one epoll set, made with the unpatched `select.epoll`, with
`EPOLLRDHUP | EPOLLET` and without `EPOLLIN`: what a client sends ahead (pipelining, TLS records) causes no event, and
is never read here. `EPOLLHUP` and `EPOLLERR` (always reported; epoll_ctl(2)) mean that the peer has disconnected.
`EPOLLRDHUP` alone is a close or a half-close, which look the same from here: the stream then sends one comment. A peer
that has closed answers with a reset, which causes `EPOLLHUP`; a half-closed one reads it, and the stream goes on to its
end.

A stream acts on its socket only while that is provably its own. The server's socket object says whether the connection
is open: its number is -1 from the close on, before the kernel can give that number to another connection. A stream that
its server has dropped without a `close`, as some middleware does, is over when the connection is, or when the server
begins the next request on it.

A host that loses its power sends nothing at all: its data stays unacknowledged until `TCP_USER_TIMEOUT` (RFC 5482).

Without epoll (macOS), or with a server that hides its socket, nothing is watched: a stream then ends at the first write
that fails, at the latest at a heartbeat.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import socket
import struct
import sys
import termios
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

from flask import request, request_started
from gevent import monkey
from greenlet import getcurrent

from ..runtime.worker import Worker
from .direct import Direct

SOCKET_KEYS: Final = ("gunicorn.socket", "gunicorn.sock", "werkzeug.socket")
"""gunicorn's gevent, gthread and sync workers; its gevent_pywsgi worker; Flask's own server."""

TCP_INFO: Final = struct.Struct("=24xI92xQ16xI")
"""Of `struct tcp_info` (linux/tcp.h): `tcpi_unacked`, `tcpi_bytes_acked` and `tcpi_notsent_bytes`."""

INT: Final = struct.Struct("=i")
"""The result of TIOCOUTQ, which sockets know as SIOCOUTQ (tcp(7); for unix sockets net/unix/af_unix.c)."""

MAX_MILLISECONDS: Final = 2**31 - 1
"""The maximum of `TCP_USER_TIMEOUT`: 24 days."""

native_socket: Final[Any] = monkey.get_original("socket", "socket")


def _native_epoll() -> Any:
    """The class, which gevent hides where it has patched `select`; `None` where the system has none (macOS)."""
    try:
        return monkey.get_original("select", "epoll")
    except AttributeError:
        return None


native_epoll: Final = _native_epoll()
native_poll: Final[Any] = None if native_epoll is None else monkey.get_original("select", "poll")


class Watcher(Protocol):
    """Is notified of a disconnect, in the hub."""

    def disconnected(self) -> None:
        """The peer has disconnected."""

    def probe(self) -> None:
        """The peer has closed one side or both: a write shows which."""

    def abandon(self) -> None:
        """The server has begun another request on the connection: it does not read this stream any more."""


class Delivery(NamedTuple):
    """How much of the data has reached the peer.

    `progress` changes as long as the peer receives anything. `pending`: there is data that it has not received. `full`:
    none of that is in flight, because the peer has no room for it.
    """

    progress: tuple[int, ...]
    pending: bool
    full: bool = False


class Transport:
    """The connection of one stream, from `open` to `close`. Without a socket it does nothing.

    `direct` is there where the stream may write on it past the server.
    """

    __slots__ = ("_lost", "_opener", "_pending", "_request", "_restore", "_socket", "direct", "number", "watcher")

    def __init__(self, environ: Mapping[str, Any]) -> None:
        sock = socket_of(environ)
        self.number: int = number_of(sock)
        self._socket: Any = None if self.number < 0 else sock
        self._request = environ.get("wsgi.input")  # one object for each request of a connection
        self._lost = False
        self._opener: Any = None
        self.direct: Direct | None = None
        self.watcher: Watcher | None = None
        self._restore: int | None = None
        self._pending: tuple[float, tuple[tuple[int, ...], bool], float] | None = None

    @property
    def fd(self) -> int:
        """The descriptor as long as it is this stream's own, else -1."""
        return -1 if self._socket is None or self._lost else int(self._socket.fileno())

    @property
    def lost(self) -> bool:
        """Whether the server has closed the connection, or has begun another request on it."""
        return self._socket is not None and self.fd < 0

    @property
    def pending(self) -> bool:
        """Whether there was data at the last check that the peer had not received."""
        return self._pending is not None

    def open(self, worker: Worker, watcher: Watcher, send_timeout: float | None = None) -> None:
        """Watches the peer; the kernel drops it if it acknowledges nothing for `send_timeout` seconds."""
        if self._socket is not None:
            self.watcher = watcher
            self._opener = None if worker.native else getcurrent()
            worker.part(DisconnectWatch).add(self, self._request)
            if send_timeout is not None:
                self._limit_silence(send_timeout)

    def close(self, worker: Worker) -> None:
        """Ends the watch, before the server reads the next request of the connection, or closes it."""
        if self.watcher is not None:
            worker.part(DisconnectWatch).remove(self)
            self._restore_socket()
            self.watcher = self._opener = None

    def is_before(self, request_body: Any) -> bool:
        """Whether the server is done with this stream as it begins the request with this body in the calling greenlet.

        A stream that makes a request of its own, with a copy of its environment, does so in another greenlet. Servers
        with native threads may serve each request of a connection in another one.
        """
        return self.lost or (request_body is not self._request and self._opener in (None, getcurrent()))

    def lose(self) -> None:
        """Leaves the connection to the next request."""
        self._restore_socket()
        self._lost = True
        self.direct = None

    def has_hung_up(self) -> bool:
        """Whether the peer has disconnected, said by this very connection."""
        poller, fd = native_poll(), self.fd
        poller.register(fd, 0)
        return bool(poller.poll(0)) and self.fd == fd

    def is_stuck(self, now: float, writes: int, writing: bool, send_timeout: float) -> bool:
        """Whether the peer has received nothing for `send_timeout` seconds although data is pending.

        `writes` counts the writes so far, `writing` is true during one: the only signs where the kernel gives none.
        """
        next_check, last_state, since = self._pending or (now, None, now)
        if now < next_check:
            return False
        delivery = self._delivery(writes) or Delivery((writes,), pending=False)
        pending, state = delivery.pending or writing, (delivery.progress, writing)
        if state != last_state:
            since = now
        self._pending = (now + send_timeout / 4, state, since) if pending else None
        # The kernel must drop a host that has lost its power, but not one that answers and is merely slow.
        if delivery.full:
            self._restore_socket()
        elif not pending:
            self._limit_silence(send_timeout)
        return pending and now - since >= send_timeout

    def cut(self) -> None:
        """Ends the connection with a reset; a greenlet or thread that writes to it gets an error."""
        if not self._lost:
            with contextlib.suppress(OSError), copy_of(self._socket) as copy:
                copy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                copy.shutdown(socket.SHUT_RDWR)

    def _limit_silence(self, seconds: float) -> None:
        """Sets `TCP_USER_TIMEOUT`.

        Its clock also runs while the peer's window is smaller than the next segment, even if parts of that get through
        (Linux, `tcp_probe_timer`): `_restore_socket` protects a reader that is merely slow.
        """
        if self._restore is None and self._is_tcp() and hasattr(socket, "TCP_USER_TIMEOUT"):
            milliseconds = min(int(seconds * 1000), MAX_MILLISECONDS)
            with contextlib.suppress(OSError):
                self._restore = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    def _restore_socket(self) -> None:
        if self._restore is not None and not self._lost:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._restore)
            self._restore = None

    def _delivery(self, writes: int) -> Delivery | None:
        """`None` where the system does not report it."""
        if sys.platform != "linux" or self.fd < 0:
            return None
        with contextlib.suppress(OSError, struct.error):
            if self._is_tcp():
                info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO.size)
                in_flight, bytes_acked, unsent = TCP_INFO.unpack(info)
                return Delivery((bytes_acked,), bool(in_flight or unsent), bool(unsent and not in_flight))
            # A full unix socket accepts nothing until three quarters of it are read, and may be full at every check:
            # a slow reader shows as steps, or as writes that end.
            (unread,) = INT.unpack(fcntl.ioctl(self.fd, termios.TIOCOUTQ, bytes(INT.size)))
            return Delivery((unread, writes), unread > 0)
        return None

    def _is_tcp(self) -> bool:
        return self._socket is not None and self._socket.family in (socket.AF_INET, socket.AF_INET6)


def socket_of(environ: Mapping[str, Any]) -> Any:
    """The server's socket of a request; `None` where the server hides it, and without a server."""
    sock = next((environ[key] for key in SOCKET_KEYS if key in environ), None)
    return _socket_read_by(environ.get("wsgi.input")) if sock is None else sock


def _socket_read_by(body: Any) -> Any:
    """The socket from which gevent.pywsgi reads the body of a request; it is in no other place."""
    return getattr(getattr(getattr(body, "rfile", None), "raw", None), "_sock", None)


def number_of(sock: Any) -> int:
    """The descriptor of a socket; -1 without one, and once it is closed."""
    return int(sock.fileno()) if hasattr(sock, "fileno") else -1


def copy_of(sock: Any) -> Any:
    """A native socket on a copy of the descriptor: the server's own object is in use, and may be patched or TLS.

    Raises `OSError` for a socket that is closed.
    """
    fd = number_of(sock)
    copy = native_socket(fileno=os.dup(fd))
    if number_of(sock) != fd:  # a thread of the server has closed it meanwhile: whose the copy is, nobody knows
        copy.close()
        raise OSError(errno.EBADF, "the server has closed this socket")
    return copy


def stop_reading(sock: Any) -> None:
    """Ends the input of a connection; a request that has already arrived is still answered."""
    # Through a copy: `shutdown` of a gevent socket would raise in the greenlet that reads it.
    with contextlib.suppress(OSError), copy_of(sock) as copy:
        copy.shutdown(socket.SHUT_RD)


class DisconnectWatch:
    """The connections of a worker's open streams, and their epoll set: a part of the worker, used in its hub."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._streams: dict[int, Transport] = {}
        self._epoll: Any = None if native_epoll is None else native_epoll()
        if self._epoll is not None:
            self._io = worker.hub.loop.io(self._epoll.fileno(), 1)
            self._io.start(self._notify)
        request_started.connect(self._begin_request)

    def add(self, transport: Transport, request_body: Any) -> None:
        """Watches a connection; a peer that has already disconnected is reported at once."""
        earlier = self._streams.get(transport.number)
        if earlier is not None and not earlier.is_before(request_body):
            return  # a stream within a stream: the outer one is watched
        if earlier is not None:
            self._end(earlier)
        self._streams[transport.number] = transport
        if self._epoll is not None:
            self._epoll.register(transport.number, select.EPOLLRDHUP | select.EPOLLET)

    def remove(self, transport: Transport) -> None:
        """Ends the watch of a connection."""
        if self._streams.get(transport.number) is transport:
            del self._streams[transport.number]
            if self._epoll is not None:
                with contextlib.suppress(OSError):  # closed already: the kernel has removed it
                    self._epoll.unregister(transport.number)

    def close(self) -> None:
        """Closes the set."""
        request_started.disconnect(self._begin_request)
        if self._epoll is not None:
            self._io.stop()
            self._io.close()
            self._epoll.close()

    def _begin_request(self, *_: Any, **__: Any) -> None:
        """Called for each request of a Flask application, in the server's greenlet or thread."""
        earlier = self._streams.get(number_of(socket_of(request.environ))) if self._streams else None
        if earlier is not None and earlier.is_before(request.environ.get("wsgi.input")):
            self._worker.call(self._end, earlier)

    def _end(self, transport: Transport) -> None:
        """Ends a stream that its server has left open."""
        self.remove(transport)
        transport.lose()
        if transport.watcher is not None:
            transport.watcher.abandon()

    def _notify(self) -> None:
        for fd, events in self._epoll.poll(0):
            transport = self._streams.get(fd)
            if transport is None or transport.watcher is None or transport.fd != fd:
                continue
            if events & (select.EPOLLHUP | select.EPOLLERR):
                # An event may be of an earlier connection of this number, of which a child process holds a copy.
                if transport.has_hung_up():
                    transport.watcher.disconnected()
            elif events & select.EPOLLRDHUP:
                transport.watcher.probe()
