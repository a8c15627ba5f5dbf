"""A TCP proxy that can be unplugged: without it, streams stay open while Chromium emulates a page without a network."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.clients import Address


@dataclass
class Proxy:
    """Forwards bytes while it is plugged in; unplugged, it closes its connections and every new one."""

    upstream: Address
    plugged: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def url(self) -> str:
        """The proxy's URL."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @contextlib.contextmanager
    def serving(self) -> Iterator[Proxy]:
        """Serves within the block."""
        self.plugged.set()
        self._listener.settimeout(0.05)
        accepting = threading.Thread(target=self._accept)
        accepting.start()
        try:
            yield self
        finally:
            self._over.set()
            accepting.join()
            self._listener.close()

    def _accept(self) -> None:
        serving: list[threading.Thread] = []
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = self._listener.accept()
                serving.append(threading.Thread(target=self._serve, args=(client,)))
                serving[-1].start()
        for each in serving:
            each.join()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            if not self.plugged.is_set():
                return
            with self.upstream.connect() as server:
                self._forward({client: server, server: client})

    def _forward(self, to: dict[socket.socket, socket.socket]) -> None:
        while self.plugged.is_set() and not self._over.is_set():
            for source in select.select(list(to), [], [], 0.05)[0]:
                data = source.recv(65536)
                if not data:
                    return
                to[source].sendall(data)
