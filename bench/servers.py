"""The servers under measurement: the same three scenes, told in the idiom of each framework.

`pages` yields events as fast as it can, `paced` at a fixed rate with the time of sending in each message, and `quiet`
yields one event and then nothing; it tells by a datagram when its `finally` ran. The applications are factories,
loaded by gunicorn or uvicorn in a process of their own, so each imports its framework only where it is built.
"""

import ctypes
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

if TYPE_CHECKING:
    from flask import Flask, Response
    from starlette.applications import Starlette

ROOT = Path(__file__).parent.parent
HOST = "127.0.0.1"
SERVER_CORE, LOAD_CORE = 1, 0
FOREVER = 3600.0
PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


# What the scenes share


def page(message: str, done: int, total: int) -> dict[str, Any]:
    """The data of one event, as everybody writes it by hand: about 160 bytes on the wire."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"message": message, "done": done, "total": total, "unit": "pages", "timestamp": now}


def pace(rate: float) -> Iterator[tuple[int, float]]:
    """Gives the number of the next event and the seconds until it is due; a late one is due at once."""
    began = time.monotonic()
    for number in itertools.count(1):
        yield number, max(0.0, began + number / rate - time.monotonic())


def sent() -> str:
    """The message of a paced event. The monotonic clock is the same in every process of a machine."""
    return f"sent {time.monotonic_ns()} ns"


def tell_stopped(viewer: int, port: int) -> None:
    """Tells the load generator at UDP `port` when the work for `viewer` stopped (monotonic nanoseconds)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as teller:
        teller.sendto(f"{viewer} {time.monotonic_ns()}".encode(), (HOST, port))


# The applications


def headway() -> "Flask":
    """Headway: each scene once as a plain `stream()`, at `/NAME`, and once as a run, at `/operations/NAME`."""
    import gevent
    from flask import Flask, Response, request
    from gevent.event import Event as Gate
    from pydantic import BaseModel

    from streaming import Headway, delta, event, operation, progress, stream

    gate = Gate()

    class Pages(BaseModel):
        count: int

    class Paced(BaseModel):
        rate: float

    class Quiet(BaseModel):
        viewer: int = 0
        tell: int = 0
        heartbeat: float = 15

    def pages(input: Pages) -> Iterator[Any]:
        """Yields `count` events and never waits."""
        for number in range(1, input.count + 1):
            yield progress(f"Page {number} read", done=number, total=input.count, unit="pages")

    def paced(input: Paced) -> Iterator[Any]:
        """Yields `rate` events a second, for ever."""
        for number, wait in pace(input.rate):
            if wait:
                gevent.sleep(wait)
            yield progress(sent(), done=number, total=10**6, unit="pages")

    def quiet(input: Quiet) -> Iterator[Any]:
        """Yields one event, and tells when it was stopped."""
        try:
            yield progress("Waiting", done=1, total=50, unit="pages")
            gevent.sleep(FOREVER)
        finally:
            if input.tell:
                tell_stopped(input.viewer, input.tell)

    def countable_pages(input: Pages) -> Iterator[Any]:
        """`pages` as a run, whose progress may be merged for a viewer that lags, and could then not be counted."""
        for number in range(1, input.count + 1):
            data = {"message": f"Page {number} read", "done": number, "total": input.count, "unit": "pages"}
            yield event("page", data)

    def tokens(input: Paced) -> Iterator[Any]:
        """Yields `rate` tokens a second once the gate is open; unlike progress, none may be merged."""
        gate.wait()
        for number, wait in pace(input.rate):
            if wait:
                gevent.sleep(wait)
            yield delta(f"token {number} of a text that is as long as a page event is ... ")

    app = Flask("headway")
    app.config.update(HEADWAY_MAX_STREAMS=20_000, HEADWAY_MAX_RUNS=20_000, HEADWAY_MAX_RUNS_PER_CLIENT=20_000)
    scenes: dict[str, Callable[..., Any]]
    scenes = {"pages": countable_pages, "paced": paced, "quiet": quiet, "tokens": tokens}
    Headway(app, operations=[operation(name=name)(scene) for name, scene in scenes.items()])

    @app.get("/pages")
    def pages_stream() -> Response:
        return stream(pages(Pages.model_validate(request.args.to_dict())))

    @app.get("/paced")
    def paced_stream() -> Response:
        return stream(paced(Paced.model_validate(request.args.to_dict())))

    @app.get("/quiet")
    def quiet_stream() -> Response:
        options = Quiet.model_validate(request.args.to_dict())
        return stream(quiet(options), heartbeat=options.heartbeat)

    @app.get("/gate")
    def open_gate() -> str:
        gate.set()
        return "open"

    app.get("/pid")(lambda: str(os.getpid()))
    return app


