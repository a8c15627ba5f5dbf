"""HTTP on a bare socket, for what client libraries hide: how a connection is closed, reset, half-closed or reused.

Nothing here uses the code under test: the few lines below parse heads, chunks and frames by themselves.

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

PATIENCE = 60.0
"""Seconds that tests wait for anything unless they say otherwise; only a test that fails waits for so long."""


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
        """A connected socket. The certificate of a TLS server is not verified: it is the test's own."""
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
        """Whether a server listens there."""
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
    """The head of a response. The names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Message:
    """One frame. `id` is `None` and `event` is empty where it has none; a heartbeat is a `comment` alone."""

    id: int | None = None
    event: str = ""
    data: str = ""
    comment: str | None = None
    retry: int | None = None

    @property
    def json(self) -> Any:
        """The value of `data`."""
        return json.loads(self.data)


def parse_frame(frame: bytes) -> Message:
    """The message in a frame without its blank line; several `data` lines are joined with LF."""
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
    """The events of a whole stream, without comments and frames of `retry` alone."""
    frames = stream.split(b"\n\n")
    assert frames.pop() == b"", "the stream ends inside a frame"
    return [message for message in map(parse_frame, frames) if message.event]


@dataclass
class Connection:
    """One connection to a server, for one request or several.

    What waits for a head, a frame, an event, a comment or a body raises `TimeoutError` unless it is complete within
    `timeout` seconds, however many bytes or heartbeats arrive meanwhile. `receive_buffer` is how much the kernel
    receives ahead (bytes), for viewers that stop reading.
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
        """Sends bytes as they are."""
        self.socket.sendall(data)

    def request(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Head:
        """Sends a request, and waits for the head of its response."""
        self.send(request_bytes(method, path, headers, body))
        return self.response(method)

    def response(self, method: str = "GET") -> Head:
        """Waits for the head of the next response on the connection; `method` is that of its request."""
        self._set_deadline()
        status, *lines = self._read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.head = Head(int(status.split()[1]), headers)
        self._events.clear()
        self._pieces = self._body_pieces(method)
        return self.head

    # responses

    def frame(self) -> bytes | None:
        """The next frame without its blank line, `None` at the end of the response; raises `Cut` where it is cut."""
        self._set_deadline()
        return self._frame()

    def message(self) -> Message:
        """The next event, after any heartbeats and `retry`; raises `Cut` at the end of the response."""
        for message in self.messages():
            return message
        raise Cut("the stream is over")

    def messages(self) -> Iterator[Message]:
        """The events up to the end of the response."""
        self._set_deadline()
        while (frame := self._frame()) is not None:
            message = parse_frame(frame)
            if message.event:
                yield message
                self._set_deadline()

    def until(self, event: str) -> list[Message]:
        """The events up to the next one of this name, which is the last of them; raises `Cut` without one."""
        messages = []
        for message in self.messages():
            messages.append(message)
            if message.event == event:
                return messages
        raise Cut(f"the stream ended without {event!r}: {messages}")

    def comment(self) -> str:
        """The text of the next comment (a heartbeat), after any events; raises `Cut` without one."""
        self._set_deadline()
        while (frame := self._frame()) is not None:
            if (text := parse_frame(frame).comment) is not None:
                return text
        raise Cut("the stream ended without a comment")

    def body(self) -> bytes:
        """The rest of the body."""
        self._set_deadline()
        rest = bytes(self._events) + b"".join(self._pieces)
        self._events.clear()
        return rest

    # ways to close

    def close(self) -> None:
        """Closes with a FIN. What has arrived is read first: with unread bytes, a close sends a reset."""
        self.socket.settimeout(0)
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ConnectionError):
            while self.socket.recv(65536):
                pass
        self.socket.close()

    def reset(self) -> None:
        """Closes with a RST, as a client that crashes does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def half_close(self) -> None:
        """Sends a FIN, and goes on reading."""
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

    # HTTP (RFC 9112)

    def _body_pieces(self, method: str) -> Iterator[bytes]:
        """The body as it arrives; section 6.3 says where it ends."""
        if method == "HEAD" or self.head.status in (204, 304):
            return iter(())
        if self.head.headers.get("transfer-encoding") == "chunked":
            return self._chunked()
        if "content-length" in self.head.headers:
            return self._exactly(int(self.head.headers["content-length"]))
        return self._to_the_end()

    def _chunked(self) -> Iterator[bytes]:
        while size := int(self._read_until(b"\r\n").split(b";")[0], 16):
            yield from self._exactly(size)
            self._read_until(b"\r\n")
        while self._read_until(b"\r\n"):
            pass

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self._read(size)
            size -= len(piece)
            yield piece

    def _to_the_end(self) -> Iterator[bytes]:
        with contextlib.suppress(Cut):
            while True:
                yield self._read(65536)

    def _read_until(self, mark: bytes) -> bytes:
        while (end := self._unread.find(mark)) < 0:
            self._receive()
        line = bytes(self._unread[:end])
        del self._unread[: end + len(mark)]
        return line

    def _read(self, most: int) -> bytes:
        if not self._unread:
            self._receive()
        piece = bytes(self._unread[:most])
        del self._unread[:most]
        return piece

    def _set_deadline(self) -> None:
        self._deadline = time.monotonic() + self.timeout

    def _receive(self) -> None:
        self.socket.settimeout(max(0.001, self._deadline - time.monotonic()))
        data = self.socket.recv(65536)
        if not data:
            raise Cut(f"the connection was closed after {bytes(self._unread)!r}")
        self._unread += data


def request_bytes(method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """A request of HTTP/1.1, with the `Content-Length` of its body where it has one."""
    lines = {"Host": "localhost", **(headers or {})}
    if body:
        lines["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def wait_until(condition: Callable[[], object], what: str, timeout: float = PATIENCE) -> None:
    """Waits for a condition to become true; fails with `what` unless it does within `timeout` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {timeout} s"
        time.sleep(0.005)
