"""Several runs on one stream: every frame of each, the numbers of all in its id, and a resume from any of them.

The requests come from Flask's test client, in both worlds: with the hub in the thread that serves, and beside it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from streaming import Headway
from streaming.http.heartbeat import Heartbeat
from streaming.http.many import MAX_RUNS
from tests.apps.serving import create_app
from tests.worlds import World

ASYNC = {"Prefer": "respond-async"}
ANN = {"Authorization": "Bearer k1"}
BOB = {"Authorization": "Bearer k2"}
PREFACE = b"retry: 2000\n\n"


class Frame(NamedTuple):
    """A frame: its id, the run that it belongs to, its number there, its name and the numbers of all runs."""

    id: str
    run: str
    number: int
    event: str
    positions: dict[str, int]


def frames_of(stream: bytes) -> list[Frame]:
    """The frames of a stream, without comments."""
    frames = []
    for text in stream.decode().split("\n\n"):
        match = re.match(r"id: (\S+)\nevent: (\w+)\n", text)
        if match:
            entries = [entry.split(":") for entry in match[1].split(",")]
            positions = {run: int(number) for run, number in entries}
            frames.append(Frame(match[1], entries[0][0], int(entries[0][1]), match[2], positions))
    return frames


class Service:
    """An application with keys, and a client of it."""

    def __init__(self, world: World, headway: Headway) -> None:
        self.world = world
        self.headway = headway
        self.client: FlaskClient = headway.app.test_client()

    def start(self, *acts: str, headers: dict[str, str] = ANN) -> str:
        """Starts a run without a stream, and gives its id."""
        response = self.client.post("/operations/scripted", json={"acts": acts}, headers={**headers, **ASYNC})
        assert response.status_code == 202, response.text
        return str(response.headers["Run-Id"])

    def ended(self, *acts: str) -> str:
        """A run that is over."""
        run = self.start(*acts)
        self.headway.run(run).result(10)
        return run

    def get(self, *runs: str, seen: str = "", **options: Any) -> TestResponse:
        """The response to a request for the events of these runs."""
        headers = {**ANN, **({"Last-Event-ID": seen} if seen else {})}
        return self.client.get("/events", query_string={"run": runs, **options}, headers=headers)

    def frames(self, *runs: str, seen: str = "") -> list[Frame]:
        """All frames of runs that end."""
        response = self.get(*runs, seen=seen)
        assert response.status_code == 200, response.text
        assert response.data.startswith(PREFACE)
        return frames_of(response.data)


def service_with(world: World, **config: str) -> Service:
    """A service with keys and this configuration."""
    app = create_app({"HEADWAY_API_KEYS": "ann:k1,bob:k2", **config})
    return Service(world, app.extensions["headway"])


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the environment."""
    for variable in [name for name in os.environ if name.startswith("HEADWAY_")]:
        monkeypatch.delenv(variable)


@pytest.fixture
def service(world: World, clean: None) -> Iterator[Service]:
    """A service with keys, in memory."""
    service = service_with(world)
    yield service
    assert not world.worker.part(Heartbeat).viewers
    service.headway.close()


def test_the_frames_of_each(world: World, clean: None, store: str) -> None:
    """From every store: all of them in order, with the numbers of all runs, the frame's own run first."""
    service = service_with(world, HEADWAY_STORE=store)
    runs = [service.ended(*["progress"] * count) for count in (1, 4, 0)]
    frames = service.frames(*runs)
    for run, last in zip(runs, (4, 7, 3), strict=True):
        own = [frame for frame in frames if frame.run == run]
        assert [frame.number for frame in own] == list(range(1, last + 1))
        assert (own[0].event, own[-1].event) == ("start", "done")
    assert all(set(frame.positions) == set(runs) for frame in frames)
    assert frames[-1].positions == dict(zip(runs, (4, 7, 3), strict=True))
    for frame in frames:  # a resume from each loses and repeats nothing
        rest = [(each.run, each.number) for each in service.frames(*runs, seen=frame.id)] if frame != frames[-1] else []
        expected = {
            (run, n) for run, last in frames[-1].positions.items() for n in range(frame.positions[run] + 1, last + 1)
        }
        assert set(rest) == expected
        assert len(rest) == len(expected)
    assert service.get(*runs, seen=frames[-1].id).status_code == 204
    service.headway.close()


def test_what_a_request_says(service: Service) -> None:
    """The vector also as a query, of some of the runs or of more, in any order; HEAD has no body."""
    one, two = service.ended(), service.ended("progress")
    query = service.get(one, two, last_event_id=f"{two}:3")
    assert [(frame.run, frame.number) for frame in frames_of(query.data)] == [
        *((one, number) for number in (1, 2, 3)),
        (two, 4),
    ]
    assert frames_of(service.get(one, seen=f"{two}:4,{one}:2").data)[0].number == 3
    assert frames_of(service.get(one, one).data)[-1].positions == {one: 3}
    head = service.client.head("/events", query_string={"run": [one]}, headers=ANN)
    assert (head.status_code, head.data, head.mimetype) == (200, b"", "text/event-stream")


