"""The SDK's client, and connections that a cancel can close from another thread.

In a greenlet a cancel is raised where the greenlet waits. In a thread whose sockets are not gevent's (`flask run`)
nothing can be raised inside `recv`: an `on_cancel` hook shuts the connection down from another thread. Each call has
its own connection, and closes it at its end, so that the server notices if the answer is no longer wanted.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import socket
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Literal

import gevent
from gevent import monkey

from streaming import on_cancel, open_connection, proxy_for

from ..network import transport

if TYPE_CHECKING:
    import openai

CONNECT_SECONDS: Final = 5.0


def place(_: object = None) -> Literal["greenlet", "thread"]:
    """Where an operation that calls a model runs: in a thread if sockets are not gevent's, else in a greenlet.

    For `@operation(where=place)`.
    """
    return "greenlet" if monkey.is_module_patched("socket") else "thread"


def sdk() -> Any:
    """The module `openai`. Importing it takes a second or two of processor time, so a thread of the pool does it."""
    if monkey.is_module_patched("socket") and not _imported:
        gevent.get_hub().threadpool.apply(_import)
    elif not _imported:
        _import()
    return importlib.import_module("openai")


_imported: set[str] = set()


def _import() -> None:
    """Imports all that a call needs; the SDK would import parts of itself on first use.

    The SDK sends servers the platform, and for the name of the processor Python would run `uname -p`, which forks the
    worker.
    """
    vars(platform.uname()).setdefault("processor", "")
    for module in ("openai.resources.chat.completions", "openai.resources.models", "stamina", "jsonschema"):
        importlib.import_module(module)
    _imported.add("openai")


class Connection:
    """The connection of one call. It can be cancelled before it is open, and after its end."""

    def __init__(self) -> None:
        self.is_cancelled = False
        self._socket: Any = None

    def cancel(self) -> None:
        """Shuts the connection down, from any thread: a blocked reader gets an end of file."""
        self.is_cancelled = True
        if self._socket is not None:
            # The method of the plain socket: that of SSLSocket would drop the session while another thread reads.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """A trace callback for httpcore, which passes the connection once it is open."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")
            if self.is_cancelled:
                self.cancel()


_current: ContextVar[Connection | None] = ContextVar("headway_llm_connection", default=None)


@contextlib.contextmanager
def cancellable() -> Iterator[Connection]:
    """A connection that is cancelled with the run."""
    connection = Connection()
    with on_cancel(connection.cancel):
        yield connection


@contextlib.contextmanager
def use(connection: Connection) -> Iterator[None]:
    """Requests in this block use `connection`."""
    token = _current.set(connection)
    try:
        yield
    finally:
        _current.reset(token)


def _trace(request: Any) -> None:
    connection = _current.get()
    if connection is not None:
        request.extensions = {**request.extensions, "trace": connection.trace}


_clients: dict[tuple[int, str, str, float], Any] = {}


def client(base_url: str, api_key: str, silence: float, *, loopback: bool = False) -> openai.OpenAI:
    """The client of a server, one in each process. `silence` is how many seconds the server may send nothing.

    With `loopback` the proxies of the environment are not used.
    """
    key = (os.getpid(), base_url, api_key, silence)
    if key not in _clients:
        _clients[key] = _client(base_url, api_key, silence, loopback=loopback)
    cached: openai.OpenAI = _clients[key]
    return cached


def _client(base_url: str, api_key: str, silence: float, *, loopback: bool) -> Any:
    import httpcore2
    import httpx2

    openai = sdk()
    timeout = openai.Timeout(silence, connect=CONNECT_SECONDS)
    proxy = None if loopback else proxy_for(base_url)
    connections = transport(httpx2, httpcore2, open_connection, proxy=proxy, trust_env=not loopback)
    http = openai.DefaultHttpxClient(
        timeout=timeout,
        transport=connections,
        trust_env=not loopback,
        event_hooks={"request": [_trace]},
        headers={"Connection": "close"},
    )
    # The SDK's retries would repeat a timeout too; `client._send` has its own.
    return openai.OpenAI(base_url=base_url, api_key=api_key, http_client=http, timeout=timeout, max_retries=0)
