"""The fork server: a plain process in a session of its own, without threads or a hub, that forks a child for each run.

A worker starts it once. It imports the modules of the operations, so a run starts in milliseconds, and neither gunicorn
nor gevent nor the sockets of the viewers are ever forked. It reads commands as lines of JSON on file descriptor 3, and
writes there:

    {"import": [MODULE]}                        imports these ahead of time
    {"fork": ID, "module": M, "name": N, ...}   with two descriptors: the child's output and its input
    {"signal": ID, "number": N}                 sends a signal to a child; 9 goes to its process group
    -> {"exited": ID, "status": WAIT_STATUS}    once the child is reaped, and the rest of its group killed

When the worker ends, in whatever way, descriptor 3 ends, and the fork server kills its children with their groups. If
it was killed itself, the kernel kills the children (PR_SET_PDEATHSIG; prctl(2)).
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import select
import signal
import socket
from collections.abc import Callable
from typing import Any, Final

from . import child

CONNECTION: Final = 3
"""The file descriptor of the connection to the worker."""


class Server:
    """One loop over the worker's commands and the exits of the children."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._children: dict[int, int] = {}
        self._buffer = b""
        self._descriptors: list[int] = []

    def serve(self) -> None:
        """Serves until the worker has ended."""
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # Children inherit this mask: a signal that is sent before a child handles it stays pending until it does.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        while True:
            ready, _, _ = select.select([self._connection.fileno(), woken], [], [])
            if woken in ready:
                os.read(woken, 4096)
                self._reap()
            if self._connection.fileno() in ready and not self._receive():
                for pid in self._children:
                    kill_group(pid)
                return

    def _receive(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._connection, 65536, 64)
        if not data:
            return False
        self._descriptors += descriptors
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._run(json.loads(line))
        return True

    def _run(self, command: dict[str, Any]) -> None:
        if "import" in command:
            for module in command["import"]:
                preload(module)
        elif "fork" in command:
            self._fork(command)
        elif "signal" in command:
            self._signal(command["signal"], command["number"])

    def _fork(self, command: dict[str, Any]) -> None:
        out_fd, in_fd, *self._descriptors = self._descriptors
        preload(command["module"])
        if command["app"]:
            preload(command["app"].partition(":")[0])
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            self._connection.close()
            for other in self._descriptors:  # of the next child: an open copy here would outlive that one
                os.close(other)
            child.run(command, out_fd, in_fd, server)
        os.close(out_fd)
        os.close(in_fd)
        self._children[pid] = command["fork"]

    def _signal(self, number: int, what: int) -> None:
        for pid, other in self._children.items():
            if other == number and what == signal.SIGKILL:
                kill_group(pid)
            elif other == number:
                send_signal(os.kill, pid, what)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            number = self._children.pop(pid, None)
            if number is not None:
                send_signal(os.killpg, pid, signal.SIGKILL)  # processes that it started and did not wait for
                with contextlib.suppress(OSError):
                    self._connection.sendall(json.dumps({"exited": number, "status": status}).encode() + b"\n")


def kill_group(pid: int) -> None:
    """Kills a child with the processes that it started; alone where it has no group yet."""
    send_signal(os.killpg, pid, signal.SIGKILL)
    send_signal(os.kill, pid, signal.SIGKILL)


def send_signal(kill: Callable[[int, int], None], pid: int, number: int) -> None:
    """Signals a process, or a group, that may have ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        kill(pid, number)


def preload(module: str) -> None:
    """Imports a module; where that fails, the child fails in the same way, and reports it."""
    with contextlib.suppress(BaseException):
        importlib.import_module(module)


def main() -> None:
    """The entry of the process; closes all descriptors but the standard ones and its connection."""
    os.dup2(2, 1)
    os.closerange(CONNECTION + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    Server(socket.socket(fileno=CONNECTION)).serve()
