"""Notices that a viewer has gone, on the socket itself: the one place that looks at the server's socket.

WSGI has no word for a disconnect; a server notices one when it writes, and only at the second write after a clean
close. So the sockets of all open streams stand in one epoll set, made with the unpatched `select.epoll`, with
`EPOLLRDHUP | EPOLLET` and without `EPOLLIN`: what a client sends ahead (pipelining, TLS records) wakes nobody, and is
never read here. `EPOLLHUP` and `EPOLLERR` (always reported; epoll_ctl(2)) mean that the peer is gone. `EPOLLRDHUP`
alone is a close or a half-close, which look the same from here: the stream then sends one comment. A closed peer
answers with a reset, which comes as `EPOLLHUP`; a half-closed one takes it, and the stream goes on to its end.

A peer that lost its power says nothing at all: then unacknowledged data tells, after `TCP_USER_TIMEOUT` (RFC 5482).

Where there is no epoll (macOS) or the server shows no socket, there is no watch: a stream then ends at the first write
that fails, which the heartbeat bounds.
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

from ..runtime.hub import Home

SOCKET_KEYS: Final = ("gunicorn.socket", "gunicorn.sock", "werkzeug.socket")
"""gunicorn's gevent, gthread and sync workers; its gevent_pywsgi worker; Flask's own server."""

INFO: Final = struct.Struct("=24xI92xQ16xI")
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
    """Who is told."""

    def gone(self) -> None:
        """The peer is gone."""

    def probe(self) -> None:
        """The peer has closed its side at least: write something, and it will show."""


class Uptake(NamedTuple):
    """How a peer takes what it is sent.

    `taken` changes as long as it takes something. It has more to take where something is `pending`; where it is `full`,
    nothing of that is on its way, for want of room at its side.
    """

    taken: int
    pending: bool
    full: bool = False


class Peer:
    """The server's socket of one stream, and what may be done with it while the stream is open."""

    __slots__ = ("_restore", "_socket", "fd")

    def __init__(self, sock: Any) -> None:
        self._socket = sock
        self.fd: int = sock.fileno()
        self._restore: int | None = None

    @classmethod
    def of(cls, environ: Mapping[str, Any]) -> Peer | None:
        """The peer of a WSGI request, where its server shows the socket."""
        found = next((environ[key] for key in SOCKET_KEYS if key in environ), None)
        if found is None:
            found = _read_by(environ.get("wsgi.input"))
        if found is None or not hasattr(found, "fileno") or found.fileno() < 0:
            return None
        return cls(found)

    def limit_silence(self, seconds: float) -> None:
        """Has the kernel give a TCP peer up that acknowledges nothing for so long.

        Its clock also runs while the peer's window is smaller than what is to be sent next, however often a piece of
        that gets through (Linux, `tcp_probe_timer`): a reader that is merely slow has to be spared (`restore`).
        """
        if self._restore is None and hasattr(socket, "TCP_USER_TIMEOUT") and self._is_tcp():
            milliseconds = min(int(seconds * 1000), MOST_MILLISECONDS)
            with contextlib.suppress(OSError):
                self._restore = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    def restore(self) -> None:
        """Has the socket as it was."""
        if self._restore is not None:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._restore)
            self._restore = None

    def uptake(self) -> Uptake | None:
        """How the peer takes what it is sent; `None` where the system does not say."""
        if sys.platform != "linux":
            return None
        with contextlib.suppress(OSError, struct.error):
            if self._is_tcp():
                info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO.size)
                on_its_way, taken, unsent = INFO.unpack(info)
                return Uptake(taken, bool(on_its_way or unsent), bool(unsent and not on_its_way))
            # A full unix socket takes nothing before three quarters of that are read: a reader shows as falling steps.
            (unread,) = INT.unpack(fcntl.ioctl(self.fd, termios.TIOCOUTQ, bytes(INT.size)))
            return Uptake(unread, unread > 0)
        return None

    def cut(self) -> None:
        """Ends the connection with a reset; a greenlet or thread that writes to it gets an error."""
        with contextlib.suppress(OSError):
            # Through a copy of the descriptor: the server's object, which may be TLS, is in use.
            twin = native_socket(fileno=os.dup(self.fd))
            try:
                twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                twin.shutdown(socket.SHUT_RDWR)
            finally:
                twin.close()

    def _is_tcp(self) -> bool:
        return self._socket.family in (socket.AF_INET, socket.AF_INET6)


def _read_by(body: Any) -> Any:
    """The socket that gevent.pywsgi reads a request from; it shows it nowhere else."""
    return getattr(getattr(getattr(body, "rfile", None), "raw", None), "_sock", None)


class Watch:
    """The epoll set of a worker's open streams; lives in the hub."""

    def __init__(self, home: Home) -> None:
        self._epoll = native_epoll()
        self._watchers: dict[int, Watcher] = {}
        self._io = home.hub.loop.io(self._epoll.fileno(), 1)
        self._io.start(self._look)

    def add(self, peer: Peer, watcher: Watcher) -> None:
        """Begins to watch; a peer that has gone already is told of at once."""
        self._watchers[peer.fd] = watcher
        self._epoll.register(peer.fd, select.EPOLLRDHUP | select.EPOLLET)

    def remove(self, peer: Peer) -> None:
        """Ends it, before the server reads the next request of the connection, or closes it."""
        if self._watchers.pop(peer.fd, None) is not None:
            with contextlib.suppress(OSError):  # closed already: the kernel has dropped it
                self._epoll.unregister(peer.fd)

    def _look(self) -> None:
        for fd, events in self._epoll.poll(0):
            watcher = self._watchers.get(fd)
            if watcher is None:
                continue
            if events & (select.EPOLLHUP | select.EPOLLERR):
                watcher.gone()
            elif events & select.EPOLLRDHUP:
                watcher.probe()


_watch: tuple[Home, Watch] | None = None


def watch(home: Home) -> Watch | None:
    """The watch of this worker; called in the hub. `None` where the system has no epoll."""
    global _watch  # noqa: PLW0603  # one a process, and made anew after a fork
    if native_epoll is None:
        return None
    if _watch is None or _watch[0] is not home:
        _watch = (home, Watch(home))
    return _watch[1]
