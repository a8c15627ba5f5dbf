"""An application with the console, and operations that yield thousands of events a second."""

from __future__ import annotations

import time
from collections.abc import Iterator

from flask import Flask
from pydantic import BaseModel
from werkzeug.middleware.proxy_fix import ProxyFix

from streaming import Event, Headway, event, operation, partial


class Burst(BaseModel):
    """How many events, and how many a second."""

    events: int = 100_000
    rate: int = 1_000


@operation
def burst(input: Burst) -> Iterator[Event]:
    """Yields its events at that rate, ten at a time."""
    began = time.monotonic()
    for number in range(input.events):
        yield event("reading", {"sensor": f"s{number % 7}", "number": number, "value": number / 3, "unit": "°C"})
        if number % 10 == 9:
            time.sleep(max(0.0, began + (number + 1) / input.rate - time.monotonic()))


class Shower(BaseModel):
    """How many partials, and how many a second."""

    partials: int = 100_000
    rate: int = 5_000


@operation
def shower(input: Shower) -> Iterator[Event]:
    """Yields its partials at that rate, fifty at a time, each under a key of its own."""
    began = time.monotonic()
    for number in range(input.partials):
        yield partial(f"row-{number}", {"number": number, "words": ["some", "words"]})
        if number % 50 == 49:
            time.sleep(max(0.0, began + (number + 1) / input.rate - time.monotonic()))


def create_app() -> Flask:
    """The application, which believes one proxy what it says of the path of a request."""
    app = Flask(__name__)
    app.wsgi_app = ProxyFix(app.wsgi_app, x_prefix=1)  # type: ignore[method-assign]
    Headway(app, operations=[burst, shower], console=True)
    return app


app = create_app()
