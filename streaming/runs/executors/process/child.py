"""What runs in the processes of `runs_in="process"` operations.

A worker starts one **nursery** (`main` below): a plain process without threads or a hub, which imports
the modules of the operations once and forks a **child** for each run. So a run starts in milliseconds, with its imports
done, and neither gunicorn nor gevent nor the sockets of the viewers are ever forked.

The nursery takes lines of JSON on file descriptor 3 and answers there:

    {"import": [MODULE]}                        import these ahead of time
    {"fork": ID, "module": M, "name": N, ...}   with two descriptors: the child's way out and its way in
    {"signal": ID, "number": N}                 sends a signal to a child; 9 goes to its whole session
    -> {"ended": ID, "status": WAIT_STATUS}     once the child is gone, reaped, and the rest of its session killed

When the worker goes, however it goes, descriptor 3 ends, and the nursery kills its children with their sessions; should
it have been killed itself, the kernel kills the children (PR_SET_PDEATHSIG; prctl(2)).

A child speaks in records on a descriptor of its own: a kind, two lengths, two strings of bytes (`pack`). Its standard
output goes where its standard error goes, so stray prints cannot mix with them.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import pickle
import resource
import select
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final, NoReturn

from greenlet import GreenletExit

from ....errors import OperationError
from ....protocol.events import Event, Flush, Progress, Question, encode_json
from ...operation import Operation, close_work

NURSERY_FD: Final = 3
HEAD: Final = struct.Struct("<cII")
EVENT, TEXT, PROGRESS, QUESTION, FLUSH, RESULT, REFUSED, RAISED = (b"e", b"t", b"p", b"q", b"f", b"r", b"o", b"x")
PR_SET_PDEATHSIG: Final = 1
TOO_LARGE: Final = "The work needs more memory than it may have."
OOM_SCORE: Final = b"500"


def pack(kind: bytes, first: bytes = b"", second: bytes = b"") -> bytes:
    """One record."""
    return b"%b%b%b" % (HEAD.pack(kind, len(first), len(second)), first, second)


def unpack(buffer: bytearray) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Takes the whole records off the front of `buffer`."""
    at = 0
    while len(buffer) - at >= HEAD.size:
        kind, first, second = HEAD.unpack_from(buffer, at)
        end = at + HEAD.size + first + second
        if len(buffer) < end:
            break
        middle = at + HEAD.size + first
        yield kind, bytes(buffer[at + HEAD.size : middle]), bytes(buffer[middle:end])
        at = end
    del buffer[:at]


class Nursery:
    """The process that forks: one loop over its descriptor and its dead children."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._children: dict[int, int] = {}
        self._buffer = b""
        self._descriptors: list[int] = []

    def serve(self) -> None:
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # A child is born with this mask, so that what it is sent before it can listen waits for it (`Stop`).
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        while True:
            ready, _, _ = select.select([self._channel.fileno(), woken], [], [])
            if woken in ready:
                os.read(woken, 4096)
                self._reap()
            if self._channel.fileno() in ready and not self._listen():
                self._end_all()
                return

    def _listen(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._channel, 65536, 64)
        if not data:
            return False
        self._descriptors += descriptors
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))
        return True

    def _obey(self, order: dict[str, Any]) -> None:
        if "import" in order:
            for module in order["import"]:
                preload(module)
        elif "fork" in order:
            self._fork(order)
        elif "signal" in order:
            self._signal(order["signal"], order["number"])

    def _fork(self, order: dict[str, Any]) -> None:
        way_out, way_in, *self._descriptors = self._descriptors
        preload(order["module"])
        nursery = os.getpid()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            self._channel.close()
            for other in self._descriptors:  # the next run's: held here, its line would not end with its child
                os.close(other)
            live(order, way_out, way_in, nursery)
        os.close(way_out)
        os.close(way_in)
        self._children[pid] = order["fork"]

    def _signal(self, run: int, number: int) -> None:
        for pid, known in self._children.items():
            if known == run and number == signal.SIGKILL:
                kill_session(pid)
            elif known == run:
                send(os.kill, pid, number)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            run = self._children.pop(pid, None)
            if run is not None:
                send(os.killpg, pid, signal.SIGKILL)  # what it has started and left behind
                with contextlib.suppress(OSError):
                    self._channel.sendall(json.dumps({"ended": run, "status": status}).encode() + b"\n")

    def _end_all(self) -> None:
        for pid in self._children:
            kill_session(pid)


def kill_session(pid: int) -> None:
    """Kills a child with what it has started; by itself alone where it has not made its session yet."""
    send(os.killpg, pid, signal.SIGKILL)
    send(os.kill, pid, signal.SIGKILL)


def send(way: Callable[[int, int], None], pid: int, number: int) -> None:
    """Signals a process, or a group, that may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        way(pid, number)


def preload(module: str) -> None:
    """Imports a module where that works; where it does not, the child's own try will say why."""
    with contextlib.suppress(BaseException):
        importlib.import_module(module)


