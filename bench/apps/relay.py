"""A relay to the streams of another server, and gateways to its operations."""

import os

from flask import Flask, Response, request

from bench.workloads import HOST
from streaming import Headway, gateway, relay


def create(port: int) -> Flask:
    """The application in front of the `headway` server on `port`."""
    origin = f"http://{HOST}:{port}"
    app = Flask("relay")
    app.config.update(HEADWAY_MAX_STREAMS=20_000, HEADWAY_MAX_RUNS=20_000, HEADWAY_MAX_RUNS_PER_CLIENT=20_000)
    Headway(app, operations=[gateway(f"{origin}/operations/{name}") for name in ("pages", "paced")])

    @app.get("/<any(pages, paced):workload>")
    def relay_stream(workload: str) -> Response:
        return relay(f"{origin}/{workload}?{request.query_string.decode()}")

    app.get("/pid")(lambda: str(os.getpid()))
    return app
