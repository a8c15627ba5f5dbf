"""The child of a fork server: one process, which runs one operation.

It writes records (`executors.records`) to a pipe of its own, and reads messages from another: the pickled input and run
first, then answers as JSON, each after its length. Its standard output is its standard error, so a `print` cannot mix
with the records.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import pickle
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from operator import attrgetter
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

from greenlet import GreenletExit

from ....protocol.events import Awaited
from ...context import CallContext, RunContext
from ...files import FileEvent
from ...operation import Operation
from ..base import Interruptible, run_work
from ..records import encode, encode_failure, encode_result

PR_SET_PDEATHSIG: Final = 1
IN_MEMORY: Final = 1 << 20
"""Bytes of a file that go through the pipe."""
OOM_SCORE: Final = b"500"
NICE: Final = 5
"""nice(2): the workers' streams and the fork server go first."""


OUTSIDE_OF_AN_APPLICATION: Final = "outside of application context"
NEEDS_PROCESS_APP: Final = (
    'An operation in a process has its application by Headway(app, process_app="module:create_app").'
)


class WorkerGone(Exception):
    """The worker has closed the pipe; this is no error of the operation."""


class Pipes:
    """The child's ends of its two pipes."""

    def __init__(self, out_fd: int, in_fd: int) -> None:
        self._out_fd = out_fd
        self._input = os.fdopen(in_fd, "rb")

    def write(self, record: bytes) -> None:
        """Writes a record. Raises `WorkerGone`."""
        rest = memoryview(record)
        try:
            while rest:
                rest = rest[os.write(self._out_fd, rest) :]
        except BrokenPipeError:
            raise WorkerGone from None

    def read(self) -> bytes:
        """The next message. Raises `WorkerGone`."""
        size = self._input.read(4)
        if len(size) < 4:
            raise WorkerGone
        return self._input.read(int.from_bytes(size, "little"))


def run(command: dict[str, Any], out_fd: int, in_fd: int, server: int) -> NoReturn:
    """The whole life of a child. How the operation ended is in its last record, not in the exit status."""
    status = 1
    try:
        block = Interruptible()
        interrupt_on_sigterm(block)
        become_a_child(server, command["memory"])
        perform(command, Pipes(out_fd, in_fd), block)
        status = 0
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def interrupt_on_sigterm(block: Interruptible) -> None:
    """Lets SIGTERM raise `GreenletExit` in the operation's code, or as soon as that continues."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        # Once only: the `finally` blocks of the operation are not interrupted.
        first, block.stopped = not block.stopped, True
        if first and block.entered:
            raise GreenletExit

    signal.signal(signal.SIGTERM, interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def become_a_child(server: int, memory: int | None) -> None:
    """Own process group, dies with its parent, low priority, no core dumps, the first to be killed without memory.

    Not its own session: Linux gives each session a share of the processors as large as the worker's, whatever its
    processes' priority is (sched(7), autogrouping).
    """
    os.setpgid(0, 0)
    os.nice(NICE)
    if sys.platform == "linux":  # elsewhere it ends when it next writes or reads
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != server:
            os._exit(1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb") as score:
        score.write(OOM_SCORE)
    if memory is not None:
        # The soft limit, which a program that the operation starts can raise for itself.
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (memory if most == resource.RLIM_INFINITY else min(memory, most), most))


def perform(command: dict[str, Any], pipes: Pipes, block: Interruptible) -> None:
    """Runs the operation, and writes how it ended; nothing after a cancel that it obeyed."""
    try:
        operation = find(command["module"], command["name"])
        checked, current = pickle.loads(pipes.read())  # noqa: S301  # from the worker, over its own pipe
        with block:
            call = call_context(command["app"])
        with RunContext(None, current, call).scope():
            result = run_work(partial(operation.begin, checked), block, partial(pass_on, pipes, block))
        pipes.write(encode_result(result))
    except WorkerGone:
        return
    except BaseException as error:  # noqa: BLE001  # SystemExit too, which fails the run
        if isinstance(error, RuntimeError) and OUTSIDE_OF_AN_APPLICATION in str(error) and not command["app"]:
            error.add_note(NEEDS_PROCESS_APP)
        if not (block.stopped and isinstance(error, GreenletExit)):
            pipes.write(encode_failure(error))


def find(module: str, name: str) -> Operation:
    """The operation with that qualified name. Raises what the import of its module raises, and `TypeError`."""
    target = attrgetter(name)(importlib.import_module(module))
    if not isinstance(target, Operation):
        raise TypeError(f"{module}.{name} is {target!r}, not an operation")
    return target


def call_context(process_app: str | None) -> CallContext:
    """The context of an application, which is made here, after the fork: `module:name` of it, or of what makes it.

    Raises what the import and the call raise, and `TypeError` for another thing.
    """
    if process_app is None:
        return CallContext()
    module, _, name = process_app.partition(":")
    app = attrgetter(name)(importlib.import_module(module))
    if not hasattr(app, "app_context") and callable(app):
        app = app()
    if not hasattr(app, "app_context"):
        raise TypeError(f"process_app={process_app!r} gives {app!r}, which is no Flask application")
    return CallContext(app.app_context)


def pass_on(pipes: Pipes, block: Interruptible, item: Any) -> Any:
    """Writes what the operation yielded; waits for the answer to a question, and until a file is kept."""
    if not isinstance(item, Awaited):
        pipes.write(encode(item))
        return None
    with on_disk(item):
        pipes.write(encode(item))
        with block:
            return json.loads(pipes.read())


@contextlib.contextmanager
def on_disk(item: Awaited) -> Iterator[None]:
    """Writes the bytes of a large file into a temporary one: the worker would have them in memory, piece by piece."""
    if not isinstance(item, FileEvent) or not isinstance(item.source, bytes) or len(item.source) <= IN_MEMORY:
        yield
        return
    with tempfile.NamedTemporaryFile(prefix="headway-file-") as copy:
        copy.write(item.source)
        copy.flush()
        item.source = Path(copy.name)
        yield
