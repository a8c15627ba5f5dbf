"""Sends past the server: framing, counts, and what is left over, on real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Final

import gevent
import gevent.socket
import pytest
from gunicorn.http.wsgi import Response

from streaming.http.direct import Direct, direct
from tests.clients import PATIENCE

LARGE: Final = b"x" * 4_000_000


@pytest.fixture
def pair() -> Iterator[tuple[Any, Any]]:
    """The server's and the client's end of a connection."""
    server, client = gevent.socket.socketpair()
    with server, client:
        yield server, client


def response(sock: Any, *, chunked: bool = True, length: int | None = None) -> Any:
    """A response of gunicorn's."""
    made = Response(SimpleNamespace(), sock, SimpleNamespace())
    made.chunked, made.response_length = chunked, length
    return made


@pytest.mark.parametrize(("chunked", "sent"), [(True, b"5\r\nhello\r\n"), (False, b"hello")])
def test_a_block_in_the_servers_framing(pair: tuple[Any, Any], chunked: bool, sent: bytes) -> None:
    """In chunks, or as it is (HTTP/1.0); the server's count has the bytes of the body."""
    of_server = response(pair[0], chunked=chunked)
    assert Direct(of_server).send(b"hello")
    assert (pair[1].recv(100), of_server.sent) == (sent, 5)


def test_what_does_not_fit_is_written_later(pair: tuple[Any, Any]) -> None:
    """A send never waits; `write` sends the rest, and waits until the kernel has taken it."""
    connection = Direct(response(pair[0], chunked=False))
    assert not connection.send(LARGE)
    assert connection.unfinished
    with pytest.raises(ConnectionResetError):
        connection.check_finished()
    reader = gevent.spawn(read_all, pair[1], len(LARGE) + 3)
    with gevent.Timeout(PATIENCE):
        connection.write(b"")
        connection.check_finished()
        connection.write(b"end")
        assert reader.get() == LARGE + b"end"


def read_all(sock: Any, size: int) -> bytes:
    """Reads this many bytes."""
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < size:
        pieces.append(sock.recv(1_000_000))
    return b"".join(pieces)


def test_a_peer_that_has_gone(pair: tuple[Any, Any]) -> None:
    """A send does not raise, because others make it; the stream's own write does."""
    connection = Direct(response(pair[0]))
    pair[1].close()
    assert not connection.send(b"hello")
    with pytest.raises(OSError, match=r"Broken pipe|reset"):
        connection.write(b"")


@pytest.mark.parametrize("odd", ["no response", "a length", "a native socket", "another class"])
def test_what_only_the_server_may_write(pair: tuple[Any, Any], odd: str) -> None:
    """A response with a length, one on a socket that may be TLS or HTTP/2, and what is none of gunicorn's."""

    class Other(Response):  # type: ignore[misc]  # any class
        pass

    native, _ = socket.socketpair()
    with native, _:
        found = {
            "no response": None,
            "a length": response(pair[0], length=7),
            "a native socket": response(native),
            "another class": Other(SimpleNamespace(), pair[0], SimpleNamespace()),
        }
        assert direct(found[odd]) is None
    assert direct(response(pair[0])) is not None
