"""HTTP on a bare socket, for what a real client library hides: how a connection is left, cut, halved or reused.

Nothing here leans on the code under test: heads, chunks and frames are taken apart by the few lines below.

    with Connection(server) as viewer:
        assert viewer.request("GET", "/events").status == 200
        first = viewer.message()
        viewer.reset()
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

PATIENCE = 10.0
"""Seconds that anything awaited may take unless a test says otherwise; only a failure takes them."""


@dataclass(frozen=True)
class Address:
    """Where a server listens: `host` and `port`, or the `path` of a unix socket; `tls` where it speaks TLS there."""

    host: str = "127.0.0.1"
    port: int = 0
    path: Path | None = None
    tls: bool = False

    @property
    def url(self) -> str:
        """The address as a URL without a path; a unix socket has no host, so `localhost` stands in for it."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://localhost" if self.path else f"{scheme}://{self.host}:{self.port}"

    def connect(self, timeout: float = PATIENCE) -> socket.socket:
        """A connected socket. A TLS server's certificate is not looked at: it is the test's own."""
        family = socket.AF_UNIX if self.path else socket.AF_INET
        plain = socket.socket(family, socket.SOCK_STREAM)
        plain.settimeout(timeout)
        try:
            plain.connect(str(self.path) if self.path else (self.host, self.port))
            return _trusting_context().wrap_socket(plain) if self.tls else plain
        except BaseException:
            plain.close()
            raise

    def is_open(self) -> bool:
        """Whether anybody listens there."""
        with socket.socket(socket.AF_UNIX if self.path else socket.AF_INET) as probe:
            probe.settimeout(1)
            return probe.connect_ex(str(self.path) if self.path else (self.host, self.port)) == 0


def _trusting_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Reachable(Protocol):
    """Whatever has an address: a server of `tests.servers`."""

    @property
    def address(self) -> Address: ...


class Cut(Exception):
    """The peer closed the connection in the middle of a response."""


