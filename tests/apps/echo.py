"""A Flask application without Headway, on which the servers and clients of the tests are tested."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

app = Flask(__name__)

SSE = "text/event-stream"


def frame(number: int, data: object) -> str:
    """One event of the name `tick`."""
    return f"id: {number}\nevent: tick\ndata: {json.dumps(data)}\n\n"


@app.get("/count")
def count() -> ResponseReturnValue:
    """`n` events at once, between a `retry` and a comment."""
    ticks = (frame(number, {"n": number}) for number in range(1, request.args.get("n", 3, int) + 1))
    return Response(itertools.chain(["retry: 2000\n\n"], ticks, [": keep-alive\n\n"]), mimetype=SSE)


@app.get("/forever")
def forever() -> ResponseReturnValue:
    """An event every `pause` seconds until the client disconnects, then a line in the log.

    `buffered=1` omits the header that keeps proxies from buffering.
    """
    headers = {} if "buffered" in request.args else {"X-Accel-Buffering": "no"}
    return Response(_forever(request.args.get("pause", 0.02, float)), mimetype=SSE, headers=headers)


def _forever(pause: float) -> Iterator[str]:
    try:
        for number in itertools.count(1):
            yield frame(number, {"n": number})
            time.sleep(pause)
    finally:
        print("the client has disconnected", flush=True)  # noqa: T201  read from the server's log


@app.get("/broken")
def broken() -> ResponseReturnValue:
    """A stream whose process ends in the middle of it."""
    return Response(_broken(), mimetype=SSE)


def _broken() -> Iterator[str]:
    yield frame(1, {"n": 1})
    os._exit(1)


@app.post("/echo")
def echo() -> ResponseReturnValue:
    """The body of the request."""
    return Response(request.get_data(), content_type=request.content_type)


@app.get("/process")
def process() -> ResponseReturnValue:
    """The server's process, seen from inside."""
    keys = ("HEADWAY_STORE", "GUNICORN_CMD_ARGS", "WEB_CONCURRENCY")
    return {
        "pid": os.getpid(),
        "software": request.environ["SERVER_SOFTWARE"],
        "patched": time.sleep.__module__.startswith("gevent"),
        "variables": {key: os.environ[key] for key in keys if key in os.environ},
    }
