"""Connections of a worker to its Redis, each for one greenlet at a time.

redis-py speaks the protocol, on gevent's sockets (`sockets`). Its connection pool is not used: its locks are threads'
locks, which do not switch greenlets.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from gevent.lock import BoundedSemaphore
from redis import RedisError
from redis.connection import AbstractConnection
from redis.exceptions import AuthenticationError, NoPermissionError, NoScriptError, ResponseError
from redis.exceptions import ConnectionError as Disconnected

from ...errors import StoreAway
from ..driver import NotNow, Step, check_version
from .primary import Primary
from .scripts import Call, pack

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

MOVED: Final = ("READONLY", "UNBLOCKED", "MASTERDOWN", "NOREPLICAS")
"""Those that a server answers with which is no primary any more, or is cut off from its replicas."""


class Connection:
    """A connection for one greenlet at a time, which is opened, and opened again, when it is needed.

    `primary` is what it connects to, or its URL; `timeout` is in seconds. Raises `SettingError` for a URL that cannot
    be read.
    """

    def __init__(self, primary: Primary | str, timeout: float = TIMEOUT) -> None:
        self._primary = Primary(primary) if isinstance(primary, str) else primary
        self._timeout = timeout
        self._connection: AbstractConnection | None = None
        self._address, self._opened = "", False

    def execute(self, calls: Sequence[Call]) -> list[Any]:
        """The replies to `calls`, in one round trip; a call that fails has its error as the reply.

        Calls may be sent twice. Raises `StoreAway` where the connection fails.
        """
        if self._connection is not None and (
            self._address != self._primary.address  # another connection has found the primary elsewhere
            or not self._connection.is_connected  # whoever waited for a reply was killed
        ):
            self.close()
        was_open = self._connection is not None
        try:
            try:
                replies = self._execute(calls)
            except Disconnected:
                if not was_open:
                    raise
                # The server has closed the idle connection, which does not mean that it is away.
                self.close()
                replies = self._execute(calls)
        except ValueError as error:
            self.close()
            raise StoreAway(str(error)) from None
        except (RedisError, OSError) as error:
            self.close()
            refuses = isinstance(error, AuthenticationError | NoPermissionError)
            raise StoreAway(f"the store {'refuses its user' if refuses else 'does not answer'}: {error}") from error
        if any(isinstance(reply, ResponseError) and _text(reply).startswith(MOVED) for reply in replies):
            self.close()
            self._primary.doubt()
        return replies

    def close(self) -> None:
        """Closes the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()  # type: ignore[no-untyped-call]

    def _execute(self, calls: Sequence[Call]) -> list[Any]:
        scripts = self._primary.scripts
        if self._connection is None:
            self._connection, self._address = self._primary.connect(self._timeout)
            self._primary.reopened += self._opened
            self._opened = True
            *loaded, version = self._send([*scripts.load(), scripts.call("version")])
            if isinstance(loaded[0], NoPermissionError):
                raise loaded[0]
            if isinstance(version, list):  # not so where the server takes no writes for the time being
                stored, oldest = version
                check_version(stored, oldest, "Redis")
        replies = self._send(calls)
        if any(isinstance(reply, NoScriptError) for reply in replies):
            self._send(scripts.load())
            replies = self._send(calls)
        return replies

    def _send(self, calls: Sequence[Call]) -> list[Any]:
        connection: Any = self._connection
        connection.send_packed_command([pack(calls)])
        return [self._read_reply(connection) for _ in calls]

    def _read_reply(self, connection: Any) -> Any:
        try:
            return connection.read_response(disconnect_on_error=True)
        except Disconnected:
            raise
        except ResponseError as error:
            return error


class Pool:
    """Up to `POOL_SIZE` connections, for calls whose reply is needed at once."""

    def __init__(self, primary: Primary) -> None:
        self._primary = primary
        self._idle = [Connection(primary)]
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
            connection = self._idle.pop() if self._idle else Connection(self._primary)
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
