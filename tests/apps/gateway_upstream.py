"""An upstream that does as its test says, byte by byte: what gateways meet, good and bad.

It is a socket and a thread for each connection, so that it lives beside a hub of the same process, and sees the moment
at which a gateway lets go.

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
"""What a run of Headway begins with."""


def frame(name: str, data: Any, number: int | None = None) -> bytes:
    """An event of an upstream; a string goes as it is, anything else as JSON."""
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    head = "" if number is None else f"id: {number}\n"
    named = f"event: {name}\n" if name else ""
    lines = "".join(f"data: {line}\n" for line in text.split("\n"))
    return f"{head}{named}{lines}\n".encode()


def stamped(**data: Any) -> dict[str, Any]:
    """An event's data as Headway writes it."""
    return {"timestamp": START["timestamp"], **data}


MARGIN = 1.0
"""Seconds within which what takes 100 ms has to be seen: an order of magnitude."""


def promptly(once: Callable[[], float]) -> None:
    """One of three tries takes no longer than that; a machine that stands still for a moment spoils one."""
    took: list[float] = []
    while not took or took[-1] > MARGIN:
        assert len(took) < 3, took
        took.append(once())


class Call:
    """One request, and the connection on which it is answered."""

    def __init__(self, upstream: Upstream, sock: Any, reader: Any) -> None:
        self.upstream = upstream
        self.socket = sock
        self._reader = reader
        self.came = time.monotonic()
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

    # what was asked

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives: whole where its length was told, else chunk by chunk."""
        if "content-length" in self.headers:
            yield self._reader.read(int(self.headers["content-length"]))
        elif self.headers.get("transfer-encoding") == "chunked":
            while size := int(self._reader.readline(), 16):
                yield self._reader.read(size)
                self._reader.readline()
            self._reader.readline()

    def begin_to_read(self, size: int) -> None:
        """Takes the first bytes of a body in; of one in chunks, the first chunks."""
        if "content-length" in self.headers:
            assert len(self._reader.read(size)) == size
        else:
            pieces = self.pieces()
            while size > 0:
                size -= len(next(pieces))

    def read(self) -> Self:
        """Takes the whole body in."""
        assert self.body is not None
        return self

    @property
    def body(self) -> bytes:
        """All of it."""
        if not hasattr(self, "_body"):
            self._body = b"".join(self.pieces())
        return self._body

    # what is answered

    def send(self, data: bytes) -> Self:
        """Bytes as they are."""
        self.socket.sendall(data)
        return self

    def head(self, status: int = 200, **headers: str) -> Self:
        """A head, of an event stream in chunks unless told otherwise; `_` stands for `-`, an empty value for none."""
        lines = {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        told = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        self.send(f"HTTP/1.1 {status} Told\r\n{told}\r\n".encode())
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
        """An answer that is no stream."""
        self.head(status, content_type=content_type, transfer_encoding="", content_length=str(len(body)), **headers)
        self.send(body)
        return self

    def begin_run(self, run: str = "upstream-run") -> Self:
        """What Headway says at once to the start of a run."""
        self.head(run_id=run, location=f"/runs/{run}")
        self.chunk(b"retry: 2000\n\n" + frame("start", {**START, "run": run}, 1))
        return self

    def cut(self) -> Self:
        """Closes the connection, in the middle of whatever it is."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.over = True
        return self

    def reset(self) -> Self:
        """The same, with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.over = True
        return self

    def left(self) -> float:
        """The moment when the gateway closes the connection, which is waited for."""
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
        """What is done with the next requests."""
        self._scripts = list(scripts)

    def call(self, number: int) -> Call:
        """The call of this number, from 0 on, which is waited for."""
        wait_until(lambda: len(self.calls) > number, f"call {number} of an upstream")
        return self.calls[number]

    def close(self) -> None:
        """Lets nobody in any more, as a service that is down."""
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
            pass  # the gateway has gone, which is its right
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
                call.body  # noqa: B018  # what the script did not read stands before the next request


def _serving(certificate: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certfile, certificate.keyfile)
    return context
