"""Streams of JSON lines."""

from __future__ import annotations

import pytest

from streaming.errors import EventTooLarge
from streaming.gateways.lines import LineParser
from tests.apps.gateway_upstream import Upstream
from tests.gateways.test_gateway import GatewayRun
from tests.worlds import World

OLLAMA = [
    b'{"model":"m","message":{"content":"Fo"},"done":false}\n',
    b'{"model":"m","message":{"content":"ur"},"done":false}\r\n\n',
    b'{"model":"m","done":true}\n',
]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_lines_in_pieces(size: int) -> None:
    """Each line is a message, however it arrives; empty lines are none."""
    parser, stream = LineParser(max_bytes=100), b"".join(OLLAMA)
    messages = [each for at in range(0, len(stream), size) for each in parser.feed(stream[at : at + size])]
    assert [message.data.encode() for message in messages] == [line.strip() for line in OLLAMA]
    assert {message.event for message in messages} == {"message"}
    assert not parser.unfinished


def test_a_line_without_its_end() -> None:
    """It was cut."""
    parser = LineParser(max_bytes=100)
    assert parser.feed(b'{"a":1}') == []
    assert parser.unfinished


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_that_is_too_long(end: bytes) -> None:
    """The messages before it are kept."""
    parser = LineParser(max_bytes=10)
    with pytest.raises(EventTooLarge):
        parser.feed(b"1\n2\n" + b"x" * 11 + end)
    assert [message.data for message in parser.completed] == ["1", "2"]


def test_a_gateway_to_ollama(world: World) -> None:
    """Its lines are events, and the last one ends the stream; an early end is a cut."""
    ndjson = {"media_types": ["application/x-ndjson"]}
    with Upstream() as upstream:
        upstream.will(lambda call: call.read().stream(*OLLAMA, content_type="application/x-ndjson"))
        with GatewayRun(world, upstream.url, **ndjson) as run:
            assert [name for name, _ in run.events()] == ["message"] * 3
            assert run.ending()[0] == "succeeded"
        upstream.will(lambda call: call.read().stream(OLLAMA[0], content_type="application/x-ndjson"))
        with GatewayRun(world, upstream.url, **ndjson) as run:
            assert run.messages()[-2].json["code"] == "upstream_truncated"


@pytest.mark.parametrize("sent", ["text/plain; charset=utf-8", ""])
def test_an_event_stream_of_another_type(world: World, sent: str) -> None:
    """It is read where the gateway says so."""
    with Upstream() as upstream:
        upstream.will(lambda call: call.read().stream(b"data: {}\n\n", content_type=sent))
        with GatewayRun(world, upstream.url, media_types=["text/plain", ""]) as run:
            assert run.ending()[0] == "succeeded"
        with GatewayRun(world, upstream.url) as run:
            assert run.messages()[-2].json["code"] == "upstream_failed"
