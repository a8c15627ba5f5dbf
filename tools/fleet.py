"""`make fleet`: two web workers, three Celery workers and Redis, each a process of this machine, and a demonstration.

The application is `examples/fleet/fleet.py`. Runs are started, which the Celery workers share; one worker is killed;
the others take its runs over where they were. Then everything goes on until Ctrl-C, which ends it all. `PORT` is where
the console is, 8000 by default.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from streaming.client import Attempt, Client, Done, Progress

ROOT: Final = Path(__file__).resolve().parent.parent
HOST: Final = "127.0.0.1"
WORKERS: Final = ("worker 1", "worker 2", "worker 3")
RUNS: Final = 5
PAGES: Final = 20
PATIENCE: Final = 60.0
"""Seconds until a process has to serve, or a run has to go on."""

STOPPING: Final = 15.0
"""Seconds until a process that was told to stop is killed."""


def main() -> int:
    """Starts it all, and gives the exit code."""
    options = argparse.ArgumentParser(prog="python -m tools.fleet", description=__doc__)
    options.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))
    chosen = options.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        check(chosen.port)
        with fleet(chosen.port) as started:
            demonstrate(started)
            say(f"Everything goes on: start runs at {started.url}. Ctrl-C ends it.")
            started.watch_over()
    except KeyboardInterrupt:
        say("Ended.")
    except Failed as error:
        say(f"make fleet: {error}")
        return 1
    return 0


class Failed(Exception):
    """What keeps the fleet from working, in a sentence."""


def say(line: str) -> None:
    """Prints a line at once."""
    print(line, flush=True)  # noqa: T201  the command's output


def check(port: int) -> None:
    """Raises `Failed` where something is missing, or the port is another program's."""
    if shutil.which("redis-server", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        raise Failed("redis-server is missing: tools/system-packages redis-server installs it")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise Failed(
                f"port {port} cannot be used ({error.strerror}): PORT=8001 make fleet takes another one"
            ) from None


@dataclass
class Fleet:
    """The processes by name; each leads a process group of its own, so that Ctrl-C reaches this one alone."""

    port: int
    folder: Path
    env: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ended: bool = False

    @property
    def url(self) -> str:
        """The address of the console."""
        return f"http://{HOST}:{self.port}"

    def start(self, name: str, command: list[str], **env: str) -> None:
        """Starts a process; its output is in a file of the folder."""
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**self.env, **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_worker(self, name: str) -> None:
        """Starts a Celery worker, whose runs say its name."""
        command = [sys.executable, "-m", "celery", "-A", "fleet", "worker", "-P", "gevent", "-c", "20"]
        self.start(name, [*command, "-n", f"{name.replace(' ', '-')}@%h", "-l", "WARNING"], FLEET_WORKER=name)

    def log(self, name: str) -> Path:
        """The file with its output."""
        return self.folder / f"{name.replace(' ', '-')}.log"

    def wait(self, name: str, serves: Callable[[], object]) -> None:
        """Waits until a process serves. Raises `Failed` where it ends instead, or takes too long."""
        deadline = time.monotonic() + PATIENCE
        while not serves():
            if self.processes[name].poll() is not None or time.monotonic() > deadline:
                end = "\n".join(self.log(name).read_text(errors="replace").splitlines()[-15:])
                raise Failed(f"{name} does not serve. The end of its log:\n{end}")
            time.sleep(0.1)

    def kill(self, name: str) -> int:
        """Kills a process (SIGKILL) with its children; gives its id."""
        process = self.processes[name]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return process.pid

    def watch_over(self) -> None:
        """Starts workers again that end, until Ctrl-C."""
        while True:
            for name in WORKERS:
                if self.processes[name].poll() is not None:
                    say(f"{name} has ended, and is started again.")
                    self.start_worker(name)
            time.sleep(1)

    def stop(self) -> None:
        """Stops what was started last first, and kills what does not stop."""
        for process in reversed(self.processes.values()):
            process.terminate()
        deadline = time.monotonic() + STOPPING
        for name, process in reversed(self.processes.items()):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            self.kill(name)


@contextlib.contextmanager
def fleet(port: int) -> Iterator[Fleet]:
    """The processes, which serve; they are stopped at the end of the block."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        redis = probe.getsockname()[1]
    env = {name: value for name, value in os.environ.items() if not name.startswith("HEADWAY_")}
    env |= {"HEADWAY_STORE": f"redis://{HOST}:{redis}/0", "HEADWAY_CELERY_BROKER": f"redis://{HOST}:{redis}/1"}
    env |= {"HEADWAY_DRAIN": "1", "PYTHONPATH": f"{ROOT / 'examples' / 'fleet'}:{ROOT}"}
    with tempfile.TemporaryDirectory(prefix="headway-fleet-") as folder:
        started = Fleet(port, Path(folder), env)
        try:
            start_all(started, redis)
            yield started
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):  # make passes both on
                signal.signal(number, signal.SIG_IGN)
            started.stop()


def start_all(started: Fleet, redis: int) -> None:
    """Starts every process, and waits for those that others need."""
    options = ["--port", str(redis), "--bind", HOST, "--dir", str(started.folder), "--appendonly", "yes", "--save", ""]
    started.start("redis", ["redis-server", *options], PATH=f"{started.env['PATH']}:/usr/sbin")
    started.wait("redis", lambda: is_open(redis))
    for name in WORKERS:
        started.start_worker(name)
    started.start("web", [sys.executable, "-m", "gunicorn", "-w", "2", "-b", f"{HOST}:{started.port}", "fleet:app"])
    started.wait("web", lambda: is_ready(started.url))
    say(f"The console is at {started.url}, served by two web workers; logs are in {started.folder}.")


def is_open(port: int) -> bool:
    """Whether a server listens there."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def is_ready(url: str) -> bool:
    """Whether the web workers take runs."""
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{url}/health/ready").is_success
    return False


# The demonstration


@dataclass
class Shown:
    """What the terminal shows of one run."""

    number: int
    run: Any
    page: int = 0
    worker: str = ""
    attempt: int = 1
    status: str = ""

    def __str__(self) -> str:
        return f"run {self.number}: " + (self.status or (f"page {self.page}, {self.worker}" if self.page else "queued"))

    def follow(self) -> None:
        """Follows the run to its end."""
        for event in self.run:
            match event:
                case Progress(message=message, done=done):
                    self.worker, self.page = (message or "").rpartition(", ")[2], int(done or 0)
                case Attempt(attempt=number):
                    self.attempt = number
                case Done(status=status):
                    self.status = str(status)


def demonstrate(started: Fleet) -> None:
    """Starts runs, kills the worker of the first one, and shows where its runs go on."""
    with Client(started.url) as client:
        runs = [Shown(number, client.start("read", {"pages": PAGES}, detached=True)) for number in range(1, RUNS + 1)]
        for each in runs:
            threading.Thread(target=each.follow, daemon=True).start()
        show_until(runs, lambda: all(each.page >= 2 for each in runs), "every run is at work")
        killed, lost = runs[0].worker, [each for each in runs if each.worker == runs[0].worker]
        pid, began = started.kill(killed), time.monotonic()
        say(f"\nkill -9 {pid}: {killed} is gone, with {', '.join(f'run {each.number}' for each in lost)}.\n")
        started.start_worker(killed)
        pages = {each.number: each.page for each in lost}
        show_until(runs, lambda: all(each.attempt > 1 and each.page > pages[each.number] for each in lost), "all go on")
        say(f"\nTaken over after {time.monotonic() - began:.0f} s: " + "; ".join(map(str, lost)) + ".\n")
        show_until(runs, lambda: all(each.status for each in runs), "every run ends")


def show_until(runs: list[Shown], condition: Callable[[], bool], what: str) -> None:
    """Prints a line each second until a condition is met. Raises `Failed` where that takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        say("  ".join(f"{each!s:<24}" for each in runs).rstrip())
        if time.monotonic() > deadline:
            raise Failed(f"not within {PATIENCE:g} s: {what}")
        time.sleep(1)
    say("  ".join(f"{each!s:<24}" for each in runs).rstrip())


if __name__ == "__main__":
    sys.exit(main())
