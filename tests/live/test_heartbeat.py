"""Heartbeats: a silent stream gets them, a busy one does not, whatever the operations of the worker do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import pytest

from tests.apps.notes import VARIABLE, Notes
from tests.clients import Connection, Message, parse_frame, wait_until
from tests.live.requests import APP, inside, start, watch
from tests.servers import Server, gunicorn

HEARTBEAT: Final = 0.25


@pytest.fixture(scope="module")
def server(notes: Notes) -> Iterator[Server]:
    """A worker whose runs have a short heartbeat."""
    with gunicorn(APP, env={VARIABLE: str(notes.folder), "HEADWAY_HEARTBEAT": str(HEARTBEAT)}) as started:
        yield started


def all_until(viewer: Connection, event: str) -> list[Message]:
    """The frames up to and with the next event of this name, comments among them."""
    seen: list[Message] = []
    while (frame := viewer.frame()) is not None:
        seen.append(parse_frame(frame))
        if seen[-1].event == event:
            break
    return seen


def comments(messages: list[Message]) -> list[str | None]:
    """The comments among these messages."""
    return [message.comment for message in messages if message.comment is not None]


def test_the_bytes(server: Server) -> None:
    """A heartbeat is a comment and a blank line, to the byte, again and again."""
    with Connection(server) as viewer:
        start(viewer, "pour", count=1, pause=3600)
        viewer.until("delta")
        assert [viewer.frame() for _ in range(3)] == [b": keep-alive"] * 3


def test_the_setting(server: Server) -> None:
    """`HEADWAY_HEARTBEAT` seconds pass between two of them: not less than half, nor more than ten times as many."""
    with Connection(server) as viewer:
        start(viewer, "pour", count=1, pause=3600)
        viewer.until("delta")
        began = time.monotonic()
        for _ in range(8):
            viewer.comment()
        elapsed = time.monotonic() - began
    assert 8 * HEARTBEAT / 2 < elapsed < 8 * HEARTBEAT * 10


def test_the_parameter(server: Server) -> None:
    """`stream(heartbeat=...)` has its own interval, and does not wait for streams with longer ones."""
    with Connection(server) as slow, Connection(server) as quick:
        slow.request("GET", "/silent?heartbeat=60")
        slow.until("progress")
        quick.request("GET", "/silent?heartbeat=0.02")
        quick.until("progress")
        began = time.monotonic()
        quick.comment()
        assert time.monotonic() - began < 0.5


def test_none_while_data_flows(server: Server) -> None:
    """A stream whose events come more often than its heartbeats has no comments."""
    with Connection(server) as viewer:
        start(viewer, "pour", count=100, pause=HEARTBEAT / 25)
        seen = all_until(viewer, "done")
    assert len(seen) == 104
    assert comments(seen) == []


@pytest.mark.parametrize("place", ["thread", "process"])
def test_while_an_operation_burns(server: Server, place: str) -> None:
    """The heartbeats of all streams go on while an operation computes in a thread or a process of its own."""
    with Connection(server) as viewer, Connection(server) as bystander:
        start(viewer, "simulate", steps=1, interval=0, burn=6 * HEARTBEAT, runs_in=place)
        bystander.request("GET", f"/silent?heartbeat={HEARTBEAT}")
        assert len(comments(all_until(viewer, "progress"))) >= 3
        assert viewer.until("done")[-1].json["status"] == "succeeded"
        bystander.until("progress")
        assert [bystander.comment() for _ in range(3)] == ["keep-alive"] * 3


def test_heartbeats_need_no_greenlets(server: Server) -> None:
    """Fifty silent viewers all get heartbeats, without any greenlet beside those of their connections."""
    wait_until(lambda: inside(server)["viewers"] == 0, "the viewers of other tests have left")
    with ExitStack() as stack:
        viewers = [stack.enter_context(Connection(server)) for _ in range(51)]
        run = start(viewers[0], "pour", count=1, pause=3600)
        viewers[0].until("delta")
        before = inside(server)
        for viewer in viewers[1:]:
            watch(viewer, run)
        assert [viewer.comment() for viewer in viewers] == ["keep-alive"] * 51
        after = inside(server)
        assert after["viewers"] == 51
        assert after["greenlets"] <= before["greenlets"], "which the connections had before"
    wait_until(lambda: inside(server)["viewers"] == 0, "all have left")


def test_a_silent_stream_stays_open(server: Server, notes: Notes) -> None:
    """After a long silence the next event arrives."""
    with Connection(server) as viewer:
        start(viewer, "gated", count=1, note="quiet")
        viewer.until("start")
        for _ in range(4):
            viewer.comment()
        notes.leave("quiet 1")
        assert [message.event for message in viewer.messages()] == ["progress", "result", "done"]
