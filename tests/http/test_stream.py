"""`stream()` and a client that comes back: an `EventSource` does after every end, with the last id that it has seen."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, Final

import pytest
from flask import Flask, Response, stream_with_context

from streaming import Event, progress, stream
from tests.clients import parse_frames
from tests.worlds import World

LAST: Final = {"Last-Event-ID": "2"}


class Work:
    """Work that counts how often it was begun and how often it was closed; a generator that never began has no end."""

    def __init__(self) -> None:
        self.begun = 0
        self.closed = 0

    def events(self) -> Generator[Event, Any, int]:
        """One event."""
        self.begun += 1
        yield progress("one")
        return 1

    def __iter__(self) -> Iterator[Event]:
        return self.events()

    def close(self) -> None:
        """Called in place of the end of a generator."""
        self.closed += 1


def ask(work: Work, headers: dict[str, str], *, context: bool = False, **options: Any) -> tuple[int, list[str]]:
    """The status, and the names of the events, of a route that streams this work."""
    app = Flask(__name__)

    @app.get("/")
    def route() -> Response:
        return stream(stream_with_context(work.events()) if context else work.events(), **options)

    with app.test_client().get("/", headers=headers) as response:
        return response.status_code, [message.event for message in parse_frames(response.data) if message.event]


def test_an_event_source_that_comes_back(world: World) -> None:
    """It does not begin the work again: it gets 204, which tells it to stop."""
    work = Work()
    status, names = ask(work, {})
    assert (status, names[-2:]) == (200, ["result", "done"])
    assert ask(work, LAST) == (204, [])
    assert ask(work, LAST, context=True) == (204, [])
    assert work.begun == 1


@pytest.mark.parametrize(("options", "last"), [({"restart": True}, "done"), ({"lifecycle": False}, "progress")])
def test_work_that_is_done_again(world: World, options: dict[str, Any], last: str) -> None:
    """`restart=True` begins it again, and a stream without a lifecycle has an end that only its application knows."""
    work = Work()
    status, names = ask(work, LAST, **options)
    assert (status, names[-1], work.begun) == (200, last, 1)


def test_an_empty_last_event_id(world: World) -> None:
    """It is that of a client that has seen no event with an id."""
    assert ask(Work(), {"Last-Event-ID": ""})[0] == 200


def test_work_that_has_not_begun_is_closed(world: World) -> None:
    """What the route has opened for it is closed: an iterator by its `close`."""
    work, app = Work(), Flask(__name__)
    generator = work.events()
    with app.test_request_context(headers=LAST):
        assert stream(work).status_code == stream(generator).status_code == 204
    assert work.closed == 1
    assert next(generator, "closed") == "closed"
