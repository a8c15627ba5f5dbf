"""Starts the database process of a run, exchanges messages with it, and stops it.

It works in greenlets, threads and processes: in a thread that has a gevent hub, waiting does not block the hub. Leaving
the `with` block ends the process, whatever it does. If the worker is killed, the process sees the end of its input and
exits.
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
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from gevent import monkey
from gevent import select as green_select
from gevent._hub_local import get_hub_if_exists

from streaming import OperationError, on_cancel

from ..waiting import sleep
from .names import ALIAS
from .sources import Source

log = logging.getLogger("headway")

LOAD_SECONDS: Final = 120.0
"""Time limit of reading the files."""
GRACE: Final = 2.0
"""Seconds between the request to stop and SIGKILL."""
KILL_SECONDS: Final = 10.0
"""How long to wait for a killed process, on a slow machine, before its folder is removed."""
PROGRAM: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from importlib import import_module; import_module(sys.argv[2]).main(sys.argv[3])"
)
ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "MALLOC_ARENA_MAX")
"""The variables that the process inherits: no keys, no proxies."""

native_select: Final[Any] = monkey.get_original("select", "select")
# gevent's versions watch children in the loop of the main thread, and fail in other threads.
native_spawn: Final[Any] = monkey.get_original("os", "posix_spawn")
native_waitpid: Final[Any] = monkey.get_original("os", "waitpid")

Message = dict[str, Any]


class Engine:
    """A database in its own process. A context manager; a cancel of the run ends the process too."""

    module: ClassVar[str] = "operations.analytics.child"
    """Whose `main` the process calls, with the folder."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="headway-analytics-")
        self._pid = 0
        self._in = self._out = -1
        self._unread = bytearray()
        self._busy = False

    def __enter__(self) -> Self:
        child_in, self._in = os.pipe()
        self._out, child_out = os.pipe()
        os.set_blocking(self._out, False)
        path = json.dumps([str(Path(part).resolve()) for part in sys.path])
        try:
            self._pid = native_spawn(
                sys.executable,
                [sys.executable, "-c", PROGRAM, path, self.module, self._folder],
                {name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
                file_actions=[(os.POSIX_SPAWN_DUP2, child_in, 0), (os.POSIX_SPAWN_DUP2, child_out, 1)],
                setpgroup=0,  # Ctrl-C in the service's terminal does not reach it
            )
        finally:
            os.close(child_in)
            os.close(child_out)
            if not self._pid:
                self.close()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def load(self, sources: Sequence[Source]) -> Iterator[Message]:
        """Reads the files: yields `{"table": {name, file, rows, columns}}` for each table, `{"warning": {...}}` for
        what should be known of it, and `{"files": number}` after each file.

        `{"progress": percent}` of a file may come between. Raises `OperationError` with `empty_file`, `not_a_table`,
        `unreadable_file`, `too_large` or `timeout`.
        """
        command = {"load": [asdict(source) for source in sources], "alias": ALIAS}
        return self._perform(command, LOAD_SECONDS, "Reading the files")

    def ask(self, sql: str, limit: int, seconds: float) -> Iterator[Message]:
        """Runs a statement: yields `{"columns": [...]}`, then `{"rows": [...]}` in batches, up to `limit` rows in all.

        `{"progress": percent}` may come between. Raises `OperationError` with `wrong_sql`, `not_a_query`,
        `not_allowed`, `too_large` or `timeout`.
        """
        return self._perform({"sql": sql, "limit": limit}, seconds, "The statement")

    def _perform(self, command: Message, seconds: float, what: str) -> Iterator[Message]:
        timeout = OperationError("timeout", f"{what} took longer than {seconds:g} seconds.")
        deadline = time.monotonic() + seconds
        stopping = False
        assert not self._busy, "the messages of the previous command have not been read to the end"
        self._busy = True
        self._send(command)
        with on_cancel(self._interrupt):
            while True:
                message = self._receive(deadline)
                if message is None and stopping:
                    raise timeout
                elif message is None:
                    self._interrupt()
                    stopping, deadline = True, time.monotonic() + GRACE
                elif "end" in message:
                    self._busy = False
                    return
                elif "error" in message:
                    self._busy = False
                    raise timeout if stopping else OperationError(message["error"], message["message"])
                elif "failed" in message:
                    raise RuntimeError("the database process failed; its traceback is in the log")
                else:
                    yield message

    def _interrupt(self) -> None:
        self._send({"interrupt": True})

    def _send(self, command: Message) -> None:
        line = memoryview(json.dumps(command).encode() + b"\n")
        with contextlib.suppress(OSError):  # if the process has ended, `_receive` raises
            while line:
                line = line[os.write(self._in, line) :]

    def _receive(self, deadline: float) -> Message | None:
        """The next message, or `None` at the deadline."""
        searched = 0
        while (end := self._unread.find(b"\n", searched)) < 0:
            searched = len(self._unread)
            if not self._wait(deadline):
                return None
            with contextlib.suppress(BlockingIOError):
                data = os.read(self._out, 1 << 16)
                if not data:
                    raise self._exit_error()
                self._unread += data
        line = bytes(self._unread[:end])
        del self._unread[: end + 1]
        message: Message = json.loads(line)
        return message

    def _wait(self, deadline: float) -> bool:
        """Whether there is something to read before the deadline."""
        wait = native_select if get_hub_if_exists() is None else green_select.select
        return bool(wait([self._out], [], [], max(0.0, deadline - time.monotonic()))[0])

    def _exit_error(self) -> Exception:
        """The error if the process has exited: where Python raises MemoryError, C++ libraries abort."""
        status = self._wait_for_exit(KILL_SECONDS)
        self._pid = 0
        if status is not None and os.waitstatus_to_exitcode(status) in (-signal.SIGABRT, -signal.SIGKILL):
            return OperationError("too_large", "The statement or file needs more memory than a run may have.")
        return RuntimeError(f"the database process has exited with status {status}")

    def close(self) -> None:
        """Ends the process: it exits at the end of its input, or is killed."""
        descriptors = (self._in, self._out)
        self._in = self._out = -1
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)
        if self._pid and self._wait_for_exit(GRACE) is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._wait_for_exit(KILL_SECONDS)
        self._pid = 0
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_for_exit(self, seconds: float) -> int | None:
        """The exit status, `None` if the process still runs after `seconds`, 0 if another waiter took the status."""
        end = time.monotonic() + seconds
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = native_waitpid(self._pid, os.WNOHANG)
                if pid:
                    return int(status)
                if time.monotonic() > end:
                    return None
                sleep(0.005)
        return 0
