"""The server's connection under a stream: the one module that knows servers and looks at their sockets.

WSGI has no word for a disconnect; a server notices one when it writes, and only at the second write after a clean
close. So the sockets of all open streams are in one epoll set, made with the unpatched `select.epoll`, with
`EPOLLRDHUP | EPOLLET` and without `EPOLLIN`: what a client sends ahead (pipelining, TLS records) wakes nobody, and is
never read here. `EPOLLHUP` and `EPOLLERR` (always reported; epoll_ctl(2)) mean that the peer is gone. `EPOLLRDHUP`
alone is a close or a half-close, which look the same from here: the stream then sends one comment. A closed peer
answers with a reset, which comes as `EPOLLHUP`; a half-closed one reads it, and the stream goes on to its end.

A host that loses its power sends nothing at all: then unacknowledged data tells, after `TCP_USER_TIMEOUT` (RFC 5482).

Without epoll (macOS), or where the server does not show its socket, there is no watch: a stream then ends at the first
write that fails, at the latest at a heartbeat.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import struct
import sys
import termios
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

from gevent import monkey

from ..runtime.worker import Worker

SOCKET_KEYS: Final = ("gunicorn.socket", "gunicorn.sock", "werkzeug.socket")
"""gunicorn's gevent, gthread and sync workers; its gevent_pywsgi worker; Flask's own server."""

TCP_INFO: Final = struct.Struct("=24xI92xQ16xI")
"""Of `struct tcp_info` (linux/tcp.h): `tcpi_unacked`, `tcpi_bytes_acked` and `tcpi_notsent_bytes`."""

INT: Final = struct.Struct("=i")
"""What TIOCOUTQ writes, which sockets know as SIOCOUTQ (tcp(7); for unix sockets net/unix/af_unix.c)."""

MOST_MILLISECONDS: Final = 2**31 - 1
"""The most that `TCP_USER_TIMEOUT` takes: 24 days."""

native_socket: Final[Any] = monkey.get_original("socket", "socket")


def _native_epoll() -> Any:
    """The class, which gevent hides where it has patched `select`; `None` where the system has none (macOS)."""
    try:
        return monkey.get_original("select", "epoll")
    except AttributeError:
        return None


native_epoll: Final = _native_epoll()


class Watcher(Protocol):
    """Who is notified of a disconnect; in the hub."""

    def disconnected(self) -> None:
        """The peer is gone."""

    def probe(self) -> None:
        """The peer has closed its side at least: a write will show whether it is gone."""


class Delivery(NamedTuple):
    """How far the peer has received what was sent.

    `bytes_acked` changes as long as it receives anything. More is on its way where something is `pending`; where it is
    `full`, none of that is, for want of room at its side.
    """

    bytes_acked: int
    pending: bool
    full: bool = False


class Transport:
    """The connection of one stream, from `open` to `close`; without a socket it watches and limits nothing."""

    __slots__ = ("_restore", "_since", "_socket", "fd")

    def __init__(self, environ: Mapping[str, Any]) -> None:
        sock = next((environ[key] for key in SOCKET_KEYS if key in environ), None)
        if sock is None:
            sock = _socket_read_by(environ.get("wsgi.input"))
        self.fd: int = sock.fileno() if hasattr(sock, "fileno") else -1
        self._socket: Any = None if self.fd < 0 else sock
        self._restore: int | None = None
        self._since: tuple[float, tuple[int, bool] | None, float] | None = None

    @property
    def has_socket(self) -> bool:
        """Whether the server shows its socket."""
        return self._socket is not None

    @property
    def checks_delivery(self) -> bool:
        """Whether something was on its way at the last check."""
        return self._since is not None

    def open(self, worker: Worker, watcher: Watcher, send_timeout: float | None = None) -> None:
        """Starts to watch, and has the kernel drop a peer that acknowledges nothing for `send_timeout` seconds."""
        if self._socket is not None:
            if send_timeout is not None:
                self._limit_silence(send_timeout)
            if native_epoll is not None:
                worker.part(DisconnectWatch).add(self.fd, watcher)

    def close(self, worker: Worker) -> None:
        """Stops to watch, before the server reads the next request of the connection, or closes it."""
        if self._socket is not None:
            if native_epoll is not None:
                worker.part(DisconnectWatch).remove(self.fd)
            self._restore_socket()

    def is_stuck(self, now: float, writes: int, writing: bool, send_timeout: float) -> bool:
        """Whether the peer has received nothing for `send_timeout` seconds though something is on its way.

        `writes` counts the writes so far, `writing` says that one is under way: they tell where the kernel does not.
        """
        next_look, known, since = self._since or (now, None, now)
        if now < next_look:
            return False
        delivery = self._delivery() or Delivery(writes, pending=False)
        state, next_look = (delivery.bytes_acked, writing), now + send_timeout / 4
        stuck = False
        if not delivery.pending and not writing:
            self._since = None
        elif state != known:
            self._since = (next_look, state, now)
        elif now - since < send_timeout:
            self._since = (next_look, known, since)
        else:
            stuck = True
        # The kernel drops a host that has lost its power, but must not drop one that answers: it may be slow.
        if delivery.full:
            self._restore_socket()
        elif self._since is None:
            self._limit_silence(send_timeout)
        return stuck

    def cut(self) -> None:
        """Ends the connection with a reset; a greenlet or thread that writes to it gets an error."""
        if self._socket is None:
            return
        with contextlib.suppress(OSError):
            # Through a copy of the descriptor: the server's object, which may be TLS, is in use.
            twin = native_socket(fileno=os.dup(self.fd))
            try:
                twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                twin.shutdown(socket.SHUT_RDWR)
            finally:
                twin.close()

    def _limit_silence(self, seconds: float) -> None:
        """Sets `TCP_USER_TIMEOUT`.

        Its clock also runs while the peer's window is smaller than what is to be sent next, however often a piece of
        that gets through (Linux, `tcp_probe_timer`): `_restore_socket` spares a reader that is merely slow.
        """
        if self._restore is None and self._is_tcp() and hasattr(socket, "TCP_USER_TIMEOUT"):
            milliseconds = min(int(seconds * 1000), MOST_MILLISECONDS)
            with contextlib.suppress(OSError):
                self._restore = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    def _restore_socket(self) -> None:
        if self._restore is not None:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._restore)
            self._restore = None

    def _delivery(self) -> Delivery | None:
        """`None` where the system does not say."""
        if sys.platform != "linux" or self._socket is None:
            return None
        with contextlib.suppress(OSError, struct.error):
            if self._is_tcp():
                info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO.size)
                in_flight, bytes_acked, unsent = TCP_INFO.unpack(info)
                return Delivery(bytes_acked, bool(in_flight or unsent), bool(unsent and not in_flight))
            # A full unix socket takes nothing before three quarters of that are read: a reader shows as falling steps.
            (unread,) = INT.unpack(fcntl.ioctl(self.fd, termios.TIOCOUTQ, bytes(INT.size)))
            return Delivery(unread, unread > 0)
        return None

    def _is_tcp(self) -> bool:
        return self._socket is not None and self._socket.family in (socket.AF_INET, socket.AF_INET6)


def _socket_read_by(body: Any) -> Any:
    """The socket that gevent.pywsgi reads a request from; it shows it nowhere else."""
    return getattr(getattr(getattr(body, "rfile", None), "raw", None), "_sock", None)


class DisconnectWatch:
    """The epoll set of a worker's open streams: a part of the worker, used in its hub."""

    def __init__(self, worker: Worker) -> None:
        self._epoll = native_epoll()
        self._watchers: dict[int, Watcher] = {}
        self._io = worker.hub.loop.io(self._epoll.fileno(), 1)
        self._io.start(self._notify)

    def add(self, fd: int, watcher: Watcher) -> None:
        """Starts to watch; a peer that has gone already is reported at once."""
        self._watchers[fd] = watcher
        self._epoll.register(fd, select.EPOLLRDHUP | select.EPOLLET)

    def remove(self, fd: int) -> None:
        """Stops to watch."""
        if self._watchers.pop(fd, None) is not None:
            with contextlib.suppress(OSError):  # closed already: the kernel has removed it
                self._epoll.unregister(fd)

    def close(self) -> None:
        """Closes the set."""
        self._io.stop()
        self._io.close()
        self._epoll.close()

    def _notify(self) -> None:
        for fd, events in self._epoll.poll(0):
            watcher = self._watchers.get(fd)
            if watcher is None:
                continue
            if events & (select.EPOLLHUP | select.EPOLLERR):
                watcher.disconnected()
            elif events & select.EPOLLRDHUP:
                watcher.probe()
