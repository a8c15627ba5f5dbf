"""The worker's end of its nursery: the plain process that forks those in which operations run (see `child`)."""

from __future__ import annotations

import array
import contextlib
import os
import signal
import socket
import sys
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
from . import child

REMIND_AFTER: Final = 0.2
"""Seconds after which SIGTERM is sent again, to a child that takes notice of one only.

The first may come in the instant between Python's last look for signals and a call that waits: nothing would wake it.
"""

KILL_AFTER: Final = 5.0
"""Seconds between SIGTERM and SIGKILL for a child that does not end."""

READ_BYTES: Final = 65536


class Child:
    """One child of the nursery: its line, and the ways to end it."""

    def __init__(self, kin: ForkServer, number: int, way_out: int, way_in: int, *, limited: bool) -> None:
        self._limited = limited
        self._nursery = kin
        self._number = number
        self._out = way_out
        self._in = way_in
        self._more = GreenSignal()
        self.status: int | None = None
        self.gone = GeventEvent()

    def read(self) -> bytes:
        """What the child has said; empty once it has ended."""
        while self._out >= 0:
            try:
                return os.read(self._out, READ_BYTES)
            except BlockingIOError:
                if self.gone.is_set():  # and something that it has left behind holds its line open
                    break
            self._wait_for_more()
        return b""

    def _wait_for_more(self) -> None:
        self._more.clear()
        readable = gevent.get_hub().loop.io(self._out, 1)
        readable.start(self._more.set)
        try:
            self._more.wait()
        finally:
            readable.stop()
            readable.close()

    def tell(self, body: bytes) -> None:
        """One message to the child; a child that is gone is not an error here, its silence tells."""
        message = memoryview(len(body).to_bytes(4, "little") + body)
        with contextlib.suppress(BrokenPipeError):
            while message:
                message = message[gevent_os.nb_write(self._in, message) :]

    def end(self, buffer: bytearray) -> tuple[bytes, bytes, bytes] | None:
        """SIGTERM, SIGKILL after `KILL_AFTER`, and it is reaped; gives the last of what it has still said.

        `buffer` holds the beginning of that.
        """
        last = None
        if self._out < 0:
            return last
        loop = gevent.get_hub().loop
        reminding, killing = loop.timer(REMIND_AFTER, REMIND_AFTER), loop.timer(KILL_AFTER)
        reminding.start(gevent.spawn, self._nursery.signal, self._number, signal.SIGTERM)
        killing.start(gevent.spawn, self._nursery.signal, self._number, signal.SIGKILL)
        try:
            self._nursery.signal(self._number, signal.SIGTERM)
            while data := self.read():
                buffer += data
                last = [last, *child.unpack(buffer)][-1]
            self.gone.wait()
        finally:
            for timer in (reminding, killing):
                timer.stop()
                timer.close()
            self._close()
        return last

    def bury(self, status: int | None) -> None:
        """It has ended, and how; `None` where that is not known."""
        self.status = status
        self.gone.set()
        self._more.set()

    def forget(self) -> None:
        """Lets go of a child that nobody waits for: should it be born after all, it finds its line closed."""
        self._close()

    def obituary(self) -> HeadwayError:
        """What became of a child that has said no last word."""
        self.gone.wait(KILL_AFTER)
        # Where Python raises MemoryError, C and C++ libraries abort.
        if self._limited and self.status is not None and os.waitstatus_to_exitcode(self.status) == -signal.SIGABRT:
            return OperationError("too_large", child.TOO_LARGE)
        return WorkFailed(self._epitaph())

    def _epitaph(self) -> str:
        if self.status is None:
            return "the process of the operation was lost"
        if os.WIFSIGNALED(self.status):
            return f"the process of the operation was ended by {_signal_name(os.WTERMSIG(self.status))}"
        return f"the process of the operation ended by itself, with status {os.waitstatus_to_exitcode(self.status)}"

    def _close(self) -> None:
        for descriptor in (self._out, self._in):
            os.close(descriptor)
        self._out = self._in = -1


class ForkServer:
    """The worker's end of its nursery: started at the first need, and again should it be lost."""

    def __init__(self, worker: Worker) -> None:
        self._lock = Semaphore()
        self._channel: Any = None
        self._process = 0
        self._number = 0
        self._children: dict[int, Child] = {}

    def warm(self, modules: list[str]) -> None:
        """Has modules imported ahead of the first run that needs them."""
        self._order({"import": modules})

    def fork(self, operation: Operation) -> Child:
        out, their_out = os.pipe()
        their_in, into = os.pipe()
        for descriptor in (out, into):
            os.set_blocking(descriptor, False)
        self._number += 1
        number = self._number
        newborn = self._children[number] = Child(self, number, out, into, limited=operation.memory is not None)
        order = {
            "fork": number,
            "module": operation.fn.__module__,
            "name": operation.fn.__qualname__,
            "memory": operation.memory,
        }
        try:
            self._order(order, [their_out, their_in])
        except BaseException:  # the run is stopped while its order waits for the nursery
            self._children.pop(number, None)
            newborn.forget()
            raise
        finally:
            os.close(their_out)
            os.close(their_in)
        return newborn

    def signal(self, number: int, what: int) -> None:
        if number in self._children:
            self._order({"signal": number, "number": int(what)})

    def _order(self, order: dict[str, Any], descriptors: list[int] | None = None) -> None:
        line = orjson.dumps(order) + b"\n"
        with self._lock:
            if self._channel is None:
                self._start()
            try:
                sent = gevent_socket.socket.sendmsg(self._channel, [line], _rights(descriptors))
                if sent < len(line):
                    self._channel.sendall(line[sent:])
            except OSError:
                # It has just been lost: its reader says so to every child, this one too.
                return

    def _start(self) -> None:
        ours, theirs = gevent_socket.socketpair()
        entry = f"import sys, json; sys.path[:] = json.loads(sys.argv[1]); from {child.__name__} import main; main()"
        path = orjson.dumps([str(Path(part).resolve()) for part in sys.path]).decode()
        self._process = os.posix_spawn(
            sys.executable,
            [sys.executable, "-c", entry, path],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), child.NURSERY_FD)],
        )
        theirs.close()
        self._channel = ours
        gevent.spawn(self._listen, ours, self._process)

    def _listen(self, channel: Any, process: int) -> None:
        buffer = b""
        with contextlib.suppress(OSError):
            while data := channel.recv(READ_BYTES):
                *lines, buffer = (buffer + data).split(b"\n")
                for line in lines:
                    self._bury(**orjson.loads(line))
        if self._channel is channel:
            self._channel = None
        channel.close()
        for number in list(self._children):
            self._bury(number, None)
        _reap(process)

    def _bury(self, ended: int, status: int | None) -> None:
        dead = self._children.pop(ended, None)
        if dead is not None:
            dead.bury(status)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most of the real-time signals have none
        return f"signal {number}"


def _reap(process: int) -> None:
    """Ends a nursery whose line has ended, and takes its exit status; `waitpid` must not block the hub."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(process, signal.SIGKILL)
        while os.waitpid(process, os.WNOHANG) == (0, 0):
            gevent.sleep(0.01)


def _rights(descriptors: list[int] | None) -> list[Any]:
    if not descriptors:
        return []
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
