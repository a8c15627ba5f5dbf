"""Connections to Redis that never block the hub, patched or not.

redis-py speaks the protocol, on gevent's sockets: its own would block the hub wherever the standard library is not
patched (gevent.pywsgi alone, `flask run`), and calls handed to a thread pool instead cost two thread switches each.
There is no connection pool: its locks are threads' locks, which know nothing of greenlets.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from gevent import socket, ssl
from gevent.lock import BoundedSemaphore
from redis import RedisError
from redis.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection, parse_url
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import NoScriptError, ResponseError

from ...errors import StoreAway
from ...settings import Settings
from . import scripts
from .scripts import Command

TIMEOUT: Final = 2.0
"""Seconds in which Redis answers, or is away."""

CONNECTIONS: Final = 4
"""How many questions a worker may ask at once."""

REFUSALS: Final = (
    "OOM",
    "MISCONF",
    "READONLY",
    "LOADING",
    "BUSY",
    "MASTERDOWN",
    "NOREPLICAS",
    "NOAUTH",
    "NOPERM",
    "TRYAGAIN",
    "UNBLOCKED",
)
"""How the errors begin with which Redis says that it takes nothing now, whatever it is sent."""


class _Tcp(Connection):
    """A connection over a gevent socket."""

    def _connect(self) -> Any:
        made = socket.create_connection((self.host, self.port), self.socket_connect_timeout)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in self.socket_keepalive_options.items():
            made.setsockopt(socket.IPPROTO_TCP, option, value)
        made.settimeout(self.socket_timeout)
        return made


class _Tls(SSLConnection, _Tcp):
    """The same in TLS: redis-py's own order of the two steps, with gevent's context."""

    def _wrap_socket_with_ssl(self, sock: Any) -> Any:
        # gevent's `create_default_context` makes a context of the standard library's, whose sockets block the hub.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.ca_certs or self.ca_path or self.ca_data:
            context.load_verify_locations(self.ca_certs, self.ca_path, self.ca_data)
        else:
            context.load_default_certs()
        context.check_hostname = self.check_hostname
        context.verify_mode = self.cert_reqs
        if self.certfile or self.keyfile:
            context.load_cert_chain(self.certfile, self.keyfile, self.certificate_password)
        if self.ssl_min_version is not None:
            context.minimum_version = self.ssl_min_version
        if self.ssl_ciphers:
            context.set_ciphers(self.ssl_ciphers)
        return context.wrap_socket(sock, server_hostname=self.host)


class _Unix(UnixDomainSocketConnection):
    """A connection over a gevent unix socket."""

    def _connect(self) -> Any:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(self.socket_connect_timeout)
        try:
            made.connect(self.path)
        except OSError:
            made.close()
            raise
        made.settimeout(self.socket_timeout)
        return made


class Wire:
    """One connection, for one greenlet at a time; it connects, and connects again, when it is needed.

    `url` is as redis-py reads it (`redis.connection.parse_url`), `timeout` in seconds. Raises `SettingError` for a
    url that cannot be read.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        try:
            options: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
            kind = {SSLConnection: _Tls, UnixDomainSocketConnection: _Unix}.get(
                options.pop("connection_class", Connection), _Tcp
            )
            options |= {"socket_timeout": timeout, "socket_connect_timeout": TIMEOUT, "protocol": 2}
            self._connection: AbstractConnection = kind(**options)
        except (ValueError, TypeError, RedisError) as error:
            raise Settings.error("store", url, str(error)) from None

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """The replies, in one round trip; the error that a command was answered with stands in its place.

        Every command may be made twice. Raises `StoreAway` where the connection fails.
        """
        known = self._connection.is_connected
        try:
            try:
                return self._ask(commands)
            except Disconnected:
                if not known:
                    raise
                # The server closed it while nobody looked: that says nothing about the server now.
                return self._ask(commands)
        except (RedisError, OSError) as error:
            self.close()
            raise StoreAway(f"the store of the runs does not answer: {error}") from error

    def close(self) -> None:
        """Lets go of the connection."""
        self._connection.disconnect()  # type: ignore[no-untyped-call]

    def _ask(self, commands: Sequence[Command]) -> list[Any]:
        if not self._connection.is_connected:
            self._connection.connect()  # type: ignore[no-untyped-call]
            self._send(scripts.load())
        replies = self._send(commands)
        if any(isinstance(reply, NoScriptError) for reply in replies):
            self._send(scripts.load())
            replies = self._send(commands)
        return replies

    def _send(self, commands: Sequence[Command]) -> list[Any]:
        connection: Any = self._connection
        connection.send_packed_command(connection.pack_commands(commands))
        return [self._reply() for _ in commands]

    def _reply(self) -> Any:
        try:
            return self._connection.read_response(disconnect_on_error=True)
        except Disconnected:
            raise
        except ResponseError as error:
            return error


class Wires:
    """A few connections for questions, each asked by whoever needs an answer now."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle = [Wire(url)]
        self._turns = BoundedSemaphore(CONNECTIONS)
        self._closed = False

    def ask(self, command: Command) -> Any:
        """The answer. Raises `StoreAway` where there is none, or the server refuses."""
        with self._borrowed() as wire:
            (reply,) = wire.ask([command])
        if isinstance(reply, ResponseError):
            raise StoreAway(f"the store of the runs refuses: {reply}") from reply
        return reply

    def close(self) -> None:
        """Lets go of them, of one in use as soon as it is given back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    @contextlib.contextmanager
    def _borrowed(self) -> Iterator[Wire]:
        with self._turns:
            wire = self._idle.pop() if self._idle else Wire(self._url)
            try:
                yield wire
            finally:
                if self._closed:
                    wire.close()
                else:
                    self._idle.append(wire)


def refused(reply: Any) -> bool:
    """Whether a reply says that the server takes nothing now."""
    return isinstance(reply, ResponseError) and _word(reply).startswith(REFUSALS)


def _word(error: ResponseError) -> str:
    return f"{getattr(error, 'status_code', '') or ''} {error}".strip()
