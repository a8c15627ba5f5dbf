"""For a gunicorn that knows nothing of Headway: an application with runs, and one that only calls `stream()`."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import gevent
from flask import Flask, Response, request
from pydantic import BaseModel

from streaming import Headway, operation, progress, stream
from tests.apps import notes


class Task(BaseModel):
    """`note` is left when the work ends; empty, it ends at once."""

    note: str = ""


@operation
def working(input: Task) -> Generator[Any, Any, Any]:
    """Waits for ever."""
    try:
        yield progress("at work")
        if input.note:
            gevent.sleep(3600)
    finally:
        if input.note:
            notes.of_this_process().leave(input.note)


def with_runs() -> Flask:
    """The application with runs."""
    app = only_streams()
    Headway(app, operations=[working])
    return app


def only_streams() -> Flask:
    """The application without an extension."""
    app = Flask(__name__)
    app.add_url_rule("/stream", view_func=view_stream)
    app.add_url_rule("/pid", view_func=lambda: str(os.getpid()), endpoint="pid")
    return app


def view_stream() -> Response:
    """The same work without a run."""
    return stream(working(Task(note=request.args["note"])))
