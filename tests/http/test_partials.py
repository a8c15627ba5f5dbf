"""A result that refers to its partials: whole wherever it is asked for, and small in every event."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from flask import Flask

from streaming import Headway, MemoryStore, operation, partial
from streaming.http import listing, routes
from tests.clients import parse_frames
from tests.worlds import World

PAGES = [{"page": number, "text": "x" * 3_000} for number in range(20)]


@operation(linger=30)
def paged() -> Generator[Any, Any, Any]:
    """Pages, and a result that refers to them."""
    for page in PAGES:
        yield partial(f"page-{page['page']}", page)
    return {"pages": [{"$partial": f"page-{page['page']}"} for page in PAGES], "count": 20}


@operation
def forgetful() -> Generator[Any, Any, Any]:
    """More than is kept, and a result that refers to the first of it."""
    for number in range(200):
        yield partial(str(number), "x" * 1_000)
    return {"first": {"$partial": "0"}, "last": {"$partial": "199"}}


@pytest.fixture
def headway(world: World) -> Iterator[Headway]:
    """The extension, whose store keeps 100,000 bytes of each run."""
    app = Flask(__name__)
    headway = Headway(app, operations=[paged, forgetful], log=MemoryStore(keep_bytes=100_000))
    yield headway
    headway.close()


def test_the_result_is_whole(headway: Headway, monkeypatch: pytest.MonkeyPatch) -> None:
    """From code, in the snapshot, in a list with results, and where a cancel comes too late; no event is long."""
    client = headway.app.test_client()
    run = headway.start("paged")
    whole = {"pages": PAGES, "count": 20}
    assert run.result(timeout=30) == whole
    assert run.snapshot()["result"] == whole
    assert client.get(f"/runs/{run.id}").get_json()["result"] == whole
    assert client.delete(f"/runs/{run.id}").get_json()["result"] == whole
    assert client.get("/runs?fields=result").get_json()["runs"][0]["result"] == whole
    messages = parse_frames(client.get(f"/runs/{run.id}/events").data)
    assert max(len(message.data) for message in messages) < 4_000
    assert json.loads(messages[-2].data)["result"]["pages"][3] == {"$partial": "page-3"}
    for module, name in ((routes, "RESOLVED_BYTES"), (listing, "RESULT_BYTES")):
        monkeypatch.setattr(module, name, 20_000)
    for path in (f"/runs/{run.id}", "/runs?fields=result"):
        answer = client.get(path).get_json()
        result = answer["runs"][0]["result"] if "runs" in answer else answer["result"]
        assert result["pages"][3] == {"$partial": "page-3"}, "more than a snapshot may have: a client reads the stream"


def test_a_result_that_would_not_be_whole(headway: Headway) -> None:
    """Its run fails, and says why."""
    run = headway.start("forgetful")
    with pytest.raises(Exception, match="refers to partials that are no longer kept") as caught:
        run.result(timeout=30)
    assert getattr(caught.value, "code", "") == "too_large"
