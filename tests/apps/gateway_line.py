"""A line between two servers that a test cuts: it passes bytes on, until its connections are closed."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

from tests.clients import Address, Reachable, wait_until


class Line:
    """Listens, and passes everything on to the server `to`."""

    def __init__(self, to: Reachable) -> None:
        self.opened = 0
        self._to = to.address
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
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
        pairs = list(self._pairs)
        for pair in pairs:
            self._close(pair)
        return len(pairs)

    def cut_streams(self) -> None:
        """Waits for a connection, and closes all."""
        wait_until(lambda: self.open, "a connection to cut")
        self.cut()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = self._listener.accept()
                self.opened += 1
                pair = (ours, self._to.connect(30))
                for each in pair:
                    each.settimeout(None)
                self._pairs.append(pair)
                for source, target in (pair, pair[::-1]):
                    threading.Thread(target=self._pass_on, args=(pair, source, target), daemon=True).start()

    def _pass_on(self, pair: tuple[socket.socket, socket.socket], source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        self._close(pair)

    def _close(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with contextlib.suppress(ValueError):
            self._pairs.remove(pair)
        for each in pair:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
