"""Connections to Redis that never block the hub, patched or not.

redis-py speaks the protocol, on gevent's sockets: its own block the hub where the standard library is not patched
(gevent.pywsgi alone, `flask run`), and calls in a thread pool cost two thread switches each. redis-py's connection pool
is not used: its locks are threads' locks, which do not switch greenlets.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from gevent import socket, ssl
from gevent.lock import BoundedSemaphore
from redis import RedisError
from redis.connection import AbstractConnection, SSLConnection, UnixDomainSocketConnection, parse_url
from redis.connection import Connection as TcpConnection
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import NoScriptError, ResponseError

from ...errors import StoreAway
from ...settings import Settings
from ..driver import NotNow, Step, check_version
from .scripts import Call, Scripts
from .url import read_url

TIMEOUT: Final = 2.0
"""Seconds after which Redis is away if it has not answered."""

POOL_SIZE: Final = 4
"""How many calls a worker may have waiting for replies in its pool."""

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
"""The errors with which Redis refuses any command for the time being."""


class _Tcp(TcpConnection):
    """A connection over a gevent socket."""

    def _connect(self) -> Any:
        sock = socket.create_connection((self.host, self.port), self.socket_connect_timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in self.socket_keepalive_options.items():
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        sock.settimeout(self.socket_timeout)
        return sock


class _Tls(SSLConnection, _Tcp):
    """A connection over TLS, on a gevent socket."""

    def _wrap_socket_with_ssl(self, sock: Any) -> Any:
        # `create_default_context` of gevent returns the standard library's context, whose sockets block the hub.
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
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(self.socket_connect_timeout)
        try:
            sock.connect(self.path)
        except OSError:
            sock.close()
            raise
        sock.settimeout(self.socket_timeout)
        return sock


class Connection:
    """A connection for one greenlet at a time, which is opened, and opened again, when it is needed.

    `url` is read by `read_url`, and redis-py (`redis.connection.parse_url`); `timeout` is in seconds. Raises
    `SettingError` for a url that cannot be read.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        read = read_url(url)
        self._scripts = Scripts(read.prefix)
        try:
            options: dict[str, Any] = parse_url(read.plain)  # type: ignore[no-untyped-call]
            kind = {SSLConnection: _Tls, UnixDomainSocketConnection: _Unix}.get(
                options.pop("connection_class", TcpConnection), _Tcp
            )
            options |= {"socket_timeout": timeout, "socket_connect_timeout": TIMEOUT, "protocol": 2}
            self._connection: AbstractConnection = kind(**options)
        except (ValueError, TypeError, RedisError) as error:
            raise Settings.error("store", url, str(error)) from None

    def execute(self, calls: Sequence[Call]) -> list[Any]:
        """The replies to `calls`, in one round trip; a call that fails has its error as the reply.

        Calls may be sent twice. Raises `StoreAway` where the connection fails.
        """
        was_open = self._connection.is_connected
        try:
            try:
                return self._execute(calls)
            except Disconnected:
                if not was_open:
                    raise
                # The server has closed the idle connection, which does not mean that it is away.
                return self._execute(calls)
        except ValueError as error:
            self.close()
            raise StoreAway(str(error)) from None
        except (RedisError, OSError) as error:
            self.close()
            raise StoreAway(f"the store does not answer: {error}") from error

    def close(self) -> None:
        """Closes the connection."""
        self._connection.disconnect()  # type: ignore[no-untyped-call]

    def _execute(self, calls: Sequence[Call]) -> list[Any]:
        if not self._connection.is_connected:
            self._connection.connect()  # type: ignore[no-untyped-call]
            *_, version = self._send([*self._scripts.load(), self._scripts.call("version")])
            if isinstance(version, list):  # not so where the server takes no writes for the time being
                stored, oldest = version
                check_version(stored, oldest, "Redis")
        replies = self._send(calls)
        if any(isinstance(reply, NoScriptError) for reply in replies):
            self._send(self._scripts.load())
            replies = self._send(calls)
        return replies

    def _send(self, calls: Sequence[Call]) -> list[Any]:
        connection: Any = self._connection
        connection.send_packed_command(connection.pack_commands(calls))
        return [self._read_reply() for _ in calls]

    def _read_reply(self) -> Any:
        try:
            return self._connection.read_response(disconnect_on_error=True)
        except Disconnected:
            raise
        except ResponseError as error:
            return error


class Pool:
    """Up to `POOL_SIZE` connections, for calls whose reply is needed at once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle = [Connection(url)]
        self._semaphore = BoundedSemaphore(POOL_SIZE)
        self._closed = False

    def execute(self, call: Call) -> Any:
        """The reply to `call`. Raises `StoreAway` where there is none, or it is an error."""
        with self._borrow() as connection:
            (reply,) = connection.execute([call])
        if isinstance(reply, ResponseError):
            raise StoreAway(f"the store refuses a request: {reply}") from reply
        return reply

    def close(self) -> None:
        """Closes all connections, one in use once its call is over."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    @contextlib.contextmanager
    def _borrow(self) -> Iterator[Connection]:
        with self._semaphore:
            connection = self._idle.pop() if self._idle else Connection(self._url)
            try:
                yield connection
            finally:
                if self._closed:
                    connection.close()
                else:
                    self._idle.append(connection)


def outcome(step: Step[Any], reply: Any) -> Any:
    """The outcome of a step; `NotNow` for an error with which Redis refuses any command for the time being.

    It is an exception for a reply that cannot be read, too: the other steps of the batch have theirs.
    """
    if not isinstance(reply, ResponseError):
        try:
            return step.decode(reply)
        except Exception as error:  # noqa: BLE001  # logged by the writer, and raised again for whoever waits
            return error
    return NotNow(str(reply)) if _text(reply).startswith(REFUSALS) else reply


def _text(error: ResponseError) -> str:
    return f"{getattr(error, 'status_code', '') or ''} {error}".strip()
