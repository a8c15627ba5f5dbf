"""Relayed streams of `model_service` at `/relay`, by the helper that everyone writes at `/naive`, and as a gateway."""

import os
from collections.abc import Iterator

import requests
from flask import Flask, Response, request

from bench.workloads import HOST
from streaming import Headway, gateway, relay


def create(port: int) -> Flask:
    """The application in front of the service on `port`."""
    url = f"http://{HOST}:{port}/chat"
    app = Flask("proxies")
    app.config.update(HEADWAY_MAX_STREAMS=20_000, HEADWAY_MAX_RUNS=20_000, HEADWAY_MAX_RUNS_PER_CLIENT=20_000)
    Headway(app, operations=[gateway(url)])

    @app.post("/naive")
    def naive() -> Response:
        answer = requests.post(url, json=request.get_json(), stream=True, timeout=60)

        def pieces() -> Iterator[bytes]:
            with answer:
                yield from answer.iter_content(chunk_size=None)

        return Response(pieces(), mimetype="text/event-stream", headers={"Cache-Control": "no-cache"})

    app.post("/relay", endpoint="relay")(lambda: relay(url))
    app.get("/pid", endpoint="pid")(lambda: str(os.getpid()))
    return app
