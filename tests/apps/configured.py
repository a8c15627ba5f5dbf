"""A service whose settings come from Flask's `config`, and operations that return the settings that they see."""

from __future__ import annotations

import json
import sys

from flask import Flask

from operations.settings import settings
from streaming import Headway, operation


def seen() -> list[object]:
    """A few settings of the service."""
    service = settings()
    return [service.llm_model, service.llm_api_key, sorted(service.document_hosts), service.simulate]


@operation(runs_in="greenlet")
def in_greenlet() -> list[object]:
    """The settings that a greenlet sees."""
    return seen()


@operation(runs_in="thread")
def in_thread() -> list[object]:
    """The settings that a thread sees."""
    return seen()


@operation(runs_in="process")
def in_process() -> list[object]:
    """The settings that a process sees."""
    return seen()


def main(config: str) -> None:
    """Makes the service with `config`, and writes what each operation returns in an application beside it."""
    import app

    app.create_app(json.loads(config))
    beside = Flask(__name__)
    operations = (in_greenlet, in_thread, in_process)
    Headway(beside, operations=operations)
    client = beside.test_client()
    results = {}
    for each in operations:
        stream = client.post(f"/operations/{each.name}", json={}).text
        [result] = [frame for frame in stream.split("\n\n") if "event: result\n" in frame]
        results[each.name] = json.loads(result.partition("data: ")[2])["result"]
    sys.stdout.write(json.dumps(results))
