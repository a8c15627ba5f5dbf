"""The process of a run's database, as the operation sees it: what it is told, what it answers, and how it ends.

It works wherever an operation does, in a greenlet too: what waits here waits in the hub of its thread where there is
one. Leaving the block ends the process, whatever it is doing; should the worker be killed instead, the process's input
ends, and so does the process.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

import gevent
from gevent import monkey
from gevent import select as green_select
from gevent._hub_local import get_hub_if_exists

from streaming import OperationError, on_cancel

from .sources import FIRST, Source

log = logging.getLogger("headway")

LOAD_SECONDS: Final = 120.0
"""How long the files may take to be read."""
GRACE: Final = 2.0
"""Seconds between the word to stop and SIGKILL."""
KILLED: Final = 10.0
"""And how long that may take on a machine that stands still: its folder is to be cleared behind it."""
START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from operations.analytics.child import main; main(sys.argv[2])"
)
KEPT: Final = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "MALLOC_ARENA_MAX")
"""What the process sees of the service's environment: no key, no proxy."""

native_select: Final[Any] = monkey.get_original("select", "select")
native_sleep: Final[Any] = monkey.get_original("time", "sleep")
# gevent's own watch children in the loop of the main thread, and are refused in any other.
native_spawn: Final[Any] = monkey.get_original("os", "posix_spawn")
native_waitpid: Final[Any] = monkey.get_original("os", "waitpid")

Message = dict[str, Any]


class Engine:
    """One database in a process of its own: a context manager, which a cancel of the run ends too."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="headway-analytics-")
        self._pid = 0
        self._in = self._out = -1
        self._unread = bytearray()
        self._busy = False

    def __enter__(self) -> Self:
        theirs_in, self._in = os.pipe()
        self._out, theirs_out = os.pipe()
        os.set_blocking(self._out, False)
        path = json.dumps([str(Path(part).resolve()) for part in sys.path])
        try:
            self._pid = native_spawn(
                sys.executable,
                [sys.executable, "-c", START, path, self._folder],
                {name: os.environ[name] for name in KEPT if name in os.environ},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs_in, 0),
                    (os.POSIX_SPAWN_DUP2, theirs_out, 1),
                ],
                setpgroup=0,  # what a terminal sends the service (Ctrl-C) is not for it
            )
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
            if not self._pid:
                self.close()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def load(self, sources: Sequence[Source]) -> Iterator[Message]:
        """Reads the files: `{"loaded": {name, file, rows, columns}}` for each, with `{"progress": percent}` between.

        Raises `OperationError` with `unreadable_file`, `too_large` or `timeout`.
        """
        command = {"load": [source.as_dict() for source in sources], "alias": FIRST}
        return self._perform(command, LOAD_SECONDS, "The files take")

    def ask(self, sql: str, limit: int, seconds: float) -> Iterator[Message]:
        """Runs a statement: `{"columns": [...]}`, and `{"rows": [...]}` in batches of `limit` rows altogether.

        `{"progress": percent}` comes between. Raises `OperationError` with `wrong_sql`, `not_a_query`, `not_allowed`,
        `too_large` or `timeout`.
        """
        return self._perform({"sql": sql, "limit": limit}, seconds, "The statement takes")

    def _perform(self, command: Message, seconds: float, what: str) -> Iterator[Message]:
        late = OperationError("timeout", f"{what} longer than the {seconds:g} seconds that it may take.")
        deadline = time.monotonic() + seconds
        stopping = False
        assert not self._busy, "the answer to the command before has not been taken to its end"
        self._busy = True
        self._tell(command)
        with on_cancel(self._interrupt):
            while True:
                message = self._next(deadline)
                if message is None and stopping:
                    raise late
                elif message is None:
                    self._interrupt()
                    stopping, deadline = True, time.monotonic() + GRACE
                elif "end" in message:
                    self._busy = False
                    return
                elif "refused" in message:
                    self._busy = False
                    raise late if stopping else OperationError(message["refused"], message["message"])
                elif "failed" in message:
                    raise RuntimeError("DuckDB failed; the process has written how")
                else:
                    yield message

    def _interrupt(self) -> None:
        self._tell({"interrupt": True})

    def _tell(self, command: Message) -> None:
        line = memoryview(json.dumps(command).encode() + b"\n")
        with contextlib.suppress(OSError):  # it has ended, and its silence will tell
            while line:
                line = line[os.write(self._in, line) :]

    def _next(self, deadline: float) -> Message | None:
        """The next message, or `None` where there is none in time."""
        searched = 0
        while (end := self._unread.find(b"\n", searched)) < 0:
            searched = len(self._unread)
            if not self._wait(deadline):
                return None
            with contextlib.suppress(BlockingIOError):
                data = os.read(self._out, 1 << 16)
                if not data:
                    raise self._lost()
                self._unread += data
        line = bytes(self._unread[:end])
        del self._unread[: end + 1]
        message: Message = json.loads(line)
        return message

    def _wait(self, deadline: float) -> bool:
        """Whether something has come before the deadline."""
        wait = native_select if get_hub_if_exists() is None else green_select.select
        return bool(wait([self._out], [], [], max(0.0, deadline - time.monotonic()))[0])

    def _lost(self) -> Exception:
        """What is told when it has ended by itself: where Python raises MemoryError, C++ libraries abort."""
        status = self._reaped(KILLED)
        self._pid = 0
        if status is not None and os.waitstatus_to_exitcode(status) in (-signal.SIGABRT, -signal.SIGKILL):
            return OperationError("too_large", "It needs more memory than a run may have.")
        return RuntimeError(f"the process of the database was lost, with status {status}")

    def close(self) -> None:
        """Ends the process: it leaves by itself when its input ends, and is killed where it does not."""
        descriptors = (self._in, self._out)
        self._in = self._out = -1
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)
        if self._pid and self._reaped(GRACE) is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._reaped(KILLED)
        self._pid = 0
        shutil.rmtree(self._folder, ignore_errors=True)

    def _reaped(self, within: float) -> int | None:
        """Its exit status, or `None` where it has not ended in time; 0 where somebody else has taken that."""
        end = time.monotonic() + within
        while True:
            with contextlib.suppress(ChildProcessError):
                pid, status = native_waitpid(self._pid, os.WNOHANG)
                if pid:
                    return int(status)
                if time.monotonic() > end:
                    return None
                _sleep(0.005)
                continue
            return 0


def _sleep(seconds: float) -> None:
    if get_hub_if_exists() is None:
        native_sleep(seconds)
    else:
        gevent.sleep(seconds)
