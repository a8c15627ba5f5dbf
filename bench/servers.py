"""The contenders, and the process that serves one of them: an application of `bench.apps`, with one worker."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

from bench.workloads import HOST

ROOT = Path(__file__).parent.parent
SERVER_CORE, LOAD_CORE = 1, 0
PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


def get(path: str) -> bytes:
    """The HTTP request of a viewer."""
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode()


@dataclass(frozen=True)
class Contender:
    """One column of the table: the command that serves it, whether its workloads are runs, and in which store."""

    name: str
    command: Callable[[int], list[str]]
    as_runs: bool = False
    store: str = "memory"

    def request(self, workload: str, **options: float) -> bytes:
        """The HTTP request that opens one stream of `workload`."""
        if not self.as_runs:
            return get(f"/{workload}?{urlencode(options)}")
        body = json.dumps(options)
        return (
            f"POST /operations/{workload} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


def gunicorn(app: str) -> Callable[[int], list[str]]:
    """The command line of one gevent worker, by port."""
    options = ["-k", "gevent", "-w", "1", "--worker-connections", "20000", "--log-level", "warning"]
    command = [sys.executable, "-m", "gunicorn", *options, "--no-control-socket", f"bench.apps.{app}"]
    return lambda port: [*command, "-b", f"{HOST}:{port}"]


def uvicorn(app: str) -> Callable[[int], list[str]]:
    """The command line of uvicorn, by port; it uses uvloop and httptools where they are installed."""
    command = [sys.executable, "-m", "uvicorn", "--no-access-log", "--log-level", "warning", f"bench.apps.{app}"]
    return lambda port: [*command, "--port", str(port)]


def node(port: int) -> list[str]:
    """The command line of Node, by port."""
    return ["node", str(ROOT / "bench" / "apps" / "node.mjs"), str(port)]


def go(port: int) -> list[str]:
    """The command line of Go, by port; it has one thread, as the others have one worker on one core."""
    return ["env", "GOMAXPROCS=1", "go", "run", str(ROOT / "bench" / "apps" / "go" / "main.go"), str(port)]


STREAM = Contender("stream()", gunicorn("headway:app"))
RUN = Contender("run", gunicorn("headway:app"), as_runs=True)
SQLITE = Contender("run in sqlite", gunicorn("headway:app"), as_runs=True, store="sqlite")
REDIS = Contender("run in Redis", gunicorn("headway:app"), as_runs=True, store="redis")
NAIVE = Contender("naive Flask", gunicorn("naive:app"))
SSE_STARLETTE = Contender("sse-starlette", uvicorn("sse_starlette:app"))
FASTAPI = Contender("FastAPI", uvicorn("fastapi_sse:app"))
NODE = Contender("Node", node)
GO = Contender("Go", go)


def in_front_of(server: "Server", *, as_runs: bool) -> Contender:
    """A relay to the streams of `server`, or gateways to its operations."""
    name = "gateway" if as_runs else "relay"
    return Contender(name, gunicorn(f"relay:create({server.port})"), as_runs)


def server_environment(store: str) -> dict[str, str]:
    """The environment without settings of Headway, except the URL of its store."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("HEADWAY_")}
    # gunicorn.conf.py sets GEVENT_TRACK_GREENLET_TREE; here it is set for all contenders on gevent.
    return {**variables, "PYTHONPATH": str(ROOT), "GEVENT_TRACK_GREENLET_TREE": "false", "HEADWAY_STORE": store}


@contextmanager
def store_in(kind: str, folder: Path) -> Iterator[str]:
    """The URL of a store of this kind; a Redis without persistence runs while the block does."""
    if kind != "redis":
        yield "memory:" if kind == "memory" else f"sqlite:///{folder}/runs.db"
        return
    path = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    try:
        while not path.exists() and process.poll() is None:
            time.sleep(0.01)
        yield f"unix://{path}"
    finally:
        process.kill()
        process.wait()


class Process:
    """What a process takes, as the kernel says."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def cpu(self) -> float:
        """Seconds of processor time so far, to the nanosecond (clock_getcpuclockid, POSIX.1-2008)."""
        clock = ctypes.c_int()
        ctypes.CDLL(None).clock_getcpuclockid(self.pid, ctypes.byref(clock))
        return time.clock_gettime(clock.value)

    def memory(self) -> int:
        """Resident bytes (proc(5), statm)."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE_SIZE

    def files(self) -> int:
        """Open descriptors."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


class Server:
    """The server of a contender while the `with` block runs: one worker, pinned to one core.

    It has a store of its own, unless it shares that of another one: `store` is its URL.

    Raises:
        RuntimeError: it did not answer within 20 seconds; the message has its output.
    """

    def __init__(self, contender: Contender, store: str | None = None) -> None:
        self.contender = contender
        self._store = store
        with closing(socket.create_server((HOST, 0))) as sock:
            self.port: int = sock.getsockname()[1]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headway-bench-")))
            self._log = self._folder / "log"
            own = store_in(self.contender.store, self._folder)
            self._process = self._start(self._store or stack.enter_context(own))
            stack.callback(self._stop)
            self.worker = self._wait_for_pid()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _start(self, store: str) -> "subprocess.Popen[bytes]":
        # It starts in an empty folder, because gunicorn would read our gunicorn.conf.py. It inherits the core.
        os.sched_setaffinity(0, {SERVER_CORE})
        try:
            return subprocess.Popen(
                self.contender.command(self.port),
                cwd=self._folder,
                env=server_environment(store),
                stdout=self._log.open("wb"),
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            os.sched_setaffinity(0, {LOAD_CORE})

    def _wait_for_pid(self) -> int:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                return int(self.fetch("GET", "/pid"))
            except (OSError, HTTPException):
                time.sleep(0.05)
        raise RuntimeError(f"{self.contender.name} did not start:\n{self._log.read_text()}")

    def fetch(self, method: str, path: str, **options: float) -> bytes:
        """The body of an answer that is no stream."""
        with closing(HTTPConnection(HOST, self.port, timeout=20)) as connection:
            headers = {"Content-Type": "application/json", "Prefer": "respond-async"}
            connection.request(method, path, json.dumps(options) if options else None, headers)
            return connection.getresponse().read()

    def request(self, workload: str, **options: float) -> bytes:
        return self.contender.request(workload, **options)

    def cpu(self) -> float:
        """CPU seconds of the worker so far."""
        return Process(self.worker).cpu()

    def memory(self) -> int:
        """Resident bytes of the worker."""
        return Process(self.worker).memory()
