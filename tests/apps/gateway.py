"""An application whose operations are gateways to another application, at `UPSTREAM`.

It has the routes of its upstream, so that several can form a chain.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, Final

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

from streaming import Event, Headway, gateway, relay
from tests.apps import notes
from tests.apps.streams import replaced, view_inside

UPSTREAM: Final = os.environ.get("UPSTREAM", "http://127.0.0.1:1")
LINGER: Final = float(os.environ.get("GATEWAY_LINGER", "0"))
PATIENCE: Final = float(os.environ.get("GATEWAY_PATIENCE", "0.5"))
NAMES: Final = ("pour", "lasting", "steps", "curious", "simulate", "work")


def only_deltas(events: Iterable[Event]) -> Iterator[Any]:
    """A transform that passes on nothing else."""
    for event in events:
        if event.name == "delta":
            yield event


def create_app() -> Flask:
    """The application."""
    app = Flask(__name__)
    options: dict[str, Any] = {"linger": LINGER, "patience": PATIENCE, "headers": ["X-Tenant"]}
    operations = [gateway(f"{UPSTREAM}/api/operations/{name}", **options) for name in NAMES]
    operations.append(gateway(f"{UPSTREAM}/api/operations/steps", name="deltas", through=[only_deltas], **options))
    Headway(app, operations=operations, url_prefix="/api")
    app.add_url_rule("/inside", view_func=view_inside)
    app.add_url_rule("/page", view_func=lambda: PAGE)
    app.add_url_rule("/seen", view_func=view_seen, methods=["POST"])
    app.after_request(replaced)
    app.add_url_rule("/relay/<path:path>", view_func=view_relay, methods=["GET", "POST", "PUT"])
    return app


PAGE: Final = """<!doctype html><title>EventSource</title><script>
const seen = [];
let opened = 0;
const source = new EventSource("/api/runs/" + new URLSearchParams(location.search).get("run") + "/events");
source.onopen = () => { opened += 1; };
for (const name of ["start", "delta", "result", "done", "reset"])
  source.addEventListener(name, (event) => seen.push({id: event.lastEventId, name, data: event.data}));
source.onerror = () => {
  if (source.readyState === EventSource.CLOSED)
    fetch("/seen", {method: "POST", body: JSON.stringify({seen, opened})});
};
</script>"""
"""A browser's own EventSource on a run; the page reports what it has seen once that has stopped by itself."""


def view_seen() -> ResponseReturnValue:
    """Keeps the report of that page as a note."""
    unfinished = notes.of_this_process().folder / "seen.unfinished"
    unfinished.write_bytes(request.get_data())
    unfinished.rename(unfinished.with_suffix(""))
    return "", 204


def view_relay(path: str) -> Response:
    """Relays the upstream's route of that path."""
    if "X-Read" in request.headers:  # as a `before_request` of the application may
        request.get_data(cache=request.headers["X-Read"] == "cached")
    query = request.query_string.decode()
    url = f"{UPSTREAM}/{path}" + (f"?{query}" if query else "")
    return relay(url, headers=["X-Tenant"], heartbeat=request.headers.get("X-Beat", 15.0, float))


app = create_app()
