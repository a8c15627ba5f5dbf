"""Headway: each workload once as a plain `stream()`, at `/NAME`, and once as a run, at `/operations/NAME`."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import gevent
from flask import Flask, Response, request
from gevent.event import Event as Gate
from pydantic import BaseModel

from bench.workloads import FOREVER, item, pace, report_stop, sent
from streaming import Headway, delta, event, operation, progress, stream


class Pages(BaseModel):
    """Input of `pages`."""

    count: int


class Paced(BaseModel):
    """Input of `paced`, `items` and `tokens`."""

    rate: float


class Quiet(BaseModel):
    """Input of `quiet`; `port` is that of `report_stop`, 0 for no report."""

    viewer: int = 0
    port: int = 0
    heartbeat: float = 15


gate = Gate()
app = Flask("headway")
app.config.update(HEADWAY_MAX_STREAMS=20_000, HEADWAY_MAX_RUNS=20_000, HEADWAY_MAX_RUNS_PER_CLIENT=20_000)


def pages(input: Pages) -> Iterator[Any]:
    """Yields `count` events and never waits."""
    for number in range(1, input.count + 1):
        yield progress(f"Page {number} read", done=number, total=input.count, unit="pages")


@operation(name="pages")
def countable_pages(input: Pages) -> Iterator[Any]:
    """`pages` without progress events, which may be merged for a viewer that lags and could then not be counted."""
    for number in range(1, input.count + 1):
        data = {"message": f"Page {number} read", "done": number, "total": input.count, "unit": "pages"}
        yield event("page", data)


def paced(input: Paced) -> Iterator[Any]:
    """Yields `rate` events a second, for ever."""
    for number, wait in pace(input.rate):
        if wait:
            gevent.sleep(wait)
        yield progress(sent(), done=number, total=10**6, unit="pages")


def items(input: Paced) -> Iterator[Any]:
    """The same as `event()`, which is checked, encoded and folded in another way than `progress()`."""
    for number, wait in pace(input.rate):
        if wait:
            gevent.sleep(wait)
        yield event("item", item(number))


def quiet(input: Quiet) -> Iterator[Any]:
    """Yields one event, and reports when it is stopped."""
    try:
        yield progress("Waiting", done=1, total=50, unit="pages")
        gevent.sleep(FOREVER)
    finally:
        if input.port:
            report_stop(input.viewer, input.port)


@operation(name="tokens")
def tokens(input: Paced) -> Iterator[Any]:
    """Yields `rate` tokens a second once the gate is open; unlike progress, they are never merged."""
    gate.wait()
    for number, wait in pace(input.rate):
        if wait:
            gevent.sleep(wait)
        yield delta(f"token {number} of a text that is as long as a page event is ... ")


@operation(name="gathered", flush=0.1)
def gathered(input: Paced) -> Iterator[Any]:
    """`items`, written ten times a second."""
    return items(input)


RUNS = [countable_pages, gathered, *(operation(name=work.__name__)(work) for work in (paced, items, quiet)), tokens]
Headway(app, operations=RUNS)


STREAMS: dict[str, tuple[Callable[..., Iterator[Any]], type[BaseModel]]]
STREAMS = {"pages": (pages, Pages), "paced": (paced, Paced), "items": (items, Paced), "quiet": (quiet, Quiet)}


@app.get("/<any(pages, paced, items, quiet):workload>")
def plain_stream(workload: str) -> Response:
    """The stream of a workload, without a run."""
    function, model = STREAMS[workload]
    heartbeat = float(request.args.get("heartbeat", 15))
    events = function(model.model_validate(request.args.to_dict()))
    return stream(events, heartbeat=heartbeat, view=request.args if "view" in request.args else None)


@app.get("/gate")
def open_gate() -> str:
    """Lets `tokens` begin."""
    gate.set()
    return "open"


@app.get("/pid")
def pid() -> str:
    """The worker's process id."""
    return str(os.getpid())
