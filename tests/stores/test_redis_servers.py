"""Servers with a store in Redis, whose processes gevent has not patched."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.clients import Connection
from tests.live.workers import JSON, run_of
from tests.servers import Server, flask_run, pywsgi, redis

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def store() -> Iterator[Server]:
    """A Redis without persistence."""
    with redis() as store:
        yield store


@pytest.mark.parametrize("serve", ["flask run", "pywsgi"])
def test_nothing_is_patched(store: Server, serve: str) -> None:
    """Streams, heartbeats and cancels work where redis-py's own sockets would block the hub."""
    env = {"HEADWAY_STORE": store.url, "HEADWAY_SIMULATE": "1", "HEADWAY_HEARTBEAT": "0.2"}
    started = pywsgi("app:app", patched=False, env=env) if serve == "pywsgi" else flask_run("app:app", env=env)
    with started as server, Connection(server) as viewer, Connection(server) as other:
        body = json.dumps({"steps": 3, "interval": 0.01, "silent": 60}).encode()
        viewer.request("POST", "/operations/simulate", JSON, body)
        viewer.until("start")
        for _ in range(3):
            viewer.message()
        assert viewer.comment() == "keep-alive"
        other.request("DELETE", f"/runs/{run_of(viewer.head)}", JSON)
        assert viewer.until("done")[-1].json["reason"] == "requested"
