"""The same operation in each executor: `greenlet`, `thread`, `process` and `asyncio`, at `/operations/NAME`."""

import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

from flask import Flask
from pydantic import BaseModel

from streaming import Headway, event, operation


class Pages(BaseModel):
    """How many events it yields."""

    count: int


def pages(input: Pages) -> Iterator[Any]:
    """Yields `count` events and never waits."""
    for number in range(1, input.count + 1):
        yield page(number, input.count)


def page(number: int, total: int) -> Any:
    """One event."""
    return event("page", {"message": f"Page {number} read", "done": number, "total": total, "unit": "pages"})


@operation(name="greenlet")
def in_greenlet(input: Pages) -> Iterator[Any]:
    """In a greenlet of the worker."""
    yield from pages(input)


@operation(name="thread", runs_in="thread")
def in_thread(input: Pages) -> Iterator[Any]:
    """In a native thread of the worker."""
    yield from pages(input)


@operation(name="process", runs_in="process")
def in_process(input: Pages) -> Iterator[Any]:
    """In a process of its own."""
    yield from pages(input)


@operation(name="asyncio")
async def in_loop(input: Pages) -> AsyncIterator[Any]:
    """In the event loop of the worker."""
    for number in range(1, input.count + 1):
        yield page(number, input.count)


app = Flask("executors")
app.config.update(HEADWAY_MAX_RUNS=20_000, HEADWAY_MAX_RUNS_PER_CLIENT=20_000)
Headway(app, operations=[in_greenlet, in_thread, in_process, in_loop])
app.get("/pid", endpoint="pid")(lambda: str(os.getpid()))
