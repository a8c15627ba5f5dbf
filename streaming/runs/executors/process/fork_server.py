"""The worker's end of its fork server (`server`), and of the children that run operations (`child`)."""

from __future__ import annotations

import array
import contextlib
import itertools
import os
import signal
import socket
import sys
from collections import deque
from pathlib import Path
from typing import Any, Final

import gevent
import orjson
from gevent import os as gevent_os
from gevent import socket as gevent_socket
from gevent.event import Event as GeventEvent
from gevent.lock import Semaphore

from ....errors import HeadwayError, OperationError
from ....runtime.hub import GreenSignal
from ....runtime.worker import Worker
from ...operation import Operation
from ..base import WorkFailed
from ..records import TOO_LARGE, Record, split
from . import server

REMIND_AFTER: Final = 0.2
"""Seconds after which SIGTERM is sent again, to a child that handles one only.

The first may arrive in the instant between Python's last look for signals and a call that waits: it would not wake it.
"""

KILL_AFTER: Final = 5.0
"""Seconds between SIGTERM and SIGKILL for a child that does not end."""

READ_BYTES: Final = 65536


class Child:
    """A child of the fork server: its two pipes, and the ways to end it."""

    def __init__(self, fork_server: ForkServer, number: int, read_fd: int, write_fd: int, *, limited: bool) -> None:
        self._fork_server = fork_server
        self._number = number
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._limited = limited
        self._buffer = bytearray()
        self._records: deque[Record] = deque()
        self._more = GreenSignal()
        self._status: int | None = None
        self._exited = GeventEvent()

    def read(self) -> Record | None:
        """Waits for the next record; `None` once it has ended."""
        while not self._records:
            try:
                data = os.read(self._read_fd, READ_BYTES)
            except BlockingIOError:
                if not self._exited.is_set():
                    self._wait_for_more()
                    continue
                data = b""  # a process that it started has the pipe open
            if not data:
                return None
            self._buffer += data
            self._records.extend(split(self._buffer))
        return self._records.popleft()

    def _wait_for_more(self) -> None:
        self._more.clear()
        readable = gevent.get_hub().loop.io(self._read_fd, 1)
        readable.start(self._more.set)
        try:
            self._more.wait()
        finally:
            readable.stop()
            readable.close()

    def write(self, body: bytes) -> None:
        """Writes a message; does nothing where the child has ended, which `read` shows."""
        message = memoryview(len(body).to_bytes(4, "little") + body)
        with contextlib.suppress(BrokenPipeError):
            while message:
                message = message[gevent_os.nb_write(self._write_fd, message) :]

    def stop(self) -> Record | None:
        """Sends SIGTERM, after `KILL_AFTER` SIGKILL, and waits for the exit; gives the last record that follows."""
        last = None
        if self._read_fd >= 0:
            gevent.spawn(self._send_signals)
            try:
                while record := self.read():
                    last = record
                self._exited.wait()
            finally:
                self.close()
        return last

    def _send_signals(self) -> None:
        for _ in range(round(KILL_AFTER / REMIND_AFTER)):
            self._fork_server.signal(self._number, signal.SIGTERM)
            if self._exited.wait(REMIND_AFTER):
                return
        self._fork_server.signal(self._number, signal.SIGKILL)

    def on_exit(self, status: int | None) -> None:
        """Called once it has ended, with its wait status; `None` where the fork server was lost."""
        self._status = status
        self._exited.set()
        self._more.set()

    def close(self) -> None:
        """Closes the pipes; a child that starts after this ends at once."""
        for descriptor in (self._read_fd, self._write_fd):
            os.close(descriptor)
        self._read_fd = self._write_fd = -1

    def exit_error(self) -> HeadwayError:
        """Why it ended without a last record."""
        self._exited.wait(KILL_AFTER)
        if self._status is None:
            return WorkFailed("the process of the operation was lost")
        code = os.waitstatus_to_exitcode(self._status)
        # Where Python raises MemoryError, C and C++ libraries abort.
        if self._limited and code == -signal.SIGABRT:
            return OperationError("too_large", TOO_LARGE)
        if code < 0:
            return WorkFailed(f"the process of the operation was ended by {_signal_name(-code)}")
        return WorkFailed(f"the process of the operation ended by itself, with status {code}")


