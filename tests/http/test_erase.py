"""`DELETE /runs/ID/events`: a finished run is erased, a live one is not, and what was asked is gone with it.

The requests come from Flask's test client, in both worlds: with the hub in the thread that serves, and beside it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, cast

import pytest
from flask.testing import FlaskClient

from streaming import Headway
from streaming.errors import Conflict, NotFound
from tests.apps.serving import create_app
from tests.worlds import World

ASYNC = {"Prefer": "respond-async"}
ANN = {"Authorization": "Bearer k1"}
BOB = {"Authorization": "Bearer k2"}


@pytest.fixture
def headway(world: World, store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Headway]:
    """An extension with keys, in each store."""
    for variable in [name for name in os.environ if name.startswith("HEADWAY_")]:
        monkeypatch.delenv(variable)
    app = create_app({"HEADWAY_API_KEYS": "ann:k1,bob:k2", "HEADWAY_STORE": store})
    headway: Headway = app.extensions["headway"]
    yield headway
    headway.close()


@pytest.fixture
def client(headway: Headway) -> FlaskClient:
    """A client of its application."""
    return headway.app.test_client()


def start(client: FlaskClient, *acts: str, **headers: str) -> str:
    """Starts a run without a stream, and gives its id."""
    response = client.post("/operations/scripted", json={"acts": acts}, headers={**ANN, **ASYNC, **headers})
    assert response.status_code == 202, response.text
    return str(response.headers["Run-Id"])


def test_a_finished_run(client: FlaskClient, headway: Headway) -> None:
    """204 to its owner, and then a 404 to everybody everywhere; its key starts anew."""
    run = start(client, "progress", **{"Idempotency-Key": "k"})
    headway.run(run).result(10)
    path = f"/runs/{run}"
    assert client.delete(f"{path}/events", headers=BOB).status_code == 404
    assert client.delete(f"{path}/events").status_code == 401
    assert client.get(path, headers=ANN).status_code == 200
    response = client.delete(f"{path}/events", headers=ANN)
    assert (response.status_code, response.data) == (204, b"")
    for method, route in (
        ("GET", path),
        ("GET", f"{path}/events"),
        ("DELETE", path),
        ("DELETE", f"{path}/events"),
        ("POST", f"{path}/tokens"),
    ):
        assert client.open(route, method=method, headers=ANN).get_json()["code"] == "run_not_found"
    assert client.get("/runs", headers=ANN).get_json() == {"runs": []}
    assert start(client, **{"Idempotency-Key": "k"}) != run


def test_a_live_run(client: FlaskClient, headway: Headway) -> None:
    """409, and it goes on."""
    run = start(client, "wait")
    response = client.delete(f"/runs/{run}/events", headers=ANN)
    assert (response.status_code, response.get_json()["code"]) == (409, "run_live")
    assert headway.run(run).snapshot()["status"] == "running"


def test_from_code(client: FlaskClient, headway: Headway) -> None:
    """`headway.run(id).erase()` does the same."""
    run = headway.run(start(client, "ask"))
    with pytest.raises(Conflict):
        run.erase()
    run.cancel()
    assert [event.type for event in run.events()][-1] == "done"
    run.erase()
    for gone in (run.snapshot, run.erase, run.token, lambda: headway.run(run.id)):
        with pytest.raises(NotFound):
            gone()


def test_what_was_asked(client: FlaskClient, headway: Headway, store: str) -> None:
    """The snapshot has the input, from every store and however the run was started; the list has it too."""
    run = start(client, "progress")
    assert headway.run(run).snapshot()["input"] == {"acts": ["progress"], "runs_in": "greenlet", "file": ""}
    handle = headway.start("scripted", {"acts": ["delta"]}, owner="ann")
    handle.result(10)
    snapshot: dict[str, Any] = client.get(f"/runs/{handle.id}", headers=ANN).get_json()
    assert snapshot["input"]["acts"] == ["delta"]
    newest, *_ = client.get("/runs", headers=ANN).get_json()["runs"]
    assert newest["input"]["acts"] == ["delta"]
    if not store.startswith("memory"):
        headway.serving = False
        queued = headway.start("scripted", {"acts": ["partial"]}, owner="ann")
        assert queued.snapshot()["status"] == "queued"
        assert queued.snapshot()["input"]["acts"] == ["partial"]


def test_a_viewer_of_an_erased_run(world: World) -> None:
    """Its stream ends where it is."""
    app = create_app()
    headway: Headway = app.extensions["headway"]
    run = headway.start("scripted", {"acts": ["progress"] * 3000})
    run.result(10)
    response = app.test_client().get(f"/runs/{run.id}/events")
    pieces = cast(Iterator[bytes], iter(response.response))
    seen = next(pieces)
    run.erase()
    seen += b"".join(pieces)
    assert b"event: start" in seen
    assert b"event: done" not in seen
    response.close()
    headway.close()
