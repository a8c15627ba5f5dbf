"""Where the primary of a store is, and connections to it.

With Sentinels it is asked for as https://redis.io/docs/latest/develop/reference/sentinel-clients/ says: each in turn,
the one that has answered last first, and the server that it names must call itself a primary (`ROLE`). It is asked for
again when a connection breaks, when the server refuses what only a primary takes, and with each renewal of the lease:
a primary that has been replaced takes writes for some seconds more, until a Sentinel tells it.
"""

from __future__ import annotations

from typing import Any, Final

from redis import RedisError
from redis.connection import AbstractConnection
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as Disconnected

from .scripts import Scripts
from .sockets import GREEN, Kinds
from .url import Node, read_url

CONNECT_TIMEOUT: Final = 2.0
"""Seconds that a connection may take to open."""

SENTINEL_TIMEOUT: Final = 0.5
"""Seconds after which the next Sentinel is asked."""


class Primary:
    """The primary of the Redis at `url`, for all connections of a worker. Raises `SettingError` for a wrong url.

    `address` is where it was found last, `reopened` counts the connections to it that had to be opened again: both say
    that it may be another server than before, or one that has lost its latest writes.
    """

    def __init__(self, url: str, kinds: Kinds = GREEN) -> None:
        self.url = read_url(url)
        self.scripts = Scripts(self.url.prefix)
        self.address: str = ""
        self.reopened: int = 0
        self._kinds = kinds
        self._sentinels = list(self.url.sentinels)

    def connect(self, timeout: float) -> tuple[AbstractConnection, str]:
        """Opens a connection, and gives its `address`; `timeout` is how many seconds a reply may take.

        Raises `RedisError` and `OSError`.
        """
        if not self._sentinels:
            return self._open(self.url.redis, timeout), self.address
        errors: list[str] = []
        cause: Exception | None = None
        for sentinel in tuple(self._sentinels):
            try:
                node = self._ask(sentinel)
                connection = self._open_primary(node, timeout)
            except (RedisError, OSError) as error:
                errors.append(f"{sentinel}: {error}")
                cause = error
                continue
            self._sentinels = [sentinel, *(each for each in self._sentinels if each is not sentinel)]
            self.address = address = str(node)
            return connection, address
        raise Disconnected(f"no Sentinel leads to a primary: {'; '.join(errors)}") from cause

    def look(self) -> None:
        """Finds out whether the primary is elsewhere now; connections then leave the old one when they are used."""
        if not self._sentinels or not self.address:
            return
        try:
            node = self._ask(self._sentinels[0])
            if str(node) != self.address:
                self._open_primary(node, SENTINEL_TIMEOUT).disconnect()  # type: ignore[no-untyped-call]
                self.address = str(node)
        except (RedisError, OSError):
            self.doubt()

    def doubt(self) -> None:
        """Asks another Sentinel first: this one is away, or has named what refuses what only a primary takes."""
        self._sentinels = self._sentinels[1:] + self._sentinels[:1]

    def _open(self, node: Node, timeout: float, connect_timeout: float = CONNECT_TIMEOUT) -> AbstractConnection:
        times = {"socket_timeout": timeout, "socket_connect_timeout": connect_timeout}
        connection = self._kinds[node.scheme](**{**node.options, **times})
        connection.connect()  # type: ignore[no-untyped-call]
        if node.scheme == "rediss" and "ssl_certfile" not in node.options:
            self._greet(connection)
        return connection

    def _greet(self, connection: AbstractConnection) -> None:
        """A server that wants a certificate accepts a connection without one, and then cuts it, with a word or none."""
        try:
            call(connection, "PING")
        except AuthenticationError:
            raise
        except Disconnected as error:
            raise Disconnected(f"{error}; it may want a certificate of its clients (ssl_certfile=)") from error

    def _ask(self, sentinel: Node) -> Node:
        connection = self._open(sentinel, SENTINEL_TIMEOUT, SENTINEL_TIMEOUT)
        try:
            found = call(connection, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.url.service)
        finally:
            connection.disconnect()  # type: ignore[no-untyped-call]
        if not found:
            raise Disconnected(f"it knows no service {self.url.service!r}")
        host, port = found
        return self.url.redis.at(host.decode(), int(port))

    def _open_primary(self, node: Node, timeout: float) -> AbstractConnection:
        connection = self._open(node, timeout)
        try:
            role = call(connection, "ROLE")[0].decode()
            if role != "master":
                raise Disconnected(f"{node}, which it names, is a {role}")
        except BaseException:
            connection.disconnect()  # type: ignore[no-untyped-call]
            raise
        return connection


def call(connection: AbstractConnection, *arguments: str | bytes) -> Any:
    """The reply to one command. Raises `RedisError`."""
    connection.send_command(*arguments)  # type: ignore[no-untyped-call]
    return connection.read_response()
