"""An application with streams of every kind, with and without runs, for tests of what viewers get."""

from __future__ import annotations

import gc
import itertools
import os
import resource
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final

import gevent
from flask import Flask, Response, request, stream_with_context
from flask.typing import ResponseReturnValue
from greenlet import greenlet
from pydantic import BaseModel

from operations.simulate import simulate
from streaming import (
    Headway,
    MemoryStore,
    OperationError,
    ask,
    delta,
    event,
    flush,
    operation,
    partial,
    progress,
    stream,
)
from streaming.http.heartbeat import Heartbeat
from streaming.runtime.worker import Worker
from tests.apps import notes

Work = Generator[Any, Any, Any]

PAGE: Final = resource.getpagesize()
SECRET: Final = "the password is swordfish"


class Pour(BaseModel):
    """`count` events of `size` bytes, with `pause` seconds after each `every` of them; at its end it leaves `note`."""

    count: int = 10
    size: int = 1000
    pause: float = 0
    every: int = 1
    note: str = ""


class Steps(BaseModel):
    """Progress in several steps, with events of every other kind between."""

    count: int = 1000
    steps: int = 2
    every: int = 100
    size: int = 500
    pause: float = 0.001


def report() -> Work:
    """Events of every kind."""
    yield progress("Page 1", done=1, total=2, unit="pages")
    yield delta("Once upon")
    yield delta("Hm.", "thinking")
    yield partial("title", "Größe\u2028")
    yield event("note", {"colour": "blue"})
    yield event("plain", "one line\nand another")
    return {"pages": 2}


@operation
def pour(input: Pour) -> Work:
    """Deltas, as many and as large as the input says."""
    try:
        for number in range(input.count):
            yield delta(f"{number:08d} ".ljust(input.size, "x"))
            if input.pause and (number + 1) % input.every == 0:
                gevent.sleep(input.pause)
        return input.count
    finally:
        if input.note:
            notes.of_this_process().leave(input.note)


@operation(linger=None)
def lasting(input: Pour) -> Work:
    """The same without a need for viewers."""
    return pour(input)  # type: ignore[no-any-return]


@operation
def steps(input: Steps) -> Work:
    """Much progress, in steps that alternate, and now and then events that must not be merged."""
    for number in range(1, input.count + 1):
        step = f"step {number % input.steps}"
        yield progress("x" * input.size, done=number, total=input.count, step=step)
        if number % input.every == 0:
            yield delta(f"delta {number}")
            yield partial(f"partial {number}", number)
            yield event("note", {"number": number})
            gevent.sleep(input.pause)
    return input.count


@operation(linger=30)
def gated(input: Pour) -> Work:
    """An event after each note of its test: `NOTE 1`, `NOTE 2` ..."""
    for number in range(1, input.count + 1):
        while not notes.of_this_process().has(f"{input.note} {number}"):
            gevent.sleep(0.005)
        yield progress(done=number, total=input.count)
    return input.count


@operation
def burning(input: Pour) -> Work:
    """Computes before each event, and after it until its test leaves the note `NOTE NUMBER`."""
    left = notes.of_this_process()
    for number in range(1, input.count + 1):
        burn(0.02)
        yield progress(done=number, total=input.count)
        while not left.has(f"{input.note} {number}"):
            burn(0.001)


