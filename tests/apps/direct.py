"""An application whose streams gunicorn iterates over, and the same one behind middleware that must see every byte."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from flask import Flask, Response, jsonify
from gevent import sleep
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from streaming import Headway, event, operation, stream
from streaming.http.direct import Direct

sends: list[int] = []
counted: list[int] = []
send = Direct.send


def counting_send(self: Direct, block: bytes) -> bool:
    """`Direct.send`, noted."""
    sends.append(len(block))
    return send(self, block)


Direct.send = counting_send  # type: ignore[method-assign]  # what the test is about


def items(count: int, size: int, pause: float) -> Iterator[Any]:
    """Events with `size` characters of text each, `pause` seconds apart."""
    for number in range(count):
        if pause:
            sleep(pause)
        yield event("item", {"n": number, "text": "x" * size})


@operation
def listing() -> Iterator[Any]:
    """Twenty small ones as a run."""
    yield from items(20, 10, 0.002)


app = Flask(__name__)
Headway(app, operations=[listing])


@app.get("/stream/<int:count>/<int:size>/<float:pause>")
def streamed(count: int, size: int, pause: float) -> Response:
    """The same as a stream of its own."""
    return stream(items(count, size, pause), heartbeat=0.2)


@app.get("/stubborn")
def stubborn() -> Response:
    """A stream whose generator does not let itself be stopped."""

    def events() -> Iterator[Any]:
        yield event("item", {"n": 0})
        while True:
            with suppress(BaseException):
                sleep(60)

    return stream(events())


@app.get("/inside")
def inside() -> Response:
    """What was sent past gunicorn, and what the counter has seen, in bytes."""
    return jsonify(sends=sends, counted=sum(counted))


class Gzip:
    """Compresses what an application sends, each piece as it comes."""

    def __init__(self, application: Any) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *args: Any) -> Any:
            return start_response(status, [*headers, ("Content-Encoding", "gzip")], *args)

        body = self.application(environ, start)
        packer = zlib.compressobj(wbits=31)
        try:
            for piece in body:
                yield packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
            yield packer.flush()
        finally:
            body.close()


class Counter:
    """Counts the bytes that an application sends."""

    def __init__(self, application: Any) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = self.application(environ, start_response)
        try:
            for piece in body:
                counted.append(len(piece))
                yield piece
        finally:
            body.close()


service = DispatcherMiddleware(app, {"/gzip": Gzip(app), "/counter": Counter(app)})
