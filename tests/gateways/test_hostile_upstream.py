"""An upstream that means harm: it takes neither the worker nor a run for ever, whatever it sends."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import gevent
import pytest

from streaming.gateways.gateway import Anything
from tests.apps.gateway_upstream import Call, Script, Upstream, frame, stamped
from tests.clients import PATIENCE
from tests.gateways.test_gateway import DONE, GatewayRun, accept, begin_and_cut, steps, upstream
from tests.worlds import World

__all__ = ["upstream"]

TURNS: Final = 3
"""How often another greenlet has to run during a flood; without a turn for others it runs once or twice."""


@contextmanager
def responsive(world: World) -> Iterator[None]:
    """Fails where the hub of the world is held for the whole block."""
    turns = [0]

    def count() -> None:
        while True:
            gevent.sleep(0.005)
            turns[0] += 1

    counter = world.call(gevent.spawn, count)
    try:
        yield
    finally:
        world.call(counter.kill)
    assert turns[0] >= TURNS


def flood(data: bytes) -> Callable[[Call], None]:
    """The same bytes, twenty times."""

    def script(call: Call) -> None:
        for _ in range(20):
            call.send(data)

    return script


def chunk_of(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def body_of(data: bytes) -> Script:
    """A stream of the same bytes, and then its end."""

    def script(call: Call) -> None:
        call.head()
        flood(data)(call)
        call.chunk(frame("message", "[DONE]")).finish()

    return script


def packed_comments(call: Call) -> None:
    """Comments that are a thousand times as long as what is sent."""
    call.head(content_encoding="gzip")
    call.chunk(gzip.compress(b":\n" * 1_000_000 + b"data: [DONE]\n\n")).finish()


FLOODS: Final[dict[str, Script]] = {
    "comments": body_of(chunk_of(b":\n" * 32_768)),
    "comments in tiny chunks": body_of(chunk_of(b":\n") * 16_384),
    "blank lines": body_of(chunk_of(b"\n" * 65_536)),
    "events without data": body_of(chunk_of(b"event: x\n\n" * 6_000)),
    "packed comments": packed_comments,
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood(world: World, upstream: Upstream, name: str) -> None:
    """Other greenlets run while it is read, and the stream goes on to its end."""
    upstream.will(FLOODS[name])
    with GatewayRun(world, upstream.url, idle=3 * PATIENCE) as run, responsive(world):
        assert run.ending() == ("succeeded", None)


def test_interim_responses_without_an_end(world: World, upstream: Upstream) -> None:
    """The head of a response has a bound, with all that comes before it."""
    upstream.will(flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000))
    with GatewayRun(world, upstream.url, idle=3 * PATIENCE) as run:
        error = run.messages()[-2].json
    assert (error["code"], error["message"]) == (
        "upstream_failed",
        "The upstream sent no response that can be read.",
    )


def test_a_head_that_drips(world: World, upstream: Upstream) -> None:
    """It has to be complete `idle` seconds after its first byte; bytes in between do not count."""

    def drip(call: Call) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 600:
            call.send(bytes([byte]))
            time.sleep(0.1)

    upstream.will(drip)
    began = time.monotonic()
    with GatewayRun(world, upstream.url, idle=0.5) as run:
        assert "nothing for 0.5 s" in run.messages()[-2].json["message"]
    assert time.monotonic() - began < PATIENCE


def talk(piece: bytes) -> Script:
    """A stream that sends the same piece ten times a second."""

    def script(call: Call) -> None:
        call.head()
        for _ in range(100):
            call.chunk(piece)
            time.sleep(0.1)

    return script


@pytest.mark.parametrize(
    ("piece", "options", "words"),
    [
        (b": keep-alive\n\n", {"silence": 0.5}, "sent no event for 0.5 seconds, only comments"),
        (frame("tick", {"n": 1}), {"total": 0.5}, "did not end within 0.5 seconds"),
    ],
    ids=["heartbeats alone", "without an end"],
)
def test_a_stream_has_limits_of_time(
    world: World, upstream: Upstream, piece: bytes, options: dict[str, Any], words: str
) -> None:
    upstream.will(talk(piece))
    with GatewayRun(world, upstream.url, **options) as run:
        error = run.messages()[-2].json
    assert (error["code"], error["retryable"]) == ("upstream_failed", True)
    assert words in error["message"]


# Resuming


def test_a_resumed_run_without_new_events(world: World, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its old events do not pass again, the attempts become fewer, and end."""
    monkeypatch.setattr("streaming.gateways.upstream.RESUME_FOR", 1.0)
    upstream.will(begin_and_cut, lambda call: call.head().chunk(steps(2, 3)).cut())
    with GatewayRun(world, upstream.url) as run:
        assert [data["done"] for _, data in run.events()] == [2, 3]
        assert run.ending() == ("failed", "upstream_truncated")
    assert 3 <= sum(call.method == "GET" for call in upstream.calls) < 12


