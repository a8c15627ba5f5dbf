"""A result that refers to partials: `result()` has their values, whatever this viewer has read of them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from streaming.client import held
from tests.client.conftest import ClientOf
from tests.client.service import STREAM, TIMESTAMP, frame

RESULT = {"pages": [{"$partial": "a"}, {"$partial": "b"}], "data": {"$partial": "none"}}
WHOLE = {"pages": [{"n": 1}, "x" * 100], "data": {"$partial": "none"}}


class Service:
    """Answers requests for a run, after the event that they name; `cut` ends the first stream after so many."""

    def __init__(self, *events: tuple[str, dict[str, Any]], cut: int = 99) -> None:
        ending = (("result", {"result": RESULT}), ("done", {"status": "succeeded", "elapsed": 1}))
        events = (("start", {"run": "r1", "operation": "x"}), *events, *ending)
        self.frames = [frame(number, name, data) for number, (name, data) in enumerate(events, 1)]
        self.cut = cut
        self.asked: list[int] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answers a request for the stream."""
        after = int(request.headers.get("Last-Event-ID", 0))
        self.asked.append(after)
        frames = self.frames[after : self.cut]
        self.cut = 99
        return httpx.Response(200, headers={**STREAM, "Run-Id": "r1"}, content=b"".join(frames))


A, B = ("partial", {"key": "a", "value": {"n": 1}}), ("partial", {"key": "b", "value": "x" * 100})


def test_a_stream_that_is_read_from_its_start(client_of: ClientOf) -> None:
    """Once is enough, over any number of connections; the newest of a key counts."""
    service = Service(("partial", {"key": "a", "value": "old"}), A, B, cut=4)
    with client_of(service) as headway:
        assert headway.start("x").result() == WHOLE
    assert service.asked == [0, 4]


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_viewer_that_came_later(client_of: ClientOf, after: int) -> None:
    """The partials that it has not read are read once more."""
    service = Service(A, B)
    with client_of(service) as headway:
        assert headway.watch("r1", after=after).result() == WHOLE
    assert service.asked == [after, 0]


def test_more_partials_than_are_held(client_of: ClientOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A viewer does not hold all that a long run sends: it reads those that the result refers to once more."""
    monkeypatch.setattr(held, "HELD_BYTES", 150)
    service = Service(A, B, ("partial", {"key": "c", "value": "y"}))
    with client_of(service) as headway:
        assert headway.start("x").result() == WHOLE
    assert service.asked == [0, 0]


def test_a_gap(client_of: ClientOf) -> None:
    """What a `reset` stands for may have had partials."""
    snapshot = {"id": "r1", "operation": "x", "status": "running", "created": TIMESTAMP, "updated": TIMESTAMP}
    service = Service(A, B)
    whole = list(service.frames)
    service.frames[1] = frame(2, "reset", {"snapshot": {**snapshot, "last_event_id": 2}})
    with client_of(service) as headway:
        run = headway.start("x")
        service.frames = whole
        assert run.result() == WHOLE
    assert service.asked == [0, 0]


def test_a_partial_that_a_lost_attempt_has_replaced(client_of: ClientOf) -> None:
    """The value of the checkpoint counts again."""
    late = ("partial", {"key": "a", "value": "late"})
    service = Service(A, B, late, ("attempt", {"attempt": 2, "reason": "producer_lost", "after": 3}))
    with client_of(service) as headway:
        assert headway.start("x").result() == WHOLE


def test_another_attempt(client_of: ClientOf) -> None:
    """Partials after its checkpoint no longer count."""
    late = ("partial", {"key": "b", "value": "late"})
    service = Service(A, B, late, ("attempt", {"attempt": 2, "reason": "producer_lost", "after": 2}), B)
    with client_of(service) as headway:
        assert headway.start("x").result() == WHOLE
