"""The SDK's client, whose calls can be cut from outside.

In a greenlet a cancel is raised where it waits. In a thread whose sockets are not gevent's (`flask run`) nothing is
raised in a `recv`: there the cancel comes as an `on_cancel` hook from another thread, and shuts the connection down.
Each call has a connection of its own, which its end closes: that is how a server learns that nobody reads on.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import socket
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Literal

import gevent
from gevent import monkey
from gevent._hub_local import get_hub_if_exists

from streaming import on_cancel

if TYPE_CHECKING:
    import openai

CONNECT: Final = 5.0
"""Seconds for a connection."""


def place(_: object = None) -> Literal["greenlet", "thread"]:
    """Where an operation that talks to a model runs: in a thread, where sockets are not gevent's.

    For `@operation(where=place)`.
    """
    return "greenlet" if monkey.is_module_patched("socket") else "thread"


def pause(seconds: float) -> None:
    """Sleeps so that a cancel ends it: in the thread's hub where it has one, else, in a child, where a signal does."""
    if get_hub_if_exists() is None:
        time.sleep(seconds)
    else:
        gevent.sleep(seconds)


def sdk() -> Any:
    """The module `openai`. Its import takes a second of processor time or two, and so is not made in the hub."""
    if monkey.is_module_patched("socket") and not _loaded:
        gevent.get_hub().threadpool.apply(_load)
    elif not _loaded:
        _load()
    return importlib.import_module("openai")


_loaded: set[str] = set()


def _load() -> None:
    """What a call needs; the SDK would load parts of itself at their first use.

    It tells servers what it runs on, and for the processor's name Python would start a program (`uname -p`): a fork of
    a worker, which nobody needs.
    """
    vars(platform.uname()).setdefault("processor", "")
    for module in ("openai.resources.chat.completions", "openai.resources.models", "stamina", "jsonschema"):
        importlib.import_module(module)
    _loaded.add("openai")


class Line:
    """The connection of one call, from before it is there until after its end."""

    def __init__(self) -> None:
        self.is_cut = False
        self._socket: Any = None

    def cut(self) -> None:
        """Ends the connection, from any thread: whoever reads there has an end of file."""
        self.is_cut = True
        if self._socket is not None:
            # The plain call: an SSLSocket's own would take its session away from under the thread that reads.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def see(self, event: str, info: dict[str, Any]) -> None:
        """httpcore's trace: the connection, once it is there."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")
            if self.is_cut:
                self.cut()


_line: ContextVar[Line | None] = ContextVar("headway_llm_line", default=None)


@contextlib.contextmanager
def cuttable() -> Iterator[Line]:
    """A line that is cut when the run is cancelled."""
    line = Line()
    with on_cancel(line.cut):
        yield line


@contextlib.contextmanager
def calling(line: Line) -> Iterator[None]:
    """What is connected in this block is connected on `line`."""
    token = _line.set(line)
    try:
        yield
    finally:
        _line.reset(token)


def _watched(request: Any) -> None:
    line = _line.get()
    if line is not None:
        request.extensions = {**request.extensions, "trace": line.see}


_clients: dict[tuple[int, str, str, float], Any] = {}


def client(base_url: str, api_key: str, silence: float, *, loopback: bool = False) -> openai.OpenAI:
    """The client of a server, one a process. `silence` is how many seconds it may say nothing.

    `loopback` passes by the proxies of the environment.
    """
    key = (os.getpid(), base_url, api_key, silence)
    if key not in _clients:
        _clients[key] = _client(base_url, api_key, silence, loopback=loopback)
    found: openai.OpenAI = _clients[key]
    return found


def _client(base_url: str, api_key: str, silence: float, *, loopback: bool) -> Any:
    openai = sdk()
    timeout = openai.Timeout(silence, connect=CONNECT)
    http = openai.DefaultHttpxClient(
        timeout=timeout,
        trust_env=not loopback,
        event_hooks={"request": [_watched]},
        headers={"Connection": "close"},
    )
    # Its own retries would repeat a silence too; `client` repeats what is worth it.
    return openai.OpenAI(base_url=base_url, api_key=api_key, http_client=http, timeout=timeout, max_retries=0)
