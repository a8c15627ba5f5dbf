"""A stream or run that is over is freed at once: nothing of it waits for Python's search for cycles."""

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import gevent
import pytest
from flask import Flask

from streaming import Headway, event, operation, stream
from streaming.runtime.worker import Worker

ended: list[int] = []


def events() -> Iterator[object]:
    """Two events, and then nothing for long."""
    try:
        yield event("item", {"number": 1})
        yield event("item", {"number": 2})
        gevent.sleep(60)
    finally:
        ended.append(1)


def make() -> Flask:
    """An application with the same work as a stream and as a run."""
    app = Flask(__name__)
    work = operation(name="items", linger=0)(events)
    Headway(app, operations=[work])
    app.add_url_rule("/items", view_func=lambda: stream(events()))
    return app


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """The objects of the library that the block leaves in cycles."""
    found: Counter[str] = Counter()
    while gc.collect():  # what tests before this one have left may be held by greenlets that are about to end
        gevent.sleep(0.01)
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found.update(type(each).__name__ for each in gc.garbage if type(each).__module__.startswith("streaming"))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def watch(app: Flask, method: str, path: str) -> None:
    """Reads the first event, and leaves."""
    answer = app.test_client().open(path, method=method, json={} if method == "POST" else None)
    for piece in answer.response:
        if b"number" in piece:
            break
    answer.close()


@pytest.mark.parametrize(("method", "path"), [("GET", "/items"), ("POST", "/operations/items")])
def test_a_stream_leaves_no_cycles(method: str, path: str) -> None:
    """Each would hold its request, its response and its socket with it."""
    with Worker().installed():
        app = make()
        ended.clear()
        watch(app, method, path)  # what is made once in a process
        while not ended:
            gevent.sleep(0.01)
        ended.clear()
        with counted() as found:
            for _ in range(5):
                watch(app, method, path)
            while len(ended) < 5:
                gevent.sleep(0.01)
            for _ in range(10):
                gevent.sleep(0)  # the greenlets that have stopped the work end as well
    assert not found
