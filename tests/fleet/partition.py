"""The way from one process to another, over which nothing goes while it is closed: as in a network that is parted.

Connections stay open meanwhile, and new ones are accepted by the kernel, without an answer. What was sent arrives late.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from typing import Final

BLOCK: Final = 65536


class Way:
    """Connections to `port` here go on to port `target`, until `close`; it may be set later."""

    def __init__(self, target: int = 0) -> None:
        self.target = target
        self._server = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._server.getsockname()[1]
        self._open = threading.Event()
        self._open.set()
        self._ended = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._server, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def part(self) -> None:
        """Lets nothing through any more."""
        self._open.clear()

    def heal(self) -> None:
        """Lets everything through again, what has gathered too."""
        self._open.set()

    def close(self) -> None:
        """Ends."""
        self._ended = True
        self._open.set()
        self._thread.join()

    def _serve(self) -> None:
        while not self._ended:
            self._open.wait()
            for key, _ in self._selector.select(0.05):
                if not self._open.is_set():
                    break
                if key.fileobj is self._server:
                    self._accept()
                else:
                    self._pass_on(key.fileobj, key.data)  # type: ignore[arg-type]  # only sockets are registered
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def _accept(self) -> None:
        near, _ = self._server.accept()
        far = socket.socket()
        far.settimeout(5.0)
        try:
            far.connect(("127.0.0.1", self.target))
        except OSError:
            near.close()
            far.close()
            return
        near.settimeout(5.0)
        for one, other in ((near, far), (far, near)):
            self._selector.register(one, selectors.EVENT_READ, other)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        """Sends on what has come. A peer that takes nothing for seconds, as a paused one does, is cut."""
        with contextlib.suppress(OSError):
            data = source.recv(BLOCK)
            if data:
                target.sendall(data)
                return
        for end in (source, target):
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(end)
            end.close()
