"""An upstream that follows the scripts of a test, byte by byte: it can do everything that gateways may meet.

It has a thread for each connection, so that it works beside a hub in the same process, and sees exactly when a gateway
disconnects.

    with Upstream() as upstream:
        upstream.will(lambda call: call.stream(b"data: 1\\n\\n"))
        ... a gateway to upstream.url ...
        assert upstream.calls[0].headers["accept"] == "text/event-stream"
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

from tests.clients import PATIENCE, wait_until

Script = Callable[["Call"], object]

START = {"timestamp": "2026-11-23T09:30:00.125Z", "run": "upstream-run", "operation": "work"}
"""The data of the first event of a Headway run."""


def frame(name: str, data: Any, number: int | None = None) -> bytes:
    """The frame of an event; a string is sent as it is, anything else as JSON."""
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    head = "" if number is None else f"id: {number}\n"
    named = f"event: {name}\n" if name else ""
    lines = "".join(f"data: {line}\n" for line in text.split("\n"))
    return f"{head}{named}{lines}\n".encode()


def stamped(**data: Any) -> dict[str, Any]:
    """Data with a timestamp, as Headway writes it."""
    return {"timestamp": START["timestamp"], **data}


MARGIN = 1.0
"""Seconds for what should take 100 ms: ten times as many."""


def promptly(once: Callable[[], float]) -> None:
    """Passes if one of three tries takes no longer than `MARGIN`: a busy machine may delay one."""
    delays: list[float] = []
    while not delays or delays[-1] > MARGIN:
        assert len(delays) < 3, delays
        delays.append(once())


class Call:
    """One request, and the connection on which it is answered."""

    def __init__(self, upstream: Upstream, sock: Any, reader: Any) -> None:
        self.upstream = upstream
        self.socket = sock
        self._reader = reader
        self.method, self.path, self.headers = self._head()
        self.over = False

    def _head(self) -> tuple[str, str, dict[str, str]]:
        first = self._reader.readline().decode()
        if not first:
            raise EOFError
        headers = {}
        while line := self._reader.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        method, path, _ = first.split()
        return method, path, headers

    # the request

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives: in one piece if it has a length, else chunk by chunk."""
        if "content-length" in self.headers:
            yield self._reader.read(int(self.headers["content-length"]))
        elif self.headers.get("transfer-encoding") == "chunked":
            while size := int(self._reader.readline(), 16):
                yield self._reader.read(size)
                self._reader.readline()
            self._reader.readline()

    def begin_to_read(self, size: int) -> None:
        """Reads the first bytes of a body, or its first chunks."""
        if "content-length" in self.headers:
            assert len(self._reader.read(size)) == size
        else:
            pieces = self.pieces()
            while size > 0:
                size -= len(next(pieces))

    def read(self) -> Self:
        """Reads the whole body."""
        assert self.body is not None
        return self

    @property
    def body(self) -> bytes:
        """The whole body."""
        if not hasattr(self, "_body"):
            self._body = b"".join(self.pieces())
        return self._body

    # the response

    def send(self, data: bytes) -> Self:
        """Bytes as they are."""
        self.socket.sendall(data)
        return self

    def head(self, status: int = 200, **headers: str) -> Self:
        """A head, by default of a stream in chunks. In names `_` stands for `-`; an empty value omits a header."""
        lines = {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        self.send(f"HTTP/1.1 {status} Reason\r\n{text}\r\n".encode())
        return self

    def chunk(self, data: bytes) -> Self:
        """A piece of a body in chunks."""
        self.send(b"%x\r\n%b\r\n" % (len(data), data))
        return self

    def finish(self) -> Self:
        """The last chunk."""
        self.send(b"0\r\n\r\n")
        return self

    def stream(self, *pieces: bytes, **headers: str) -> Self:
        """A whole event stream."""
        self.head(200, **headers)
        for piece in pieces:
            self.chunk(piece)
        self.finish()
        return self

    def answer(self, status: int, body: bytes, content_type: str, **headers: str) -> Self:
        """A response that is no stream."""
        self.head(status, content_type=content_type, transfer_encoding="", content_length=str(len(body)), **headers)
        self.send(body)
        return self

    def begin_run(self, run: str = "upstream-run") -> Self:
        """The beginning of a run's stream, as Headway sends it at once."""
        self.head(run_id=run, location=f"/runs/{run}")
        self.chunk(b"retry: 2000\n\n" + frame("start", {**START, "run": run}, 1))
        return self

    def cut(self) -> Self:
        """Closes the connection."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.over = True
        return self

    def reset(self) -> Self:
        """Closes the connection with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.over = True
        return self

    def left(self) -> float:
        """Waits until the gateway closes the connection, and returns the time."""
        with contextlib.suppress(OSError):
            while self._reader.read1(65536):
                pass
        self.over = True
        return time.monotonic()


class Upstream:
    """A service that follows its scripts, one for each request; the last one again and again."""

    def __init__(self, certificate: Any = None) -> None:
        self.calls: list[Call] = []
        self.connections = 0
        self.left_at: list[float] = []
        self.failures: list[BaseException] = []
        self._scripts: list[Script] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._context = _serving(certificate) if certificate else None
        self._open: list[Any] = []
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}/operations/work"

    def will(self, *scripts: Script) -> None:
        """Sets the scripts for the next requests."""
        self._scripts = list(scripts)

    def call(self, number: int) -> Call:
        """Waits for the call of this number, from 0 on."""
        wait_until(lambda: len(self.calls) > number, f"call {number} of an upstream")
        return self.calls[number]

    def close(self) -> None:
        """Refuses connections from now on, as a service that is down."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        assert not self.failures, self.failures

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                self._open.append(sock)
                threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, plain: socket.socket) -> None:
        try:
            plain.settimeout(3 * PATIENCE)
            with self._context.wrap_socket(plain, server_side=True) if self._context else plain as sock:
                self._answer_all(sock)
        except (OSError, EOFError, ValueError):
            pass  # the gateway may disconnect at any time
        except BaseException as failure:  # noqa: BLE001  # a script of the test's own
            self.failures.append(failure)

    def _answer_all(self, sock: Any) -> None:
        with sock.makefile("rb") as reader:
            while True:
                call = Call(self, sock, reader)
                self.calls.append(call)
                script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
                script(call)
                if call.over:
                    return
                call.body  # noqa: B018  # read if the script has not: the next request follows it


def _serving(certificate: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certfile, certificate.keyfile)
    return context
