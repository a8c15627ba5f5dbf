"""The transport of HTTP clients whose connections `open_connection` opens; httpx itself tries addresses in turn."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Callable
from typing import Any


def transport(http: Any, core: Any, connect: Callable[..., Any], **options: Any) -> Any:
    """An `HTTPTransport` of httpx with httpcore, or of httpx2 with httpcore2.

    `connect` opens the TCP connections: to a host and a port, within a timeout. `options` are those of the transport.
    """
    stream = importlib.import_module(f"{core.__name__}._backends.sync").SyncStream

    class Backend(core.NetworkBackend):  # type: ignore[misc]  # of either library
        def connect_tcp(self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any) -> Any:
            try:
                connected = connect(host, port, timeout)
            except TimeoutError as error:
                raise core.ConnectTimeout(str(error)) from error
            except OSError as error:
                raise core.ConnectError(str(error)) from error
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return stream(connected)

    made = http.HTTPTransport(**options)
    # It takes no backend. Where the attribute is not there, nothing would be checked: better a KeyError.
    vars(made._pool)["_network_backend"]
    made._pool._network_backend = Backend()
    return made
