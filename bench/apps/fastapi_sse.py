"""FastAPI's own SSE: routes that yield `ServerSentEvent`."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from bench.workloads import FOREVER, item, pace, page, report_stop, sent, stamped

app = FastAPI()


def frame(number: int, data: dict[str, Any], name: str = "progress") -> ServerSentEvent:
    """A frame of the stream, whose data FastAPI encodes."""
    return ServerSentEvent(data=data, id=str(number), event=name)


@app.get("/pages", response_class=EventSourceResponse)
async def pages(count: int) -> AsyncIterator[ServerSentEvent]:
    """Yields `count` events and never waits."""
    for number in range(1, count + 1):
        yield frame(number, page(f"Page {number} read", number, count))


@app.get("/paced", response_class=EventSourceResponse)
async def paced(rate: float) -> AsyncIterator[ServerSentEvent]:
    """Yields `rate` events a second, for ever."""
    for number, wait in pace(rate):
        if wait:
            await asyncio.sleep(wait)
        yield frame(number, page(sent(), number, 10**6))


@app.get("/items", response_class=EventSourceResponse)
async def items(rate: float) -> AsyncIterator[ServerSentEvent]:
    """The same with events of another name."""
    for number, wait in pace(rate):
        if wait:
            await asyncio.sleep(wait)
        yield frame(number, stamped(item(number)), "item")


@app.get("/quiet", response_class=EventSourceResponse)
async def quiet(viewer: int, port: int) -> AsyncIterator[ServerSentEvent]:
    """Yields one event, and reports when it is stopped; the heartbeats are FastAPI's, each 15 seconds."""
    try:
        yield frame(1, page("Waiting", 1, 50))
        await asyncio.sleep(FOREVER)
    finally:
        if port:
            report_stop(viewer, port)


@app.get("/pid", response_class=PlainTextResponse)
async def pid() -> str:
    """The worker's process id."""
    return str(os.getpid())
