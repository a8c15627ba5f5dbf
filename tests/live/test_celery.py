"""Operations in the workers of a Celery, in each of its pools: the same runs as in a web worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients import wait_until
from tests.live.celery_workers import APP, POOLS, STOP, Fleet, begun, belongs_to, ended, fleet
from tests.live.workers import note_names, run_of
from tests.servers import Server

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def service() -> Iterator[Fleet]:
    """A web worker."""
    with fleet() as service:
        yield service


@pytest.fixture(scope="module", params=POOLS)
def worker(service: Fleet, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A worker of Celery with one of the pools, which ends as it is told to."""
    with service.celery(request.param) as worker:
        yield worker
        assert worker.stop(STOP) == 0
        assert "Traceback" not in worker.log()


def test_a_run(service: Fleet, worker: Server) -> None:
    """Its viewer at a web worker sees each event; the work has the application, and the headers that it names."""
    with service.web.connect() as viewer:
        viewer.request("POST", "/operations/talks", {"Content-Type": "application/json", "X-Colour": "red"}, b"{}")
        events = viewer.until("done")
    own = [event for event in events if event.event != "progress" or "place" not in event.json]
    assert [event.event for event in own] == ["start", *["progress"] * 3, "result", "done"]
    result = events[-2].json["result"]
    assert belongs_to(worker, result.pop("pid"))
    assert result == {"app": APP, "attempt": 1, "headers": {"X-Colour": "red"}}
    (operation, *_) = service.web.ask("GET", "/operations")["operations"]
    assert (operation["name"], operation["runs_in"]) == ("talks", "celery")


def test_what_does_not_say_so_runs_in_the_web_worker(service: Fleet, worker: Server) -> None:
    """Neither takes the other's runs."""
    with service.web.start("here") as viewer:
        pid = viewer.until("result")[-1].json["result"]["pid"]
    assert pid in service.web.pids


@pytest.mark.parametrize("operation", ["talks", "silent", pytest.param("computes", marks=pytest.mark.long)])
def test_a_cancel(service: Fleet, worker: Server, operation: str) -> None:
    """It reaches what talks at its next event, what waits in C code by its hook, and ends a process of its own."""
    run, note = begun(service, operation, steps=10_000)
    service.web.ask("DELETE", f"/runs/{run}")
    service.web.notes.when(f"{note}-ended")
    assert (ended(service, run)["status"], service.web.snapshot(run)["status"]) == ("cancelled", "cancelled")


def test_an_answer(service: Fleet, worker: Server) -> None:
    """It reaches the worker that waits for it."""
    with service.web.start("asks") as viewer:
        question = viewer.until("question")[-1].json["question"]
        run = run_of(viewer.head)
        service.web.ask("POST", f"/runs/{run}/answer", body={"question": question, "answer": True})
        assert [event.event for event in viewer.until("done")][-3:] == ["answer", "result", "done"]
    assert service.web.snapshot(run)["result"] is True


def test_the_last_viewer_takes_the_run_along(service: Fleet, worker: Server) -> None:
    """The worker counts the viewers of web workers."""
    note = next(note_names)
    viewer = service.web.start("watched", steps=10_000, note=note)
    run = run_of(viewer.head)
    service.web.notes.when(f"{note}-begun-1")
    viewer.close()
    service.web.notes.when(f"{note}-ended")
    assert ended(service, run)["reason"] == "disconnected"


def test_the_pool_bounds_the_runs(service: Fleet, worker: Server) -> None:
    """A run at work takes one slot; the next one begins as a slot is free."""
    runs = [begun(service, "talks", steps=10_000)[0] for _ in range(4)]
    note = next(note_names)
    waits = service.web.start_unwatched("talks", note=note)
    assert service.status(waits) == ("queued", None)
    service.web.ask("DELETE", f"/runs/{runs.pop()}")
    service.web.notes.when(f"{note}-ended")
    assert ended(service, waits)["status"] == "succeeded"
    for run in runs:
        assert service.status(run) == ("running", None)
        service.web.ask("DELETE", f"/runs/{run}")
        assert ended(service, run)["status"] == "cancelled"


def test_a_run_that_waits_for_its_turn(service: Fleet, worker: Server) -> None:
    """It begins as soon as another one ends, also where a message for it has come before."""
    running, _ = begun(service, "limited", steps=10_000)
    note = next(note_names)
    waits = service.web.start_unwatched("limited", note=note)
    wait_until(lambda: not service.messages(), "the message for it has been taken")
    assert service.status(waits) == ("queued", None)
    sent = worker.log().count("sent again") + service.web.server.log().count("sent again")
    service.web.ask("DELETE", f"/runs/{running}")
    assert ended(service, waits)["status"] == "succeeded"
    assert worker.log().count("sent again") + service.web.server.log().count("sent again") == sent


def test_a_doubled_message(service: Fleet, worker: Server) -> None:
    """A task that finds no run to claim ends: each run begins once, whatever messages come."""
    from celery import Celery

    run, _ = begun(service, "talks", steps=10_000)
    sender = Celery(broker=service.broker.url, set_as_current=False)
    for hint in (run, run, "there-is-none"):
        sender.send_task("headway.run", (hint,), queue="headway", ignore_result=True, serializer="json")
    wait_until(lambda: worker.log().count("succeeded in") > 2 and not service.messages(), "all have been taken")
    assert service.web.ask("GET", f"/runs/{run}")["status"] == "running"
    service.web.ask("DELETE", f"/runs/{run}")
    events = service.web.watch(run).until("done")
    begins = [event for event in events if event.event in ("start", "attempt")]
    assert [event.event for event in begins] == ["start"], begins