def through(port: int) -> "Flask":
    """What stands in front of the `headway` on `port`: its streams relayed, and its operations as gateways."""
    from flask import Flask, Response, request

    from streaming import Headway, gateway, relay

    origin = f"http://{HOST}:{port}"
    app = Flask("through")
    app.config.update(HEADWAY_MAX_STREAMS=20_000, HEADWAY_MAX_RUNS=20_000, HEADWAY_MAX_RUNS_PER_CLIENT=20_000)
    Headway(app, operations=[gateway(f"{origin}/operations/{name}") for name in ("pages", "paced")])

    @app.get("/<any(pages, paced):scene>")
    def relayed(scene: str) -> Response:
        return relay(f"{origin}/{scene}?{request.query_string.decode()}")

    app.get("/pid")(lambda: str(os.getpid()))
    return app


def naive() -> "Flask":
    """The helper that everyone writes by hand: a Flask generator of f-strings, with a sleep where it waits."""
    import gevent
    from flask import Flask, Response, request

    app = Flask("naive")

    def frame(number: int, data: dict[str, Any]) -> str:
        return f"id: {number}\nevent: progress\ndata: {json.dumps(data)}\n\n"

    def event_stream(frames: Iterator[str]) -> "Response":
        return Response(frames, mimetype="text/event-stream", headers={"Cache-Control": "no-cache"})

    def pages(count: int) -> Iterator[str]:
        for number in range(1, count + 1):
            yield frame(number, page(f"Page {number} read", number, count))

    def paced(rate: float) -> Iterator[str]:
        for number, wait in pace(rate):
            if wait:
                gevent.sleep(wait)
            yield frame(number, page(sent(), number, 10**6))

    def quiet(viewer: int, tell: int, heartbeat: float) -> Iterator[str]:
        try:
            yield frame(1, page("Waiting", 1, 50))
            while True:
                gevent.sleep(heartbeat)
                yield ": keep-alive\n\n"
        finally:
            if tell:
                tell_stopped(viewer, tell)

    @app.get("/pages")
    def pages_stream() -> Response:
        return event_stream(pages(int(request.args["count"])))

    @app.get("/paced")
    def paced_stream() -> Response:
        return event_stream(paced(float(request.args["rate"])))

    @app.get("/quiet")
    def quiet_stream() -> Response:
        given = request.args
        return event_stream(quiet(int(given["viewer"]), int(given["tell"]), float(given["heartbeat"])))

    app.get("/pid")(lambda: str(os.getpid()))
    return app


def sse_starlette() -> "Starlette":
    """sse-starlette: an `EventSourceResponse` over an async generator of dictionaries."""
    import asyncio

    from sse_starlette import EventSourceResponse
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    def frame(number: int, data: dict[str, Any]) -> dict[str, Any]:
        return {"id": str(number), "event": "progress", "data": json.dumps(data)}

    async def pages(count: int) -> AsyncIterator[dict[str, Any]]:
        for number in range(1, count + 1):
            yield frame(number, page(f"Page {number} read", number, count))

    async def paced(rate: float) -> AsyncIterator[dict[str, Any]]:
        for number, wait in pace(rate):
            if wait:
                await asyncio.sleep(wait)
            yield frame(number, page(sent(), number, 10**6))

    async def quiet(viewer: int, tell: int) -> AsyncIterator[dict[str, Any]]:
        try:
            yield frame(1, page("Waiting", 1, 50))
            await asyncio.sleep(FOREVER)
        finally:
            if tell:
                tell_stopped(viewer, tell)

    async def pages_stream(request: Request) -> EventSourceResponse:
        return EventSourceResponse(pages(int(request.query_params["count"])))

    async def paced_stream(request: Request) -> EventSourceResponse:
        return EventSourceResponse(paced(float(request.query_params["rate"])))

    async def quiet_stream(request: Request) -> EventSourceResponse:
        given = request.query_params
        return EventSourceResponse(quiet(int(given["viewer"]), int(given["tell"])), ping=float(given["heartbeat"]))

    async def pid(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(os.getpid()))

    scenes = {"/pages": pages_stream, "/paced": paced_stream, "/quiet": quiet_stream, "/pid": pid}
    return Starlette(routes=[Route(path, endpoint) for path, endpoint in scenes.items()])


