"""The verdict on a fleet sees what it is there to see: each kind of fault is put into records and logs."""

from __future__ import annotations

import json
import socket
from dataclasses import replace

import pytest

from tests.clients import Message
from tests.fleet.partition import Way
from tests.fleet.schedule import ACTIONS, Fault, schedule
from tests.fleet.verdict import Done, Entry, Takeovers, Verdict, judge, judge_view, takeovers

KINDS = {"web": 2, "worker": 3, "broker": 1, "store": 1}


def entries(*rows: tuple[str, int, int], pid: int = 1) -> list[Entry]:
    """A record of one run: what, attempt and step, a second apart."""
    return [Entry(float(at), pid, what, "r", attempt, step) for at, (what, attempt, step) in enumerate(rows)]


def log(*events: tuple[str, object]) -> list[Message]:
    """An event log with these events."""
    return [Message(number, name, json.dumps(data)) for number, (name, data) in enumerate(events, 1)]


RECORD = entries(
    *(("begin", 1, 0), ("effect", 1, 1), ("kept", 1, 1), ("effect", 1, 2)),
    *(("begin", 2, 1), ("effect", 2, 2), ("kept", 2, 2)),
)
"""A run of two steps that is taken over within its second step."""

LOG = log(
    *(("start", {}), ("delta", {"text": "1 "}), ("delta", {"text": "2 "}), ("attempt", {"number": 2, "after": 2})),
    *(("delta", {"text": "2 "}), ("result", {}), ("done", {"status": "succeeded"})),
)


def test_a_run_that_was_taken_over() -> None:
    """The step that was at work without a kept checkpoint is done again; that is no fault."""
    verdict = judge(2, ["r"], RECORD, {"r": LOG})
    judge_view("r", LOG, LOG, verdict)
    assert verdict, verdict
    assert verdict.late == 0


def without(number: int) -> list[Message]:
    """The log without an event."""
    return [message for message in LOG if message.id != number]


@pytest.mark.parametrize(
    ("kind", "record", "events"),
    [
        ("lost", [entry for entry in RECORD if (entry.what, entry.step) != ("effect", 1)], LOG),
        ("lost", RECORD, without(3)),
        ("lost", RECORD, without(7)),
        ("doubled", RECORD, [*LOG[:3], LOG[2], *LOG[3:]]),
        ("doubled", RECORD, [*LOG[:3], Message(4, "attempt", '{"after": 3}'), *LOG[4:]]),
        ("doubled", [*RECORD, *entries(("effect", 2, 2))], LOG),
        ("doubled", [*RECORD, *entries(("begin", 2, 2))], LOG),
        ("doubled", [*RECORD, *entries(("begin", 3, 1))], LOG),
        ("doubled", [*RECORD, *entries(("effect", 1, 3), ("effect", 1, 4))], LOG),
        ("hung", RECORD, None),
    ],
)
def test_what_is_wrong(kind: str, record: list[Entry], events: list[Message] | None) -> None:
    """Each fault is named, and no other."""
    verdict = judge(2, ["r"], record, {} if events is None else {"r": events})
    found = {name for name in ("lost", "doubled", "hung") if getattr(verdict, name)}
    assert found == {kind}, verdict
    assert not verdict


def test_a_late_effect() -> None:
    """One effect of a process that has been taken over is counted apart."""
    verdict = judge(2, ["r"], [*RECORD, *entries(("effect", 1, 3))], {"r": LOG})
    assert verdict
    assert verdict.late == 1


@pytest.mark.parametrize("view", [without(2), [*LOG, LOG[-1]], [*LOG[:2], Message(3, "delta", "{}"), *LOG[3:]]])
def test_a_viewer_that_sees_something_else(view: list[Message]) -> None:
    """A viewer without an event, with one twice, or with another one than the log has."""
    verdict = Verdict()
    judge_view("r", view, LOG, verdict)
    assert not verdict


def test_takeovers_are_timed() -> None:
    """From the fault to the next attempt of the runs that the process had; those amid other faults are apart."""
    kill = Done(Fault(0, "web", 0, "kill", 0), 3.5, 3.5, frozenset({1}))
    store = Done(Fault(0, "store", 0, "kill", 0), 3.6, 3.7, frozenset({9}))
    short = Done(Fault(0, "web", 0, "pause", 2), 3.5, 5.5, frozenset({1}))
    assert takeovers([kill], RECORD, "web", 6) == Takeovers([0.5], [])
    assert takeovers([kill, store], RECORD, "web", 6) == Takeovers([], [0.5])
    assert takeovers([kill, store], RECORD, "worker", 6) == Takeovers([], [])
    assert takeovers([short], RECORD, "web", 6) == Takeovers([], [])
    assert takeovers([replace(kill, pids=frozenset({2}))], RECORD, "web", 6) == Takeovers([], [])


def test_the_schedule() -> None:
    """A round has every fault once; a seed always has the same; what all need is away for a short time alone."""
    faults = schedule(KINDS, 24, 5, seed=1)
    assert {(fault.kind, fault.action) for fault in faults[:12]} == {(k, a) for k in KINDS for a in ACTIONS}
    assert [fault.at for fault in faults] == [5 * n for n in range(24)]
    assert faults == schedule(KINDS, 24, 5, seed=1) != schedule(KINDS, 24, 5, seed=2)
    assert all(fault.seconds < 6 for fault in faults if KINDS[fault.kind] == 1)
    assert any(fault.seconds > 6 for fault in faults)
    assert all(fault.number < KINDS[fault.kind] for fault in faults)


def test_a_way_that_is_parted() -> None:
    """Nothing comes through while it is, everything does afterwards, in its order, on the same connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        way = Way(server.getsockname()[1])
        with socket.create_connection(("127.0.0.1", way.port), timeout=20) as near:
            near.sendall(b"one")
            far, _ = server.accept()
            with far:
                far.settimeout(20)
                assert far.recv(10) == b"one"
                way.part()
                near.sendall(b"two")
                far.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    far.recv(10)
                way.heal()
                far.settimeout(20)
                assert far.recv(10) == b"two"
        way.close()
