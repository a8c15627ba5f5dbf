"""A TCP proxy in front of a server: it passes bytes on, until a test cuts its connections or takes it off the network.

with Proxy(server) as proxy:
    ... a client to proxy.url ...
    assert proxy.cut() == 1
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import Self, TypeAlias

from tests.clients import Address, Reachable, wait_until

Pair: TypeAlias = tuple[socket.socket, socket.socket]
"""The client's connection, and the one to the server that belongs to it."""


class Proxy:
    """Listens, and passes everything on to the server `to`. With `life`, it resets each connection after so long."""

    def __init__(self, to: Reachable, *, life: float | None = None) -> None:
        self.opened = 0
        self.resets = 0
        self._to = to.address
        self._life = life
        self._plugged = True
        self._pairs: list[Pair] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address(port=self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """The URL at which it listens."""
        return self.address.url

    @property
    def open(self) -> int:
        """The number of open connections."""
        return len(self._pairs)

    def cut(self) -> int:
        """Closes every connection, on both sides; returns how many there were."""
        return sum([self._close(pair) for pair in list(self._pairs)])

    def cut_streams(self) -> None:
        """Waits for a connection, and closes all."""
        wait_until(lambda: self.open, "a connection to cut")
        self.cut()

    def unplug(self) -> None:
        """Closes every connection, and each new one at once, until `plug`."""
        self._plugged = False
        self.cut()

    def plug(self) -> None:
        """Passes bytes on again."""
        self._plugged = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.unplug()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.opened += 1
                try:
                    self._serve((client, self._to.connect(30)))
                except OSError:  # the server is away
                    client.close()

    def _serve(self, pair: Pair) -> None:
        for each in pair:
            each.settimeout(None)
        self._pairs.append(pair)
        for source, target in (pair, pair[::-1]):
            threading.Thread(target=self._pass_on, args=(pair, source, target), daemon=True).start()
        if self._life is not None:
            timer = threading.Timer(self._life, self._reset, (pair,))
            timer.daemon = True
            timer.start()
        if not self._plugged:
            self._close(pair)

    def _pass_on(self, pair: Pair, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        self._close(pair)

    def _reset(self, pair: Pair) -> None:
        self.resets += self._close(pair, reset=True)

    def _close(self, pair: Pair, *, reset: bool = False) -> bool:
        """Closes both connections, unless another thread has; with `reset`, the client gets no FIN, but a RST."""
        try:
            self._pairs.remove(pair)
        except ValueError:
            return False
        client, server = pair
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for each, how in ((client, socket.SHUT_RD if reset else socket.SHUT_RDWR), (server, socket.SHUT_RDWR)):
            with contextlib.suppress(OSError):  # wakes the threads that wait in `recv`
                each.shutdown(how)
            each.close()
        return True
