"""An application that knows of Headway only `stream()`."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import gevent
from flask import Flask, Response, request

from streaming import progress, stream
from tests.apps import notes

app = Flask(__name__)


@app.get("/patient")
def patient() -> Response:
    """Works until there is a note `go NOTE`, and leaves `NOTE` at the end."""
    return stream(_patient(request.args["note"]))


def _patient(note: str) -> Generator[Any, Any, str]:
    left = notes.of_this_process()
    try:
        yield progress("at work")
        while not left.has(f"go {note}"):
            gevent.sleep(0.005)
        return "done"
    finally:
        left.leave(note)