# The process that serves one of them


def get(path: str) -> bytes:
    """The HTTP request of a viewer."""
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode()


@dataclass(frozen=True)
class Contender:
    """One column of the table: how its server is started, and whether its scenes are runs."""

    name: str
    command: Callable[[int], list[str]]
    as_runs: bool = False

    def request(self, scene: str, **options: float) -> bytes:
        """The HTTP request that opens one stream of `scene`."""
        if not self.as_runs:
            return get(f"/{scene}?{urlencode(options)}")
        body = json.dumps(options)
        return (
            f"POST /operations/{scene} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


def gunicorn(factory: str, arguments: str = "") -> Callable[[int], list[str]]:
    """The command line of one gevent worker; the backlog holds a wave of viewers."""
    options = ["-k", "gevent", "-w", "1", "--worker-connections", "20000", "--log-level", "warning"]
    return lambda port: [
        *(sys.executable, "-m", "gunicorn", "-b", f"{HOST}:{port}", *options, "--no-control-socket"),
        f"bench.servers:{factory}({arguments})",
    ]


def uvicorn(factory: str) -> Callable[[int], list[str]]:
    """The command line of uvicorn, with uvloop and httptools where they are installed."""
    options = ["--no-access-log", "--log-level", "warning", "--factory"]
    return lambda port: [sys.executable, "-m", "uvicorn", "--port", str(port), *options, f"bench.servers:{factory}"]


STREAM = Contender("stream()", gunicorn("headway"))
RUN = Contender("run", gunicorn("headway"), as_runs=True)
NAIVE = Contender("naive Flask", gunicorn("naive"))
SSE_STARLETTE = Contender("sse-starlette", uvicorn("sse_starlette"))


def in_front_of(server: "Server", *, as_runs: bool) -> Contender:
    """A relay to that server's streams, or gateways to its operations."""
    name = "gateway" if as_runs else "relay"
    return Contender(name, gunicorn("through", str(server.port)), as_runs)


def plain_environment() -> dict[str, str]:
    """The environment without anybody's own settings of Headway."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADWAY_")}
    # The last is what gunicorn.conf.py sets; here for both that run on gevent.
    return {**kept, "PYTHONPATH": str(ROOT), "GEVENT_TRACK_GREENLET_TREE": "false"}


class Server:
    """A contender's server, one worker pinned to one core, for the length of a `with`.

    Raises:
        RuntimeError: it did not answer within 20 seconds; what it printed is in the message.
    """

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        with closing(socket.create_server((HOST, 0))) as free:
            self.port: int = free.getsockname()[1]

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="headway-bench-")
        self._log = Path(self._folder.name, "log")
        self._process = self._start()
        try:
            self.worker = self._ask_pid()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._folder.cleanup()

    def _start(self) -> "subprocess.Popen[bytes]":
        # In a folder of its own: gunicorn would read a gunicorn.conf.py that it finds. The core is inherited.
        os.sched_setaffinity(0, {SERVER_CORE})
        try:
            return subprocess.Popen(
                self.contender.command(self.port),
                cwd=self._folder.name,
                env=plain_environment(),
                stdout=self._log.open("wb"),
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            os.sched_setaffinity(0, {LOAD_CORE})

    def _ask_pid(self) -> int:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                return int(self.ask("GET", "/pid"))
            except (OSError, HTTPException):
                time.sleep(0.05)
        raise RuntimeError(f"{self.contender.name} did not start:\n{self._log.read_text()}")

    def ask(self, method: str, path: str, **options: float) -> bytes:
        """The body of the answer to one request that is no stream."""
        with closing(HTTPConnection(HOST, self.port, timeout=20)) as connection:
            headers = {"Content-Type": "application/json", "Prefer": "respond-async"}
            connection.request(method, path, json.dumps(options) if options else None, headers)
            return connection.getresponse().read()

    def request(self, scene: str, **options: float) -> bytes:
        return self.contender.request(scene, **options)

    def cpu(self) -> float:
        """Processor seconds of the worker so far, to the nanosecond (clock_getcpuclockid, POSIX.1-2008)."""
        clock = ctypes.c_int()
        ctypes.CDLL(None).clock_getcpuclockid(self.worker, ctypes.byref(clock))
        return time.clock_gettime(clock.value)

    def memory(self) -> int:
        """Resident bytes of the worker (proc(5), statm)."""
        return int(Path(f"/proc/{self.worker}/statm").read_text().split()[1]) * PAGE_SIZE
