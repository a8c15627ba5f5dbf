"""A chain: a viewer, nginx, two gateways and a service, with a line between each two that a test can cut."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.apps.gateway_upstream import promptly
from tests.apps.notes import VARIABLE, Notes
from tests.clients import Connection, Cut, Message, Reachable, wait_until
from tests.live.requests import JSON, ask, inside, names, snapshot, start, start_unwatched, watch
from tests.live.test_eventsource import browser
from tests.proxy import Proxy
from tests.servers import Server, deployed, gunicorn, nginx, scratch

pytestmark = pytest.mark.live

SERVICE = "tests.apps.streams:app"
GATEWAY = "tests.apps.gateway:app"
LINGER = 5.0
"""Seconds; a browser reconnects after two."""


@dataclass
class Chain:
    """viewer -> nginx -> `lines[0]` -> second gateway -> `lines[1]` -> first gateway -> `lines[2]` -> service."""

    front: Server
    hops: list[Server]
    lines: list[Proxy]
    notes: Notes

    def runs(self, status: str) -> list[dict[str, Any]]:
        """The runs of all hops with this status."""
        return [run for hop in self.hops for run in ask(hop, "GET", f"/api/runs?status={status}")["runs"]]

    def until_cancelled(self, count: int) -> None:
        """Waits until every hop has one more cancelled run than it had."""
        wait_until(lambda: len(self.runs("cancelled")) == count + len(self.hops), "every hop's run is cancelled")


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    """Five servers and three lines."""
    with contextlib.ExitStack() as started:
        notes = Notes(started.enter_context(scratch()))
        env = {"HEADWAY_STORE": "memory:", VARIABLE: str(notes.folder), "HEADWAY_MAX_RUNS_PER_CLIENT": "1000"}
        hops = [started.enter_context(gunicorn(SERVICE, env=env))]
        lines = [started.enter_context(Proxy(hops[0]))]
        for _ in range(2):
            settings = {**env, "UPSTREAM": lines[-1].url, "GATEWAY_LINGER": str(LINGER), "GATEWAY_PATIENCE": "20"}
            hops.append(started.enter_context(gunicorn(GATEWAY, env=settings)))
            lines.append(started.enter_context(Proxy(hops[-1])))
        front = started.enter_context(nginx(lines[-1], conf_template=deployed()))
        yield Chain(front, hops[::-1], lines[::-1], notes)


def texts(messages: list[Message]) -> list[int]:
    """The numbers in the deltas of `pour`."""
    return [int(message.json["text"].split()[0]) for message in messages if message.event == "delta"]


def test_a_run_through_the_chain(chain: Chain) -> None:
    """The viewer gets one start, one result, one done, and every event once; each hop has a run of its own."""
    with Connection(chain.front) as viewer:
        run = start(viewer, "pour", count=200, size=20)
        messages = list(viewer.messages())
    assert names(messages) == ["start", *["delta"] * 200, "result", "done"]
    assert messages[0].json["run"] == run
    assert texts(messages) == list(range(200))
    assert messages[-2].json["result"] == 200
    ids = [ask(hop, "GET", "/api/runs")["runs"][0]["id"] for hop in chain.hops]
    assert ids[0] == run
    assert len(set(ids)) == 3


def test_a_refusal_through_the_chain(chain: Chain) -> None:
    """The service's refusal of an input reaches the caller, with its status and its fields."""
    with Connection(chain.front) as viewer:
        body = json.dumps({"count": "many"}).encode()
        assert viewer.request("POST", "/api/operations/pour", JSON, body).status == 422
        problem = json.loads(viewer.body())
    assert (problem["code"], problem["errors"][0]["loc"]) == ("invalid_input", ["count"])


def test_a_question_through_the_chain(chain: Chain) -> None:
    """It is asked at the front, and the answer there reaches the operation."""
    with Connection(chain.front) as viewer:
        run = start(viewer, "curious")
        question = viewer.until("question")[-1].json
        answer = json.dumps({"question": question["question"], "answer": True}).encode()
        ask(chain.front, "POST", f"/api/runs/{run}/answer", JSON, answer)
        assert [message.event for message in viewer.messages()] == ["answer", "result", "done"]
    assert snapshot(chain.front, run)["result"] is True


