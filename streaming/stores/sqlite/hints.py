"""Hints between the workers of a file: a datagram after each transaction that others may wait for.

Each worker has a socket (AF_UNIX) in the folder `.FILE-workers`, named after it. A hint says which runs have changed;
what has changed is in the file. One that is lost costs no more than a poll: a worker polls slowly while every other
living worker has greeted it, and fast while one has not, such as a worker of version 1, or one whose socket is gone.

The folder and the sockets are their owner's alone. A path of more than `MAX_PATH` bytes is reached through the
descriptor of its folder. Where there is none of that (no AF_UNIX, a file system without sockets), workers poll fast.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Final

import gevent
from gevent import monkey

log = logging.getLogger("headway")

MAX_PATH: Final = 107
"""The longest path of a socket on Linux (unix(7)); on other systems it is shorter."""

MAX_RUNS: Final = 100
"""A hint that would name more runs names none, and is for everybody."""

QUEUED: Final = 10
"""Datagrams that a socket holds at the least (net.unix.max_dgram_qlen): where as many are read, some may be lost."""

MAX_BYTES: Final = 65_536
"""The longest datagram that is read."""

EVERYBODY: Final = "*"
"""The run of a hint that every worker is to follow up."""

WORKER: Final = re.compile(r"[0-9a-f]{16}")


class Hints:
    """The socket of one worker. `on_hint` is called in the hub when another worker has changed a run that `concerns`.

    `path` is that of the file.
    """

    def __init__(self, path: str, worker: str, concerns: Callable[[str], bool], on_hint: Callable[[], None]) -> None:
        self._worker = worker
        self._concerns = concerns
        self._on_hint = on_hint
        file = Path(path)
        self._folder = file.with_name(f".{file.name}-workers")  # hidden: what deletes or copies `FILE*` leaves it out
        self._peers: dict[str, None] = {}
        self._greeted: set[str] = set()
        self._missed: set[str] = set()
        self._alive: AbstractSet[str] = frozenset()
        self._descriptor = -1
        self._socket: Any = None
        self._watcher: Any = None
        self._open()

    @property
    def reliable(self) -> bool:
        """Whether every other living worker sends hints here."""
        return self._socket is not None and self._alive <= self._greeted

    def check(self, alive: Iterable[str]) -> None:
        """Notes which workers are alive, and greets those that have not answered; called now and then, in the hub."""
        self._alive = {*alive} - {self._worker}
        self._greeted &= self._alive
        if self._socket is not None and not Path(self._address(self._worker)).exists():  # somebody has tidied up
            self.close()
            self._greeted.clear()
            self._open()
        for worker in self._alive - self._greeted:
            self._send(worker, f"hello {self._worker}")

    def send(self, changed: Iterable[str]) -> None:
        """Tells the others which runs have changed; in any thread."""
        runs = {*changed} if self._peers else ()
        if not runs:
            return
        text = f"runs {' '.join(runs)}" if len(runs) <= MAX_RUNS else f"runs {EVERYBODY}"
        for worker in list(self._peers):
            self._send(worker, f"runs {EVERYBODY}" if worker in self._missed else text)

    def close(self) -> None:
        """Removes the socket."""
        if self._socket is None:
            return
        self._watcher.stop()
        self._watcher.close()
        with contextlib.suppress(OSError):
            Path(self._address(self._worker)).unlink()
        self._socket.close()
        os.close(self._descriptor)
        self._socket = None
        self._peers.clear()
        with contextlib.suppress(OSError):  # others are in it
            self._folder.rmdir()

    def _open(self) -> None:
        try:
            self._bind()
        except (OSError, AttributeError) as error:
            log.info("workers of this machine send each other no hints, and poll: %s", error)
            return
        self._watcher = gevent.get_hub().loop.io(self._socket.fileno(), 1)
        self._watcher.start(self._receive)
        for other in self._folder.iterdir():
            if WORKER.fullmatch(other.name) and other.name != self._worker:
                self._send(other.name, f"hello {self._worker}")

    def _bind(self) -> None:
        made = monkey.get_original("socket", "socket")(socket.AF_UNIX, socket.SOCK_DGRAM)
        descriptor = -1
        try:
            for tries_left in (2, 1, 0):
                try:
                    self._folder.mkdir(mode=0o700, exist_ok=True)
                    descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                    os.fchmod(descriptor, 0o700)
                    self._descriptor = descriptor
                    made.bind(self._address(self._worker))
                    break
                except FileNotFoundError:  # the last worker that stops removes the folder
                    if not tries_left:
                        raise
            Path(self._address(self._worker)).chmod(0o600)
            made.setblocking(False)
        except BaseException:
            made.close()
            if descriptor >= 0:
                os.close(descriptor)
            raise
        self._socket = made

    def _address(self, worker: str) -> str:
        path = f"{self._folder}/{worker}"
        return path if len(os.fsencode(path)) <= MAX_PATH else f"/proc/self/fd/{self._descriptor}/{worker}"

    def _send(self, worker: str, text: str) -> None:
        try:
            self._socket.sendto(text.encode(), self._address(worker))
            self._missed.discard(worker)
        except BlockingIOError:  # it has not read those before: the next one is for all runs
            self._missed.add(worker)
        except (ConnectionRefusedError, FileNotFoundError):  # a worker that has died leaves its socket
            self._forget(worker)
        except (OSError, AttributeError):  # closed meanwhile
            self._peers.pop(worker, None)

    def _forget(self, worker: str) -> None:
        self._peers.pop(worker, None)
        self._missed.discard(worker)
        with contextlib.suppress(OSError):
            Path(self._address(worker)).unlink()

    def _receive(self) -> None:
        hint, count = False, 0
        with contextlib.suppress(OSError):
            while count < MAX_RUNS:
                kind, *names = self._socket.recv(MAX_BYTES).decode("ascii", "replace").split(" ")
                count += 1
                if kind == "runs":
                    hint = hint or EVERYBODY in names or any(map(self._concerns, names))
                elif names and WORKER.fullmatch(names[0]):
                    self._meet(kind, names[0])
        if hint or count >= QUEUED:
            self._on_hint()

    def _meet(self, kind: str, worker: str) -> None:
        self._peers[worker] = None
        self._greeted.add(worker)
        if kind == "hello":
            self._send(worker, f"here {self._worker}")