@pytest.mark.parametrize("seen", ["x", "5", "r:1,", ":1", "r:x", "r:-1", "r:1;r:2", "r: 1", "r:1" + "0" * 16])
def test_a_vector_that_cannot_be_read(service: Service, seen: str) -> None:
    """400, which names the field."""
    response = service.get(service.ended(), seen=seen)
    assert response.status_code == 400
    assert response.get_json()["errors"][0]["loc"] == ["Last-Event-ID"]


def test_a_number_that_does_not_exist(service: Service) -> None:
    """400, as for one run."""
    run = service.ended()
    assert service.get(run, seen=f"{run}:99").status_code == 400


def test_how_many_runs(service: Service) -> None:
    """At least one and at most fifty, or 400, which names the field."""
    for runs in ([], [f"r{number}" for number in range(MAX_RUNS + 1)]):
        response = service.get(*runs)
        assert (response.status_code, response.get_json()["errors"][0]["loc"]) == (400, ["run"])


def test_a_run_of_somebody_else(service: Service) -> None:
    """404, which says which one, and the others have no viewer of it; without a key 401."""
    mine, theirs = service.start("wait"), service.start("wait", headers=BOB)
    for other in (theirs, "r0"):
        response = service.get(mine, other)
        assert (response.status_code, response.get_json()["code"]) == (404, "run_not_found")
        assert response.get_json()["errors"][0]["loc"] == ["run", other]
    assert service.headway.run(mine).snapshot()["viewers"] == 0
    assert service.client.get("/events", query_string={"run": [mine]}).status_code == 401


def test_it_is_a_viewer_of_each(world: World, clean: None, store: str) -> None:
    """As long as it is open, and then each lingers as its operation says: these stop with it."""
    service = service_with(world, HEADWAY_STORE=store)
    runs = [service.start("wait") for _ in range(3)]
    with service.get(*runs) as response:
        pieces = cast(Iterator[bytes], iter(response.response))
        seen = b""
        while len(frames_of(seen)) < 3:
            seen += next(pieces)
        assert [service.headway.run(run).snapshot()["viewers"] for run in runs] == [1, 1, 1]
        assert len(world.worker.part(Heartbeat).viewers) == 1
        service.headway.run(runs[0]).cancel()
        while "done" not in [frame.event for frame in frames_of(seen)]:
            seen += next(pieces)
        assert [frame.run for frame in frames_of(seen) if frame.event == "done"] == runs[:1]
    for run in runs[1:]:
        *_, done = service.headway.run(run).events()
        assert done.data["reason"] == "disconnected"
    service.headway.close()


def test_a_run_that_is_erased(service: Service) -> None:
    """The others go on."""
    gone, live = service.ended(), service.start("wait")
    with service.get(gone, live) as response:
        pieces = cast(Iterator[bytes], iter(response.response))
        seen = next(pieces)
        service.headway.run(gone).erase()
        service.headway.run(live).cancel()
        seen += b"".join(pieces)
    assert frames_of(seen)[-1].event == "done"


def test_events_that_are_no_longer_kept(world: World, clean: None) -> None:
    """A `reset` stands for them, with its number in the vector."""
    service = service_with(world, HEADWAY_STORE_BYTES="60000")
    run, other = service.ended(*["progress"] * 2000), service.ended()
    frames = service.frames(run, other)
    own = [frame for frame in frames if frame.run == run]
    assert own[0].event == "reset"
    assert [frame.number for frame in own] == list(range(own[0].number, 2004))
    service.headway.close()


def test_no_run_waits_for_another(service: Service) -> None:
    """A long one and a short one are read in turns."""
    long, short = service.ended(*["progress"] * 5000), service.ended()
    pieces = cast(Iterator[bytes], iter(service.get(long, short).response))
    begun = frames_of(next(pieces) + next(pieces))
    assert {frame.run for frame in begun} == {long, short}
    assert len(begun) + len(frames_of(b"".join(pieces))) == 5006


def test_the_seats_of_a_client(world: World, clean: None) -> None:
    """One stream of several runs takes one."""
    service = service_with(world, HEADWAY_MAX_STREAMS_PER_CLIENT="1")
    runs = [service.start("wait") for _ in range(2)]
    with service.get(*runs) as response:
        assert response.status_code == 200
        assert service.get(*runs).status_code == 429
    with service.get(*runs) as response:
        assert response.status_code == 200
    service.headway.close()
