"""Chunked bodies: read beside httpcore, in whatever pieces they come, and the connection is used again or closed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import gevent
import gevent.socket
import httpcore
import pytest

from streaming.gateways.sockets import BODILESS_BYTES, ChunkedBody, GeventStream
from tests.apps.gateway_upstream import Call, Upstream
from tests.clients import PATIENCE
from tests.gateways.test_gateway import GatewayRun
from tests.worlds import World, entered

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS = [("message", f"event {n} \u20ac") for n in range(3)]


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    """A chunk (RFC 9112, section 7.1)."""
    return b"%x%b\r\n%b\r\n" % (len(data), extension, data)


def frames() -> list[bytes]:
    """The frames of `EVENTS`."""
    return [f"data: {data}\n\n".encode() for _, data in EVENTS]


WHOLE = HEAD + b"".join(map(chunk, frames())) + b"0\r\n\r\n"


@pytest.fixture
def world() -> Iterator[World]:
    """One world: the other differs in nothing that is tested here."""
    with entered("own hub") as world:
        yield world


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A service that follows the test's scripts."""
    with Upstream() as upstream:
        yield upstream


def sending(*pieces: bytes) -> Callable[[Call], None]:
    """Sends bytes, each piece by itself."""

    def script(call: Call) -> None:
        call.read()
        for piece in pieces:
            call.send(piece)
            time.sleep(0.0005)

    return script


@pytest.mark.parametrize(
    "pieces",
    [
        [WHOLE],
        [WHOLE[at : at + 1] for at in range(len(WHOLE))],
        [WHOLE[:-1], WHOLE[-1:]],
        [HEAD.replace(b"\r\n", b"\n") + WHOLE.removeprefix(HEAD)],
        [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + WHOLE],
        [HEAD, b"".join(chunk(frame, b";a=b;c") for frame in frames()), b"0\r\nTrailer: x\r\n\r\n"],
        [HEAD, b"".join(chunk(frame[at : at + 1]) for frame in frames() for at in range(len(frame))), b"0\r\n\r\n"],
    ],
    ids=["whole", "bytes", "last byte", "bare LF", "early hints", "extensions and trailers", "tiny chunks"],
)
def test_a_body_in_pieces(world: World, upstream: Upstream, pieces: list[bytes]) -> None:
    """The events are the same, and the connection is used again."""
    upstream.will(sending(*pieces))
    for _ in range(2):
        with GatewayRun(world, upstream.url) as run:
            assert run.events() == EVENTS
        world.call(gevent.sleep, 0.02)
    assert upstream.connections == 1


@pytest.mark.parametrize("excess", [b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
def test_more_than_the_body(world: World, upstream: Upstream, excess: bytes) -> None:
    """What follows the last chunk is the answer to no request: the connection is closed."""
    upstream.will(sending(WHOLE + excess))
    for _ in range(2):
        with GatewayRun(world, upstream.url) as run:
            assert run.events() == EVENTS
    assert upstream.connections == 2


@pytest.mark.parametrize(
    "wrong",
    [
        b"zz\r\n",
        b"fffffffffffffffffff\r\n",
        b"-1\r\n",
        b"5;" + b"x" * (2 * BODILESS_BYTES),
        b"0\r\nTrailer: " + b"x" * (2 * BODILESS_BYTES),
        b"20\r\ndata: half",
    ],
    ids=["no size", "an endless size", "a negative size", "an endless extension", "an endless trailer", "an early end"],
)
def test_a_body_that_cannot_be_read(world: World, upstream: Upstream, wrong: bytes) -> None:
    """The run keeps what came before, and the stream was cut."""

    def script(call: Call) -> None:
        sending(HEAD + chunk(frames()[0]), wrong)(call)
        call.cut()

    upstream.will(script)
    with GatewayRun(world, upstream.url) as run:
        assert run.events() == EVENTS[:1]
        assert run.ending() == ("failed", "upstream_truncated")


def test_silence_between_reads(world: World, upstream: Upstream) -> None:
    """The time counts from the last byte, however many came before it; events in time keep the stream open."""

    def script(call: Call) -> None:
        call.head()
        for frame in frames():
            call.chunk(frame)
            time.sleep(0.3)
        call.left()

    upstream.will(script)
    with GatewayRun(world, upstream.url, idle=0.5) as run:
        assert run.events() == EVENTS
        assert run.messages()[-2].json["message"] == "The upstream sent nothing for 0.5 seconds."
        assert 1.0 < run.messages()[-1].json["elapsed"] < PATIENCE


def test_a_connection_that_is_closed_beside_its_reader() -> None:
    """As by the end of a worker's pool: the reader does not wait on, whoever gets the number of the socket."""
    ours, theirs = gevent.socket.socketpair()
    stream = GeventStream(ours)
    body = ChunkedBody(stream, 10 * PATIENCE)
    reader = gevent.spawn(body.read)
    gevent.sleep(0.01)
    stream.close()
    with theirs, pytest.raises(httpcore.ReadError), gevent.Timeout(PATIENCE):
        reader.get()
    body.close()
