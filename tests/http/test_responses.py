"""The response of a stream, under hooks that an application may have: they neither gather it nor break it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from flask import Flask, Response, request

from streaming import Headway, delta, operation, stream
from streaming.http.heartbeat import Heartbeat
from tests.worlds import World


@operation
def one() -> Iterator[Any]:
    """One event."""
    yield delta("hello")


@operation(linger=0.2)
def waiting() -> Iterator[Any]:
    """Waits for ever."""
    yield delta("hello")
    gevent.sleep(3600)


class OwnResponse(Response):
    """A class of the application's own, which takes no keyword that it does not know."""

    default_mimetype = "application/json"

    def __init__(self, response: Any = None, status: Any = None, headers: Any = None) -> None:
        super().__init__(response, status, headers)


@pytest.fixture(params=[Response, OwnResponse])
def app(request: pytest.FixtureRequest, world: World) -> Iterator[Flask]:
    """An application with a stream and a run, and responses of each class."""
    app = Flask(__name__)
    app.response_class = request.param
    headway = Headway(app, operations=[one, waiting])
    app.add_url_rule("/stream", view_func=lambda: stream(iter([delta("hello")])))
    yield app
    assert not world.worker.part(Heartbeat).viewers
    headway.close()


def streams(app: Flask, **headers: str) -> list[Any]:
    """The responses of the stream and of the run, as a client has them."""
    client = app.test_client()
    return [client.get("/stream", headers=headers), client.post("/operations/one", json={}, headers=headers)]


def test_what_a_hook_finds(app: Flask) -> None:
    """An unknown length, a body that is not its to read, and a response of the application's own class."""
    seen = []

    @app.after_request
    def look(response: Response) -> Response:
        seen.append(
            (response.is_streamed, response.calculate_content_length(), isinstance(response, app.response_class))
        )
        with pytest.raises(RuntimeError, match="passthrough"):
            response.get_data()
        return response

    for response in streams(app):
        assert response.text.startswith("retry: 2000")
        assert '"hello"' in response.text
        assert response.content_type == "text/event-stream"
    assert seen == [(True, None, True)] * 2


def test_tags_and_conditions(app: Flask) -> None:
    """They do nothing: a stream has no version."""

    @app.after_request
    def tag(response: Response) -> Any:
        response.add_etag()
        return response.make_conditional(request, accept_ranges=True, complete_length=100)

    for response in streams(app, **{"If-None-Match": "*", "Range": "bytes=0-3"}):
        assert (response.status_code, response.headers.get("ETag")) == (200, None)
        assert '"hello"' in response.text


def test_functions_for_the_end(app: Flask) -> None:
    """`call_on_close` is called once, when the stream has closed."""
    closed = []

    @app.after_request
    def remember(response: Response) -> Response:
        path = request.path
        response.call_on_close(lambda: closed.append(path))
        return response

    for response in streams(app):
        assert '"hello"' in response.text
        response.close()
    assert closed == ["/stream", "/operations/one"]


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit])
def test_a_hook_that_raises(app: Flask, world: World, error: type[BaseException]) -> None:
    """Its request fails. The run of a viewer that never comes has its linger, and ends."""
    headway = app.extensions["headway"]

    @app.after_request
    def fail(response: Response) -> Response:
        raise error("of the application")

    with contextlib.suppress(SystemExit):
        assert app.test_client().get("/stream").status_code == 500
    began = time.monotonic()
    with contextlib.suppress(SystemExit):
        assert app.test_client().post("/operations/waiting", json={}).status_code == 500
    assert headway.runner.live == 1
    world.until(lambda: headway.runner.live == 0, "the run ends")
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize("status", [204, 304])
def test_a_hook_that_takes_the_body(app: Flask, status: int) -> None:
    """A status that has none ends the stream before its first byte."""

    @app.after_request
    def change(response: Response) -> Response:
        response.status_code = status
        return response

    for response in streams(app):
        assert (response.status_code, response.data) == (status, b"")


def test_a_hook_that_wraps_the_body(app: Flask) -> None:
    """What it puts in its place is sent, encoded if it is no passthrough any more, and the stream closes with it."""

    @app.after_request
    def wrap(response: Response) -> Response:
        pieces = response.iter_encoded()
        response.direct_passthrough = False
        response.response = (piece.decode().upper() for piece in pieces)
        return response

    for response in streams(app):
        assert "HELLO" in response.text
        response.close()
