"""Runs the server of the embedded model, and restarts it if it dies: a daemon process.

    python supervisor.py FOLDER MODEL NAME SLOTS CONTEXT THREADS TEMPLATE

It is independent of the process that starts it: it has its own session, its parent exits, and it inherits no
descriptor. Each process that uses the server holds a shared lock on FOLDER/users, which the kernel releases when the
process ends. Once the supervisor gets an exclusive lock, there are no users, and it exits. It locks FOLDER/supervisor
while it runs, and FOLDER/server (`url`, `key`, `pid`) is valid only then. If the supervisor is killed, the kernel kills
the server (PR_SET_PDEATHSIG; prctl(2)).

To stay small, the supervisor imports only the standard library and `operations.processes`. It is run by its path: the
package that it lies in would load the SDK.
"""

from __future__ import annotations

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

if not __package__:  # run by its path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from operations.processes import die_with, limit_process, try_lock

POLL_SECONDS: Final = 0.5
"""Between two checks for users."""
STABLE_SECONDS: Final = 10.0
"""How long a server runs before its end no longer counts as a failed start."""
MAX_FAILURES: Final = 3
"""Failed starts in a row before the supervisor gives up."""
BATCH: Final = 64
"""Tokens of a prompt that are read at once; the server notices a disconnect only between two batches."""
MAX_THREADS: Final = 4
"""Threads of the model, at most.

They wait for each other after every step of the computation, in a busy loop: on a core with other work, two threads
write 4 tokens a second where one writes 70. So the model has half of the cores, and the service the others.
"""


class Supervisor:
    """Runs the server as long as it has users."""

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self._folder = folder
        self._arguments = arguments
        self._key = secrets.token_urlsafe(24)
        self._server = 0
        self._users = os.open(folder / "users", os.O_CREAT | os.O_RDWR, 0o600)

    def run(self) -> None:
        """Returns when the server has no users, or does not start."""
        failures = 0
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # for `sigtimedwait`
        try:
            while failures < MAX_FAILURES and not self._has_no_users():
                start = time.monotonic()
                self._run_server()
                failures = 0 if time.monotonic() - start > STABLE_SECONDS else failures + 1
        finally:
            self._unpublish()
            self._kill_server()

    def _has_no_users(self) -> bool:
        return try_lock(self._users)

    def _run_server(self) -> None:
        """Starts a server, and returns when it ends or has no users."""
        read_end, write_end = os.pipe()
        supervisor = os.getpid()
        self._server = os.fork()
        if self._server == 0:
            os.close(read_end)
            serve(supervisor, write_end, self._key, *self._arguments)
        os.close(write_end)
        with os.fdopen(read_end) as pipe:
            while not self._has_exited() and not self._has_no_users():
                if select.select([pipe], [], [], POLL_SECONDS)[0]:
                    self._publish(pipe.readline().strip())
                    break
        while not self._has_exited() and not self._has_no_users():
            signal.sigtimedwait({signal.SIGCHLD}, POLL_SECONDS)
        self._unpublish()

    def _publish(self, url: str) -> None:
        """Writes the file `server` atomically. The URL is empty if the server did not start."""
        if url:
            temporary = self._folder / "server.new"
            temporary.write_text(json.dumps({"url": url, "key": self._key, "pid": self._server}))
            temporary.replace(self._folder / "server")

    def _unpublish(self) -> None:
        (self._folder / "server").unlink(missing_ok=True)

    def _has_exited(self) -> bool:
        if self._server and os.waitpid(self._server, os.WNOHANG) != (0, 0):
            self._server = 0
        return self._server == 0

    def _kill_server(self) -> None:
        if self._server:
            os.kill(self._server, signal.SIGKILL)
            os.waitpid(self._server, 0)


def serve(supervisor: int, pipe: int, key: str, *arguments: str) -> NoReturn:
    """The server's own process. It writes its URL to the pipe once the model is loaded."""
    try:
        die_with(supervisor)
        limit_process()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        import xllamacpp  # 100 MB, and threads, which the supervisor does not need

        settings = configure(xllamacpp.CommonParams(), key, *arguments)
        server = xllamacpp.Server(settings)
        os.write(pipe, f"{server.listening_address}\n".encode())
        os.close(pipe)
        while True:
            signal.pause()
    except BaseException:  # noqa: BLE001  # goes to the log; the process exits in any case
        traceback.print_exc()
    finally:
        os._exit(1)


def configure(
    settings: Any, key: str, model: str, name: str, slots: str, context: str, cores: str, template: str
) -> Any:
    """Sets llama.cpp's parameters, for a loopback port that the kernel chooses and a secret key.

    `cores` is the number of threads, 0 for as many as suit this machine; `template` that of the chat, empty for the
    model's own, else the name of one that llama.cpp knows, or a file in Jinja.
    """
    settings.model.path = model
    settings.model_alias = {name}
    settings.hostnames = ["127.0.0.1"]
    settings.port = 0
    settings.api_keys = [key]
    settings.cors_origins = ""
    settings.ui = False
    settings.n_parallel = int(slots)
    settings.n_ctx = int(context) * int(slots)
    if template:
        settings.chat_template = Path(template).read_text() if Path(template).is_file() else template
    settings.n_batch = settings.n_ubatch = BATCH
    number = int(cores) or threads(len(os.sched_getaffinity(0)))
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = number
    settings.cache_ram_mib = 0  # the cache of past prompts would take gigabytes
    settings.endpoint_slots = settings.endpoint_metrics = True
    settings.verbosity = 1
    return settings


def threads(cores: int) -> int:
    """The number of threads on a machine with this many cores."""
    return max(1, min(cores // 2, MAX_THREADS))


def main(folder: str, *arguments: str) -> None:
    """Becomes a daemon, unless another supervisor runs.

    It takes its lock before its parent exits, so that the process that waits for the parent then sees a supervisor.
    """
    lock = os.open(Path(folder) / "supervisor", os.O_CREAT | os.O_RDWR, 0o600)
    if not acquire_lock(lock):
        return
    (Path(folder) / "server").unlink(missing_ok=True)  # of a supervisor that was killed
    if os.fork():
        os._exit(0)
    os.setsid()
    detach(lock, Path(folder) / "log")
    Supervisor(Path(folder), list(arguments)).run()


def acquire_lock(descriptor: int) -> bool:
    """Takes the lock; returns whether it did. A process that checks it also holds it, but only for a moment."""
    for _ in range(50):
        if try_lock(descriptor):
            return True
        time.sleep(0.01)
    return False


def detach(lock: int, log: Path) -> None:
    """Closes all descriptors but the lock, and lifts the memory limit that a child of the service may have."""
    out = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (out, 1), (out, 2), (lock, 3)):
        os.dup2(source, target)
    os.closerange(4, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


if __name__ == "__main__":
    main(*sys.argv[1:])