class ForkServer:
    """A part of the worker: its fork server, which is started on first use, and again after it is lost."""

    def __init__(self, worker: Worker) -> None:
        self.pid: int = 0
        self.children: dict[int, Child] = {}
        self._connection: Any = None
        self._lock = Semaphore()
        self._numbers = itertools.count(1)

    def warm(self, modules: list[str]) -> None:
        """Imports modules before the first run that needs them."""
        self._send({"import": modules})

    def fork(self, operation: Operation, process_app: str | None = None) -> Child:
        """Starts a child for an operation, in that application; its first message is the input and the run."""
        read_fd, child_out = os.pipe()
        child_in, write_fd = os.pipe()
        for descriptor in (read_fd, write_fd):
            os.set_blocking(descriptor, False)
        number = next(self._numbers)
        child = self.children[number] = Child(self, number, read_fd, write_fd, limited=operation.memory is not None)
        command = {
            "fork": number,
            "module": operation.fn.__module__,
            "name": operation.fn.__qualname__,
            "memory": operation.memory,
            "app": process_app,
        }
        try:
            self._send(command, [child_out, child_in])
        except BaseException:  # the run is stopped while its command waits for the fork server
            self.children.pop(number, None)
            child.close()
            raise
        finally:
            os.close(child_out)
            os.close(child_in)
        return child

    def signal(self, number: int, what: int) -> None:
        """Sends a signal to a child that has not ended."""
        if number in self.children:
            self._send({"signal": number, "number": int(what)})

    def close(self) -> None:
        """Ends the fork server with its children."""
        if self._connection is not None:
            self._connection.shutdown(socket.SHUT_RDWR)

    def _send(self, command: dict[str, Any], descriptors: list[int] | None = None) -> None:
        line = orjson.dumps(command) + b"\n"
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        with self._lock:
            if self._connection is None:
                self._start()
            # Where it has just been lost, `_receive` reports that to every child, this one too.
            with contextlib.suppress(OSError):
                sent = gevent_socket.socket.sendmsg(self._connection, [line], rights)
                if sent < len(line):
                    self._connection.sendall(line[sent:])

    def _start(self) -> None:
        ours, theirs = gevent_socket.socketpair()
        entry = f"import sys, json; sys.path[:] = json.loads(sys.argv[1]); from {server.__name__} import main; main()"
        path = orjson.dumps([str(Path(part).resolve()) for part in sys.path]).decode()
        self.pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-c", entry, path],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), server.CONNECTION)],
            setsid=True,  # a terminal's Ctrl-C is for the worker alone, from the first moment
        )
        theirs.close()
        self._connection = ours
        gevent.spawn(self._receive, ours, self.pid)

    def _receive(self, connection: Any, pid: int) -> None:
        buffer = b""
        with contextlib.suppress(OSError):
            while data := connection.recv(READ_BYTES):
                *lines, buffer = (buffer + data).split(b"\n")
                for line in lines:
                    self._on_exit(**orjson.loads(line))
        if self._connection is connection:
            self._connection = None
        connection.close()
        for number in list(self.children):
            self._on_exit(number, None)
        _reap(pid)

    def _on_exit(self, exited: int, status: int | None) -> None:
        child = self.children.pop(exited, None)
        if child is not None:
            child.on_exit(status)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most of the real-time signals have none
        return f"signal {number}"


def _reap(pid: int) -> None:
    """Ends a fork server whose connection has ended, and reaps it; `waitpid` must not block the hub."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            gevent.sleep(0.01)