class Line:
    """The child's end of the line to its run."""

    def __init__(self, way_out: int, way_in: int) -> None:
        self._out = way_out
        self._in = os.fdopen(way_in, "rb")

    def say(self, kind: bytes, first: bytes = b"", second: bytes = b"") -> None:
        record = memoryview(pack(kind, first, second))
        try:
            while record:
                record = record[os.write(self._out, record) :]
        except BrokenPipeError:
            raise WorkerGone from None

    def hear(self) -> bytes:
        """The next message of the run: the input first, then answers. Raises `WorkerGone`."""
        size = self._in.read(4)
        body = self._in.read(int.from_bytes(size, "little")) if len(size) == 4 else b""
        if len(size) < 4:
            raise WorkerGone
        return body


class WorkerGone(Exception):
    """Nobody is at the other end of the line any more; no error of the operation's."""


class Stop:
    """SIGTERM in a child: `GreenletExit` where the operation is at work, a note where the library is."""

    def __init__(self) -> None:
        self.asked = False
        self._interrupts = False
        signal.signal(signal.SIGTERM, self._heard)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """The stretch in which SIGTERM raises; one that came before is raised at its beginning."""
        self._interrupts = True
        try:
            if self.asked:
                raise GreenletExit
            yield
        finally:
            self._interrupts = False

    def _heard(self, number: int, frame: FrameType | None) -> None:
        # Once only: what the operation does on its way out is not to be interrupted.
        first, self.asked = not self.asked, True
        if first and self._interrupts:
            raise GreenletExit


def live(order: dict[str, Any], way_out: int, way_in: int, nursery: int) -> NoReturn:
    """The whole life of a child; its exit status says nothing, its last record does."""
    status = 1
    try:
        stop = Stop()
        become_a_child(nursery, order["memory"])
        line = Line(way_out, way_in)
        perform(order, line, stop)
        status = 0
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def become_a_child(nursery: int, memory: int | None) -> None:
    """Own session, dies with its parent, no core dumps, first for the kernel to kill when memory is short."""
    os.setsid()
    die_with(nursery)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb") as score:
        score.write(OOM_SCORE)
    if memory is not None:
        # The soft limit: a server that the operation has started for others as well can lift it for itself.
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (memory if most == resource.RLIM_INFINITY else min(memory, most), most))


def die_with(nursery: int) -> None:
    """Linux only; elsewhere a child notices that the worker has gone when it next writes or reads."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != nursery:
            os._exit(1)


def perform(order: dict[str, Any], line: Line, stop: Stop) -> None:
    """Runs the operation and says how it ended."""
    try:
        line.say(RESULT, encode_json({"result": _work(order, line, stop)}))
    except WorkerGone:
        return
    except BaseException as error:  # noqa: BLE001  # SystemExit too: the run must learn how it ended
        if not (stop.asked and isinstance(error, GreenletExit)):
            line.say(*last_words(error))


def last_words(error: BaseException) -> tuple[bytes, bytes]:
    """The record that tells of a failure."""
    if isinstance(error, MemoryError):
        error = OperationError("too_large", TOO_LARGE)
    if isinstance(error, OperationError):
        with contextlib.suppress(Exception):  # whatever an object does that was given for a text
            return REFUSED, json.dumps([str(error.code), str(error.message), bool(error.retryable)]).encode()
    return RAISED, "".join(traceback.format_exception(error)).encode(errors="replace")


def _work(order: dict[str, Any], line: Line, stop: Stop) -> Any:
    target: Any = importlib.import_module(order["module"])
    for part in order["name"].split("."):
        target = getattr(target, part)
    if not isinstance(target, Operation):
        raise TypeError(f"{order['module']}.{order['name']} is {target!r}, not an operation")
    checked = pickle.loads(line.hear())  # noqa: S301  # from the worker that forked this process, over its own pipe
    with stop.interrupting():  # a function that is no generator does all its work here
        work = target.begin(checked)
    return _pump(work, line, stop)


def _pump(work: Any, line: Line, stop: Stop) -> Any:
    """Passes on what the operation yields until it returns; closes it where a stop is asked for meanwhile."""
    send = getattr(work, "send", None)
    answer = None
    try:
        while True:
            try:
                with stop.interrupting():
                    item = send(answer) if send else next(work)
            except StopIteration as end:
                return end.value
            answer = _pass_on(item, line, stop)
    finally:
        close_work(work)


def _pass_on(item: Any, line: Line, stop: Stop) -> Any:
    if isinstance(item, Progress):
        line.say(PROGRESS, item.body)
    elif isinstance(item, Question):
        line.say(QUESTION, b"" if item.within is None else repr(item.within).encode(), item.body)
        with stop.interrupting():
            return json.loads(line.hear())
    elif isinstance(item, Event):
        line.say(TEXT if item.text else EVENT, item.name.encode(), item.body)
    elif isinstance(item, Flush):
        line.say(FLUSH)
    else:
        raise TypeError(f"an operation yields events, not {type(item).__name__}")
    return None


def main() -> None:
    """The nursery's entry; descriptors beyond the one it was given are closed."""
    os.dup2(2, 1)
    os.closerange(NURSERY_FD + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    os.setsid()
    Nursery(socket.socket(fileno=NURSERY_FD)).serve()