def test_a_resume_at_each_hop(chain: Chain) -> None:
    """Whichever line is cut, its receiving side resumes: no event is lost, none comes twice.

    The operation of the service lingers, or a cut before it would stop it.
    """
    viewer = Connection(chain.front)
    run = start(viewer, "lasting", count=400, size=20, pause=0.01)
    seen: list[Message] = []
    for line in [*chain.lines[1:], *chain.lines[1:], chain.lines[0], *chain.lines]:
        for _ in range(40):
            try:
                seen.append(viewer.message())
            except (Cut, OSError):
                viewer = again(viewer, chain.front, run, seen)
        line.cut_streams()
    while seen[-1].event != "done":
        try:
            seen += viewer.messages()
        except (Cut, OSError):
            viewer = again(viewer, chain.front, run, seen)
    viewer.socket.close()
    assert [message.id for message in seen] == list(range(1, 404))
    assert texts(seen) == list(range(400))
    assert seen[-1].json["status"] == "succeeded"
    for line in chain.lines:
        assert line.opened > 1


def test_a_browser_at_the_front(chain: Chain) -> None:
    """Its own EventSource sees every event once although each line is cut, and stops by itself at the end."""
    run = start_unwatched(chain.front, "lasting", count=150, size=20, pause=0.04)
    report = chain.notes.folder / "seen"
    with browser(f"{chain.front.url}/page?run={run}"):
        for line in chain.lines[1:]:
            line.cut_streams()
        wait_until(lambda: inside(chain.hops[0])["viewers"], "the browser watches", 40)
        chain.lines[0].cut()
        wait_until(report.exists, "the page has reported what it has seen", 40)
    page = json.loads(report.read_bytes())
    assert [int(event["id"]) for event in page["seen"]] == list(range(1, 154))
    texts = [int(json.loads(event["data"])["text"].split()[0]) for event in page["seen"] if event["name"] == "delta"]
    assert texts == list(range(150))
    assert [event["name"] for event in page["seen"][-2:]] == ["result", "done"]
    assert page["opened"] >= 2


def again(cut: Connection, server: Reachable, run: str, seen: list[Message]) -> Connection:
    """A new connection of a viewer that was cut, which resumes after the events that it has."""
    cut.socket.close()
    viewer = Connection(server)
    assert watch(viewer, run, after=seen[-1].id) == 200
    return viewer


@pytest.mark.parametrize("silent", [True, False], ids=["silent work", "busy work"])
def test_a_cancel_through_all(chain: Chain, silent: bool) -> None:
    """A DELETE at the front stops the work at the back, and every run on the way."""
    tries = itertools.count()

    def once() -> float:
        before, note = len(chain.runs("cancelled")), f"delete-{silent}-{next(tries)}"
        with Connection(chain.front) as viewer:
            run = start(viewer, "pour", count=100_000, pause=3600 if silent else 0.01, note=note)
            viewer.until("delta")
            cancelled = time.monotonic()
            ask(chain.front, "DELETE", f"/api/runs/{run}")
            took = chain.notes.when(note) - cancelled
            assert viewer.until("done")[-1].json["reason"] == "requested"
        chain.until_cancelled(before)
        return took

    promptly(once)


def test_the_last_viewer_leaves(chain: Chain) -> None:
    """The linger of the front holds for the whole chain: after it everything stops."""
    tries = itertools.count()

    def once() -> float:
        before, note = len(chain.runs("cancelled")), f"gone-{next(tries)}"
        with Connection(chain.front) as viewer:
            start(viewer, "pour", count=100_000, pause=0.01, note=note)
            viewer.until("delta")
            left = time.monotonic()
            viewer.close()
        lingered = chain.notes.when(note) - left
        assert lingered > LINGER - 0.1
        chain.until_cancelled(before)
        return lingered - LINGER

    promptly(once)


def test_a_viewer_comes_back(chain: Chain) -> None:
    """If it reconnects within the linger, the work has gone on, and nothing is missing."""
    with Connection(chain.front) as viewer:
        run = start(viewer, "pour", count=300, pause=0.01, note="came back")
        seen = viewer.until("delta")
        viewer.close()
    time.sleep(LINGER / 3)
    assert not chain.notes.has("came back")
    with Connection(chain.front) as viewer:
        assert watch(viewer, run, after=seen[-1].id) == 200
        seen += viewer.messages()
    assert texts(seen) == list(range(300))
    assert seen[-1].json["status"] == "succeeded"
