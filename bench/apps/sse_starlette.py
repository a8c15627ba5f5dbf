"""sse-starlette: an `EventSourceResponse` over an async generator of dictionaries."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bench.workloads import FOREVER, item, pace, page, report_stop, sent, stamped


def frame(number: int, data: dict[str, Any], name: str = "progress") -> dict[str, Any]:
    """A frame of the stream."""
    return {"id": str(number), "event": name, "data": json.dumps(data)}


async def pages(count: int) -> AsyncIterator[dict[str, Any]]:
    """Yields `count` events and never waits."""
    for number in range(1, count + 1):
        yield frame(number, page(f"Page {number} read", number, count))


async def paced(rate: float) -> AsyncIterator[dict[str, Any]]:
    """Yields `rate` events a second, for ever."""
    for number, wait in pace(rate):
        if wait:
            await asyncio.sleep(wait)
        yield frame(number, page(sent(), number, 10**6))


async def items(rate: float) -> AsyncIterator[dict[str, Any]]:
    """The same with events of another name."""
    for number, wait in pace(rate):
        if wait:
            await asyncio.sleep(wait)
        yield frame(number, stamped(item(number)), "item")


async def quiet(viewer: int, port: int) -> AsyncIterator[dict[str, Any]]:
    """Yields one event, and reports when it is stopped."""
    try:
        yield frame(1, page("Waiting", 1, 50))
        await asyncio.sleep(FOREVER)
    finally:
        if port:
            report_stop(viewer, port)


WORKLOADS: dict[str, Callable[..., AsyncIterator[dict[str, Any]]]]
WORKLOADS = {"pages": pages, "paced": paced, "items": items, "quiet": quiet}


async def event_stream(request: Request) -> EventSourceResponse:
    """The stream of a workload, whose arguments are numbers in the query."""
    options = {name: json.loads(value) for name, value in request.query_params.items()}
    ping = options.pop("heartbeat", None)
    return EventSourceResponse(WORKLOADS[request.path_params["workload"]](**options), ping=ping)


async def pid(request: Request) -> PlainTextResponse:
    """The worker's process id."""
    return PlainTextResponse(str(os.getpid()))


app = Starlette(routes=[Route("/pid", pid), Route("/{workload}", event_stream)])