def test_a_run_that_is_cut_after_each_event(world: World, upstream: Upstream) -> None:
    """It goes on, at a bounded pace."""
    number = iter(range(4, 30))

    def one_more(call: Call) -> None:
        now = next(number)
        call.head().chunk(steps(now, now) + (DONE if now == 8 else b"")).cut()

    upstream.will(begin_and_cut, one_more)
    began = time.monotonic()
    with GatewayRun(world, upstream.url) as run:
        assert [data["done"] for _, data in run.events()] == [2, 3, 4, 5, 6, 7, 8]
        assert run.ending() == ("succeeded", None)
    assert time.monotonic() - began > 0.2


def test_a_stream_that_begins_again(world: World, upstream: Upstream) -> None:
    """It cannot be resumed, and fails instead of passing everything twice."""
    ticks = b"".join(frame("tick", {"n": n}, 40 + n) for n in range(3))
    upstream.will(lambda call: call.head().chunk(ticks).cut())
    with GatewayRun(world, upstream.url, method="GET", resume=True) as run:
        assert [data["n"] for _, data in run.events()] == [0, 1, 2]
        assert "began again" in run.messages()[-2].json["message"]
    assert len(upstream.calls) == 2


def test_an_id_that_is_not_ascii(world: World, upstream: Upstream) -> None:
    """It is sent back in UTF-8 (HTML standard, section 9.2.3)."""
    upstream.will(
        lambda call: call.head().chunk("id: caf\xe9\ndata: 1\n\n".encode()).cut(),
        lambda call: call.stream(b"data: [DONE]\n\n"),
    )
    with GatewayRun(world, upstream.url, method="GET", resume=True) as run:
        assert run.ending() == ("succeeded", None)
    assert upstream.calls[1].headers["last-event-id"] == "caf\xe9"


def test_an_id_that_no_header_can_carry(world: World, upstream: Upstream) -> None:
    """The stream cannot be resumed, and nobody tries."""
    upstream.will(lambda call: call.head().chunk(b"id:  two blanks\ndata: 1\n\n").cut())
    with GatewayRun(world, upstream.url, method="GET", resume=True) as run:
        assert run.ending() == ("failed", "upstream_failed")
    assert len(upstream.calls) == 1


# Questions and headers


def spaced(name: str, data: Any, number: int) -> bytes:
    """A frame whose JSON has blanks between its tokens."""
    return frame(name, json.dumps(data), number)


def test_json_with_blanks(world: World, upstream: Upstream) -> None:
    """A run of a service that spells its JSON in another way is a run all the same, questions included."""

    def asks(call: Call) -> None:
        call.begin_run()
        call.chunk(spaced("progress", stamped(done=1), 2))
        call.chunk(spaced("question", stamped(question="q3", prompt="Go on?", schema={}, expires=None), 3))
        call.left()

    upstream.will(asks, accept)
    with GatewayRun(world, upstream.url) as run:
        messages = run.stage.until(run.id, "question")
        assert messages[-1].json["prompt"] == "Go on?"
        assert [message.data.count('"timestamp"') for message in messages] == [1, 1, 1]
        run.stage.cancel(run.id)


@pytest.mark.parametrize(
    "wrong",
    [
        {"schema": 5},
        {"schema": {"type": "boole"}},
        {"schema": ["a"]},
        {"expires": "soon"},
        {"expires": 7},
        {"prompt": "a\ud800"},
    ],
    ids=str,
)
def test_a_question_that_cannot_be_asked(world: World, upstream: Upstream, wrong: dict[str, Any]) -> None:
    question = {"question": "q2", "prompt": "Go on?", "schema": {}, "expires": None, **wrong}
    upstream.will(lambda call: call.begin_run().chunk(frame("question", stamped(**question), 2)).left(), accept)
    with GatewayRun(world, upstream.url) as run:
        assert run.ending() == ("failed", "upstream_failed")


def test_headers_that_are_not_ascii(world: World, upstream: Upstream) -> None:
    """Those of tracing are ignored, others go on as they came."""
    upstream.will(lambda call: call.stream(b"data: [DONE]\n\n"))
    headers = {"traceparent": "00-\xe9-2-01", "X-Name": "Ren\xc3\xa9"}  # bytes, as WSGI shows them
    with GatewayRun(world, upstream.url, headers=["X-Name"]) as run:
        run.ending()
        request = run.operation.with_headers(Anything(), headers.get)
        run.stage.until(run.stage.start(run.operation, request), "done")
    calls = [call.headers for call in upstream.calls]  # of two runs at once, of which one has headers
    assert not any("traceparent" in headers for headers in calls)
    assert [headers["x-name"] for headers in calls if "x-name" in headers] == ["Ren\xe9"]
