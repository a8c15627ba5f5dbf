"""Viewers that read slowly or not at all: what they cost, when they are cut, and that others do not notice."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import pytest

from tests.apps.notes import VARIABLE, Notes
from tests.clients import Connection, Cut, Message, wait_until
from tests.live.requests import APP, inside, snapshot, start, start_unwatched, watch
from tests.servers import Server, gunicorn, scratch

SEND_TIMEOUT: Final = 1.5
MEGABYTE: Final = 1_000_000
SMALL: Final = 32_768
"""Bytes in the receive buffer of a slow viewer; by default it grows to megabytes."""


@pytest.fixture(scope="module", params=["tcp", "unix"])
def server(request: pytest.FixtureRequest, notes: Notes) -> Iterator[Server]:
    """A worker that cuts viewers soon, on either kind of socket."""
    env = {VARIABLE: str(notes.folder), "HEADWAY_SEND_TIMEOUT": str(SEND_TIMEOUT)}
    with (
        scratch() as folder,
        gunicorn(APP, env=env, bind=folder / "app.sock" if request.param == "unix" else None) as started,
    ):
        yield started


def slow(server: Server) -> Connection:
    """A viewer with a small receive buffer."""
    return Connection(server, receive_buffer=SMALL)


def read_on(viewer: Connection) -> None:
    """Reads up to the cut."""
    while viewer.frame() is not None:
        pass


# Viewers that receive nothing


def test_a_viewer_that_takes_nothing_is_cut(server: Server) -> None:
    """After the send timeout its stream is cut, without `done`; its run goes on, for others to see."""
    with slow(server) as viewer:
        run = start(viewer, "lasting", count=300, size=100_000, pause=0.01)
        wait_until(lambda: snapshot(server, run)["viewers"] == 0, "the viewer is cut")
        assert snapshot(server, run)["status"] == "running"
        with pytest.raises((Cut, ConnectionError)):
            read_on(viewer)
    with Connection(server) as other:
        watch(other, run)
        assert other.until("done")[-1].json["status"] == "succeeded"


def test_a_viewer_that_takes_nothing_has_left(server: Server, notes: Notes) -> None:
    """A run without a linger stops when its last viewer is cut."""
    note = f"cut {server.name} {server.port}"
    with slow(server) as viewer:
        run = start(viewer, "pour", count=100_000, size=100_000, pause=0.01, note=note)
        notes.when(note)
        wait_until(lambda: snapshot(server, run)["status"] == "cancelled", "the run is cancelled")


def test_a_stream_of_its_own_is_cut_too(server: Server, notes: Notes) -> None:
    """`stream(send_timeout=...)` cuts, and its generator ends."""
    note = f"own {server.name} {server.port}"
    with slow(server) as viewer:
        viewer.request("GET", f"/pour?count=100000&size=100000&send_timeout=1&note={note.replace(' ', '+')}")
        notes.when(note)
        wait_until(lambda: inside(server)["viewers"] == 0, "the stream has ended")


def test_a_cut_viewer_comes_back(server: Server) -> None:
    """It resumes after the last event that it has seen."""
    with slow(server) as viewer:
        run = start(viewer, "lasting", count=100, size=100_000)
        wait_until(lambda: snapshot(server, run)["viewers"] == 0, "the viewer is cut")
        seen: list[Message] = []
        with pytest.raises((Cut, ConnectionError)):
            seen.extend(iter(viewer.message, None))
    with Connection(server) as again:
        watch(again, run, after=len(seen))
        seen += again.until("done")
    assert [message.id for message in seen] == list(range(1, 104))


# Memory


@pytest.mark.parametrize("pause", [0, 0.0005])
def test_a_generator_waits_for_its_viewer(server: Server, pause: float) -> None:
    """A stream of 500 megabytes that nobody reads costs the worker a few, whether its generator pauses or not."""
    before = inside(server)["resident"]
    with slow(server) as viewer:
        viewer.request("GET", f"/pour?count=5000&size=100000&pause={pause}&send_timeout=1.5")
        highest = 0
        while inside(server)["viewers"]:
            highest = max(highest, inside(server)["resident"])
            time.sleep(0.05)
    assert highest - before < 20 * MEGABYTE


def test_a_run_waits_for_nobody(server: Server) -> None:
    """A run of 300 megabytes goes on beside viewers that read nothing, and costs what its log keeps: 64 mebibytes."""
    before = inside(server)["resident"]
    with ExitStack() as stack:
        viewers = [stack.enter_context(slow(server)) for _ in range(5)]
        run = start(viewers[0], "lasting", count=3000, size=100_000)
        for viewer in viewers[1:]:
            watch(viewer, run)
        wait_until(lambda: snapshot(server, run)["status"] == "succeeded", "the run ends")
        assert inside(server)["resident"] - before < 64 * 1024 * 1024 + 30 * MEGABYTE
    wait_until(lambda: inside(server)["viewers"] == 0, "the streams have ended")


# Viewers that receive slowly


def test_a_slow_viewer_is_kept(server: Server) -> None:
    """A viewer that reads a little now and then is never cut."""
    with slow(server) as viewer:
        run = start(viewer, "lasting", count=50, size=100_000)
        wait_until(lambda: snapshot(server, run)["status"] == "succeeded", "the run ends")
        end = time.monotonic() + 2 * SEND_TIMEOUT
        received = 0
        while time.monotonic() < end:
            time.sleep(SEND_TIMEOUT / 20)
            received += len(viewer.socket.recv(SMALL // 4))
        assert received < 50 * 100_000 / 2
        assert snapshot(server, run)["viewers"] == 1


def test_a_viewer_slower_than_its_work_is_kept(server: Server) -> None:
    """One that falls behind little by little is not cut either, long before the server has to wait for it."""
    with slow(server) as viewer:
        viewer.request("GET", f"/pour?count=100000&size=5000&pause=0.01&send_timeout={SEND_TIMEOUT}")
        end = time.monotonic() + 2 * SEND_TIMEOUT
        while time.monotonic() < end:
            time.sleep(SEND_TIMEOUT / 5)
            assert viewer.socket.recv(SMALL)
        assert inside(server)["viewers"] == 1
    wait_until(lambda: inside(server)["viewers"] == 0, "the stream has ended")


def test_lagging_progress_is_merged(server: Server) -> None:
    """A viewer that lags gets the newest progress of each step and every other event, with ids that only rise."""
    with slow(server) as viewer:
        run = start(viewer, "steps", count=20_000, steps=3, every=500, size=500, pause=0.025)
        wait_until(lambda: snapshot(server, run)["last_event_id"] > 18_000, "the viewer lags")
        seen = viewer.until("done")
    ids = [message.id or 0 for message in seen]
    assert ids == sorted(set(ids))
    assert len(seen) < 15_000
    by_name = defaultdict(list)
    for message in seen:
        by_name[message.event].append(message.json)
    numbers = list(range(500, 20_001, 500))
    assert [data["number"] for data in by_name["note"]] == numbers
    assert [data["value"] for data in by_name["partial"]] == numbers
    assert [data["text"] for data in by_name["delta"]] == [f"delta {number}" for number in numbers]
    done = defaultdict(list)
    for data in by_name["progress"]:
        done[data["step"]].append(data["done"])
    assert {step: reports[-1] for step, reports in done.items()} == {
        "step 0": 19_998,
        "step 1": 19_999,
        "step 2": 20_000,
    }
    assert all(reports == sorted(set(reports)) for reports in done.values())


def test_a_viewer_that_keeps_up_sees_all_progress(server: Server) -> None:
    """Nothing is merged for a viewer that reads in time, nor for one that comes late and has yet to catch up."""
    with Connection(server) as viewer, Connection(server) as late:
        run = start(viewer, "steps", count=5000, steps=2, every=100, size=10)
        ids = [message.id for message in viewer.until("done")]
        watch(late, run)
        assert [message.id for message in late.until("done")] == ids == list(range(1, 5000 + 3 * 50 + 4))


def test_others_notice_nothing(server: Server) -> None:
    """Beside viewers that read nothing, another viewer gets every event."""
    run = start_unwatched(server, "lasting", count=500, size=20_000, pause=0.001)
    with ExitStack() as stack:
        for _ in range(5):
            watch(stack.enter_context(slow(server)), run)
        reader = stack.enter_context(Connection(server))
        watch(reader, run)
        assert [message.id for message in reader.until("done")] == list(range(1, 504))


def test_a_cut_is_no_error(server: Server) -> None:
    """The log does not mention the viewers that were cut above: a slow viewer is no error of the server."""
    assert "Traceback" not in server.log()
    log = server.log().replace("gunicorn.error", "gunicorn")  # the name of the logger of all that gunicorn says
    assert "error" not in log.lower()