@dataclass(frozen=True)
class Head:
    """The head of a response; the names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Message:
    """One frame. `id` is `None` and `event` is empty where the frame has none; a heartbeat is all `comment`."""

    id: int | None = None
    event: str = ""
    data: str = ""
    comment: str | None = None
    retry: int | None = None

    @property
    def json(self) -> Any:
        """`data`, decoded."""
        return json.loads(self.data)


def parse_frame(frame: bytes) -> Message:
    """The message in a frame, which comes without its blank line; several `data` lines are joined with LF."""
    fields: dict[str, list[str]] = {}
    for line in frame.decode().split("\n"):
        name, _, value = line.partition(":")
        fields.setdefault(name, []).append(value.removeprefix(" "))
    last = {name: values[-1] for name, values in fields.items()}
    return Message(
        id=int(last["id"]) if "id" in last else None,
        event=last.get("event", ""),
        data="\n".join(fields.get("data", [])),
        comment=last.get(""),
        retry=int(last["retry"]) if "retry" in last else None,
    )


def parse_frames(stream: bytes) -> list[Message]:
    """The messages of a whole stream, comments and `retry` alone left out."""
    frames = stream.split(b"\n\n")
    assert frames.pop() == b"", "the stream ends inside a frame"
    return [message for message in map(parse_frame, frames) if message.event]


@dataclass
class Connection:
    """One connection to a server, for one request or several.

    Whatever waits raises `TimeoutError` after `timeout` seconds: for a head, a frame, an event, a comment or a body,
    each as a whole, however many bytes or heartbeats trickle in meanwhile. `receive_buffer` bounds what the kernel
    takes in (bytes), for viewers that stop reading.
    """

    server: Reachable
    timeout: float = PATIENCE
    receive_buffer: int | None = None
    socket: socket.socket = field(init=False)
    head: Head = field(init=False)

    def __post_init__(self) -> None:
        self.socket = self.server.address.connect(self.timeout)
        if self.receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        self._deadline = 0.0
        self._unread = bytearray()
        self._events = bytearray()
        self._pieces: Iterator[bytes] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    # requests

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def request(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Head:
        """Send a request and wait for the head of its response."""
        self.send(request_bytes(method, path, headers, body))
        return self.response(method)

    def response(self, method: str = "GET") -> Head:
        """Wait for the head of the next response on the connection; `method` is what was asked with."""
        self._begin_to_wait()
        status, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.head = Head(int(status.split()[1]), headers)
        self._events.clear()
        self._pieces = self._body_pieces(method)
        return self.head

    # what comes back

    def frame(self) -> bytes | None:
        """The next frame without its blank line, or `None` where the response ended; `Cut` where it broke off."""
        self._begin_to_wait()
        return self._frame()

    def message(self) -> Message:
        """The next event; heartbeats and `retry` are passed over. `Cut` where the stream is over."""
        for message in self.messages():
            return message
        raise Cut("the stream is over")

    def messages(self) -> Iterator[Message]:
        """The events up to the end of the response."""
        self._begin_to_wait()
        while (frame := self._frame()) is not None:
            message = parse_frame(frame)
            if message.event:
                yield message
                self._begin_to_wait()

    def until(self, event: str) -> list[Message]:
        """The events up to and with the next one of this name."""
        seen = []
        for message in self.messages():
            seen.append(message)
            if message.event == event:
                return seen
        raise Cut(f"the stream ended without {event!r}: {seen}")

    def comment(self) -> str:
        """The text of the next comment (heartbeat); events before it are passed over."""
        self._begin_to_wait()
        while (frame := self._frame()) is not None:
            if (text := parse_frame(frame).comment) is not None:
                return text
        raise Cut("the stream ended without a comment")

    def body(self) -> bytes:
        """The rest of the body, read to its end."""
        self._begin_to_wait()
        rest = bytes(self._events) + b"".join(self._pieces)
        self._events.clear()
        return rest

    # ways to leave

    def close(self) -> None:
        """Leave with a FIN. What has arrived is read first: closing over unread bytes would send a reset."""
        self.socket.settimeout(0)
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ConnectionError):
            while self.socket.recv(65536):
                pass
        self.socket.close()

    def reset(self) -> None:
        """Leave with a RST, as a crashed client does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def half_close(self) -> None:
        """Send a FIN and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    # frames

    def _frame(self) -> bytes | None:
        while (end := self._events.find(b"\n\n")) < 0:
            piece = next(self._pieces, None)
            if piece is None:
                if self._events:
                    raise Cut(f"the stream ended inside a frame: {bytes(self._events)!r}")
                return None
            self._events += piece
        frame = bytes(self._events[:end])
        del self._events[: end + 2]
        return frame

    # the HTTP of it (RFC 9112)

    def _body_pieces(self, method: str) -> Iterator[bytes]:
        """The body as it arrives, by the rules of section 6.3."""
        if method == "HEAD" or self.head.status in (204, 304):
            return iter(())
        if self.head.headers.get("transfer-encoding") == "chunked":
            return self._chunked()
        if "content-length" in self.head.headers:
            return self._exactly(int(self.head.headers["content-length"]))
        return self._to_the_end()

    def _chunked(self) -> Iterator[bytes]:
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            yield from self._exactly(size)
            self._until(b"\r\n")
        while self._until(b"\r\n"):
            pass

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self._take(size)
            size -= len(piece)
            yield piece

    def _to_the_end(self) -> Iterator[bytes]:
        with contextlib.suppress(Cut):
            while True:
                yield self._take(65536)

    def _until(self, mark: bytes) -> bytes:
        while (end := self._unread.find(mark)) < 0:
            self._receive()
        found = bytes(self._unread[:end])
        del self._unread[: end + len(mark)]
        return found

    def _take(self, most: int) -> bytes:
        if not self._unread:
            self._receive()
        taken = bytes(self._unread[:most])
        del self._unread[:most]
        return taken

    def _begin_to_wait(self) -> None:
        self._deadline = time.monotonic() + self.timeout

    def _receive(self) -> None:
        self.socket.settimeout(max(0.001, self._deadline - time.monotonic()))
        data = self.socket.recv(65536)
        if not data:
            raise Cut(f"the connection was closed after {bytes(self._unread)!r}")
        self._unread += data


def request_bytes(method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """A request of HTTP/1.1; a body brings its `Content-Length`."""
    lines = {"Host": "localhost", **(headers or {})}
    if body:
        lines["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def wait_until(condition: Callable[[], object], what: str, timeout: float = PATIENCE) -> None:
    """Wait for a condition to become true, and fail with `what` where it does not within `timeout` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {timeout} s"
        time.sleep(0.005)