def burn(seconds: float) -> None:
    """Computes, in seconds of processor time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


@operation
def curious(input: Pour) -> Work:
    """Asks, and returns the answer."""
    return (yield ask("Keep going?", schema={"type": "boolean"}, within=600))


OPERATIONS: Final = [pour, lasting, steps, gated, burning, curious, simulate]


def create_app(log: MemoryStore | None = None) -> Flask:
    """The application; `log` keeps its runs."""
    app = Flask(__name__)
    Headway(app, operations=OPERATIONS, url_prefix="/api", log=log)
    for path, view in VIEWS.items():
        app.add_url_rule(path, view_func=view)
    app.after_request(replaced)
    return app


def replaced(response: Response) -> Response:
    """Throws the stream away on request, as code of the application may."""
    return Response("instead") if "X-Replace" in request.headers else response


def forgetful() -> Flask:
    """The application, with a store that keeps only a few dozen events of a run."""
    return create_app(MemoryStore(keep_bytes=8_000))


def view_report() -> Response:
    """Events of every kind, with a lifecycle."""
    return stream(report())


def view_bare() -> Response:
    """The same without a lifecycle."""
    return stream(report(), lifecycle=False)


def view_context() -> Response:
    """A generator that needs its request."""
    response = stream(stream_with_context(_asked()))
    if "slow" in request.args:
        gevent.sleep(0.05)
    return response


def _asked() -> Work:
    yield event("asked", {"path": request.path})
    gevent.sleep(0.01)
    yield event("asked", {"word": request.args["word"]})
    return request.args["word"]


def view_failing() -> Response:
    """A stream that fails after its first event."""
    return stream(_failing(request.args["how"]), lifecycle="bare" not in request.args)


def _failing(how: str) -> Work:
    yield delta("so far, so good")
    if how == "unexpected":
        raise ValueError(SECRET)
    if how == "told":
        raise OperationError("out_of_paper", "The printer has no paper.", retryable=True)
    if how == "exit":
        raise SystemExit(SECRET)
    if how == "rubbish":
        yield SECRET
    if how == "no-json":
        return {SECRET: object()}
    return None


def view_silent() -> Response:
    """One event, and then silence."""
    heartbeat = request.args.get("heartbeat", 15.0, float)
    response = stream(_silent(request.args.get("note", "")), heartbeat=heartbeat)
    if closing := request.args.get("closing"):
        response.call_on_close(lambda: notes.of_this_process().leave(closing))
    return response


def _silent(note: str) -> Work:
    try:
        yield progress("at work")
        gevent.sleep(3600)
    finally:
        if note:
            notes.of_this_process().leave(note)


def view_paced() -> Response:
    """Three bursts of events with `pause` seconds after each; after the event `now` comes a `flush()`."""
    policy: Any = request.args["flush"]
    policy = policy if policy in ("each", "ready") else float(policy)
    burst, now = (request.args.get(name, default, int) for name, default in (("burst", 3), ("now", 0)))
    return stream(_paced(burst, now, request.args.get("pause", 0.05, float)), flush=policy)


def _paced(burst: int, now: int, pause: float) -> Work:
    for number in range(1, 3 * burst + 1):
        yield delta(str(number))
        if number == now:
            yield flush()
        if number % burst == 0:
            gevent.sleep(pause)


def view_pour() -> Response:
    """`pour` without a run."""
    send_timeout = request.args.get("send_timeout", 30.0, float)
    return stream(pour(Pour.model_validate(request.args.to_dict())), send_timeout=send_timeout)


def view_gated() -> Response:
    """`gated` without a run, and with one event."""
    return stream(gated(Pour(count=1, note=request.args["note"])))


def view_endless() -> Response:
    """Numbers without an end or a pause."""
    return stream(progress(done=number) for number in itertools.count(1))


def view_inside() -> ResponseReturnValue:
    """Counts in the worker: resident memory in bytes, open streams, greenlets."""
    gc.collect()
    return {
        "pid": os.getpid(),
        "resident": int(Path("/proc/self/statm").read_text().split()[1]) * PAGE,
        "viewers": len(Worker.current().part(Heartbeat).viewers),
        "greenlets": sum(issubclass(type(each), greenlet) and not each.dead for each in gc.get_objects()),
    }


VIEWS: Final[dict[str, Callable[[], ResponseReturnValue]]] = {
    "/report": view_report,
    "/bare": view_bare,
    "/context": view_context,
    "/failing": view_failing,
    "/silent": view_silent,
    "/paced": view_paced,
    "/pour": view_pour,
    "/gated": view_gated,
    "/endless": view_endless,
    "/inside": view_inside,
}

app = create_app()
