"""The helper that everyone writes by hand: a Flask generator of f-strings that sleeps while it waits."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import gevent
from flask import Flask, Response, request

from bench.workloads import item, pace, page, report_stop, sent, stamped

app = Flask("naive")


def frame(number: int, data: dict[str, Any], name: str = "progress") -> str:
    """A frame of the stream."""
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n"


def pages(count: int) -> Iterator[str]:
    """Yields `count` events and never waits."""
    for number in range(1, count + 1):
        yield frame(number, page(f"Page {number} read", number, count))


def paced(rate: float) -> Iterator[str]:
    """Yields `rate` events a second, for ever."""
    for number, wait in pace(rate):
        if wait:
            gevent.sleep(wait)
        yield frame(number, page(sent(), number, 10**6))


def items(rate: float) -> Iterator[str]:
    """The same with events of another name."""
    for number, wait in pace(rate):
        if wait:
            gevent.sleep(wait)
        yield frame(number, stamped(item(number)), "item")


def quiet(viewer: int, port: int, heartbeat: float) -> Iterator[str]:
    """Yields one event and then heartbeats, and reports when it is stopped."""
    try:
        yield frame(1, page("Waiting", 1, 50))
        while True:
            gevent.sleep(heartbeat)
            yield ": keep-alive\n\n"
    finally:
        if port:
            report_stop(viewer, port)


WORKLOADS: dict[str, Callable[..., Iterator[str]]] = {"pages": pages, "paced": paced, "items": items, "quiet": quiet}


@app.get("/<any(pages, paced, items, quiet):workload>")
def event_stream(workload: str) -> Response:
    """The stream of a workload, whose arguments are numbers in the query."""
    frames = WORKLOADS[workload](**{name: json.loads(value) for name, value in request.args.items()})
    return Response(frames, mimetype="text/event-stream", headers={"Cache-Control": "no-cache"})


@app.get("/pid")
def pid() -> str:
    """The worker's process id."""
    return str(os.getpid())
