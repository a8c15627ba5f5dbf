"""Keeps the embedded model's server: one process of its own, which starts the server's and starts it again.

    python keeper.py FOLDER MODEL NAME SLOTS CONTEXT

It stands apart from whoever started it: a session of its own, a parent that has ended, no descriptor of theirs. Who
uses the server holds a shared lock on FOLDER/users, and the kernel unlocks what a dead process held: once the keeper
gets that lock for itself, the last user has gone, and so it goes. It holds FOLDER/keeper while it lives, and what
FOLDER/server says (`url`, `key`, `pid`) holds as long as that is locked. The server dies with its keeper
(PR_SET_PDEATHSIG; prctl(2)), should that one be killed.

Nothing of the project is imported here, nor anything but the standard library in the keeper itself: it is to be small.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import secrets
import select
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Final, NoReturn

LOOK: Final = 0.5
"""Seconds between two looks for users."""
STEADY: Final = 10.0
"""Seconds after which a server's death is not taken for a start that failed."""
TRIES: Final = 3
"""Starts in a row that may fail."""
BATCH: Final = 64
"""Tokens of a prompt that are read in one go; between two of them the server looks whether its client is there."""
MOST_THREADS: Final = 4
"""Threads of the model at the most.

They wait for each other after every step of the reckoning, spinning: on a core that something else wants as well, two
of them write 4 tokens a second where one writes 70. So the model has half of the cores, and the service the others.
"""
NICE: Final = 5
"""How far the model gives way to the processes that serve."""
PR_SET_PDEATHSIG: Final = 1


class Keeper:
    """The one process that keeps the server, from the first user to the last."""

    def __init__(self, folder: Path, serve: list[str]) -> None:
        self._folder = folder
        self._serve = serve
        self._key = secrets.token_urlsafe(24)
        self._server = 0
        self._users = os.open(folder / "users", os.O_CREAT | os.O_RDWR, 0o600)

    def keep(self) -> None:
        """Returns when nobody uses the server any more, or when it does not start."""
        failures = 0
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # it waits for `sigtimedwait`
        try:
            while failures < TRIES and not self._is_over():
                begun = time.monotonic()
                self._live()
                failures = 0 if time.monotonic() - begun > STEADY else failures + 1
        finally:
            self._forget()
            self._end()

    def _is_over(self) -> bool:
        return locked(self._users)

    def _live(self) -> None:
        """One server, from its start until its end or the last user's going."""
        heard, says = os.pipe()
        keeper = os.getpid()
        self._server = os.fork()
        if self._server == 0:
            os.close(heard)
            serve(keeper, says, self._key, *self._serve)
        os.close(says)
        with os.fdopen(heard) as line:
            while not self._has_ended() and not self._is_over():
                if select.select([line], [], [], LOOK)[0]:
                    self._tell(line.readline().strip())
                    break
        while not self._has_ended() and not self._is_over():
            signal.sigtimedwait({signal.SIGCHLD}, LOOK)
        self._forget()

    def _tell(self, url: str) -> None:
        """Writes where the server is, in one piece; its empty line tells that it did not start."""
        if url:
            told = json.dumps({"url": url, "key": self._key, "pid": self._server})
            draft = self._folder / "server.new"
            draft.write_text(told)
            draft.replace(self._folder / "server")

    def _forget(self) -> None:
        (self._folder / "server").unlink(missing_ok=True)

    def _has_ended(self) -> bool:
        if self._server and os.waitpid(self._server, os.WNOHANG) != (0, 0):
            self._server = 0
        return self._server == 0

    def _end(self) -> None:
        if self._server:
            os.kill(self._server, signal.SIGKILL)
            os.waitpid(self._server, 0)


def locked(descriptor: int) -> bool:
    """Whether nobody else holds the lock; then it is held from now on."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def serve(keeper: int, says: int, key: str, model: str, name: str, slots: str, context: str) -> NoReturn:
    """The server's own process. It says its URL once the model is loaded."""
    try:
        become_a_server(keeper)
        import xllamacpp  # 100 MB, and threads: the keeper is spared them

        said = parameters(xllamacpp.CommonParams(), key, model, name, int(slots), int(context))
        server = xllamacpp.Server(said)
        os.write(says, f"{server.listening_address}\n".encode())
        os.close(says)
        while True:
            signal.pause()
    except BaseException:  # noqa: BLE001  # into the log; the process ends in any case
        traceback.print_exc()
    finally:
        os._exit(1)


def become_a_server(keeper: int) -> None:
    """Dies with the keeper, first for the kernel to kill when memory is short, and gives way to whoever serves."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:
        os._exit(1)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def parameters(said: Any, key: str, model: str, name: str, slots: int, context: int) -> Any:
    """llama.cpp's own, for a loopback port that the kernel picks and a key that nobody else knows."""
    said.model.path = model
    said.model_alias = {name}
    said.hostnames = ["127.0.0.1"]
    said.port = 0
    said.api_keys = [key]
    said.cors_origins = ""
    said.ui = False
    said.n_parallel = slots
    said.n_ctx = context * slots
    said.n_batch = said.n_ubatch = BATCH
    said.cpuparams.n_threads = said.cpuparams_batch.n_threads = threads(len(os.sched_getaffinity(0)))
    said.cache_ram_mib = 0  # it would keep the state of past prompts, in gigabytes
    said.endpoint_slots = said.endpoint_metrics = True
    said.verbosity = 1
    return said


def threads(cores: int) -> int:
    """How many the model has on a machine of so many cores."""
    return max(1, min(cores // 2, MOST_THREADS))


def main(folder: str, *serve: str) -> None:
    """Leaves whoever started this: their descriptors, their session, and a parent that would have to wait for it.

    The lock is taken before that parent ends, so that whoever has waited for it knows whether there is a keeper.
    """
    own = os.open(Path(folder) / "keeper", os.O_CREAT | os.O_RDWR, 0o600)
    if not gets_lock(own):
        return  # another one keeps it
    (Path(folder) / "server").unlink(missing_ok=True)  # of one that was killed
    if os.fork():
        os._exit(0)
    os.setsid()
    leave(own, Path(folder) / "log")
    Keeper(Path(folder), list(serve)).keep()


def gets_lock(descriptor: int) -> bool:
    """Whether the lock is had; those who look whether it is held hold it for a moment themselves."""
    for _ in range(50):
        if locked(descriptor):
            return True
        time.sleep(0.01)
    return False


def leave(own: int, log: Path) -> None:
    """Keeps one descriptor of all, and none of the limits that a child of the service may have."""
    out = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for theirs, ours in ((nothing, 0), (out, 1), (out, 2), (own, 3)):
        os.dup2(theirs, ours)
    os.closerange(4, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main(*sys.argv[1:])
