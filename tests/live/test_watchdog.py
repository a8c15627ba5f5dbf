"""Operations that block their worker or ignore their cancel: the log names them, and their runs end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.apps.notes import VARIABLE, Notes
from tests.clients import Connection, wait_until
from tests.live.requests import ask, snapshot, start, start_unwatched, watch
from tests.servers import Server, gunicorn

APP = "tests.apps.stubborn:app"

IGNORING = ("clinging", "thread_without_a_hook", "thread_that_spins")
"""Operations that continue after their cancel, in silence."""

ANSWERING = ("answering_back", "thread_that_answers_back", "process_that_answers_back")
"""Operations that yield again when they are closed."""

GIVEN_UP = 20.0
"""Seconds to wait for the end of a run whose operation does not end; the library waits eight."""


@pytest.fixture(scope="module")
def server(notes: Notes) -> Iterator[Server]:
    """The application, as it is deployed."""
    with gunicorn(APP, env={VARIABLE: str(notes.folder)}) as started:
        yield started


def warnings(server: Server, words: str) -> list[str]:
    """The warnings with these words, each with the stack that follows it."""
    entries = re.split(r"\n(?=operation '|\[\d{4}-)", server.log())
    return [entry for entry in entries if words in entry.splitlines()[0]]


@pytest.mark.parametrize("operation", ["spinning", "stuck_in_c"])
def test_a_blocker_is_named(server: Server, operation: str) -> None:
    """The warning has the operation and the run, its stack, and what to do; and comes once."""
    with Connection(server) as viewer:
        run = start(viewer, operation, seconds=1.7)
        assert viewer.until("done")[-1].json["status"] == "succeeded"
    (warning,) = warnings(server, f"operation {operation!r} (run {run}) blocks its worker")
    assert f", in {operation}\n" in warning
    assert 'runs_in="thread"' in warning
    assert 'runs_in="process"' in warning


def test_a_blocking_stream_is_named(server: Server) -> None:
    """A generator of `stream()` is named too, by its own name."""
    with Connection(server) as viewer:
        viewer.request("GET", "/spinning?seconds=1.2")
        assert viewer.until("done")[-1].json["status"] == "succeeded"
    (warning,) = warnings(server, "operation 'spinning' blocks its worker")
    assert ", in spinning\n" in warning


def test_an_operation_that_yields_often_is_not_named(server: Server) -> None:
    """One that computes, but yields every few milliseconds, blocks nobody."""
    with Connection(server) as viewer:
        start(viewer, "polite")
        assert viewer.until("done")[-1].json["status"] == "succeeded"
    assert not warnings(server, "operation 'polite'")


def test_a_blocker_ends_once_its_viewer_has_gone(server: Server) -> None:
    """An operation that cannot be interrupted is stopped when it next yields."""
    viewer = Connection(server)
    run = start(viewer, "spinning", seconds=0.2, rounds=10)
    viewer.until("progress")
    viewer.close()
    wait_until(lambda: snapshot(server, run)["status"] == "cancelled", "the run is cancelled")
    with Connection(server) as late:
        watch(late, run)
        *_, last = late.messages()
    assert (last.event, last.json["reason"]) == ("done", "disconnected")


def test_an_operation_that_ignores_its_cancel_is_named(server: Server, notes: Notes) -> None:
    """Its run ends with `done` all the same, and later events of it are dropped."""
    with ExitStack() as stack:
        viewers = {name: stack.enter_context(Connection(server, timeout=GIVEN_UP)) for name in IGNORING}
        runs = {name: start(viewer, name, note=name) for name, viewer in viewers.items()}
        for name, viewer in viewers.items():
            viewer.until("progress")
            assert ask(server, "DELETE", f"/api/runs/{runs[name]}")["status"] == "cancelling"
        for name, viewer in viewers.items():
            wait_until(lambda name=name: warned(server, name, runs), f"{name} is named")  # type: ignore[misc]
            last = viewer.until("done")[-1]
            assert (last.id, last.json["status"], last.json["reason"]) == (3, "cancelled", "requested")
    for name, run in runs.items():
        notes.leave(f"go {name}")
        notes.when(name)
        ended = snapshot(server, run)
        assert (ended["status"], ended["last_event_id"], ended["progress"]["message"]) == ("cancelled", 3, "at work")
    assert "Traceback" not in server.log()


def warned(server: Server, name: str, runs: dict[str, str]) -> bool:
    """Whether the log names an operation that ignores its cancel, with its stack and what to do."""
    entries = warnings(server, f"operation {name!r} (run {runs[name]}) ignores its cancel")
    return len(entries) == 1 and "File " in entries[0] and 'runs_in="process"' in entries[0]


@pytest.mark.parametrize("operation", ANSWERING)
def test_an_operation_that_yields_after_its_close_is_named(server: Server, notes: Notes, operation: str) -> None:
    """It has ignored its cancel, in whichever executor; its run ends at once."""
    with Connection(server) as viewer:
        run = start(viewer, operation, note=operation)
        viewer.until("progress")
        ask(server, "DELETE", f"/api/runs/{run}")
        notes.when(operation)
        last = viewer.until("done")[-1].json
        assert (last["status"], last["reason"]) == ("cancelled", "requested")
    wait_until(lambda: warnings(server, f"operation {operation!r} (run {run}) ignored its cancel"), "it is named")


def test_a_stream_that_ignores_its_cancel(server: Server, notes: Notes) -> None:
    """A generator of `stream()` that ignores its cancel is named as well."""
    viewer = Connection(server)
    viewer.request("GET", "/clinging?note=alone")
    viewer.until("progress")
    viewer.close()
    wait_until(lambda: warnings(server, "operation 'clinging' ignores its cancel"), "it is named")
    notes.leave("go alone")
    notes.when("alone")


def test_others_continue_beside_one_that_ignores_its_cancel(server: Server, notes: Notes) -> None:
    """Other runs end while one waits for the end of its operation."""
    run = start_unwatched(server, "clinging", note="beside")
    ask(server, "DELETE", f"/api/runs/{run}")
    with Connection(server) as viewer:
        start(viewer, "polite")
        assert viewer.until("done")[-1].json["status"] == "succeeded"
    notes.leave("go beside")
    wait_until(lambda: snapshot(server, run)["status"] == "cancelled", "the run is cancelled")
